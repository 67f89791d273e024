package faults

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// lostKeys is a ring that cannot be read at its nth call, or from it on.
type lostKeys struct {
	*keys.Ring

	mu      sync.Mutex
	calls   int
	at      int // 0: never
	lasting bool
	struck  bool
}

func (k *lostKeys) plan(at int, lasting bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls, k.at, k.lasting, k.struck = 0, at, lasting, false
}

func (k *lostKeys) call() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.calls++
	if k.at == 0 || k.calls < k.at || k.calls > k.at && !k.lasting {
		return nil
	}
	k.struck = true
	return fmt.Errorf("%w: %w", keys.ErrUnavailable, errDisk)
}

func (k *lostKeys) PublicKey(ctx context.Context, kid string) (*keys.PublicKey, error) {
	if err := k.call(); err != nil {
		return nil, err
	}
	return k.Ring.PublicKey(ctx, kid)
}

func (k *lostKeys) PublicKeys(ctx context.Context) ([]*keys.PublicKey, error) {
	if err := k.call(); err != nil {
		return nil, err
	}
	return k.Ring.PublicKeys(ctx)
}

func (k *lostKeys) SigningKey(ctx context.Context, life time.Duration) (keys.SigningKey, error) {
	if err := k.call(); err != nil {
		return nil, err
	}
	return k.Ring.SigningKey(ctx, life)
}

func (k *lostKeys) Secret(ctx context.Context, kid string) (keys.Secret, error) {
	if err := k.call(); err != nil {
		return keys.Secret{}, err
	}
	return k.Ring.Secret(ctx, kid)
}

// TestT3_EveryUseOfAKey: keys and secrets that are unavailable, at any one use or from one on, are 503: never a sign-in
// too many, never an open door; and a link or code that was not used up works again afterwards.
func TestT3_EveryUseOfAKey(t *testing.T) {
	w := newWorld(t)
	for _, f := range flows() {
		for _, lasting := range []bool{false, true} {
			uses := 0
			for n := 1; ; n++ {
				lost := &lostKeys{}
				h := newHouse(t, w, plans{session: func(c *session.Config) {
					lost.Ring = c.Keys.(*keys.Ring)
					c.Keys = lost
				}})
				lost.plan(n, lasting)
				b := h.browser()
				var tabs []*browser
				good := 0
				for ; good < len(f.steps); good++ {
					tabs = append(tabs, b.clone())
					if a := f.steps[good](b); !a.ok() {
						if a.status >= 500 {
							a.want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
						}
						break
					}
				}
				if lasting && lost.struck && good == len(f.steps) {
					t.Errorf("%s: signed in although no key can be had from use %d on", f.name, n)
				}
				if lasting && lost.struck {
					other := h.browser()
					tokens, err := h.known.Create(t.Context(), session.Grant[user]{Subject: "u1"})
					if err != nil {
						t.Fatal(err)
					}
					other.bearer = tokens.Access
					other.get(me).want(t, http.StatusServiceUnavailable, "temporarily_unavailable")
					h.browser().get(issuer+"/.well-known/jwks.json").want(t, http.StatusServiceUnavailable)
				}
				struck := lost.struck
				lost.plan(0, false)
				for i := min(good, len(tabs)-1); i >= f.once; i-- {
					f.run(tabs[i], i)
				}
				if tokens, signIns := h.handedOut(); tokens > 1 || signIns > 1 {
					t.Errorf("%s, use %d, lasting %v: %d sessions of %d sign-ins", f.name, n, lasting, tokens, signIns)
				}
				h.silent()
				if !struck {
					break
				}
				uses = n
			}
			if uses < len(f.steps) {
				t.Errorf("%s: %d uses of keys", f.name, uses)
			}
		}
	}
}
