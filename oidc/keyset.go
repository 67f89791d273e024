package oidc

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/posternauth/postern/keys"
)

// keyCooldown is the least time between two fetches for unknown keys, so that they are three in a minute at most. It
// is shorter than that of keys.Remote, for a token with a strange kid comes from the token endpoint itself, and until
// it is over nobody signs in with a key that the provider signs with before it has published it.
const keyCooldown = 20 * time.Second

// keySource finds the published keys of the provider. The key set is made when the metadata first say where it is, and
// anew when they say otherwise.
type keySource struct {
	algorithms []keys.Algorithm
	client     *http.Client
	loopback   bool
	log        *slog.Logger

	mu  sync.Mutex
	url string
	set keys.Verifier
}

func (s *keySource) verifier(url string, clock func() time.Time) (keys.Verifier, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.set != nil && s.url == url {
		return s.set, nil
	}
	set, err := keys.Remote(keys.RemoteConfig{
		URL: url, Client: s.client, Algorithms: s.algorithms, AllowInsecure: s.loopback,
		Cooldown: keyCooldown, Now: clock, Logger: s.log,
	})
	if err != nil {
		return nil, fmt.Errorf("jwks_uri: %w", err)
	}
	s.url, s.set = url, set
	return s.set, nil
}
