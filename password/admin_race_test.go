package password_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/session"
)

// eachEngine runs f on each engine, with two processes of one program.
func eachEngine(t *testing.T, f func(t *testing.T, one, two *office)) {
	for name, start := range engines {
		t.Run(name, func(t *testing.T) {
			open := start(t)
			one := newOffice(t, func(o *options) { o.store = open() })
			one.Set(time.Now()) // servers have clocks
			f(t, one, newOffice(t, one.twin(), func(o *options) { o.store = open() }))
		})
	}
}

// race runs requests at the same time, and returns how often each status came, by the name of the request.
func race(n int, requests map[string]func(i int) int) map[string]int {
	var ready, done sync.WaitGroup
	var mu sync.Mutex
	counts := map[string]int{}
	ready.Add(1)
	for name, ask := range requests {
		for i := range n {
			done.Go(func() {
				ready.Wait()
				status := ask(i)
				mu.Lock()
				defer mu.Unlock()
				counts[fmt.Sprint(name, " ", status)]++
			})
		}
	}
	ready.Done()
	done.Wait()
	return counts
}

// at returns the client of an administrator at another process.
func (c *client) at(f *office) *client { return &client{f, c.id} }

// TestA15_AdministratorsRemoveWays: of many removals of a password and of an identity, the last way in stays.
func TestA15_AdministratorsRemoveWays(t *testing.T) {
	eachEngine(t, func(t *testing.T, one, two *office) {
		boss := one.admin("boss", "owner")
		id, _ := one.user("ada", "member")
		if err := one.roled.Link(t.Context(), id, postern.Identity{Issuer: "https://door.example", Subject: "ada", Provider: "door"}); err != nil {
			t.Fatal(err)
		}
		offices := []*office{one, two}
		counts := race(racers()/4, map[string]func(int) int{
			"password": func(i int) int { return boss.at(offices[i%2]).do("DELETE", "users/"+id+"/password", "").Code },
			"identity": func(i int) int {
				return boss.at(offices[i%2]).do("DELETE", "users/"+id+"/identities?issuer=https%3A%2F%2Fdoor.example&subject=ada", "").Code
			},
		})
		u, err := one.roled.User(t.Context(), id)
		if left := len(u.Identities) + one.head(id).Ways.Passwords; err != nil || left != 1 || counts["password 204"] > 0 == (counts["identity 204"] > 0) {
			t.Errorf("%d ways left, %v, %v", left, counts, err)
		}
	})
}

// TestAdmin_DeedsRace: also at the same moment, one administrator does not both offer an address and remove a password.
func TestAdmin_DeedsRace(t *testing.T) {
	eachEngine(t, func(t *testing.T, one, two *office) {
		boss := one.admin("boss", "owner")
		id, _ := one.user("ada", "member")
		if err := one.roled.Link(t.Context(), id, postern.Identity{Issuer: "https://door.example", Subject: "ada", Provider: "door"}); err != nil {
			t.Fatal(err)
		}
		counts := race(4, map[string]func(int) int{
			"address": func(int) int {
				return boss.do("POST", "users/"+id+"/addresses", `{"address":"second@example.com"}`).Code
			},
			"password": func(int) int { return boss.at(two).do("DELETE", "users/"+id+"/password", "").Code },
		})
		if counts["address 204"] > 0 == (counts["password 204"] > 0) {
			t.Errorf("%v", counts)
		}
	})
}

// TestAdmin_ConfirmRace: one address that two users were given belongs to one of them in the end.
func TestAdmin_ConfirmRace(t *testing.T) {
	eachEngine(t, func(t *testing.T, one, two *office) {
		boss := one.admin("boss", "owner")
		ada, _ := one.user("ada", "member")
		bob, _ := one.user("bob", "member")
		var tokens []string
		for _, id := range []string{ada, bob} {
			boss.want(http.StatusNoContent, "", "POST", "users/"+id+"/addresses", `{"address":"new@example.com"}`)
			all := one.mails.All()
			for _, m := range all {
				if m.Name == "postern.confirm-address" {
					_, token, _ := strings.Cut(m.Arg("link"), "token=")
					tokens = append(tokens, token)
				}
			}
			one.mails.Take()
		}
		offices := []*office{one, two}
		counts := race(racers()/4, map[string]func(int) int{
			"ada": func(i int) int { return offices[i%2].browser().post("/account/confirm", "token", tokens[0]).Code },
			"bob": func(i int) int { return offices[i%2].browser().post("/account/confirm", "token", tokens[1]).Code },
		})
		owner := one.world.user("new@example.com")
		has := 0
		for _, id := range []string{ada, bob} {
			u, err := one.roled.User(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range u.Addresses {
				if a.Value == "new@example.com" && a.Verified {
					has++
					if id != owner {
						t.Errorf("%s has it, and it finds %s", id, owner)
					}
				}
			}
		}
		if has != 1 || counts["ada 200"] > 0 == (counts["bob 200"] > 0) {
			t.Errorf("%d users have it, %v", has, counts)
		}
	})
}

// TestR4_Engines: on each engine an impersonation works at every process, and none lives after the session of the
// administrator has ended, also of those that began at that moment.
func TestR4_Engines(t *testing.T) {
	eachEngine(t, func(t *testing.T, one, two *office) {
		boss := one.admin("boss", "owner")
		id, _ := one.user("ada", "member")
		p, err := one.roled.Get(t.Context(), boss.id)
		if err != nil {
			t.Fatal(err)
		}
		by, err := one.staff.Create(t.Context(), session.Grant[profile]{Subject: boss.id, Roles: p.Roles, Scopes: p.Scopes,
			Authentication: session.Authentication{Time: one.Now(), Methods: []string{"pwd"}}})
		if err != nil {
			t.Fatal(err)
		}
		begin := func(f *office) (*browser, int) {
			b := f.browser()
			r := httptest.NewRequest("POST", issuer+"/admin/users/"+id+"/impersonate", strings.NewReader(`{"reason":"x"}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+by.Access)
			w := b.Do(r)
			return b, w.Code
		}
		first, status := begin(one)
		if status != http.StatusOK {
			t.Fatal(status)
		}
		if s := first.session(); s == nil || s.Subject != id || s.Actor != boss.id {
			t.Fatalf("%+v", s)
		}
		offices := []*office{one, two}
		var began testworld.List[*browser]
		counts := race(racers()/4, map[string]func(int) int{
			"begin": func(i int) int {
				b, status := begin(offices[i%2])
				if status == http.StatusOK {
					began.Add(b)
				}
				return status
			},
			"end": func(i int) int {
				if i > 0 {
					return 0
				}
				if err := two.sessions.Revoke(t.Context(), by.SessionID); err != nil {
					t.Error(err)
				}
				return 0
			},
		})
		for _, b := range append(began.All(), first) {
			for _, f := range offices {
				if s := (&browser{b.Browser, f.world}).session(); s != nil {
					t.Errorf("an impersonation lives: %+v", s)
				}
			}
		}
		t.Logf("%v", counts)
	})
}
