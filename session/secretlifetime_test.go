package session_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// ringWorld returns sessions whose keys and secrets are of a ring.
func ringWorld(t *testing.T, secrets time.Duration) (*world, *keys.Ring) {
	t.Helper()
	var ring *keys.Ring
	w := newWorld(t, func(c *session.Config) {
		var err error
		if ring, err = keys.Open(t.Context(), keys.RingConfig{Vault: new(keys.MemoryVault), Algorithm: keys.ES256, SecretLifetime: secrets, Now: c.Now}); err != nil {
			t.Fatal(err)
		}
		c.Keys, c.Secrets = ring, nil
	})
	return w, ring
}

// panicOf returns the text with which f panics.
func panicOf(f func()) (text string) {
	defer func() {
		if v := recover(); v != nil {
			text = fmt.Sprint(v)
		}
	}()
	f()
	return ""
}

// TestK1_SecretsOutliveSessions: a kind whose sessions live longer unused than the ring keeps a secret is refused, and
// the text has the value to set. With that value the refresh token works until the last moment.
func TestK1_SecretsOutliveSessions(t *testing.T) {
	for name, tc := range map[string]struct {
		kept time.Duration
		kind session.KindConfig[User]
		want string // of SecretLifetime; empty: accepted
	}{
		"Idle":                      {day, session.KindConfig[User]{Idle: 60 * day, Absolute: 90 * day}, "1440h5m0s"},
		"Idle and Access":           {7 * day, session.KindConfig[User]{Access: 2 * time.Hour}, "170h0m0s"},
		"Absolute":                  {day, session.KindConfig[User]{Idle: 60 * day, Absolute: 2 * day}, "48h0m0s"},
		"Absolute is short":         {day, session.KindConfig[User]{Idle: 60 * day, Absolute: day}, ""},
		"the longest Idle":          {0, session.KindConfig[User]{Idle: 90 * day, Absolute: 400 * day}, ""},
		"the longest Idle, the day": {0, session.KindConfig[User]{Idle: 90 * day, Absolute: 400 * day, Access: day}, "2184h0m0s"},
		"Stateless":                 {day, session.KindConfig[User]{Stateless: true, Access: 400 * day}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tc.kind.Name = "member"
			w, _ := ringWorld(t, tc.kept)
			text := panicOf(func() { session.NewKindConfig(w.sessions, tc.kind) })
			if tc.want == "" {
				if text != "" {
					t.Errorf("refused: %s", text)
				}
				return
			}
			if !strings.Contains(text, "set keys.RingConfig.SecretLifetime to "+tc.want+" or more") {
				t.Fatalf("%q does not say to set %s", text, tc.want)
			}
			kept, err := time.ParseDuration(regexp.MustCompile(`SecretLifetime to (\S+)`).FindStringSubmatch(text)[1])
			if err != nil {
				t.Fatal(err)
			}
			usedAtTheLastMoment(t, kept, tc.kind)
		})
	}
}

// usedAtTheLastMoment rotates the ring right after a sign-in, uses the session for the last time with the last access
// token, and refreshes over HTTP just before the session would end.
func usedAtTheLastMoment(t *testing.T, kept time.Duration, c session.KindConfig[User]) {
	t.Helper()
	w, ring := ringWorld(t, kept)
	kind := session.NewKindConfig(w.sessions, c)
	tokens := must(kind.Create(t.Context(), w.grant()))(t)
	if err := ring.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.Advance(tokens.Expires.Sub(w.Now()) - time.Minute)
	must(kind.Verify(t.Context(), tokens.Access, session.CheckStore))(t)
	info := must(w.sessions.Find(t.Context(), tokens.SessionID))(t)
	end := info.ExpiresAt
	if info.IdleExpiresAt.Before(end) {
		end = info.IdleExpiresAt
	}
	w.Advance(end.Sub(w.Now()) - time.Minute)
	if err := ring.Rotate(t.Context()); err != nil { // which also forgets what is too old
		t.Fatal(err)
	}
	r := request("POST", issuer+"/refresh", "Origin", "https://api.example.com", "Cookie", session.CookieNameOf(kind)+"-refresh="+tokens.Refresh)
	if a := serve(w.sessions.Handler(), r); a.Code != 200 {
		t.Errorf("%v after the sign-in, a minute before the session ends: %d %s", end.Sub(info.Created), a.Code, a.Body)
	}
}
