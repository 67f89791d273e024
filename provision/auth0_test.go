package provision_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/testclock"
	"github.com/posternauth/postern/provision"
	"github.com/posternauth/postern/provision/auth0test"
	"github.com/posternauth/postern/store"
)

type tenant struct {
	*auth0test.Tenant
	users *provision.Auth0
	clock *testclock.Clock
	role  string
}

func newTenant(t *testing.T, change func(*provision.Auth0Config)) *tenant {
	t.Helper()
	a := &tenant{Tenant: auth0test.New(), clock: testclock.New(start)}
	t.Cleanup(a.Close)
	a.Now = a.clock.Now
	a.role = a.AddRole("Course")
	c := a.Config(map[string]string{"course": a.role})
	if change != nil {
		change(&c)
	}
	var err error
	if a.users, err = provision.NewAuth0(c); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *tenant) only(t *testing.T) auth0test.User {
	t.Helper()
	all := a.Users()
	if len(all) != 1 {
		t.Fatalf("%d users, want 1", len(all))
	}
	return all[0]
}

var grant = provision.Grant{ID: "1", Email: "ada@example.com", Name: "Ada", Roles: []string{"course"}}

func TestAuth0_NewUser(t *testing.T) {
	a := newTenant(t, nil)
	for i := range 3 { // safe to repeat
		out, err := a.users.Upsert(t.Context(), grant)
		if err != nil || out.Created != (i == 0) || out.UserID == "" || out.Pending {
			t.Fatalf("%d: %+v, %v", i, out, err)
		}
	}
	u := a.only(t)
	if u.Verified || !u.Mailed || u.Name != "" || len(u.Password) < 32 || !slices.Equal(u.Roles, []string{a.role}) {
		t.Errorf("%+v: want an unverified user with the role, a mail to verify, no name that somebody typed", u)
	}
	if a.Tokens() != 1 {
		t.Errorf("%d tokens for 3 deliveries", a.Tokens())
	}
}

func TestAuth0_TrustSenderAddresses(t *testing.T) {
	a := newTenant(t, func(c *provision.Auth0Config) { c.TrustSenderAddresses = true })
	if _, err := a.users.Upsert(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	if u := a.only(t); !u.Verified || u.Mailed || u.Name != "Ada" {
		t.Errorf("%+v", u)
	}
}

// Somebody signs up at Auth0 with an address that is not theirs, before its owner buys something. The role does not
// go to that account.
func TestA11_Auth0AccountOfAnotherWithTheAddress(t *testing.T) {
	kept, err := provision.NewPending(provision.PendingConfig{Store: &store.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, pending := range []*provision.Pending{nil, kept} {
		a := newTenant(t, func(c *provision.Auth0Config) { c.Pending = pending })
		mallory := a.AddUser(auth0test.User{Email: "ada@example.com", AppMetadata: map[string]any{"plan": "free"}})
		out, err := a.users.Upsert(t.Context(), grant)
		if pending == nil && !errors.Is(err, provision.ErrUnverified) || pending != nil && (err != nil || !out.Pending) {
			t.Errorf("%+v, %v", out, err)
		}
		if u := a.only(t); len(u.Roles) != 0 {
			t.Errorf("an account that did not verify the address has %v", u.Roles)
		}
		if err := a.users.Redeem(t.Context(), "ada@example.com"); pending != nil && !errors.Is(err, provision.ErrUnverified) {
			t.Errorf("redeemed before proof: %v", err)
		}
		a.Verify(mallory.ID) // by the owner of the mailbox, who takes the account over by "forgot password"
		if pending != nil {
			if err := a.users.Redeem(t.Context(), "Ada@example.com"); err != nil {
				t.Error(err)
			}
		} else if _, err := a.users.Upsert(t.Context(), grant); err != nil {
			t.Error(err)
		}
		if u := a.only(t); !slices.Equal(u.Roles, []string{a.role}) {
			t.Errorf("after proof: %v", u.Roles)
		}
	}
}

// The person verifies the address between the look-up and the moment when the roles are kept.
func TestAuth0_VerifiedInBetween(t *testing.T) {
	kept, err := provision.NewPending(provision.PendingConfig{Store: &store.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	a := newTenant(t, func(c *provision.Auth0Config) { c.Pending = kept })
	u := a.AddUser(auth0test.User{Email: "ada@example.com"})
	lookups := 0
	a.Before(func(r *http.Request) {
		if r.Method == "GET" {
			if lookups++; lookups == 3 { // after the two of Upsert
				a.Verify(u.ID)
			}
		}
	})
	if _, err := a.users.Upsert(t.Context(), grant); err != nil {
		t.Fatal(err)
	}
	if got := a.only(t); len(got.Roles) != 1 {
		t.Errorf("the role is lost: %v after %d look-ups", got.Roles, lookups)
	}
}

func TestAuth0_VerifiedAccounts(t *testing.T) {
	a := newTenant(t, nil)
	a.AddUser(auth0test.User{Email: "ada@example.com", Verified: true})
	a.AddUser(auth0test.User{ID: "google-oauth2|1", Connection: "google-oauth2", Email: "ada@example.com", Verified: true})
	a.AddUser(auth0test.User{ID: "other|1", Connection: "other", Email: "ada@example.com"})
	if out, err := a.users.Upsert(t.Context(), grant); err != nil || out.Created {
		t.Fatalf("%+v, %v", out, err)
	}
	for _, u := range a.Users() {
		if got := len(u.Roles) == 1; got != u.Verified {
			t.Errorf("%s, verified %v: roles %v", u.ID, u.Verified, u.Roles)
		}
	}
}

// 50 deliveries for one address at the same time make one user.
func TestAuth0_Racers(t *testing.T) {
	a := newTenant(t, nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := a.users.Upsert(t.Context(), grant); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if u := a.only(t); len(u.Roles) != 1 {
		t.Errorf("roles %v", u.Roles)
	}
	if a.Tokens() != 1 {
		t.Errorf("%d tokens for 50 parallel callers", a.Tokens())
	}
}

func TestAuth0_TokenCache(t *testing.T) {
	a := newTenant(t, nil)
	upsert := func() {
		t.Helper()
		if _, err := a.users.Upsert(t.Context(), grant); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		advance time.Duration
		tokens  int
	}{{0, 1}, {23*time.Hour + 57*time.Minute, 1}, {time.Minute, 2}, {23 * time.Hour, 2}, {40 * 24 * time.Hour, 3}} {
		a.clock.Advance(step.advance)
		upsert()
		if a.Tokens() != step.tokens {
			t.Errorf("after %s more: %d tokens, want %d", step.advance, a.Tokens(), step.tokens)
		}
	}
	a.RevokeTokens() // before they expire
	upsert()
	if a.Tokens() != 4 {
		t.Errorf("after a revocation: %d tokens", a.Tokens())
	}
}

func TestAuth0_TooManyRequests(t *testing.T) {
	for name, tt := range map[string]struct {
		n          int
		retryAfter string
		ok         bool
	}{
		"once, at once":         {1, "0", true},
		"twice":                 {2, "0", true},
		"three times":           {3, "0", false},
		"longer than MaxWait":   {1, "120", false},
		"as a date":             {1, "Sun, 29 Nov 2026 12:00:00 GMT", true}, // then the reset header counts
		"reset header":          {1, "", true},
		"larger than a number":  {1, strings.Repeat("9", 40), true},
		"hundreds of years":     {1, "2147483647", false},
		"negative is no number": {1, "-1", true},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTenant(t, nil)
			var waited time.Duration
			a.users.SetSleep(func(_ context.Context, d time.Duration) error { waited += d; return nil })
			a.Limit(tt.n, tt.retryAfter)
			_, err := a.users.Upsert(t.Context(), grant)
			if (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
			if waited > 3*time.Second {
				t.Errorf("waited %s, more than MaxWait", waited)
			}
		})
	}
	// The webhook passes the pause on.
	a := newTenant(t, nil)
	h := newHook(t, func(c *provision.WebhookConfig) { c.Users = a.users })
	a.Limit(1, "120")
	r := stripeRequest(paid("evt_1", "ada@example.com", "course"), start, secret)
	w := newRecorder(h, r)
	if w.Code != 503 || w.Header().Get("Retry-After") != "120" {
		t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
}

// Every failure of the tenant is an error that says what to do and repeats no secret and no address.
func TestAuth0_Failures(t *testing.T) {
	for name, tt := range map[string]struct {
		config func(*provision.Auth0Config)
		tenant func(*tenant)
		want   string
	}{
		"wrong secret":    {func(c *provision.Auth0Config) { c.ClientSecret = "another-secret-that-is-wrong" }, nil, "401"},
		"no read:users":   {nil, func(a *tenant) { a.Permissions = a.Permissions[1:] }, "403 insufficient_scope"},
		"no update:users": {nil, func(a *tenant) { a.Permissions = a.Permissions[:2] }, "403 insufficient_scope"},
		"another id of a role": {func(c *provision.Auth0Config) {
			c.Roles = map[string]string{"course": "rol_nothing"}
		}, nil, "404"},
		"another connection": {func(c *provision.Auth0Config) { c.Connection = "nothing" }, nil, "400"},
		"down":               {nil, func(a *tenant) { a.Fail(1) }, "503"},
		"stopped":            {nil, func(a *tenant) { a.Close() }, "127.0.0.1"},
		"a role beyond":      {func(c *provision.Auth0Config) { c.Roles = map[string]string{"other": "rol_1"} }, nil, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newTenant(t, tt.config)
			if tt.tenant != nil {
				tt.tenant(a)
			}
			_, err := a.users.Upsert(t.Context(), grant)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			for _, leak := range []string{auth0test.ClientSecret, "another-secret", "ada", "Bearer", "auth0test."} {
				if strings.Contains(err.Error(), leak) {
					t.Errorf("the error has %q: %v", leak, err)
				}
			}
			if refused := errors.Is(err, provision.ErrRefused); refused != (name == "a role beyond") {
				t.Errorf("refused: %v for %v", refused, err)
			}
		})
	}
}

func TestAuth0_Config(t *testing.T) {
	for name, change := range map[string]func(*provision.Auth0Config){
		"no domain":           func(c *provision.Auth0Config) { c.Domain = "" },
		"domain with a path":  func(c *provision.Auth0Config) { c.Domain = "example.auth0.com/api" },
		"http":                func(c *provision.Auth0Config) { c.Domain = "http://example.auth0.com" },
		"user in the domain":  func(c *provision.Auth0Config) { c.Domain = "a:b@example.auth0.com" },
		"query":               func(c *provision.Auth0Config) { c.Domain = "example.auth0.com?x=" },
		"no client":           func(c *provision.Auth0Config) { c.ClientID = "" },
		"no secret":           func(c *provision.Auth0Config) { c.ClientSecret = "" },
		"no roles":            func(c *provision.Auth0Config) { c.Roles = nil },
		"a name for an id":    func(c *provision.Auth0Config) { c.Roles = map[string]string{"course": "course"} },
		"this machine":        func(c *provision.Auth0Config) { c.Domain = "http://127.0.0.1:1" },
		"negative wait":       func(c *provision.Auth0Config) { c.MaxWait = -1 },
		"decimal for address": func(c *provision.Auth0Config) { c.Domain = "2130706433" },
	} {
		c := provision.Auth0Config{Domain: "example.eu.auth0.com", ClientID: "id", ClientSecret: "s3cret", Roles: map[string]string{"course": "rol_1"}}
		if _, err := provision.NewAuth0(c); err != nil {
			t.Fatal(err)
		}
		change(&c)
		if _, err := provision.NewAuth0(c); err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A tenant is never called in a private network.
	a, err := provision.NewAuth0(provision.Auth0Config{Domain: "169.254.169.254", ClientID: "id", ClientSecret: "s3cret", Roles: map[string]string{"course": "rol_1"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Upsert(t.Context(), grant); err == nil || !strings.Contains(err.Error(), "not a public address") {
		t.Errorf("%v", err)
	}
}

// A tenant that accepts none of its tokens is asked twice, not for ever: each token is one of a quota.
func TestAuth0_NoTokenIsAccepted(t *testing.T) {
	a := newTenant(t, nil)
	a.Before(func(*http.Request) { a.RevokeTokens() })
	if _, err := a.users.Upsert(t.Context(), grant); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("%v", err)
	}
	if a.Tokens() != 2 {
		t.Errorf("%d tokens", a.Tokens())
	}
}

// A caller who goes away while the token is fetched does not take the others with it.
func TestAuth0_TokenCallerGoesAway(t *testing.T) {
	a := newTenant(t, nil)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			ctx := t.Context()
			if i%2 == 0 {
				ctx = gone
			}
			if _, err := a.users.Upsert(ctx, grant); (err != nil) != (i%2 == 0) {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	wg.Wait()
}
