package e2e

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A street is an application and its neighbours under real host names, each at https and the usual port, so that what
// browsers think of sites and cookies is tried as it is:
//
//	https://api.example.com   the application: /auth, and /page for members
//	https://blog.example.com  a neighbour of the same site
//	https://evil.example      another site
//	https://idp.example       a provider that answers by a form of another site, as Apple does
type street struct {
	t        *testing.T
	browser  context.Context
	sessions *session.Sessions
	member   *session.Kind[Member]

	mu     sync.Mutex
	hosts  map[string]http.Handler
	seen   []string // method, URL and Referer of each request to the application
	events []session.Event
}

const (
	apiURL   = "https://api.example.com"
	blogURL  = "https://blog.example.com"
	evilURL  = "https://evil.example"
	idpURL   = "https://idp.example"
	hostRule = "MAP %s %s"
)

func newStreet(t *testing.T) *street {
	t.Helper()
	s := &street{t: t, hosts: map[string]http.Handler{}}
	server := httptest.NewUnstartedServer(s)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = complaints(t)
	server.StartTLS()
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	s.browser = startBrowser(t, fmt.Sprintf(hostRule, "*.example.com", server.Listener.Addr()), fmt.Sprintf(hostRule, "*.example", server.Listener.Addr()))

	ring, err := keys.Open(t.Context(), keys.RingConfig{Vault: &keys.MemoryVault{}, Algorithm: keys.ES256})
	if err != nil {
		t.Fatal(err)
	}
	s.sessions, err = session.New(session.Config{
		Issuer: apiURL + "/auth", Audience: "api", Keys: ring, Store: &store.Memory{},
		OnEvent: func(_ context.Context, e session.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, e)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.member = session.NewKind[Member](s.sessions, "member")
	auth, err := postern.New(postern.Config{
		Sessions: s.sessions, Redirects: []string{"/page"},
		Providers: map[string]postern.Provider{"once": atOnce{}, "post": byForm{}},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			return s.member.Cookie(w, r, session.Grant[Member]{Subject: in.Identity.Subject, Authentication: in.Authentication}, in.Return)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.Handle("GET /page", s.member.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := s.member.From(r.Context())
		writePage(w, "hello "+who.Subject)
	})))
	s.serve(apiURL, mux)
	s.serve(idpURL, http.HandlerFunc(answerByForm))
	return s
}

// serve answers at an origin of the street.
func (s *street) serve(origin string, h http.Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hosts[strings.TrimPrefix(origin, "https://")] = h
}

func (s *street) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	h := s.hosts[r.Host]
	if "https://"+r.Host == apiURL {
		s.seen = append(s.seen, r.Method+" "+r.URL.String()+" "+r.Referer())
	}
	s.mu.Unlock()
	if h == nil {
		http.NotFound(w, r)
		return
	}
	h.ServeHTTP(w, r)
}

func (s *street) window() *window { return newWindow(s.t, s.browser) }

// ended are the ids of the sessions that ended, with the reason.
func (s *street) ended() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Name == "session ended" {
			all = append(all, e.SessionID+" "+e.Reason)
		}
	}
	return all
}

// jar is what the browser keeps for the application: its attempts, and the rest.
func (w *window) jar() (attempts, others map[string]string) {
	w.t.Helper()
	attempts, others = map[string]string{}, map[string]string{}
	w.run(chromedp.ActionFunc(func(ctx context.Context) error {
		all, err := network.GetCookies().WithURLs([]string{apiURL + "/auth/"}).Do(ctx)
		for _, c := range all {
			if strings.HasPrefix(c.Name, "__Host-flow-") && c.Domain == "api.example.com" {
				attempts[c.Name] = c.Value
			} else {
				others[c.Name] = c.Value
			}
		}
		return err
	}))
	return attempts, others
}

// byForm is a provider whose answer is a form that the browser posts from another site.
type byForm struct{}

func (byForm) Handler(f *postern.Flow) http.Handler {
	callback := func(w http.ResponseWriter, r *http.Request) {
		if err := f.Resume(w, r, nil); err != nil {
			f.Fail(w, r, err)
			return
		}
		f.Done(w, r, postern.Identity{Issuer: idpURL, Subject: r.PostForm.Get("code")}, "oidc")
	}
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			state, err := f.StartFormPost(w, r, nil)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			http.Redirect(w, r, idpURL+"/?"+url.Values{"state": {state}, "to": {f.URL("callback")}}.Encode(), http.StatusFound)
		},
		"GET callback": callback, "POST callback": callback,
	})
}

// answerByForm is the page of that provider: it shows a button that posts the answer.
func answerByForm(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q := r.URL.Query()
	fmt.Fprintf(w, `<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Provider</title>
<form method="post" action="%s"><input type="hidden" name="state" value="%s"><input type="hidden" name="code" value="grace"><button>Allow</button></form>`,
		html.EscapeString(q.Get("to")), html.EscapeString(q.Get("state")))
}
