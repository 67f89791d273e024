package journeys

import (
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/store"
)

// resident makes an account with a password, without a page, and returns its id.
func (s *stage) resident(t testing.TB, address, name string, roles ...string) string {
	t.Helper()
	encoded, err := hasher().Hash(s.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	who := postern.Identity{Provider: "password", Issuer: postern.MailIssuer, Subject: address,
		Addresses: []postern.Address{{Type: "email", Value: address, Verified: true}}}
	id, err := s.dir.CreateWith(s.Context(), postern.SignUp{ID: "resident " + address, Identity: who, Name: name, Roles: roles, Time: s.Now(), Passwords: 1},
		func(userID string) []store.Change {
			row, err := password.Row(s.dir.Pool(), userID, encoded)
			if err != nil {
				t.Error(err)
			}
			return []store.Change{row}
		})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// settled gives the person an account, and signs them in.
func (p *person) settled(roles ...string) *person {
	p.Helper()
	p.resident(p.TB, p.address, "Ada Lovelace", roles...)
	return p.signIn(good)
}

// signIn signs in with a password, up to what comes after it.
func (p *person) signIn(password string) *person {
	p.Helper()
	return p.open("/password/authorize").fill("Email address or username", p.address).fill("Password", password).press("Sign in")
}

// signOut signs out on the account's page.
func (p *person) signOut() *person {
	p.Helper()
	return p.open("/account").press("Sign out").shows("You are signed out")
}

// inside fails unless the person is signed in, and knows by what.
func (p *person) inside(methods string) *person {
	p.Helper()
	return p.open(site + "/private").shows("Methods: " + methods)
}

// outside fails unless the application turns the person away.
func (p *person) outside() *person {
	p.Helper()
	return p.openRefused(site+"/private", 401)
}

// stale lets so much time pass that what the person does needs a fresh proof.
func (p *person) stale() *person { p.Advance(11 * time.Minute); return p }

// idOf is the id of the person's account.
func (p *person) idOf() string {
	p.Helper()
	id, err := p.dir.Find(p.Context(), postern.Identity{Issuer: postern.MailIssuer, Subject: p.address})
	if err != nil {
		p.Fatal(err)
	}
	return id
}
