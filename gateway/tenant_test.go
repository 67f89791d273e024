package gateway_test

import (
	"context"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/session"
)

// TestG7_Separate: the same subject under the same kid, of two issuers: what one may do says nothing of the other.
func TestG7_Separate(t *testing.T) {
	one := newWorld(t)
	two := newWorld(t, func(c *session.Config) { c.Issuer = "https://two.example.com/auth" })
	sameKey := newWorld(t, func(c *session.Config) {
		c.Issuer, c.Keys = "https://three.example.com/auth", must(keys.StaticSigner(one.key))(t)
	})
	otherAudience := newWorld(t, func(c *session.Config) { c.Audience, c.Keys = "other", must(keys.StaticSigner(one.key))(t) })
	auth := &lambdatest.LambdaAuthorizer{Type: lambdatest.TokenAuthorizer, Function: one.function(gateway.Config{})}
	g := one.api(lambdatest.REST, auth, nil, "GET /a")
	ask := func(w *world, k *session.Kind[User]) int {
		name, value := bearer(w.token(k, "u1"))
		return call(g, "GET", "/a", name, value).Code
	}
	for range 2 { // the second time from the cache
		for name, c := range map[string]struct{ got, want int }{
			"its own":           {ask(one, one.user), 200},
			"another issuer":    {ask(two, two.user), 401},
			"with the same key": {ask(sameKey, sameKey.user), 401},
			"another audience":  {ask(otherAudience, otherAudience.user), 401},
			"another kind":      {ask(one, one.other), 401},
		} {
			if c.got != c.want {
				t.Errorf("a token of %s: %d, want %d", name, c.got, c.want)
			}
		}
	}
	// A policy made for one API and stage allows nothing in another, should it ever get there.
	token := one.token(one.user, "u1")
	for _, change := range []func(*lambdatest.Config){
		func(c *lambdatest.Config) { c.Stage = "dev" }, func(c *lambdatest.Config) { c.APIID = "zzzzzzzzzz" },
		func(c *lambdatest.Config) { c.Region = "eu-west-1" }, func(c *lambdatest.Config) { c.Account = "210987654321" },
	} {
		policy, err := one.authorizer(gateway.Config{}).Invoke(t.Context(), eventOf(t, "TOKEN", "Bearer "+token))
		if err != nil {
			t.Fatal(err)
		}
		foreign := lambdatest.Func(func(context.Context, []byte) ([]byte, error) { return policy, nil })
		g := one.api(lambdatest.REST, &lambdatest.LambdaAuthorizer{Type: lambdatest.TokenAuthorizer, Function: foreign}, change, "GET /a")
		name, value := bearer(token)
		if rec := call(g, "GET", "/a", name, value); rec.Code == 200 {
			t.Error("the policy of another API or stage lets in")
		}
	}
}

// TestG7_RevokedAfterTTL: an answer from the cache outlives a session by the time results are kept, and no longer.
func TestG7_RevokedAfterTTL(t *testing.T) {
	for _, kind := range []lambdatest.APIType{lambdatest.REST, lambdatest.HTTPAPI} {
		w := newWorld(t)
		tokens := must(w.live.Create(t.Context(), session.Grant[User]{Subject: "u1"}))(t)
		auth := &lambdatest.LambdaAuthorizer{Function: w.function(gateway.Config{Guard: w.live, Policies: true}), TTL: gateway.TTL}
		g := w.api(kind, auth, nil, "GET /a", "GET /b")
		name, value := bearer(tokens.Access)
		expect := func(path string, want int, when string) {
			t.Helper()
			if rec := call(g, "GET", path, name, value); rec.Code != want {
				t.Errorf("%v, %s: %d, want %d", kind, when, rec.Code, want)
			}
		}
		expect("/a", 200, "at first")
		if err := w.sessions.Revoke(t.Context(), tokens.SessionID); err != nil {
			t.Fatal(err)
		}
		expect("/b", 200, "ended, but kept")
		w.Advance(gateway.TTL + time.Second)
		expect("/a", 401, "a second after the TTL")
		expect("/b", 401, "a second after the TTL")
	}
}

// TestG7_ExpiredBehindTheCache: an answer that the cache keeps for a token that has expired gets no further than the
// function.
func TestG7_ExpiredBehindTheCache(t *testing.T) {
	w := newWorld(t)
	auth := &lambdatest.LambdaAuthorizer{Function: w.function(gateway.Config{}), TTL: time.Hour}
	g := must(lambdatest.New(lambdatest.Config{Type: lambdatest.REST, Stage: "prod", Now: w.Now,
		Routes: []lambdatest.Route{{Method: "GET", Path: "/a", Function: w.behind(w.user), Authorizer: auth}}}))(t)
	w.Advance(time.Second)
	name, value := bearer(w.token(w.user, "u1"))
	if rec := call(g, "GET", "/a", name, value); rec.Code != 200 {
		t.Fatalf("at first: %d %s", rec.Code, rec.Body)
	}
	w.Advance(59 * time.Minute)
	auth.TTL = time.Hour
	if rec := call(g, "GET", "/a", name, value); rec.Code != 200 {
		t.Errorf("before it expires: %d %s", rec.Code, rec.Body)
	}
	w.Advance(59 * time.Second) // within the hour of the cache
	w.Advance(45 * time.Second)
	if rec := call(g, "GET", "/a", name, value); rec.Code != 401 {
		t.Errorf("after it has expired: %d %s", rec.Code, rec.Body)
	}
}
