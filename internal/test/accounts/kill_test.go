package accounts

import (
	"maps"
	"net/http"
	"net/url"
	"testing"

	"github.com/posternauth/postern"
)

// ways tries eight ways to an account at a handler, and returns the user whom each reaches; empty: nobody. before are
// the cookies from before the deed.
func (v *village) ways(h *house, before *person) map[string]string {
	v.Helper()
	session := v.personAt(h)
	session.Cookies = before.Clone().Cookies
	refreshed := v.personAt(h)
	refreshed.Cookies = before.Clone().Cookies
	refreshed.do("POST", "/refresh", url.Values{})
	found := map[string]string{"session": session.id(), "refresh": refreshed.id()}
	for way, enter := range map[string]func(p *person) reply{
		"old password":      func(p *person) reply { return p.byPassword(oldAddress, first) },
		"new password":      func(p *person) reply { return p.byPassword(oldAddress, second) },
		"identity":          func(p *person) reply { return p.at("door", "ada") },
		"second identity":   func(p *person) reply { return p.at("gate", "ada2") },
		"code, old address": func(p *person) reply { return p.byCode(oldAddress) },
		"link, new address": func(p *person) reply { return p.byLink(newAddress) },
	} {
		p := v.personAt(h)
		if a := enter(p); a.Code >= 500 {
			v.Errorf("%s: %d %s", way, a.Code, a.Body)
		}
		found[way] = p.id()
	}
	return found
}

// A process that dies after any of the writes of a deed: the next process finds an account in which nothing is lost and
// nothing is open that should not be. Eight ways to it are tried.
func TestA16_KilledAfterEachWrite(t *testing.T) {
	const (
		in  = "in"  // the way leads to the account
		out = "out" // it leads to nobody, or to somebody new
	)
	// Where each way leads before a deed and after it. A way that is missing may lead to either.
	type state map[string]string
	before := state{"session": in, "old password": in, "new password": out, "identity": in, "second identity": in, "code, old address": in, "link, new address": out}
	unlinked := maps.Clone(before)
	unlinked["second identity"] = out
	with := func(change state) state {
		all := maps.Clone(before)
		maps.Copy(all, change)
		return all
	}
	for name, deed := range map[string]struct {
		begin         func(s *scene) (do func() reply)
		before, after state
	}{
		"reset": {func(s *scene) func() reply {
			s.person().must(200, "", "POST", "/password/forgot", object{"identifier": oldAddress})
			_, q := s.link(s.mailed("password.reset"))
			return func() reply {
				return s.person().do("POST", "/password/reset", object{"token": q.Get("token"), "password": second})
			}
		}, before, with(state{"session": out, "refresh": out, "old password": out, "new password": in})},
		"change of the address": {func(s *scene) func() reply {
			s.ada.must(202, "", "POST", "/account/addresses", object{"address": newAddress, "replace": s.ada.addressID(oldAddress)})
			code := s.mailed("postern.new-address").Arg("code")
			return func() reply { return s.ada.do("POST", "/account/addresses/confirm", object{"code": code}) }
		}, before, with(state{"session": out, "old password": out, "code, old address": out, "link, new address": in})},
		"link": {func(s *scene) func() reply {
			if err := s.dir.Unlink(s.Context(), s.id, postern.Identity{Issuer: "https://gate.example", Subject: "ada2"}); err != nil {
				s.Fatal(err)
			}
			s.ada = s.person()
			s.ada.at("door", "ada")
			s.ada.prove("ada")
			a := s.ada.back(s.ada.do("POST", "/account/identities/gate", nil), "ada2")
			return func() reply { return s.ada.do("POST", "/link", object{"state": a.hidden("state"), "choice": "add"}) }
		}, unlinked, before},
		"delete": {func(s *scene) func() reply {
			return func() reply { return s.ada.do("DELETE", "/account?confirm="+s.id, nil) }
		}, before, state{"session": out, "refresh": out, "old password": out, "new password": out, "identity": out, "second identity": out, "code, old address": out, "link, new address": out}},
	} {
		t.Run(name, func(t *testing.T) {
			moved := false
			for n := 1; ; n++ {
				s := newScene(t)
				s.ada.must(200, "", "POST", "/password/set", object{"new_password": first})
				do := deed.begin(s)
				was := &person{s.ada.Clone(), s.village}
				s.mill.from(0, n)
				w := do()
				stopped := s.mill.stopped
				s.mill.from(0, 0)
				next := s.open(s.mill)
				if u, err := next.dir.User(t.Context(), s.id); err == nil && len(u.Addresses) == 0 {
					t.Errorf("write %d: the user has no address", n)
				}
				found := s.ways(next, was)
				fits := func(want state) bool {
					for way, what := range want {
						if (what == in) != (found[way] == s.id) {
							return false
						}
					}
					return true
				}
				undone, done := fits(deed.before), fits(deed.after)
				switch {
				case !undone && !done:
					t.Errorf("killed after write %d of the %s (%d): %v", n, name, w.Code, found)
				case moved && !done:
					t.Errorf("killed after write %d of the %s: it was done by an earlier write, and now it is not: %v", n, name, found)
				}
				moved = done
				if !stopped {
					if !done || w.Code >= 400 {
						t.Errorf("without a kill: %d %s: %v", w.Code, w.Body, found)
					}
					return
				}
				if n > 60 {
					t.Fatal("no end of writes")
				}
			}
		})
	}
}

// A process that dies within a sign-up leaves a whole user or none, and the address is not lost: its owner ends with
// one account.
func TestA16_SignUpKilledAfterEachWrite(t *testing.T) {
	for n := 1; ; n++ {
		m := &mill{}
		v := newVillage(t, m.on)
		p := v.person()
		a := p.must(200, "", "POST", "/sign-up", object{"email": oldAddress})
		code := v.mailed("postern.verify-address").Arg("code")
		m.from(0, n)
		b := p.do("POST", "/sign-up/code", object{"state": a.hidden("state"), "code": code})
		if b.Code == http.StatusOK {
			p.do("POST", "/password/sign-up", object{"state": b.hidden("state"), "password": first})
		}
		stopped := m.stopped
		m.from(0, 0)
		next := v.open(m)
		made, err := next.dir.Find(t.Context(), mailOf(oldAddress))
		owner := v.personAt(next)
		in := owner.byPassword(oldAddress, first)
		switch {
		case err == nil && owner.id() != made:
			t.Errorf("killed after write %d: the user %q cannot sign in: %d %s", n, made, in.Code, in.Body)
		case err != nil && owner.id() != "":
			t.Errorf("killed after write %d: signed in without an account", n)
		}
		if err != nil {
			again := v.personAt(next)
			if a := again.signUp(oldAddress, second); a.Code >= 400 || again.id() == "" {
				t.Errorf("killed after write %d: the address is lost: %d %s", n, a.Code, a.Body)
			}
		}
		code1 := v.personAt(next)
		code1.byCode(oldAddress)
		if u, err := next.dir.Find(t.Context(), mailOf(oldAddress)); err != nil || u != code1.id() {
			t.Errorf("killed after write %d: %v", n, err)
		}
		if !stopped {
			return
		}
	}
}
