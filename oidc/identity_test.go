package oidc_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/fakeidp"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/oidc"
)

func TestIdentity(t *testing.T) {
	w := one(t)
	w.IdP.SetUsers(fakeidp.User{Subject: "s1", Email: "Ada@Example.com", EmailVerified: true, Name: "Ada", Picture: "https://example.com/a.png"})
	id := accepted(t, w, "one")
	if mail, ok := id.Email(); id.Issuer != flowtest.IdP || id.Subject != "s1" || id.Name != "Ada" || id.Picture != "https://example.com/a.png" || mail != "ada@example.com" || !ok {
		t.Errorf("%+v", id)
	}
	var raw struct {
		Nonce, Sub, Email string
	}
	if err := json.Unmarshal(id.Raw, &raw); err != nil || raw.Nonce == "" || raw.Sub != "s1" || raw.Email != "Ada@Example.com" || id.UserInfo != nil {
		t.Errorf("Raw %s, UserInfo %s, %v", id.Raw, id.UserInfo, err)
	}
	if id.Tokens == nil || id.Tokens.Access == "" || strings.Count(id.Tokens.ID, ".") != 2 || !id.Tokens.Expires.After(w.Now()) || id.Tokens.Scope == "" {
		t.Errorf("Tokens %+v", id.Tokens)
	}
	in := w.SignIns()[0]
	if fmt.Sprint(in.Authentication.Methods) != "[oidc]" || in.Tokens != id.Tokens || in.Return.Target() != "https://app.example/" {
		t.Errorf("%+v", in)
	}
	if events := w.Events.All(); len(events) != 1 || events[0].Name != "sign-in" || events[0].Reason != "" {
		t.Errorf("events %+v", events)
	}
}

// TestUserInfo: asked with the access token, and only what the ID token lacks is taken from it.
func TestUserInfo(t *testing.T) {
	w := one(t, func(c *oidc.Config) { c.UserInfo = true })
	w.IdP.SetFaults(fakeidp.Faults{IDToken: func(claims map[string]any) {
		delete(claims, "name")
		delete(claims, "email")
		delete(claims, "email_verified")
	}})
	id := accepted(t, w, "one")
	if mail, ok := id.Email(); mail != "ada@example.com" || !ok || id.Name != "Ada Lovelace" || !json.Valid(id.UserInfo) || strings.Contains(string(id.Raw), "ada@") {
		t.Errorf("%+v", id)
	}
	// An unproven address in the ID token is not proven by UserInfo.
	w.IdP.SetFaults(fakeidp.Faults{IDToken: func(claims map[string]any) { claims["email_verified"] = false }})
	if mail, ok := accepted(t, w, "one").Email(); ok {
		t.Errorf("%s became proven", mail)
	}
}

// TestA1_SameSubjectAndAddressAtTwoIssuers: two people, until the application links them.
func TestA1_SameSubjectAndAddressAtTwoIssuers(t *testing.T) {
	const other = "https://other.example"
	w := flowtest.New(t, func(w *flowtest.World) map[string]postern.Provider {
		w.NewIdP(other, "RS256")
		two := config(w)
		two.Issuer = other
		return map[string]postern.Provider{"one": oidc.New(config(w)), "two": oidc.New(two)}
	})
	one, two := accepted(t, w, "one"), accepted(t, w, "two")
	if one.Subject != two.Subject || one.Issuer == two.Issuer || one.Issuer != flowtest.IdP || two.Issuer != other {
		t.Errorf("%s %s and %s %s", one.Issuer, one.Subject, two.Issuer, two.Subject)
	}
	// A provider cannot speak for another's people.
	w.IdP.SetFaults(fakeidp.Faults{IDToken: func(claims map[string]any) { claims["iss"] = other }})
	if a := w.Browser().SignIn("one"); a.Code() != "invalid_id_token" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

func TestA2_UnprovenAddresses(t *testing.T) {
	w := one(t)
	for name, f := range map[string]fakeidp.Faults{
		"false":   {EmailUnverified: true},
		"as text": {EmailVerifiedText: true},
		"absent":  {NoEmailVerified: true},
		"number":  {IDToken: func(c map[string]any) { c["email_verified"] = 1 }},
		"list":    {IDToken: func(c map[string]any) { c["email_verified"] = []bool{true} }},
		"null":    {IDToken: func(c map[string]any) { c["email_verified"] = nil }},
		"xms":     {NoEmailVerified: true, IDToken: func(c map[string]any) { c["xms_edov"] = true }},
	} {
		w.IdP.SetFaults(f)
		id := accepted(t, w, "one")
		if mail, ok := id.Email(); ok || len(id.Addresses) != 1 || id.Addresses[0].Value != "ada@example.com" {
			t.Errorf("%s: %q %v %+v", name, mail, ok, id.Addresses)
		}
	}
	w.IdP.SetFaults(fakeidp.Faults{NoEmail: true})
	if id := accepted(t, w, "one"); len(id.Addresses) != 0 {
		t.Errorf("%+v", id.Addresses)
	}
}

// TestC3_TokenAnswerWithoutIDToken and the smaller checks of the flow.
func TestC3_TokenAnswerWithoutIDToken(t *testing.T) {
	refused(t, one(t), fakeidp.Faults{NoIDToken: true}, 502, "provider_error")
	refused(t, one(t), fakeidp.Faults{TokenError: "invalid_grant"}, 400, "invalid_code")
	refused(t, one(t), fakeidp.Faults{TokenError: "invalid_client"}, 502, "provider_error")
	refused(t, one(t), fakeidp.Faults{UnknownKey: true}, 400, "invalid_id_token")
	refused(t, one(t), fakeidp.Faults{Expired: true}, 400, "invalid_id_token")
	w := one(t)
	w.IdP.SetFaults(fakeidp.Faults{IDToken: func(c map[string]any) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" }})
	if a := w.Browser().SignIn("one"); a.Code() != "invalid_id_token" || !strings.Contains(w.Log(), "at_hash") {
		t.Errorf("%d %s\n%s", a.Status, a.Body, w.Log())
	}
}

func TestC3_MaxAge(t *testing.T) {
	w := one(t, func(c *oidc.Config) { c.MaxAge = 5 * time.Minute; c.Prompt = "login" })
	if q := w.Browser().Begin("one").Query(); q.Get("max_age") != "300" || q.Get("prompt") != "login" {
		t.Errorf("%v", q)
	}
	accepted(t, w, "one")
	w.IdP.SetFaults(fakeidp.Faults{AuthAge: time.Hour})
	if a := w.Browser().SignIn("one"); a.Code() != "invalid_id_token" {
		t.Errorf("%d %s", a.Status, a.Body)
	}
}

// A person who signed in at the provider long ago has not proven anything just now, and session.Fresh must not think
// so.
func TestAuthTime(t *testing.T) {
	w := one(t)
	w.IdP.SetFaults(fakeidp.Faults{AuthAge: 30 * 24 * time.Hour})
	accepted(t, w, "one")
	done := w.SignIns()
	in := done[len(done)-1]
	if age := w.Now().Sub(in.Authentication.Time); age < 29*24*time.Hour || age > 31*24*time.Hour {
		t.Errorf("the sign-in counts as %v old, the ID token says 30 days", age)
	}
}

// TestC11_NothingOfARequestInAProvider: many people at once, each is who they are.
func TestC11_NothingOfARequestInAProvider(t *testing.T) {
	logins := 10_000
	if testing.Short() {
		logins = 1000
	}
	const people, lanes = 200, 50
	w := one(t, func(c *oidc.Config) { c.Algorithms = []keys.Algorithm{keys.ES256} })
	w.IdP = w.NewIdP(flowtest.IdP, "ES256") // signs faster
	var users []fakeidp.User
	for i := range people {
		users = append(users, fakeidp.User{Subject: fmt.Sprintf("subject-%d", i), Email: fmt.Sprintf("user%d@example.com", i), EmailVerified: true})
	}
	w.IdP.SetUsers(users...)

	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(lane)))
			type open struct {
				b      *flowtest.Browser
				who    int
				target string
			}
			var waiting []open
			for n := range logins / lanes {
				b, who := w.Browser(), random.IntN(people)
				waiting = append(waiting, open{b, who, b.Agree(flowtest.As(b.Begin("one"), users[who].Subject))})
				// Callbacks come in another order than they began.
				for len(waiting) > 4 || n == logins/lanes-1 && len(waiting) > 0 {
					i := random.IntN(len(waiting))
					o := waiting[i]
					waiting = append(waiting[:i], waiting[i+1:]...)
					a := o.b.Get(o.target)
					if want := "signed in: " + flowtest.IdP + " " + users[o.who].Subject; a.Body != want {
						t.Errorf("%d %q, want %q", a.Status, a.Body, want)
					}
				}
			}
		})
	}
	wg.Wait()
	done := w.SignIns()
	if len(done) != logins {
		t.Errorf("%d sign-ins of %d", len(done), logins)
	}
	for _, in := range done {
		mail, _ := in.Identity.Email()
		if strings.TrimPrefix(in.Identity.Subject, "subject-") != strings.TrimSuffix(strings.TrimPrefix(mail, "user"), "@example.com") {
			t.Errorf("%s has the address %s", in.Identity.Subject, mail)
		}
	}
}
