package password

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/store"
)

const (
	forToken = "password/reset"
	forSlot  = "password/slot"

	tokenStart = "pr1."
	resetLife  = 15 * time.Minute
	afterlife  = time.Hour // of a used slot, so that a reset that was cut off can be finished
)

// slotIDs are the places of the links that are alive for a user.
var slotIDs = []string{"password reset 1", "password reset 2", "password reset 3"}

// A slot is what the store keeps of a link: nothing in it opens anything without the master secrets.
type slot struct {
	MAC     string `json:"mac,omitempty"` // empty: no link was sent, and none opens it
	Sec     int64  `json:"sec"`
	Address string `json:"address,omitempty"`
	Until   int64  `json:"until"`          // Unix milliseconds
	Used    string `json:"used,omitempty"` // the request that set the password
	Done    bool   `json:"done,omitempty"` // what was signed in has ended
}

// A token is the content of a link. Only the person who got the mail has Random.
type token struct {
	User   string `json:"u"`
	Slot   string `json:"s"`
	Random string `json:"-"`
}

// newToken returns the text of a link for a slot, and its MAC.
func (k *keeper) newToken(ctx context.Context, user, slotID string) (text, mac string, err error) {
	plain, err := json.Marshal(token{User: user, Slot: slotID})
	if err != nil {
		return "", "", err
	}
	sealed, err := seal.Seal(ctx, k.sessions.Secrets(), forToken, plain, k.pool)
	if err != nil {
		return "", "", err
	}
	random := rand.Text()
	mac, err = seal.MAC(ctx, k.sessions.Secrets(), forSlot, k.pool, user, slotID, random)
	_, rest, _ := strings.Cut(sealed, ".")
	return tokenStart + rest + "." + random, mac, err
}

// errLink is the one answer to a link that opens nothing.
var errLink = refusal("expired_reset", "This link does not work any more: it was used, it is older than 15 minutes, or something about the account has changed since. "+
	"Please ask for a new one.", nil)

// readToken opens the text of a link. The error is errLink for a text that no newToken made.
func (k *keeper) readToken(ctx context.Context, text string) (t token, err error) {
	rest, ok := strings.CutPrefix(text, tokenStart)
	cut := strings.LastIndexByte(rest, '.')
	if !ok || cut < 0 || len(text) > 2048 {
		return t, errLink
	}
	plain, err := seal.Open(ctx, k.sessions.Secrets(), forToken, "v1."+rest[:cut], k.pool)
	if errors.Is(err, seal.ErrOpen) {
		return t, errLink
	}
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(plain, &t); err != nil {
		return t, errLink
	}
	t.Random = rest[cut+1:]
	return t, nil
}

// opens returns nil if the slot is that of the token, and else errLink.
func (k *keeper) opens(ctx context.Context, t token, b slot) error {
	err := seal.CheckMAC(ctx, k.sessions.Secrets(), forSlot, b.MAC, k.pool, t.User, t.Slot, t.Random)
	if errors.Is(err, seal.ErrOpen) {
		return errLink
	}
	return err
}

func readSlot(item store.Item) (b slot, err error) {
	if item.Version == "" {
		return b, nil
	}
	if err := json.Unmarshal(item.Value, &b); err != nil {
		return b, fmt.Errorf("password: a slot in the store does not decode: %w", err)
	}
	return b, nil
}

func (b slot) put(item store.Item) store.Change {
	item.Value, _ = json.Marshal(b) // texts and numbers always encode
	item.Expires = time.UnixMilli(b.Until).Add(afterlife)
	return store.Put(item)
}

// freeSlot chooses the place of a new link: a free one, or that of the oldest.
func freeSlot(s *state, now time.Time) (store.Item, error) {
	var best store.Item
	oldest := int64(0)
	for i, id := range slotIDs {
		b, err := readSlot(s.more[id])
		if err != nil {
			return best, err
		}
		until := b.Until
		if b.Used != "" || now.UnixMilli() >= until || b.Sec != s.head.Sec {
			until = 0
		}
		if i == 0 || until < oldest {
			best, oldest = s.more[id], until
		}
	}
	return best, nil
}
