package postern_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
	"github.com/posternauth/postern/session"
)

// fixed is a provider with a document at a fixed path of the host, which does not fit to some issuers.
type fixed struct{ misfit error }

func (p fixed) CheckFlow(f *postern.Flow) error { return p.misfit }

func (p fixed) Handler(f *postern.Flow) http.Handler {
	return fixedHandler{f.Steps(map[string]http.HandlerFunc{"GET authorize": func(w http.ResponseWriter, r *http.Request) {
		f.Page(w, r, postern.Page{Name: "fixed.page", Title: "Fixed", Data: json.RawMessage(`{"a":"<b>"}`)})
	}})}
}

type fixedHandler struct{ http.Handler }

func (fixedHandler) WellKnown() map[string]http.Handler {
	return map[string]http.Handler{"/.well-known/fixed": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "fixed")
	})}
}

func TestWellKnown(t *testing.T) {
	for _, c := range []struct {
		issuer, onHost string // the paths that Auth itself serves
	}{
		{"https://auth.example.com", "fixed"},
		{"https://auth.example.com/auth", ""},
	} {
		t.Run(c.issuer, func(t *testing.T) {
			auth := newFixed(t, c.issuer, nil)
			mux := http.NewServeMux()
			auth.Mount(mux)
			get := func(h http.Handler) string {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, httptest.NewRequest("GET", "https://auth.example.com/.well-known/fixed", nil))
				if w.Code != http.StatusOK {
					return ""
				}
				return w.Body.String()
			}
			if got := get(auth); got != c.onHost {
				t.Errorf("Auth serves %q, want %q", got, c.onHost)
			}
			if got := get(mux); got != "fixed" {
				t.Errorf("Mount serves %q", got)
			}
			if got := get(auth.WellKnown()); got != "fixed" {
				t.Errorf("WellKnown serves %q", got)
			}
		})
	}
}

// TestMount_WellKnownOfTheApplication: what the application registered before Mount stays, and other patterns of the
// application do not conflict. Two handlers can be mounted on one mux.
func TestMount_WellKnownOfTheApplication(t *testing.T) {
	for _, c := range []struct{ before, after, want string }{
		{"GET /.well-known/fixed", "", "own"},
		{"GET auth.example.com/.well-known/fixed", "", "own"},
		{"", "GET auth.example.com/.well-known/fixed", "own"},
		{"GET /{$}", "GET /", "fixed"},
		{"/.well-known/fixed", "/.well-known/", "fixed"},
		{"/", "GET /.well-known/", "fixed"},
		{"", "GET /.well-known/{name}", "fixed"},
	} {
		t.Run(c.before+","+c.after, func(t *testing.T) {
			mux := http.NewServeMux()
			own := func(pattern string) {
				if pattern != "" {
					mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "own") })
				}
			}
			own(c.before)
			newFixed(t, "https://auth.example.com/auth", nil).Mount(mux)
			newFixed(t, "https://auth.example.com/staff", nil).Mount(mux)
			own(c.after)
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest("GET", "https://auth.example.com/.well-known/fixed", nil))
			if got := w.Body.String(); w.Code != http.StatusOK || got != c.want {
				t.Errorf("%d %q, want %q", w.Code, got, c.want)
			}
			for _, base := range []string{"/auth", "/staff"} {
				w := httptest.NewRecorder()
				mux.ServeHTTP(w, httptest.NewRequest("GET", "https://auth.example.com"+base+"/.well-known/jwks.json", nil))
				if w.Code != http.StatusOK {
					t.Errorf("%s: %d", base, w.Code)
				}
			}
		})
	}
}

func newFixed(t *testing.T, issuer string, misfit error) *postern.Auth {
	t.Helper()
	auth, err := tryFixed(t, issuer, misfit)
	if err != nil {
		t.Fatal(err)
	}
	return auth
}

func TestCheckFlow_RefusesNew(t *testing.T) {
	misfit := errors.New("an address is no domain")
	if _, err := tryFixed(t, "https://auth.example.com", misfit); !errors.Is(err, misfit) || !strings.Contains(err.Error(), `"fixed"`) {
		t.Errorf("New: %v", err)
	}
}

// TestPage_Data: a page carries data for its script, escaped, and a program gets them.
func TestPage_Data(t *testing.T) {
	auth := newFixed(t, "https://auth.example.com", nil)
	for accept, want := range map[string]string{
		"text/html":        `<main data-page="{&#34;a&#34;:&#34;&lt;b&gt;&#34;}">`,
		"application/json": `"data":{"a":"\u003cb\u003e"}`,
	} {
		r := httptest.NewRequest("GET", "https://auth.example.com/fixed/authorize", nil)
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		auth.ServeHTTP(w, r)
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: no %s in\n%s", accept, want, w.Body)
		}
	}
}

func tryFixed(t *testing.T, issuer string, misfit error) (*postern.Auth, error) {
	t.Helper()
	w := testworld.New()
	c := w.Config(issuer)
	c.Keys = w.Ring(t, nil)
	sessions, err := session.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{"https://app.example.com/"}, Providers: map[string]postern.Provider{"fixed": fixed{misfit}},
		OnSuccess: func(http.ResponseWriter, *http.Request, *postern.SignIn) error { return nil },
	})
}
