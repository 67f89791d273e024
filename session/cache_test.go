package session_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// remembered returns a token that w.user has verified, and fails if it is not remembered.
func (w *world) remembered() string {
	w.t.Helper()
	token := w.token()
	must(w.user.Verify(w.t.Context(), token))(w.t)
	if !session.Hits(w.t.Context(), w.user, token) {
		w.t.Fatal("a good token is not remembered")
	}
	return token
}

// refused checks that every way to present a token that is remembered fails for the reason want; "": that none does.
func (w *world) refused(token, want string) {
	w.t.Helper()
	if hit := session.Hits(w.t.Context(), w.user, token); hit != (want == "") {
		w.t.Errorf("hit: %v, want %v", hit, want == "")
	}
	s, err := w.user.Verify(w.t.Context(), token)
	if session.Reason(err) != want || (s == nil) != (want != "") {
		w.t.Errorf("Verify: %v, %v; want %q", s, err, want)
	}
	status := http.StatusOK
	switch {
	case want == "unavailable":
		status = http.StatusServiceUnavailable
	case want != "":
		status = http.StatusUnauthorized
	}
	rec := serve(w.user.Require(w.whoami()), request("GET", "/", "Authorization", "Bearer "+token))
	if rec.Code != status {
		w.t.Errorf("Require: %d, want %d", rec.Code, status)
	}
}

// turned is a key source whose answer a test can change.
type turned struct {
	keys.Signer
	key *keys.PublicKey
	err error
}

func (s *turned) PublicKey(ctx context.Context, kid string) (*keys.PublicKey, error) {
	if s.key != nil || s.err != nil {
		return s.key, s.err
	}
	return s.Signer.PublicKey(ctx, kid)
}

func TestCache_RevokedKey(t *testing.T) {
	var ring *keys.Ring
	w := newWorld(t, func(c *session.Config) {
		ring = must(keys.Open(t.Context(), keys.RingConfig{Vault: new(keys.MemoryVault), Algorithm: keys.ES256, Now: c.Now}))(t)
		c.Keys = ring
	})
	token := w.remembered()
	w.refused(token, "")
	if err := ring.Revoke(t.Context(), must(jose.Parse(token))(t).Kid); err != nil {
		t.Fatal(err)
	}
	w.refused(token, "unknown_key")
	w.refused(w.remembered(), "") // by the key that took over
}

func TestCache_KeySource(t *testing.T) {
	source := new(turned)
	w := newWorld(t, func(c *session.Config) {
		source.Signer = c.Keys.(keys.Signer)
		c.Keys = source
	})
	token := w.remembered()
	kid := must(jose.Parse(token))(t).Kid
	other := must(keys.NewPublicKey(must(keys.Generate(keys.ES256))(t).Public().Public(), keys.ES256, kid))(t)
	for _, c := range []struct {
		name string
		key  *keys.PublicKey
		err  error
		want string
	}{
		{"unavailable", nil, fmt.Errorf("vault: %w", keys.ErrUnavailable), "unavailable"},
		{"out of order", nil, errors.New("no route"), "unavailable"},
		{"unavailable, with the old key", w.key.Public(), keys.ErrUnavailable, "unavailable"},
		{"key removed", nil, keys.ErrUnknownKey, "unknown_key"},
		{"another key under the same kid", other, nil, "signature"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			source.key, source.err = c.key, c.err
			w.refused(token, c.want)
			source.key, source.err = nil, nil
			w.refused(token, "")
		})
	}
}

func TestCache_Times(t *testing.T) {
	const leeway = 30 * time.Second // the default
	w := newWorld(t)
	start := w.Now()
	claims := w.with("nbf", start.Add(-time.Minute).Unix())
	claims["iat"] = start.Add(-2 * time.Minute).Unix()
	token := w.sign(claims)
	exp := must(w.user.Verify(t.Context(), token))(t).Expires
	plain := w.remembered()
	issued := must(w.user.Verify(t.Context(), plain))(t).Issued
	for _, c := range []struct {
		name  string
		token string
		at    time.Time
		want  string
	}{
		{"last moment", token, exp.Add(leeway - 1), ""},
		{"over", token, exp.Add(leeway), "expired"},
		{"long over", token, exp.Add(1000 * time.Hour), "expired"},
		{"the clock was set back to nbf", token, start.Add(-time.Minute - leeway), ""},
		{"the clock was set back behind nbf", token, start.Add(-time.Minute - leeway - 1), "not_yet_valid"},
		{"the clock was set back to iat", plain, issued.Add(-leeway), ""},
		{"the clock was set back behind iat", plain, issued.Add(-leeway - 1), "not_yet_valid"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			w.Advance(c.at.Sub(w.Now()))
			w.refused(c.token, c.want)
		})
	}
}

func TestCache_NotBefore(t *testing.T) {
	w := newWorld(t)
	token := w.remembered()
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{-time.Hour, ""}, {time.Hour, "too_old"}} {
		sessions := must(session.New(session.Config{
			Issuer: issuer, Audience: audience, Keys: must(keys.StaticSigner(w.key))(t), Now: w.Now, NotBefore: w.Now().Add(c.after),
		}))(t)
		user := session.NewKindConfig(sessions, session.KindConfig[User]{Name: "user", Stateless: true})
		for range 2 {
			if _, err := user.Verify(t.Context(), token); session.Reason(err) != c.want {
				t.Errorf("NotBefore %v after: %v, want %v", c.after, err, c.want)
			}
		}
		if hit := session.Hits(t.Context(), user, token); hit != (c.want == "") {
			t.Errorf("NotBefore %v after: hit %v", c.after, hit)
		}
	}
}

func TestCache_OtherKind(t *testing.T) {
	w := newWorld(t)
	token := w.remembered()
	staff := session.NewKind[User](w.sessions, "staff")
	elsewhere := must(session.New(session.Config{
		Issuer: issuer, Audience: "billing", Keys: must(keys.StaticSigner(w.key))(t), Now: w.Now,
	}))(t)
	for _, c := range []struct {
		kind *session.Kind[User]
		want string
	}{{staff, "kind"}, {session.NewKind[User](elsewhere, "user"), "audience"}} {
		for range 2 {
			if _, err := c.kind.Verify(t.Context(), token); session.Reason(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		}
		if n := session.Remembered(c.kind); n != 0 {
			t.Errorf("%d tokens of others are remembered", n)
		}
	}
	w.refused(token, "")
}

func TestCache_EveryByte(t *testing.T) {
	w := newWorld(t)
	token := w.remembered()
	for i := range token {
		other := []byte(token)
		for b := range 256 {
			if other[i] = byte(b); other[i] != token[i] && session.Hits(t.Context(), w.user, string(other)) {
				t.Fatalf("hit with %q in place of %q at %d", other[i], token[i], i)
			}
		}
		if other[i] = 'A'; token[i] == 'A' {
			other[i] = 'B'
		}
		if _, err := w.user.Verify(t.Context(), string(other)); err == nil {
			t.Fatalf("taken with %q in place of %q at %d", other[i], token[i], i)
		}
		if session.Hits(t.Context(), w.user, token[:i]) || session.Hits(t.Context(), w.user, token[i+1:]) {
			t.Fatalf("hit with a part, cut at %d", i)
		}
	}
	for _, longer := range []string{token + "A", token + "=", " " + token, token + "." + token} {
		if session.Hits(t.Context(), w.user, longer) {
			t.Errorf("hit with more than the token: %q", longer)
		}
	}
	if n := session.Remembered(w.user); n != 1 {
		t.Errorf("%d tokens are remembered, want 1: what was refused is not kept", n)
	}
	w.refused(token, "")
}

func TestCache_EqualHashes(t *testing.T) {
	w := newWorld(t)
	ids := map[string]string{}
	var tokens []string
	for range 12 { // more than there are places for one hash
		token := w.remembered()
		tokens = append(tokens, token)
		ids[token] = must(w.user.Verify(t.Context(), token))(t).TokenID
	}
	for _, hash := range []uint64{0, 1, 1<<32 | 1, 7<<32 | 9, 1<<64 - 1} {
		for n := 1; n < len(tokens); n++ {
			find := session.UnderOneHash(w.user, hash, tokens[:n]...)
			found := 0
			for i, token := range tokens {
				id, ok := find(token)
				if ok && (i >= n || id != ids[token]) {
					t.Fatalf("hash %x: with %d tokens, the session of %s is given to token %d", hash, n, id, i)
				}
				if ok {
					found++
				}
			}
			if want := min(n, 4); found < want { // one set, if both are the same
				t.Errorf("hash %x: %d of %d tokens are found, want %d", hash, found, n, want)
			}
			if _, ok := find(tokens[n-1]); !ok {
				t.Errorf("hash %x: the last of %d tokens is not found", hash, n)
			}
		}
	}
}

// hmacWorld has the kind that a test makes, and signatures that take no time.
func hmacWorld(t *testing.T) *world {
	return newWorld(t, func(c *session.Config) {
		c.Keys = must(keys.StaticSigner(must(keys.NewHMAC("h", bytes.Repeat([]byte{7}, 32)))(t)))(t)
	})
}

func TestCache_Size(t *testing.T) {
	for _, c := range []struct{ cache, tokens, least, most int }{
		{0, 20000, 1000, 1024},
		{4, 200, 4, 4},
		{5, 200, 8, 8},
		{1000, 3000, 980, 1024},
		{-1, 20, 0, 0},
	} {
		t.Run(fmt.Sprint(c.cache), func(t *testing.T) {
			w := hmacWorld(t)
			kind := session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: "k", Cache: c.cache})
			hot := must(kind.Create(t.Context(), w.grant()))(t).Access
			must(kind.Verify(t.Context(), hot))(t)
			last := hot
			for i := range c.tokens {
				last = must(kind.Create(t.Context(), w.grant()))(t).Access
				must(kind.Verify(t.Context(), last))(t) // once: it is not in use, as hot is
				if hit := session.Hits(t.Context(), kind, hot); hit != (c.cache >= 0) {
					t.Fatalf("token %d: hit %v of one that is in use all the time", i, hit)
				}
			}
			if hit := session.Hits(t.Context(), kind, last); hit != (c.cache >= 0) {
				t.Errorf("hit %v of the one that was verified last", hit)
			}
			if n := session.Remembered(kind); n < c.least || n > c.most {
				t.Errorf("%d of %d tokens are kept, want %d to %d", n, c.tokens, c.least, c.most)
			}
		})
	}
}

func TestCache_LongTokens(t *testing.T) {
	w := hmacWorld(t)
	w.key = must(keys.NewHMAC("h", bytes.Repeat([]byte{7}, 32)))(t)
	token := w.sign(w.with("more", strings.Repeat("x", 5000)))
	must(w.user.Verify(t.Context(), token))(t)
	if n := session.Remembered(w.user); n != 0 {
		t.Errorf("a token of %d bytes is kept", len(token))
	}
}

func TestCache_Concurrent(t *testing.T) {
	w := hmacWorld(t)
	for _, size := range []int{4, 64} {
		kind := session.NewKindConfig(w.sessions, session.KindConfig[User]{Name: fmt.Sprint("k", size), Cache: size})
		var tokens []string
		for i := range 32 {
			g := w.grant()
			g.Subject, g.Properties.UserID, g.Roles = fmt.Sprint("u", i), fmt.Sprint("p", i), []string{fmt.Sprint("r", i)}
			tokens = append(tokens, must(kind.Create(t.Context(), g))(t).Access)
		}
		right := func(s *session.Session[User], i int) bool {
			return s.Subject == fmt.Sprint("u", i) && s.Properties.UserID == fmt.Sprint("p", i) && len(s.Roles) == 1 && s.Roles[0] == fmt.Sprint("r", i)
		}
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for n := range 500 {
					i := (n*7 + worker) % len(tokens)
					s, err := kind.Verify(t.Context(), tokens[i])
					if err != nil || !right(s, i) {
						t.Errorf("token %d: %+v, %v", i, s, err)
						return
					}
					s.Roles[0], s.Scopes[0], s.Authentication.Methods[0] = "spoilt", "spoilt", "spoilt"
				}
			})
		}
		wg.Wait()
		if n := session.Remembered(kind); n == 0 || n > size {
			t.Errorf("%d tokens are kept, want at most %d", n, size)
		}
	}
}
