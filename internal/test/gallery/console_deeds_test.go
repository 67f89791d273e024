package gallery

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/users"
)

// A matter is one user, with a browser that is signed in, and one administrator with the page of the user open.
type matter struct {
	testing.TB
	v          *world
	user, boss *person
	address    string
}

func newMatter(t *testing.T, v *world, name string, begin func(p *person, address string) *person) *matter {
	t.Helper()
	v.TB = t
	m := &matter{TB: t, v: v, address: name + "@example.com"}
	m.user = begin(v.person(t, "en"), m.address)
	user := v.known(t, m.address)
	m.boss = v.person(t, "en").owner("boss." + name + "@example.com")
	m.boss.id = user.ID
	v.Mails.Take()
	m.boss.openUser("")
	return m
}

// known returns the user who has verified an address.
func (v *world) known(t *testing.T, address string) users.User {
	t.Helper()
	found, err := v.dir.Search(t.Context(), users.Query{Identifier: address})
	if err != nil || len(found.Users) != 1 {
		t.Fatalf("%s: %d users, %v", address, len(found.Users), err)
	}
	return found.Users[0]
}

// does presses a form of the console, which says what was done.
func (m *matter) does(action, notice string, pairs ...string) {
	m.Helper()
	m.boss.press(action, pairs...)
	if m.boss.status != http.StatusOK || !strings.Contains(m.boss.body, notice) {
		m.Fatalf("%s: %d, no %q in\n%s", action, m.boss.status, notice, m.boss.body)
	}
}

// told fails unless the user got a mail, with a text in it.
func (m *matter) told(name, text string) {
	m.Helper()
	for _, mail := range m.v.Mails.All() {
		if mail.Name == name && mail.To == m.address && strings.Contains(mail.Text, text) {
			return
		}
	}
	m.Errorf("no mail %s with %q to %s: %v", name, text, m.address, m.v.Mails.All())
}

// out fails unless the browser of the user is signed out.
func (m *matter) out() {
	m.Helper()
	if m.user.open("/account"); strings.Contains(m.user.body, `aria-current="page"`) {
		m.Errorf("the user is still signed in:\n%s", m.user.body)
	}
}

// in fails unless a browser is signed in.
func (m *matter) in(p *person) {
	m.Helper()
	if p.open("/account"); p.status != http.StatusOK || !strings.Contains(p.body, m.address) {
		m.Errorf("the user is not signed in: %d\n%s", p.status, p.body)
	}
}

// shows fails unless the page of a person has a text.
func (m *matter) shows(p *person, text string) {
	m.Helper()
	if !strings.Contains(p.body, text) {
		m.Errorf("%s: no %q in\n%s", p.at, text, p.body)
	}
}

func (p *person) signedUp(address string) *person { return p.signUp(address) }

// TestConsoleDeeds: what an administrator does in the console, and what the user sees then.
func TestConsoleDeeds(t *testing.T) {
	v := newWorld(t)
	t.Run("reset mail", func(t *testing.T) {
		m := newMatter(t, v, "reset.mail", (*person).signedUp)
		m.does("/reset-mail", "The reset was mailed.")
		m.told("password.reset-by-admin", "ask you to choose a new password")
		other := m.user.elsewhere().open(v.mailed("password.reset-by-admin", "link"))
		other.send("password", next)
		m.out()
		m.in(m.user.elsewhere().signIn(m.address, next))
	})
	t.Run("unlock", func(t *testing.T) {
		m := newMatter(t, v, "locked", (*person).signedUp)
		h, err := head.Get(t.Context(), v.Sessions.Store(), v.Sessions.Issuer(), m.boss.id)
		if err != nil {
			t.Fatal(err)
		}
		h.Lock = head.LockPassword
		if err := v.Sessions.Store().Write(t.Context(), h.Put()); err != nil {
			t.Fatal(err)
		}
		other := m.user.elsewhere().signIn(m.address, good)
		if other.status < 400 {
			t.Fatalf("the lock does nothing: %d\n%s", other.status, other.body)
		}
		m.does("/unlock", "The password works again.")
		m.in(m.user.elsewhere().signIn(m.address, good))
	})
	t.Run("demand a change", func(t *testing.T) {
		m := newMatter(t, v, "demanded", (*person).signedUp)
		m.does("/demand-change", "The user needs another password before the next sign-in.")
		m.in(m.user) // sessions stay
		other := m.user.elsewhere().signIn(m.address, good)
		m.shows(other, "password_change_demanded")
		other.open("/password/forgot").send("identifier", m.address)
		other.open(v.mailed("password.reset", "link")).send("password", next)
		m.in(m.user.elsewhere().signIn(m.address, next))
	})
	t.Run("remove the password", func(t *testing.T) {
		m := newMatter(t, v, "no.password", (*person).withPasskey)
		m.does("/remove-password", "The password was removed, and the sessions of the user have ended.")
		m.told("postern.way-removed", "The password of your account was removed by an administrator.")
		m.out()
		if other := m.user.elsewhere().signIn(m.address, good); other.status != http.StatusBadRequest {
			t.Errorf("the password signs in: %d\n%s", other.status, other.body)
		}
	})
	t.Run("remove the passkeys", func(t *testing.T) {
		m := newMatter(t, v, "no.passkeys", (*person).withPasskey)
		m.does("/remove-passkeys", "The passkeys and the second factors were removed")
		m.told("postern.way-removed", "The passkeys and the second factors of your account were removed")
		m.out()
		m.in(m.user.elsewhere().signIn(m.address, good))
	})
	t.Run("reset the factors", func(t *testing.T) {
		m := newMatter(t, v, guarded+".app", (*person).withCodes)
		other := m.user.elsewhere().signIn(m.address, good)
		m.shows(other, "authenticator app")
		m.does("/reset-factors", "The second factors were removed, and the sessions of the user have ended.")
		m.told("postern.way-removed", "The second factors of your account were removed by an administrator.")
		m.out()
		other = m.user.elsewhere().signIn(m.address, good)
		m.shows(other, "Set up a second step") // this account must have one
	})
	t.Run("remove an identity", func(t *testing.T) {
		id := postern.Identity{Provider: "google", Issuer: "https://idp.example", Subject: "10-linked"}
		m := newMatter(t, v, "linked", func(p *person, address string) *person {
			p.signUp(address)
			if err := v.dir.Link(t.Context(), v.known(t, address).ID, id); err != nil {
				t.Fatal(err)
			}
			return p
		})
		m.does("/remove-identity", "The linked account was removed, and the sessions of the user have ended.")
		m.told("postern.way-removed", "An account at another site was removed from your account by an administrator.")
		m.out()
		if user, err := v.dir.User(t.Context(), m.boss.id); err != nil || len(user.Identities) > 0 {
			t.Errorf("%+v %v", user.Identities, err)
		}
		m.in(m.user.elsewhere().signIn(m.address, good))
	})
	t.Run("roles", func(t *testing.T) {
		m := newMatter(t, v, "promoted", (*person).signedUp)
		if m.user.open("/admin/session"); m.user.status != http.StatusForbidden {
			t.Fatalf("before: %d", m.user.status)
		}
		m.does("/roles", "The roles were saved.", "role.owner", "on")
		if m.user.elsewhere().signIn(m.address, good); m.user.open("/admin/session").status != http.StatusOK {
			t.Errorf("the roles are without effect: %d\n%s", m.user.status, m.user.body)
		}
	})
	t.Run("export", func(t *testing.T) {
		m := newMatter(t, v, "exported", (*person).signedUp)
		m.boss.press("/export")
		if m.boss.header.Get("Content-Disposition") != `attachment; filename="user.json"` || !strings.Contains(m.boss.body, m.address) || strings.Contains(m.boss.body, "$argon2") {
			t.Errorf("%d %v\n%s", m.boss.status, m.boss.header, m.boss.body)
		}
		m.in(m.user)
	})
	t.Run("delete", func(t *testing.T) {
		m := newMatter(t, v, "deleted", (*person).signedUp)
		m.does("/delete", "The user was deleted.", "confirm", m.address)
		m.out()
		if other := m.user.elsewhere().signIn(m.address, good); other.status != http.StatusBadRequest {
			t.Errorf("the password signs in: %d\n%s", other.status, other.body)
		}
		m.in(m.user.elsewhere().signUp(m.address)) // the address is free again
	})
	t.Run("invite", func(t *testing.T) {
		m := newMatter(t, v, "inviting", (*person).signedUp)
		m.boss.open("/admin/users/invite").send("address", "guest@example.com", "role.member", "on")
		m.shows(m.boss, "The invitation was mailed.")
		m.address = "guest@example.com"
		m.told("postern.invitation", "You are invited")
		guest := m.user.elsewhere().open(v.mailed("postern.invitation", "link"))
		guest.follow("/password/authorize").follow("/sign-up").send("email", m.address).send("code", v.mailed("postern.verify-address", "code"))
		m.in(guest.send("password", good))
		if got := v.known(t, m.address); !slices.Equal(got.Roles, []string{"member"}) {
			t.Errorf("the roles are %q", got.Roles)
		}
	})
}
