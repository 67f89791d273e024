package provision

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/posternauth/postern/store"
)

// errBusy means that another request still applies the same delivery.
var errBusy = errors.New("provision: the same delivery is being applied by another request")

// delivery is the row of a delivery. While By is set, a request applies it, until the time Until; after that time the
// request is taken for crashed. Done means that it was applied.
type delivery struct {
	By    string    `json:"by,omitempty"`
	Until time.Time `json:"until,omitzero"`
	Done  bool      `json:"done,omitempty"`
}

// grace is the time for the writes before and after Confirm and Users, which have Timeout.
const grace = 10 * time.Second

// once applies a delivery unless it was applied. The row is written before the deed, so that two requests cannot both
// apply it, and again after the deed. A crash between the two leaves a row that the next attempt takes over after
// Timeout and grace.
func (h *webhook) once(ctx context.Context, e Event, g Grant) error {
	// The sender may hang up. The deed is finished anyway, so that its next attempt finds it done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.Timeout+grace)
	defer cancel()
	row, done, err := h.claim(ctx, h.key(e.ID))
	if done || err != nil {
		return err
	}
	if err := h.deed(ctx, e, g); err != nil {
		// The next attempt need not wait for Until. If this fails, it waits.
		_ = h.Store.Write(ctx, store.Delete(row.Key, row.Version))
		return err
	}
	return h.finish(ctx, row)
}

func (h *webhook) deed(ctx context.Context, e Event, g Grant) error {
	ctx, cancel := context.WithTimeout(ctx, h.Timeout)
	defer cancel()
	if h.Confirm != nil {
		if err := h.Confirm(ctx, e, g); err != nil {
			return fmt.Errorf("confirm the event: %w", err)
		}
	}
	if _, err := h.Users.Upsert(ctx, g); err != nil {
		return fmt.Errorf("give the roles: %w", err)
	}
	return nil
}

// claim writes the row of a delivery for this request, and returns it. If another request has it, claim waits for the
// end of that one, at most Timeout. done means that the delivery was applied.
func (h *webhook) claim(ctx context.Context, key store.Key) (row store.Item, done bool, err error) {
	deadline, me, pause := time.Now().Add(h.Timeout), rand.Text(), 10*time.Millisecond
	for {
		row, d, err := h.read(ctx, key)
		if err != nil {
			return row, false, err
		}
		// By is this request's if the answer to an earlier put was lost.
		if d.Done || d.By == me {
			return row, d.Done, nil
		}
		err = errBusy
		if d.By == "" || !h.Now().Before(d.Until) {
			if row.Version, err = h.put(ctx, row, me); err == nil {
				return row, false, nil
			}
		}
		if time.Now().After(deadline) || sleep(ctx, pause) != nil {
			return row, false, fmt.Errorf("claim the delivery: %w", err)
		}
		pause = min(2*pause, 250*time.Millisecond)
	}
}

func (h *webhook) read(ctx context.Context, key store.Key) (store.Item, delivery, error) {
	var d delivery
	items, err := h.Store.Get(ctx, key)
	if err != nil {
		return store.Item{}, d, fmt.Errorf("read the delivery: %w", err)
	}
	if len(items) == 0 {
		return store.Item{Key: key}, d, nil
	}
	if err := json.Unmarshal(items[0].Value, &d); err != nil {
		return store.Item{}, d, errors.New("provision: the row of a delivery is damaged")
	}
	return items[0], d, nil
}

// put writes the row for the request me, and returns its new version.
func (h *webhook) put(ctx context.Context, row store.Item, me string) (version string, err error) {
	now := h.Now()
	row.Value, _ = json.Marshal(delivery{By: me, Until: now.Add(h.Timeout + grace)}) // strings and times always encode
	row.Expires = now.Add(h.Keep)
	put := store.Put(row)
	return put.Item.Version, h.Store.Write(ctx, put)
}

// finish marks the delivery as applied.
func (h *webhook) finish(ctx context.Context, row store.Item) error {
	row.Value, _ = json.Marshal(delivery{Done: true}) // a bool always encodes
	row.Expires = h.Now().Add(h.Keep)
	err := h.Store.Write(ctx, store.Put(row))
	if err == nil {
		return nil
	}
	if _, d, again := h.read(ctx, row.Key); again == nil && d.Done { // the answer alone was lost
		return nil
	}
	return fmt.Errorf("remember the delivery: %w", err)
}

func (h *webhook) key(id string) store.Key {
	sum := sha256.Sum256([]byte(id))
	return store.Key{Part: "webhook:" + h.Name + ":" + base64.RawURLEncoding.EncodeToString(sum[:]), ID: "delivery"}
}

// sleep waits for d, or returns the error of ctx.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
