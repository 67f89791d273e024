package accounts

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

var errDown = errors.New("the store is down")

// A mill is a store that fails at one call, or stops for good after so many writes, as the process does that dies then.
type mill struct {
	store.Store
	mu      sync.Mutex
	calls   int
	failAt  int // 0: never
	writes  int
	stopAt  int // after so many writes; 0: never
	stopped bool
	failed  bool
}

func (m *mill) call(write bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.stopped || m.calls == m.failAt {
		m.failed = true
		return errDown
	}
	if write {
		m.writes++
		m.stopped = m.writes == m.stopAt
	}
	return nil
}

// on makes the mill a store in memory.
func (m *mill) on(now func() time.Time) store.Store {
	m.Store = &store.Memory{Now: now}
	return m
}

// from counts anew.
func (m *mill) from(failAt, stopAt int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls, m.failAt, m.writes, m.stopAt, m.stopped, m.failed = 0, failAt, 0, stopAt, false, false
}

func (m *mill) struck() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.failed
}

func (m *mill) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if err := m.call(false); err != nil {
		return nil, err
	}
	return m.Store.Get(ctx, keys...)
}

func (m *mill) List(ctx context.Context, part, after string, limit int) ([]store.Item, string, error) {
	if err := m.call(false); err != nil {
		return nil, "", err
	}
	return m.Store.List(ctx, part, after, limit)
}

func (m *mill) Add(ctx context.Context, k store.Key, delta int64, expires time.Time) (int64, error) {
	if err := m.call(true); err != nil {
		return 0, err
	}
	return m.Store.Add(ctx, k, delta, expires)
}

func (m *mill) Write(ctx context.Context, changes ...store.Change) error {
	if err := m.call(true); err != nil {
		return err
	}
	return m.Store.Write(ctx, changes...)
}

// A scene is a village with ada, who has two identities, two addresses and another session, and boss, who administers.
type scene struct {
	*village
	mill       *mill
	ada, other *person
	boss       *person
	id         string
}

func newScene(t testing.TB) *scene {
	t.Helper()
	m := &mill{}
	s := &scene{village: newVillage(t, m.on), mill: m}
	s.boss = s.person()
	s.boss.at("door", "boss boss@example.com")
	s.village.roles(s.boss.id(), "owner")
	s.boss = s.person()
	s.boss.at("door", "boss")
	s.boss.prove("boss")
	s.ada, s.other = s.person(), s.person()
	s.ada.at("door", "ada "+oldAddress)
	s.id = s.ada.id()
	s.ada.prove("ada")
	a := s.ada.back(s.ada.do("POST", "/account/identities/gate", nil), "ada2")
	s.ada.must(200, "", "POST", "/link", object{"state": a.hidden("state"), "choice": "add"})
	s.ada.add("second@example.com")
	s.other.at("door", "ada")
	return s
}

// sid is the id of a session of ada that is not the one of s.ada.
func (s *scene) sid() string {
	list, _ := s.ada.must(200, "", "GET", "/account/sessions", nil).json["sessions"].([]any)
	for _, one := range list {
		if one.(object)["current"] != true {
			return one.(object)["id"].(string)
		}
	}
	s.Fatalf("ada has no other session: %v", list)
	return ""
}

func (s *scene) identity(provider string) string {
	list, _ := s.ada.must(200, "", "GET", "/account/identities", nil).json["identities"].([]any)
	for _, one := range list {
		if one.(object)["provider"] == provider {
			return one.(object)["id"].(string)
		}
	}
	s.Fatalf("ada has no identity at %s", provider)
	return ""
}

// finds reports whether an address is that of ada.
func (s *scene) finds(address string) bool {
	u, err := s.dir.Find(s.Context(), mailOf(address))
	return err == nil && u == s.id
}

// An act is a request. begin prepares it, and returns it with what is true once it is done; nil for one that changes
// nothing.
type act struct {
	name  string
	begin func(s *scene) (do func() reply, done func() bool)
}

func reads(path string) act {
	return act{"GET " + path, func(s *scene) (func() reply, func() bool) {
		p := s.ada
		if strings.HasPrefix(path, "/admin") {
			p = s.boss
		}
		to := strings.ReplaceAll(path, "{ada}", s.id)
		return func() reply { return p.do("GET", to, nil) }, nil
	}}
}

func acts() []act {
	user := func(s *scene) string { return "/admin/users/" + s.id }
	begun := func(s *scene) {
		s.ada.must(202, "", "POST", "/account/addresses", object{"address": newAddress, "replace": s.ada.addressID(oldAddress)})
	}
	notice := func(s *scene, name string) (string, url.Values) { return s.link(s.mailed(name)) }
	undoable := func(s *scene) (string, url.Values) {
		s.ada.must(204, "", "DELETE", "/account/addresses/"+s.ada.addressID(oldAddress), nil)
		return notice(s, "postern.address-undo")
	}
	return []act{
		reads("/account"), reads("/account/sessions"), reads("/account/identities"), reads("/account/history"), reads("/account/export"), reads("/account/browsers"),
		reads("/admin/users"), reads("/admin/users/{ada}"), reads("/admin/users/{ada}/export"), reads("/admin/users/{ada}/sessions"),
		{"PATCH /account", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.ada.do("PATCH", "/account", object{"name": "Ada II"}) }, func() bool { p, err := s.dir.Get(s.Context(), s.id); return err == nil && p.Name == "Ada II" }
		}},
		{"DELETE /account", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.ada.do("DELETE", "/account?confirm="+s.id, nil) }, func() bool { _, err := s.dir.Get(s.Context(), s.id); return err != nil }
		}},
		{"DELETE /account/sessions/{id}", func(s *scene) (func() reply, func() bool) {
			sid := s.sid()
			return func() reply { return s.ada.do("DELETE", "/account/sessions/"+sid, nil) }, func() bool { return s.other.id() == "" }
		}},
		{"DELETE /account/sessions", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.ada.do("DELETE", "/account/sessions", nil) }, func() bool { return s.other.id() == "" }
		}},
		{"POST /account/identities/{id}", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.ada.do("POST", "/account/identities/gate", nil) }, nil
		}},
		{"DELETE /account/identities/{id}", func(s *scene) (func() reply, func() bool) {
			id := s.identity("gate")
			return func() reply { return s.ada.do("DELETE", "/account/identities/"+id, nil) }, func() bool { ids, err := s.dir.Identities(s.Context(), s.id); return err == nil && len(ids) == 1 }
		}},
		{"POST /account/addresses", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.ada.do("POST", "/account/addresses", object{"address": newAddress}) }, nil
		}},
		{"POST /account/addresses/confirm", func(s *scene) (func() reply, func() bool) {
			begun(s)
			code := s.mailed("postern.new-address").Arg("code")
			return func() reply { return s.ada.do("POST", "/account/addresses/confirm", object{"code": code}) }, func() bool { return s.finds(newAddress) && !s.finds(oldAddress) }
		}},
		{"DELETE /account/addresses/{id}", func(s *scene) (func() reply, func() bool) {
			id := s.ada.addressID(oldAddress)
			return func() reply { return s.ada.do("DELETE", "/account/addresses/"+id, nil) }, func() bool { return !s.finds(oldAddress) }
		}},
		{"GET /account/stop", func(s *scene) (func() reply, func() bool) {
			begun(s)
			path, q := notice(s, "postern.address-change")
			return func() reply { return s.person().do("GET", path+"?"+q.Encode(), nil) }, nil
		}},
		{"POST /account/stop", func(s *scene) (func() reply, func() bool) {
			begun(s)
			path, q := notice(s, "postern.address-change")
			return func() reply { return s.person().do("POST", path, q) }, func() bool { return s.ada.id() == "" && s.other.id() == "" }
		}},
		{"GET /account/undo", func(s *scene) (func() reply, func() bool) {
			path, q := undoable(s)
			return func() reply { return s.person().do("GET", path+"?"+q.Encode(), nil) }, nil
		}},
		{"POST /account/undo", func(s *scene) (func() reply, func() bool) {
			path, q := undoable(s)
			return func() reply { return s.person().do("POST", path, q) }, func() bool { return s.ada.id() == "" }
		}},
		{"DELETE /account/freeze", func(s *scene) (func() reply, func() bool) {
			path, q := undoable(s)
			s.person().must(200, "", "POST", path, q)
			s.ada.at("door", "ada")
			s.ada.prove("ada")
			return func() reply { return s.ada.do("DELETE", "/account/freeze", nil) }, func() bool { u, err := s.dir.User(s.Context(), s.id); return err == nil && !u.Frozen }
		}},
		{"DELETE /account/browsers", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.ada.do("DELETE", "/account/browsers", nil) }, nil
		}},
		{"PATCH /admin/users/{id}", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.boss.do("PATCH", user(s), object{"name": "Ada III"}) }, func() bool { p, err := s.dir.Get(s.Context(), s.id); return err == nil && p.Name == "Ada III" }
		}},
		{"PUT /admin/users/{id}/roles", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.boss.do("PUT", user(s)+"/roles", object{"roles": []string{"member"}}) }, func() bool {
				p, err := s.dir.Get(s.Context(), s.id)
				return err == nil && slices.Contains(p.Roles, "member")
			}
		}},
		{"POST /admin/users/{id}/disable", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.boss.do("POST", user(s)+"/disable", object{"reason": "x"}) }, func() bool {
				p, err := s.dir.Get(s.Context(), s.id)
				return err == nil && p.Disabled && s.ada.id() == ""
			}
		}},
		{"POST /admin/users/{id}/enable", func(s *scene) (func() reply, func() bool) {
			s.boss.must(204, "", "POST", user(s)+"/disable", object{"reason": "x"})
			return func() reply { return s.boss.do("POST", user(s)+"/enable", nil) }, func() bool { p, err := s.dir.Get(s.Context(), s.id); return err == nil && !p.Disabled }
		}},
		{"DELETE /admin/users/{id}/sessions", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.boss.do("DELETE", user(s)+"/sessions", nil) }, func() bool { return s.ada.id() == "" && s.other.id() == "" }
		}},
		{"DELETE /admin/users/{id}/sessions/{sid}", func(s *scene) (func() reply, func() bool) {
			sid := s.sid()
			return func() reply { return s.boss.do("DELETE", user(s)+"/sessions/"+sid, nil) }, func() bool { return s.other.id() == "" }
		}},
		{"DELETE /admin/users/{id}", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.boss.do("DELETE", user(s), nil) }, func() bool { _, err := s.dir.Get(s.Context(), s.id); return err != nil }
		}},
		{"POST /admin/users/invite", func(s *scene) (func() reply, func() bool) {
			return func() reply { return s.boss.do("POST", "/admin/users/invite", object{"address": "guest@example.com"}) }, func() bool {
				return slices.ContainsFunc(s.mails.All(), isInvitation)
			}
		}},
	}
}

// Each route of the account and of the administration, with a store that fails at each of its calls: the answer is 503,
// or the deed is done and the answer says so; never that there is no such thing. The same request again ends it.
func TestSweep_EachRouteWithAStoreThatFails(t *testing.T) {
	for _, a := range acts() {
		t.Run(strings.ReplaceAll(a.name, "/", "_"), func(t *testing.T) {
			for n := 1; ; n++ {
				s := newScene(t)
				do, done := a.begin(s)
				s.mill.from(n, 0)
				w := do()
				struck := s.mill.struck()
				s.mill.from(0, 0)
				if !struck {
					if w.Code >= 400 || done != nil && !done() {
						t.Fatalf("without a failure: %d %s", w.Code, w.Body)
					}
					if n < 2 {
						t.Fatalf("%d calls of the store", n-1)
					}
					return
				}
				switch {
				case w.Code == http.StatusServiceUnavailable:
				case w.Code >= 400:
					t.Errorf("call %d failed: %d %s", n, w.Code, w.Body)
				case done != nil && !done():
					t.Errorf("call %d failed: %d, and it is not done", n, w.Code)
				}
				was := done != nil && done()
				if again := do(); again.Code >= 500 || again.Code >= 400 && !was {
					t.Errorf("call %d failed with %d, and again: %d %s", n, w.Code, again.Code, again.Body)
				}
				if done != nil && !done() {
					t.Errorf("call %d failed: it is not done in the end", n)
				}
				if n > 120 {
					t.Fatal("no end of calls")
				}
			}
		})
	}
}

func mailOf(address string) postern.Identity {
	return postern.Identity{Issuer: postern.MailIssuer, Subject: address}
}

func isInvitation(m postern.Mail) bool { return m.To == "guest@example.com" && m.Arg("link") != "" }
