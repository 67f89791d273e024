package passkey

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/store"
)

// The purposes of a ceremony. What was begun for one counts for no other.
const (
	forSignIn = "sign-in" // also for a step-up
	forVerify = "verify"
	forSignUp = "sign-up"
	forEnroll = "enroll"
	forAlways = "ask"
)

const (
	sealedFor    = "passkey/ceremony"
	ceremonyLife = 5 * time.Minute
	clockSkew    = time.Minute // between two instances
)

// A ceremony is what the server knows of one use of an authenticator: sealed in a hidden field of the form, and bound
// to the attempt, the waiting sign-in, the ticket or the user for whom it began. What ends it burns that, or the
// challenge, in the same write: see burnt.
type ceremony struct {
	Challenge string `json:"c"`            // 256 random bits in base64url
	Created   int64  `json:"at"`           // Unix milliseconds
	Handle    []byte `json:"h,omitempty"`  // of the user of a new passkey
	New       bool   `json:"n,omitempty"`  // the handle is not stored yet
	Algs      []int  `json:"al,omitempty"` // offered for a new passkey
	Silent    bool   `json:"q,omitempty"`  // conditional create: the browser asks the person nothing
}

// random returns n random bytes in base64url.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func (k *keeper) newCeremony() ceremony {
	return ceremony{Challenge: random(32), Created: k.now().UnixMilli()}
}

// seal returns the ceremony for a hidden field. bound is what it belongs to.
func (k *keeper) seal(ctx context.Context, c ceremony, purpose, bound string) (string, error) {
	plain, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	sealed, err := seal.Seal(ctx, k.sessions.Secrets(), sealedFor, plain, k.pool, purpose, bound)
	if err != nil {
		return "", unavailable(err)
	}
	return sealed, nil
}

// open returns the ceremony of a hidden field, if it has the purpose, belongs to bound, and is young enough.
func (k *keeper) open(r *http.Request, purpose, bound string) (c ceremony, err error) {
	plain, err := seal.Open(r.Context(), k.sessions.Secrets(), sealedFor, r.PostForm.Get("ceremony"), k.pool, purpose, bound)
	switch {
	case errors.Is(err, seal.ErrOpen):
		return c, errCeremony
	case err != nil:
		return c, unavailable(err)
	}
	if err := json.Unmarshal(plain, &c); err != nil {
		return c, errCeremony
	}
	age := k.now().Sub(time.UnixMilli(c.Created))
	if age < -clockSkew || age >= ceremonyLife {
		return c, errCeremony
	}
	return c, nil
}

// burnt is the change that burns the challenge of a user, once.
func (k *keeper) burnt(userID string, c ceremony) store.Change {
	return store.Put(store.Item{
		Key: k.key(userID, "passkey-used:"+head.Hash(c.Challenge)), Value: []byte("{}"),
		Expires: time.UnixMilli(c.Created).Add(ceremonyLife + clockSkew),
	})
}
