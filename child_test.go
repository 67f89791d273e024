package postern_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
)

// tenants chooses a child for each request: two fixed ones, and others with names as from a database.
func tenants(f *postern.Flow) http.Handler {
	byTenant := map[string]http.Handler{
		"acme":   f.Child("door").Use(door{}),
		"globex": f.Child("desk").Use(desk{}),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Served-By", "the parent")
		if name, _, found := strings.Cut(f.Step(r), "/"); found {
			f.Child(name).Use(door{}).ServeHTTP(w, r) // the callback of a child that was made for a request
			return
		}
		tenant := r.Form.Get("tenant")
		switch h, ok := byTenant[tenant]; {
		case f.Step(r) != "authorize":
			f.Fail(w, r, &postern.Error{Status: 404, Code: "not_found", Text: "No."})
		case ok:
			h.ServeHTTP(w, r)
		default:
			f.Child(tenant).Use(door{}).ServeHTTP(w, r)
		}
	})
}

func newTenants(t *testing.T) *world {
	return newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) { c.Providers["tenant"] = provider(tenants) })
}

func TestChild(t *testing.T) {
	v := newTenants(t)
	b := v.browser()
	w := b.get(issuer + "/tenant/authorize?tenant=acme&redirect_uri=/welcome")
	to, _ := url.Parse(w.Header().Get("Location"))
	if got := to.Query().Get("redirect_uri"); got != issuer+"/tenant/door/callback" {
		t.Fatalf("the child's callback URL is %q\n%s", got, w.Body)
	}
	state := to.Query().Get("state")
	// The attempt belongs to the child: neither the parent, nor a sibling, nor the same provider elsewhere may end it.
	for _, name := range []string{"tenant", "tenant/desk", "door", "tenant/other"} {
		if w := b.get(callback(name, state)); w.Code < 400 {
			t.Errorf("callback of %s: %d", name, w.Code)
		}
	}
	w = b.get(callback("tenant/door", state))
	if w.Code != 303 || w.Header().Get("Location") != "https://api.example.com/welcome" {
		t.Fatalf("callback: %d to %q\n%s", w.Code, w.Header().Get("Location"), w.Body)
	}
	if got := v.finished()[0].Identity.Provider; got != "tenant/door" {
		t.Errorf("provider %q", got)
	}
	// The child also serves its own authorize URL, for the link "start again" of an error page.
	if state := b.begin("tenant/door"); state == "" {
		t.Error("the child's own authorize URL")
	}
	if w := b.get(issuer + "/tenant/authorize?tenant=globex"); !strings.Contains(w.Body.String(), `action="https://api.example.com/auth/tenant/desk/authorize?`) {
		t.Errorf("the other tenant's page:\n%s", w.Body)
	}
	// The return address is checked for a child, too.
	refused(t, b.get(issuer+"/tenant/door/authorize?redirect_uri=https://evil.example"), 400, "invalid_redirect_uri")
	index := b.get(issuer)
	if strings.Contains(index.Body.String(), "tenant/door") {
		t.Errorf("the index lists a child: %s", index.Body)
	}
	refused(t, b.get(issuer+"/authorize?provider=tenant/door"), 400, "unknown_provider")
}

// A child can be made for one request, with settings from a database. The parent gets its callback.
func TestChild_PerRequest(t *testing.T) {
	v := newTenants(t)
	b := v.browser()
	w := b.get(issuer + "/tenant/authorize?tenant=initech")
	to, _ := url.Parse(w.Header().Get("Location"))
	if got := to.Query().Get("redirect_uri"); got != issuer+"/tenant/initech/callback" {
		t.Fatalf("callback URL %q\n%s", got, w.Body)
	}
	state := to.Query().Get("state")
	refused(t, b.get(callback("tenant/umbrella", state)), 400, "invalid_state")
	if w := b.get(callback("tenant/initech", state)); w.Code != 303 || v.finished()[0].Identity.Provider != "tenant/initech" {
		t.Errorf("callback: %d\n%s", w.Code, w.Body)
	}
	// A child of a request is not kept: the parent serves its URLs, whatever names strangers send.
	for range 2 {
		if w := b.get(issuer + "/tenant/initech/authorize"); w.Code != 302 || w.Header().Get("X-Served-By") == "" {
			t.Errorf("%d: the child was registered", w.Code)
		}
	}
	for _, name := range []string{"UPPER", "a/b", "..", "callback", strings.Repeat("a", 40)} {
		refused(t, b.get(issuer+"/tenant/authorize?tenant="+url.QueryEscape(name)), 404, "not_found")
	}
}

// 200 people sign in at once through shared providers; each sign-in ends as the person who began it.
func TestC11_Interleaved(t *testing.T) {
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	v := newWorld(t, func(_ *world, _ *session.Config, c *postern.Config) {
		who := func(r *http.Request) postern.Identity {
			return postern.Identity{Issuer: "https://door.example", Subject: r.Form.Get("who")}
		}
		c.Providers = map[string]postern.Provider{
			"door": door{identity: who}, "post": door{identity: who, formPost: true},
			"tenant": provider(func(f *postern.Flow) http.Handler { return f.Child("door").Use(door{identity: who}) }),
		}
	})
	var wg sync.WaitGroup
	names := []string{"door", "post", "tenant/door"}
	for person := range 200 {
		wg.Go(func() {
			b := v.browser()
			b.Addr = fmt.Sprintf("10.0.%d.1:1", person) // limits are by address
			for round := range rounds {
				me := fmt.Sprintf("%d-%d", person, round)
				name := names[(person+round)%len(names)]
				state := b.begin(name, "state="+me)
				step := callback(name, state) + "&who=" + me
				if name == "post" {
					step = b.answered(name, state, "who", me)
				}
				w := b.get(step)
				if want := "https://app.example.com/?state=" + me; w.Code != 303 || w.Header().Get("Location") != want {
					t.Errorf("%s came back to %q, want %q", me, w.Header().Get("Location"), want)
				}
			}
		})
	}
	wg.Wait()
	all := v.finished()
	if len(all) != 200*rounds {
		t.Errorf("%d sign-ins, want %d", len(all), 200*rounds)
	}
	for _, in := range all {
		if in.Identity.Subject != in.Return.State() || !slices.Contains(names, in.Identity.Provider) {
			t.Errorf("%s signed in where %s began", in.Identity.Subject, in.Return.State())
		}
	}
}
