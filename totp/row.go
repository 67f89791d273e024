package totp

import (
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

// A keyRow is a key of this package for all users of a pool, sealed with the master secret of now. A master secret is
// forgotten some time after another one took over, and a person may be away for longer. So what is kept for years is
// sealed with this key, and the key is sealed anew when another master secret has taken over. A key that does not open
// any more stays, and another one is made for what is sealed from then on.
type keyRow struct {
	Sealed string `json:"sealed"`
}

// secrets returns the keys for the rows of the users; the first one is for new rows.
func (k keeper) secrets(ctx context.Context) (keys.Secrets, error) {
	part, masters := "totp:"+head.Hash(k.flow.Pool()), k.flow.Sessions().Secrets()
	items, _, err := k.flow.Store().List(ctx, part, "", 100)
	if err != nil {
		return nil, fmt.Errorf("totp: listing the store: %w", err)
	}
	now, err := masters.Secret(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("totp: the master secret: %w", err)
	}
	var all []keys.Secret
	add := func(id string, key []byte) error {
		one, err := keys.NewSecret(id, key)
		all = append(all, one)
		return err
	}
	for _, item := range items {
		var row keyRow
		if err := json.Unmarshal(item.Value, &row); err != nil {
			return nil, fmt.Errorf("totp: the row of a key does not decode: %w", err)
		}
		key, err := seal.Open(ctx, masters, forKey, row.Sealed, k.flow.Pool(), item.Key.ID)
		if errors.Is(err, seal.ErrOpen) {
			continue
		}
		if err == nil {
			err = add(item.Key.ID, key)
		}
		if err != nil {
			return nil, fmt.Errorf("totp: opening a key: %w", err)
		}
		if !strings.HasPrefix(row.Sealed, "v1."+now.ID+".") {
			_ = k.keep(ctx, item, key) // or the next use does it
		}
	}
	if len(all) == 0 {
		id, key := rand.Text()[:12], make([]byte, 32)
		rand.Read(key) // it never fails
		if err := k.keep(ctx, store.Item{Key: store.Key{Part: part, ID: id}}, key); err != nil {
			return nil, err
		}
		if err := add(id, key); err != nil {
			return nil, fmt.Errorf("totp: a new key: %w", err)
		}
	}
	return keys.StaticSecrets(all...)
}

// keep writes a key, sealed with the master secret of now.
func (k keeper) keep(ctx context.Context, item store.Item, key []byte) error {
	sealed, err := seal.Seal(ctx, k.flow.Sessions().Secrets(), forKey, key, k.flow.Pool(), item.Key.ID)
	if err != nil {
		return fmt.Errorf("totp: sealing: %w", err)
	}
	change, err := put(item, keyRow{sealed})
	if err == nil {
		err = k.flow.Store().Write(ctx, change)
	}
	if err != nil {
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
	p = p.WithError(e)
	k.flow.Page(w, r, p)
}

// errChanged refuses a request whose factor was removed in the meantime.
var errChanged = refusal(http.StatusConflict, "changed", "Something about this account was changed at the same time. Please look at it and try again.")
