package magic

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/store"
)

// maxTries is how often a code can be guessed at before it is dead.
const maxTries = 5

// redeemCode takes a code, only in the browser that asked for it.
func (h *handler) redeemCode(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	var a attempt
	if err := h.flow.Peek(r, &a); err != nil {
		h.flow.Fail(w, r, err)
		return
	}
	state := r.PostForm.Get("state")
	flow := a.mail(state)
	code, ok := parseCode(r.PostForm.Get("code"))
	if !ok { // not a guess, so it costs none
		b, err := h.find(ctx, a.Tag, flow)
		if err == nil {
			err = errNoCode
		}
		h.refuseCode(w, r, a, b, state, err)
		return
	}
	g := &guess{handler: h, r: r, tag: a.Tag, mail: flow}
	b, err := g.charge(ctx)
	if err != nil {
		h.refuseCode(w, r, a, b, state, err)
		return
	}
	right, err := h.opens(ctx, forCode, b.slot.Code, b.Address, flow, code)
	switch {
	case err != nil:
		h.refuseCode(w, r, a, b, state, err)
		return
	case !right:
		err := errWrong
		if crossed, failed := h.countWrong(ctx, h.flow.Addr(r)); failed != nil {
			err = failed // nothing about the code is answered that was not counted
		} else if crossed {
			h.flow.Emit(ctx, r, postern.Event{Name: "codes hardened"})
		}
		h.refuseCode(w, r, a, b, state, err)
		return
	}
	answered, err := h.end(w, r, use{tag: a.Tag, b: b, here: true, guess: g})
	switch {
	case err != nil:
		h.refuseCode(w, r, a, b, state, err)
	case !answered:
		h.finish(w, r, b, "code")
	}
}

// A guess is a code on its way to be compared.
type guess struct {
	*handler
	r         *http.Request
	tag, mail string

	// What was counted, which a right code gives back: against the client's address and against the mail's address.
	client, address counted
}

// counted are takes of buckets of one part.
type counted struct {
	at      time.Time
	buckets []limit.Bucket // none: nothing was counted
	written []store.Item
}

func count(at time.Time, buckets []limit.Bucket, changes []store.Change) counted {
	c := counted{at: at, buckets: buckets}
	for _, change := range changes {
		c.written = append(c.written, change.Item)
	}
	return c
}

// The steps of a guess's tally. The second has the slot, too.
const guessByClient = 0

// charge counts a guess before anything is compared: against the client's address, the mail's address and the code. A
// caller that gets a nil error may compare once. A write without an answer counts as failed: the guess may be lost,
// never free.
func (g *guess) charge(ctx context.Context) (*slotRecord, error) {
	who, err := g.browser(ctx, g.r)
	if err != nil {
		return nil, err
	}
	addr, t := g.flow.Addr(g.r), g.newTally()
	n, client := g.addressLimits(g.tag, addr), g.sharedLimits(addr).guesses
	var b *slotRecord
	for range conflicts + t.together {
		all, items, err := g.read(ctx, g.tag, append([]limit.Bucket{n.guesses, n.guessesWide, n.guessesKnown}, client...)...)
		if err != nil {
			return nil, err
		}
		if b, err = g.pick(ctx, all, g.mail); err != nil {
			return nil, err
		}
		if err := g.chargeable(b); err != nil {
			return b, err
		}
		now := g.now()
		if !t.pending(guessByClient) {
			client = nil
		}
		taken, err := plan(now, items, client, who.knows(b.Address, now), n)
		if err != nil {
			return b, err
		}
		b.slot.Tries++
		put, err := b.change()
		if err != nil {
			return b, err
		}
		moved, err := t.write(ctx, taken.byClient, append(taken.byAddress, put))
		if len(taken.byClient) > 0 && !t.pending(guessByClient) { // by then it is counted, whatever becomes of the rest
			g.client = count(now, client, taken.byClient)
		}
		if err != nil {
			return b, err
		}
		if !moved {
			g.address = count(now, taken.from, taken.byAddress)
			b.item.Version = put.Item.Version
			return b, nil
		}
	}
	return nil, errCrowd
}

func (g *guess) chargeable(b *slotRecord) error {
	if err := b.state(g.now(), true); err != nil {
		return err
	}
	switch {
	case b.slot.Code == "":
		return errNotSent
	case b.slot.Tries >= maxTries:
		return errTries
	}
	return nil
}

// planned are the changes that count a guess: against the client's address, and against the mail's address in the
// buckets from.
type planned struct {
	from                []limit.Bucket
	byClient, byAddress []store.Change
}

// plan finds the limits that a guess counts against. A browser that knows the address has guesses left when strangers
// have used up the others; those do not count against the client's address.
func plan(now time.Time, items []store.Item, client []limit.Bucket, known bool, n addressLimits) (p planned, err error) {
	take := func(buckets ...limit.Bucket) ([]store.Change, error) {
		state, err := limit.Decode(items, buckets...)
		if err != nil {
			return nil, err
		}
		return state.Take(now)
	}
	p.from = []limit.Bucket{n.guesses, n.guessesWide}
	if p.byAddress, err = take(p.from...); err == nil {
		p.byClient, err = take(client...)
	}
	if errors.Is(err, limit.ErrLimited) && known {
		p = planned{from: []limit.Bucket{n.guessesKnown}}
		p.byAddress, err = take(p.from...)
	}
	return p, err
}

// back returns the changes of giveBack, for a Write with the use of the mail. They are none if one cannot be made.
func (g *guess) back() (changes []store.Change) {
	for _, c := range []counted{g.client, g.address} {
		state, err := limit.Decode(c.written, c.buckets...)
		if err != nil {
			return nil
		}
		some, err := state.GiveBack(c.at)
		if err != nil {
			return nil
		}
		changes = append(changes, some...)
	}
	return changes
}

// giveBack returns what the guess took: the code was right. If it fails, the next wrong code is refused sooner.
func (g *guess) giveBack(ctx context.Context) {
	for _, c := range []counted{g.client, g.address} {
		if len(c.buckets) == 0 {
			continue
		}
		if err := limit.GiveBack(ctx, g.flow.Store(), c.at, c.written, c.buckets...); err != nil {
			g.config.Logger.WarnContext(ctx, "magic: a right code counts as a wrong one", "error", err)
		}
	}
}
