package magic

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/store"
)

const (
	// perAddress is how many mails can be alive for an address at once.
	perAddress = 3

	// afterlife is how long a dead slot is kept, so that whoever opens an old link learns that it is old.
	afterlife = 24 * time.Hour

	// conflicts bounds how often a lost compare-and-set is tried again. Each loss is somebody else's success.
	conflicts = 5
)

// A slot is what the store keeps of a mail: nothing in it opens anything without the master secrets.
type slot struct {
	Flow    string `json:"flow"`             // hash of the attempt's id
	Browser string `json:"browser"`          // hash of the asking browser's id
	Known   bool   `json:"known,omitempty"`  // that browser had signed in to the address before
	Link    string `json:"link,omitempty"`   // HMAC of the token
	Code    string `json:"code,omitempty"`   // HMAC of the code
	Letter  string `json:"letter,omitempty"` // sealed; gone once used
	Tries   int    `json:"tries,omitempty"`  // charged to the code
	Until   int64  `json:"until"`            // Unix milliseconds
	Used    string `json:"used,omitempty"`   // which request used it
}

// A letter is what only this package reads of a slot.
type letter struct {
	Address string            `json:"address"`
	Device  string            `json:"device"`
	Claims  map[string]string `json:"claims,omitempty"`
	Query   string            `json:"query,omitempty"` // of authorize, to begin again with
	Sent    int64             `json:"sent"`            // Unix milliseconds
}

// A box is a slot as it was read, with what it takes to change it.
type box struct {
	item store.Item
	slot slot
	letter
}

func (b *box) live(now time.Time) bool { return b.slot.Used == "" && now.UnixMilli() < b.slot.Until }

// put changes the slot in the store, if nobody else did since it was read.
func (h *handler) put(ctx context.Context, b *box) error {
	value, err := json.Marshal(b.slot)
	if err != nil {
		return fmt.Errorf("magic: writing a slot: %w", err)
	}
	b.item.Value, b.item.Expires = value, time.UnixMilli(b.slot.Until).Add(afterlife)
	change := store.Put(b.item)
	if err := h.flow.Store().Write(ctx, change); err != nil {
		return err
	}
	b.item.Version = change.Item.Version
	return nil
}

// boxes reads the slots of an address: always perAddress of them, the free ones with no version.
func (h *handler) boxes(ctx context.Context, tag string) ([]box, error) {
	var keys []store.Key
	for i := range perAddress {
		keys = append(keys, store.Key{Part: "magic:" + tag, ID: fmt.Sprintf("slot %d", i+1)})
	}
	items, err := h.flow.Store().Get(ctx, keys...)
	if err != nil {
		return nil, fmt.Errorf("magic: reading the store: %w", err)
	}
	all := make([]box, perAddress)
	for i, k := range keys {
		all[i].item.Key = k
		for _, it := range items {
			if it.Key != k {
				continue
			}
			all[i].item = it
			if err := json.Unmarshal(it.Value, &all[i].slot); err != nil {
				return nil, fmt.Errorf("magic: a slot in the store is damaged: %w", err)
			}
		}
	}
	return all, nil
}

// keep puts a new slot into the store: over the browser's old one, which dies, or where there is room, or over the
// oldest one. A browser that never signed in to the address does not push out one that has.
func (h *handler) keep(ctx context.Context, tag string, s slot, l letter) error {
	for range conflicts {
		all, err := h.boxes(ctx, tag)
		if err != nil {
			return err
		}
		b := choose(all, s, h.now())
		if b == nil {
			return &limit.Error{Rule: "magic mails alive", RetryAfter: h.config.Life}
		}
		sealed, err := h.sealLetter(ctx, b.item.Key, s.Flow, l)
		if err != nil {
			return err
		}
		b.slot = s
		b.slot.Letter = sealed
		switch err := h.put(ctx, b); {
		case err == nil:
			return nil
		case !errors.Is(err, store.ErrConflict):
			return fmt.Errorf("magic: writing the store: %w", err)
		}
	}
	return errCrowd
}

// choose finds the place for the slot s; nil if there is none.
func choose(all []box, s slot, now time.Time) *box {
	const never = math.MaxInt64
	rank := func(b *box) int64 {
		switch {
		case b.item.Version != "" && b.slot.Browser == s.Browser:
			return -2
		case !b.live(now):
			return -1
		case b.slot.Known && !s.Known:
			return never
		}
		return b.slot.Until
	}
	best := &all[0]
	for i := range all {
		if cmp.Less(rank(&all[i]), rank(best)) {
			best = &all[i]
		}
	}
	if rank(best) == never {
		return nil
	}
	return best
}

// find returns the slot of an attempt, with its letter unless it is used. A slot that another one took the place of is
// not found.
func (h *handler) find(ctx context.Context, tag, flow string) (*box, error) {
	all, err := h.boxes(ctx, tag)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(b box) bool { return b.item.Version != "" && b.slot.Flow == flow })
	if i < 0 {
		return nil, errNotFound
	}
	b := &all[i]
	if b.slot.Used == "" {
		if b.letter, err = h.openLetter(ctx, b.item.Key, flow, b.slot.Letter); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// state says whether the slot can still be used: nil, errUsed or errExpired.
func (b *box) state(now time.Time) error {
	switch {
	case b.slot.Used != "":
		return errUsed
	case now.UnixMilli() >= b.slot.Until:
		return errExpired
	}
	return nil
}

// use marks the slot as used, once: of any number of callers one gets nil. Whoever calls it has checked the token or the
// code against this very slot.
func (h *handler) use(ctx context.Context, tag string, b *box) error {
	me := rand.Text()
	for range maxTries + conflicts { // guesses at the code of the same mail may come in between, that often at most
		if err := b.state(h.now()); err != nil {
			return err
		}
		flow := b.slot.Flow
		b.slot.Used, b.slot.Link, b.slot.Code, b.slot.Letter = me, "", "", ""
		err := h.put(ctx, b)
		if err == nil {
			return nil
		}
		// Lost, or left without an answer: the slot says which. An answer that came too late must not keep us from looking.
		look, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		now, err2 := h.find(look, tag, flow)
		cancel()
		switch {
		case err2 != nil:
			return errors.Join(err, err2)
		case now.slot.Used == me:
			return nil
		}
		b = now
	}
	return errCrowd
}
