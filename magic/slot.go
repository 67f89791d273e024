package magic

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/store"
)

const (
	// perAddress is how many mails can be alive for an address at once.
	perAddress = 3

	// afterlife is how long a dead slot is kept, so that a person who opens an old link learns that it is old.
	afterlife = 24 * time.Hour

	// conflicts bounds how often a lost compare-and-set is tried again. Each loss is another request's success.
	conflicts = 5
)

// A slot is what the store keeps of a mail: nothing in it opens anything without the master secrets.
type slot struct {
	Flow      string `json:"flow"`                // hash of the attempt's id
	Browser   string `json:"browser"`             // hash of the asking browser's id
	Known     bool   `json:"known,omitempty"`     // that browser had signed in to the address before
	Link      string `json:"link,omitempty"`      // HMAC of the token
	Code      string `json:"code,omitempty"`      // HMAC of the code
	Sealed    string `json:"sealed,omitempty"`    // a sealedPart; gone once used
	Tries     int    `json:"tries,omitempty"`     // charged to the code
	Until     int64  `json:"until"`               // Unix milliseconds
	Used      string `json:"used,omitempty"`      // the request that signed in the asking browser
	Elsewhere string `json:"elsewhere,omitempty"` // the request that signed in another browser by the link
}

// A sealedPart is the part of a slot that only this package reads.
type sealedPart struct {
	Address string            `json:"address"`
	Device  postern.Phrase    `json:"device"`
	Digits  int               `json:"digits,omitempty"` // of the code
	Claims  map[string]string `json:"claims,omitempty"`
	Query   string            `json:"query,omitempty"` // of authorize, to begin again with
	Sent    int64             `json:"sent"`            // Unix milliseconds
}

// A slotRecord is a slot as it was read, with what it takes to change it.
type slotRecord struct {
	item store.Item
	slot slot
	sealedPart

	elsewhere *limit.State // of elsewhereLimit, if find read the slot
}

// live reports whether the asking browser can still use the mail.
func (b *slotRecord) live(now time.Time) bool {
	return b.slot.Used == "" && now.UnixMilli() < b.slot.Until
}

// change returns the change that writes the slot, if nobody else did since it was read.
func (b *slotRecord) change() (store.Change, error) {
	value, err := json.Marshal(b.slot)
	if err != nil {
		return store.Change{}, fmt.Errorf("magic: writing a slot: %w", err)
	}
	b.item.Value, b.item.Expires = value, time.UnixMilli(b.slot.Until).Add(afterlife)
	return store.Put(b.item), nil
}

// put writes the slot, together with changes that count a take. The error can be store.ErrConflict.
func (h *handler) put(ctx context.Context, b *slotRecord, more ...store.Change) error {
	change, err := b.change()
	if err != nil {
		return err
	}
	if err := h.flow.Store().Write(ctx, append(more, change)...); err != nil {
		return err
	}
	b.item.Version = change.Item.Version
	return nil
}

// partOf returns the part of the store with everything about an address: its mails and its limits.
func partOf(tag string) string { return "magic:" + tag }

// slotKeys returns where the mails of an address are, those of this provider.
func (h *handler) slotKeys(tag string) []store.Key {
	keys := make([]store.Key, perAddress)
	for i := range keys {
		keys[i] = store.Key{Part: partOf(tag), ID: fmt.Sprintf("slot %s %d", h.flow.Name(), i+1)}
	}
	return keys
}

// decodeSlots finds the slots of an address among items that were read: always perAddress of them, the free ones with
// no version.
func (h *handler) decodeSlots(tag string, items []store.Item) ([]slotRecord, error) {
	all := make([]slotRecord, perAddress)
	for i, k := range h.slotKeys(tag) {
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

// read reads the slots of an address and the state of buckets, in one Get.
func (h *handler) read(ctx context.Context, tag string, buckets ...limit.Bucket) ([]slotRecord, []store.Item, error) {
	items, err := h.flow.Store().Get(ctx, append(h.slotKeys(tag), limit.Keys(buckets...)...)...)
	if err != nil {
		return nil, nil, fmt.Errorf("magic: reading the store: %w", err)
	}
	all, err := h.decodeSlots(tag, items)
	return all, items, err
}

// choose returns the slot for a new mail: the browser's old one, whose mail dies, or a free one, or the oldest. A
// browser that never signed in to the address does not push out the mail of one that has: it gets nil if there are only
// those.
func choose(all []slotRecord, s slot, now time.Time) *slotRecord {
	const never = math.MaxInt64
	rank := func(b *slotRecord) int64 {
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

// find returns the slot of an attempt, opened unless it is used. A slot that a newer mail has taken is not found.
func (h *handler) find(ctx context.Context, tag, flow string) (*slotRecord, error) {
	others := elsewhereLimit(tag)
	all, items, err := h.read(ctx, tag, others)
	if err != nil {
		return nil, err
	}
	b, err := h.pick(ctx, all, flow)
	if err != nil {
		return nil, err
	}
	b.elsewhere, err = limit.Decode(items, others)
	return b, err
}

// pick is find among slots that were read.
func (h *handler) pick(ctx context.Context, all []slotRecord, flow string) (*slotRecord, error) {
	i := slices.IndexFunc(all, func(b slotRecord) bool { return b.slot.Flow == flow })
	if i < 0 {
		return nil, errNotFound
	}
	b := &all[i]
	if b.slot.Used == "" {
		var err error
		if b.sealedPart, err = h.openPart(ctx, b.item.Key, flow, b.slot.Sealed); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// state returns whether the mail can still be used: nil, errUsed, errUsedElsewhere or errExpired. here is the browser
// that asked for it.
func (b *slotRecord) state(now time.Time, here bool) error {
	switch {
	case b.slot.Used != "":
		return errUsed
	case now.UnixMilli() >= b.slot.Until:
		return errExpired
	case !here && b.slot.Elsewhere != "":
		return errUsedElsewhere
	}
	return nil
}
