package totp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
)

// Purposes of what is sealed.
const (
	forSeed     = "totp/seed"
	forEnroll   = "totp/enroll"
	forRecovery = "totp/recovery"
	forKey      = "totp/key"
)

// A keeper has the rows of a factor.
type keeper struct {
	flow *postern.Flow
	name string // in the configuration
	app  string // for people
}

func (k keeper) key(userID string) store.Key {
	return store.Key{Part: k.flow.Part(userID), ID: "factor:" + k.name}
}

// A state is what the store has of a factor of a user.
type state struct {
	item  store.Item // of the row; without a version it is one to be
	count int        // how many of the factor the user has, by the head of the user
	other bool       // the user has a factor, or a passkey
}

// has reports whether the user has the factor. A row that the head does not count is left from a reset.
func (s state) has() bool { return s.item.Version != "" && s.count > 0 }

// load reads the row of a user into v, which stays as it is if the user does not have the factor.
func (k keeper) load(ctx context.Context, userID string, v any) (s state, err error) {
	key, headKey := k.key(userID), head.Key(k.flow.Pool(), userID)
	items, err := k.flow.Store().Get(ctx, key, headKey)
	if err != nil {
		return s, fmt.Errorf("totp: reading the store: %w", err)
	}
	h, err := head.Find(items, headKey)
	if err != nil {
		return s, fmt.Errorf("totp: %w", err)
	}
	s = state{item: store.Item{Key: key}, count: h.Factors[k.name] + h.Backups[k.name], other: h.Due() || h.Ways.Passkeys > 0}
	for _, item := range items {
		if item.Key == key {
			s.item = item
		}
	}
	if !s.has() {
		return s, nil
	}
	if err := json.Unmarshal(s.item.Value, v); err != nil {
		return s, fmt.Errorf("totp: the row of a factor does not decode: %w", err)
	}
	return s, nil
}

// put returns the change that writes a row, on condition that item is as it was read.
func put(item store.Item, v any) (store.Change, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return store.Change{}, fmt.Errorf("totp: %w", err)
	}
	item.Value = value
	return store.Put(item), nil
}

// A keyRow is the key of this package for all users of a pool, sealed with the master secret of now. A master secret is
// forgotten some time after another one took over, and a person may be away for longer. So what is kept for years is
// sealed with this key, and the key is sealed anew when another master secret has taken over.
type keyRow struct {
	Sealed string `json:"sealed"`
}

// secrets returns the key for the rows of the users.
func (k keeper) secrets(ctx context.Context) (keys.Secrets, error) {
	at := store.Key{Part: "totp:" + head.Hash(k.flow.Pool()), ID: "key"}
	for range 3 {
		items, err := k.flow.Store().Get(ctx, at)
		if err != nil {
			return nil, fmt.Errorf("totp: reading the store: %w", err)
		}
		item, row, master := store.Item{Key: at}, keyRow{}, make([]byte, 32)
		if len(items) == 0 {
			rand.Read(master) // it never fails
		} else {
			item = items[0]
			if err := json.Unmarshal(item.Value, &row); err != nil {
				return nil, fmt.Errorf("totp: the row of the key does not decode: %w", err)
			}
			if master, err = seal.Open(ctx, k.flow.Sessions().Secrets(), forKey, row.Sealed, k.flow.Pool()); err != nil {
				return nil, fmt.Errorf("totp: the key of the seeds does not open: %w", err)
			}
		}
		switch err := k.reseal(ctx, item, row, master); {
		case errors.Is(err, store.ErrConflict) && item.Version == "":
			continue // somebody else made the first one
		case err != nil && item.Version == "":
			return nil, err
		}
		one, err := keys.NewSecret("1", master)
		if err != nil {
			return nil, fmt.Errorf("totp: the key of the seeds: %w", err)
		}
		return keys.StaticSecrets(one)
	}
	return nil, errors.New("totp: too many requests make the key of the seeds at once")
}

// reseal writes the key, sealed with the master secret of now, unless it is already. Only for a new key does it matter
// that it succeeds.
func (k keeper) reseal(ctx context.Context, item store.Item, row keyRow, master []byte) error {
	secrets := k.flow.Sessions().Secrets()
	now, err := secrets.Secret(ctx, "")
	if err != nil {
		return fmt.Errorf("totp: the master secret: %w", err)
	}
	if _, after, _ := strings.Cut(row.Sealed, "."); strings.HasPrefix(after, now.ID+".") {
		return nil
	}
	sealed, err := seal.Seal(ctx, secrets, forKey, master, k.flow.Pool())
	if err != nil {
		return fmt.Errorf("totp: sealing: %w", err)
	}
	change, err := put(item, keyRow{sealed})
	if err != nil {
		return err
	}
	if err := k.flow.Store().Write(ctx, change); err != nil {
		if written, unread := k.flow.Store().Get(ctx, item.Key); unread == nil && len(written) == 1 && bytes.Equal(written[0].Value, change.Item.Value) {
			return nil // the answer was lost
		}
		return fmt.Errorf("totp: writing the store: %w", err)
	}
	return nil
}

func refusal(status int, code, text string) *postern.Error {
	return &postern.Error{Status: status, Code: code, Text: text}
}

// failure is the refusal for an error that is not the person's: a store or keys that do not answer, or a row that does
// not open.
func failure(err error) *postern.Error {
	var refused *postern.Error
	if errors.As(err, &refused) {
		return refused
	}
	return &postern.Error{Status: http.StatusServiceUnavailable, Code: "temporarily_unavailable", RetryAfter: 5 * time.Second, Err: err,
		Text: "This is not possible at this moment. Please try again shortly."}
}

// again shows a form once more, with the error.
func (k keeper) again(w http.ResponseWriter, r *http.Request, p postern.Page, e *postern.Error) {
	p.Status, p.Error, p.Code = e.Status, e.Text, e.Code
	k.flow.Page(w, r, p)
}

// errChanged refuses a request whose factor was removed in the meantime.
var errChanged = refusal(http.StatusConflict, "changed", "Something about this account was changed at the same time. Please look at it and try again.")
