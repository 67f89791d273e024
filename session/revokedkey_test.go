package session_test

import (
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// TestRevokedKey_MemoryDelaysNothing: a remembered token ends with its key in the same moment as a token that is new:
// at once where the key is revoked, and elsewhere when the ring next reads the vault, however often the token is used.
func TestRevokedKey_MemoryDelaysNothing(t *testing.T) {
	w := newWorld(t)
	vault := &keys.MemoryVault{}
	open := func() (*keys.Ring, *session.Kind[User]) {
		ring := must(keys.Open(t.Context(), keys.RingConfig{Vault: vault, Algorithm: keys.ES256, Now: w.Now}))(t)
		sessions := must(session.New(session.Config{Issuer: issuer, Audience: audience, Keys: ring, Now: w.Now}))(t)
		return ring, session.NewKindConfig(sessions, session.KindConfig[User]{Name: "user", Stateless: true, Access: 24 * time.Hour})
	}
	ring, here := open()
	_, elsewhere := open()
	seen, unseen := must(here.Create(t.Context(), w.grant()))(t).Access, must(here.Create(t.Context(), w.grant()))(t).Access
	check := func(kind *session.Kind[User], want string) {
		t.Helper()
		for name, token := range map[string]string{"remembered": seen, "unseen": unseen} {
			if name == "unseen" {
				session.Forget(kind, token)
			}
			if _, err := kind.Verify(t.Context(), token); session.Reason(err) != want {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
	check(here, "")
	check(elsewhere, "")
	if !session.Hits(t.Context(), here, seen) || !session.Hits(t.Context(), elsewhere, seen) {
		t.Fatal("the token is not remembered: nothing is tested")
	}
	kid := must(ring.SigningKey(t.Context(), time.Hour))(t).Public().ID()
	if err := ring.Revoke(t.Context(), kid); err != nil {
		t.Fatal(err)
	}
	check(here, "unknown_key")
	for range 4 { // one use a minute does not keep it
		w.Advance(time.Minute)
		check(elsewhere, "")
	}
	w.Advance(time.Minute)
	check(elsewhere, "unknown_key")
	for range 3 {
		w.Advance(time.Hour)
		check(here, "unknown_key")
		check(elsewhere, "unknown_key")
	}
}
