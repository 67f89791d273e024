package magic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/store"
)

// A mailing is a mail that was asked for: its limits, and its place in the store.
type mailing struct {
	*handler
	r       *http.Request
	tag     string
	address string
	asker   browser
	known   bool // the browser has signed in to the address before
	asked   bool // the browser has asked for the address today
	shared  sharedLimits
	limits  addressLimits

	// As last read.
	slots []slotRecord
	items []store.Item
	next  time.Duration // no mail can be sent before; 0: it can

	// What counts the mail: against the client's address, the provider and the mail's address. The first two are empty
	// for a mail that only the limit of known browsers counts.
	byClient, total, byAddress []store.Change

	tally tally
}

// The steps of a mailing's tally. The last has the slot, too.
const (
	stepClient = iota
	stepTotal
	stepAddress
)

func (h *handler) newMailing(r *http.Request, tag, address string, b browser) *mailing {
	addr := h.flow.Addr(r)
	return &mailing{
		handler: h, r: r, tag: tag, address: address, asker: b, known: b.knows(address, h.now()), asked: b.asked(address, h.now()),
		shared: h.sharedLimits(addr), limits: h.addressLimits(tag, addr), tally: h.newTally(),
	}
}

// look reads everything that decides about the mail, in one Get.
func (p *mailing) look(ctx context.Context) (err error) {
	n := p.limits
	all := slices.Concat([]limit.Bucket{n.mails, n.mailsKnown, n.reserve, n.reserveWide}, p.shared.client, p.shared.total, p.shared.wrong)
	p.slots, p.items, err = p.read(ctx, p.tag, all...)
	return err
}

func (p *mailing) state(buckets ...limit.Bucket) (*limit.State, error) {
	return limit.Decode(p.items, buckets...)
}

func (p *mailing) plan(buckets ...limit.Bucket) ([]store.Change, error) {
	state, err := p.state(buckets...)
	if err != nil {
		return nil, err
	}
	return state.Take(p.now())
}

// admit decides whether the mail is sent. It only reads: keep counts the mail. The error is a limit of the client's
// address or of the provider, or the store's. A mail that its address has no room for is held, see held: that is not an
// error.
func (p *mailing) admit(ctx context.Context) error {
	if err := p.look(ctx); err != nil {
		return err
	}
	err := p.wider()
	if errors.Is(err, limit.ErrLimited) && p.known {
		// Strangers must not use up the mails of a browser that knows the address. It has some that nothing else
		// limits.
		p.byClient, p.total = nil, nil
		return p.choose([]limit.Bucket{p.limits.mailsKnown})
	}
	if err != nil {
		return err
	}
	return p.fromAddress()
}

// wider plans what counts the mail against the client's address, and against the provider.
func (p *mailing) wider() (err error) {
	if p.tally.pending(stepClient) {
		if p.byClient, err = p.plan(p.shared.client...); err != nil {
			return err
		}
	}
	if p.tally.pending(stepTotal) {
		state, err := p.state(p.shared.total...)
		if err != nil {
			return err
		}
		if p.total, err = state.TakeAny(p.now()); err != nil {
			return err
		}
	}
	return nil
}

// fromAddress finds the limit of the address that the mail comes from: everybody's, that of browsers that know it, or
// the reserve for browsers and networks that have not asked today. If none has room, the mail is held.
func (p *mailing) fromAddress() error {
	from := [][]limit.Bucket{{p.limits.mails}}
	if p.known {
		from = append(from, []limit.Bucket{p.limits.mailsKnown})
	}
	if !p.asked {
		from = append(from, []limit.Bucket{p.limits.reserve, p.limits.reserveWide})
	}
	return p.choose(from...)
}

// choose takes the first of several limits that has room, if there is room for the mail itself.
func (p *mailing) choose(from ...[]limit.Bucket) error {
	p.byAddress, p.next = nil, 0
	for _, buckets := range from {
		changes, err := p.plan(buckets...)
		var denied *limit.Error
		switch {
		case errors.As(err, &denied):
			if p.next == 0 || denied.RetryAfter < p.next {
				p.next = denied.RetryAfter
			}
		case err != nil:
			return err
		default:
			p.byAddress, p.next = changes, 0
			if choose(p.slots, p.slot(), p.now()) == nil {
				p.byAddress, p.next = nil, p.config.Life // until one of the mails is dead
			}
			return nil
		}
	}
	return nil
}

// slot is the mail's slot as far as choose looks at it.
func (p *mailing) slot() slot { return slot{Browser: hash(p.asker.ID), Known: p.known} }

// held reports whether no mail is sent, because enough were.
func (p *mailing) held() bool { return p.next > 0 }

// hardened reports whether there were so many wrong codes at this provider that its mails carry no short code.
func (p *mailing) hardened() bool {
	state, err := p.state(p.shared.wrong...)
	return err != nil || state.LeftInAll(p.now()) == 0
}

// keep counts the mail and writes its slot, in one Write if the store can.
func (p *mailing) keep(ctx context.Context, s slot, l sealedPart) error {
	first := true
	err := limit.Retry(ctx, "magic mail", func() (bool, error) {
		if !first {
			if err := p.admit(ctx); err != nil {
				return false, err
			}
			if p.held() {
				return false, errCrowd // racers have used up the limit since
			}
		}
		first = false
		b := choose(p.slots, s, p.now())
		if b == nil {
			return false, errCrowd
		}
		sealed, err := p.sealPart(ctx, b.item.Key, s.Flow, l)
		if err != nil {
			return false, err
		}
		b.slot = s
		b.slot.Sealed = sealed
		put, err := b.change()
		if err != nil {
			return false, err
		}
		moved, err := p.tally.write(ctx, p.byClient, p.total, append(p.byAddress, put))
		return !moved, err
	})
	if denied := new(limit.Error); errors.As(err, &denied) || errors.Is(err, errCrowd) || err == nil {
		return err
	}
	return fmt.Errorf("magic: counting a mail: %w", err)
}

// hold answers as if a mail had been sent. If this browser's earlier mail is good, it counts for the new attempt as
// well.
func (p *mailing) hold(ctx context.Context, w http.ResponseWriter, b browser) (state string, err error) {
	now := p.now()
	a := attempt{Tag: p.tag, Held: &held{To: p.address, Next: now.Add(p.next).UnixMilli()}}
	if q := rest(asked(p.r)); len(q) <= maxHeldQuery {
		a.Held.Query = q
	}
	for i := range p.slots {
		if old := &p.slots[i]; old.item.Version != "" && old.slot.Browser == hash(b.ID) && old.live(now) {
			a.Flow = old.slot.Flow
		}
	}
	if state, err = p.flow.Start(w, p.r, a); err != nil {
		return "", err
	}
	if err := p.setBrowser(ctx, w, b); err != nil {
		return "", err
	}
	p.limited(p.r, "mail", p.address)
	return state, nil
}
