package postern_test

import (
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/users"
)

// TestA7_EveryWay: a user who is disabled comes in by no way, and no provider makes another user of them. After Enable
// each way works.
func TestA7_EveryWay(t *testing.T) {
	ways := map[string]func(f *flat, b *browser) *httptest.ResponseRecorder{
		"a provider": func(f *flat, b *browser) *httptest.ResponseRecorder { return f.signIn(b, at("ann", anns, true)) },
		"another provider, with the address": func(f *flat, b *browser) *httptest.ResponseRecorder {
			f.signIn(b, at("ann-2", anns, true))
			return f.signIn(b, at("ann", "", false))
		},
		"an invitation": func(f *flat, b *browser) *httptest.ResponseRecorder {
			link, err := f.auth.Invite(f.t.Context(), postern.Invitation{Address: anns, Roles: []string{"member"}})
			if err != nil {
				f.t.Fatal(err)
			}
			to, _ := url.Parse(link)
			return f.signIn(b, at("ann", anns, true), "invitation", to.Query().Get("invitation"))
		},
		"tokens": func(f *flat, b *browser) *httptest.ResponseRecorder {
			return f.signIn(b, at("ann", "", false), "client_id", "tool")
		},
		"a password": func(f *flat, b *browser) *httptest.ResponseRecorder { return f.enterIn(b) },
		"a mailed code": func(f *flat, b *browser) *httptest.ResponseRecorder {
			w := b.post(issuer+"/code/authorize", url.Values{"email": {anns}})
			w = b.get(w.Header().Get("Location"))
			return b.post(issuer+"/code/callback", url.Values{"state": {state(f.t, w)}, "code": {f.code(anns)}})
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			f := newFlat(t)
			old := f.enter()
			out := func(state string) {
				t.Helper()
				b := f.browser()
				way(f, b)
				for which, one := range map[string]*browser{"new": b, "old": old} {
					if s, ok := f.session(one); ok {
						t.Errorf("%s: the %s browser has the session %+v", state, which, s)
					}
				}
				if u, err := f.dir.Find(t.Context(), at("ann-2", "", false)); err == nil {
					t.Errorf("%s: there is the new user %s", state, u)
				}
			}
			if err := f.dir.Disable(t.Context(), f.id, "spam", time.Time{}, users.Extra{}); err != nil {
				t.Fatal(err)
			}
			f.Advance(6 * time.Minute) // longer than an access token lives
			out("disabled")
			if err := f.dir.Enable(t.Context(), f.id, users.Extra{}); err != nil {
				t.Fatal(err)
			}
			if w := way(f, f.browser()); w.Code >= 400 {
				t.Errorf("enabled: %d\n%s", w.Code, w.Body)
			}
		})
	}
}
