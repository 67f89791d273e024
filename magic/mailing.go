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
	slots   []slotRecord
	items   []store.Item
	changes []store.Change // that count the mail against its address
	next    time.Duration  // no mail can be sent before; 0: it can

	clientCounted bool
}

func (h *handler) newMailing(r *http.Request, tag, address string, b browser) *mailing {
	addr := h.flow.Addr(r)
	return &mailing{
		handler: h, r: r, tag: tag, address: address, asker: b, known: b.knows(address, h.now()), asked: b.asked(address, h.now()),
		shared: h.sharedLimits(addr), limits: h.addressLimits(tag, addr),
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

// admit decides whether the mail is sent, and counts it against the client's address and the provider. The error is a
// limit of those two, or the store's. A mail that its address has no room for is held, see held: that is not an error.
func (p *mailing) admit(ctx context.Context) error {
	err := limit.Retry(ctx, "magic mail", func() (bool, error) {
		if err := p.look(ctx); err != nil {
			return false, err
		}
		byClient, total, err := p.wider()
		if errors.Is(err, limit.ErrLimited) && p.known {
			// Strangers must not use up the mails of a browser that knows the address. It has some that nothing else
			// limits.
			return true, p.choose([]limit.Bucket{p.limits.mailsKnown})
		}
		if err != nil {
			return false, err
		}
		if err := p.fromAddress(); err != nil || p.held() {
			return true, err
		}
		if !p.clientCounted {
			if moved, err := p.write(ctx, byClient...); moved || err != nil {
				return false, err
			}
			p.clientCounted = true
		}
		moved, err := p.write(ctx, total...)
		return !moved, err
	})
	var denied *limit.Error
	if err != nil && !errors.As(err, &denied) {
		return fmt.Errorf("magic: counting a mail: %w", err)
	}
	return err
}

// wider returns the changes that count the mail against the client's address, and against the provider.
func (p *mailing) wider() (byClient, total []store.Change, err error) {
	if !p.clientCounted {
		if byClient, err = p.plan(p.shared.client...); err != nil {
			return nil, nil, err
		}
	}
	state, err := p.state(p.shared.total...)
	if err != nil {
		return nil, nil, err
	}
	total, err = state.TakeAny(p.now())
	return byClient, total, err
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
	p.changes, p.next = nil, 0
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
			p.changes, p.next = changes, 0
			if choose(p.slots, p.slot(), p.now()) == nil {
				p.changes, p.next = nil, p.config.Life // until one of the mails is dead
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

// keep writes the slot of the mail and counts the mail against its address, in one Write.
func (p *mailing) keep(ctx context.Context, s slot, l sealedPart) error {
	for range conflicts {
		b := choose(p.slots, s, p.now())
		if b == nil {
			return errCrowd
		}
		sealed, err := p.sealPart(ctx, b.item.Key, s.Flow, l)
		if err != nil {
			return err
		}
		b.slot = s
		b.slot.Sealed = sealed
		err = p.put(ctx, b, p.changes...)
		if err == nil {
			return nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return fmt.Errorf("magic: writing the store: %w", err)
		}
		if err := p.look(ctx); err != nil {
			return err
		}
		if err := p.fromAddress(); err != nil {
			return err
		}
		if p.held() {
			return errCrowd // racers have used up the limit since
		}
	}
	return errCrowd
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
