package posterntest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
)

// user is the session of the application under test.
type user struct {
	ID string `json:"id"`
}

// An app is an application that signs in with the given providers and says at /me who it is.
type app struct {
	mail *posterntest.Mail
	url  string
	kind *session.Kind[user]
}

// startApp starts an application; make gets its URL.
func startApp(t posterntest.T, make func(base string) map[string]postern.Provider) *app {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	sessions := posterntest.Sessions(t, session.Config{Issuer: server.URL + "/auth"})
	a := &app{mail: new(posterntest.Mail), url: server.URL, kind: session.NewKind[user](sessions, "user")}
	auth, err := postern.New(postern.Config{
		Sessions: sessions, Redirects: []string{server.URL + "/me", "https://example.com/"}, Providers: make(server.URL), Mail: a.mail.Send,
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			g := session.Grant[user]{Subject: in.Identity.Key(), Properties: user{in.Identity.Subject}, Authentication: in.Authentication}
			return a.kind.Cookie(w, r, g, in.Return)
		},
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	auth.Mount(mux)
	mux.Handle("GET /me", a.kind.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := a.kind.From(r.Context())
		fmt.Fprintf(w, "hello %s", s.Properties.ID)
	})))
	return a
}

// door is a small OpenID provider of the application's own, as strict as the tests below need.
type door struct {
	idp      *posterntest.Provider
	formPost bool
}

func (d door) Handler(f *postern.Flow) http.Handler {
	verifier := strings.Repeat("v", 43)
	start := f.Start
	query := url.Values{
		"client_id": {d.idp.ClientID}, "redirect_uri": {f.URL("callback")}, "response_type": {"code"}, "scope": {"openid"},
		"code_challenge": {"7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"}, "code_challenge_method": {"S256"},
	}
	if d.formPost {
		start = f.StartFormPost
		query.Set("response_mode", "form_post")
	}
	return f.Steps(map[string]http.HandlerFunc{
		"GET authorize": func(w http.ResponseWriter, r *http.Request) {
			state, err := start(w, r, nil)
			if err != nil {
				f.Fail(w, r, err)
				return
			}
			http.Redirect(w, r, d.idp.URL("/authorize")+"?"+query.Encode()+"&state="+state, http.StatusFound)
		},
		"GET callback": func(w http.ResponseWriter, r *http.Request) {
			if err := f.Resume(w, r, nil); err != nil {
				f.Fail(w, r, err)
				return
			}
			subject, err := d.ask(r.FormValue("code"), verifier, f.URL("callback"))
			if err != nil {
				f.Fail(w, r, &postern.Error{Status: 400, Code: "provider_error", Text: "No.", Err: err})
				return
			}
			f.Done(w, r, postern.Identity{Issuer: d.idp.Issuer(), Subject: subject})
		},
	})
}

// ask redeems the code and asks who it is.
func (d door) ask(code, verifier, callback string) (string, error) {
	res, err := d.idp.Client().PostForm(d.idp.URL("/token"), url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "redirect_uri": {callback},
		"client_id": {d.idp.ClientID}, "client_secret": {d.idp.ClientSecret},
	})
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	var tokens struct {
		Access string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&tokens); err != nil || tokens.Access == "" {
		return "", errors.New("no token")
	}
	r, err := http.NewRequest("GET", d.idp.URL("/userinfo"), nil)
	if err != nil {
		return "", err
	}
	info, err := d.idp.Client().Do(posterntest.Sign(r, tokens.Access))
	if err != nil {
		return "", err
	}
	defer info.Body.Close()
	var claims struct {
		Subject string `json:"sub"`
	}
	err = json.NewDecoder(info.Body).Decode(&claims)
	return claims.Subject, err
}

// A recorder is a T whose test may fail: it records why and goes on by panic.
type recorder struct {
	*testing.T
	failed string
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	panic(r)
}

// mustFail returns why f failed.
func mustFail(t *testing.T, f func(posterntest.T)) string {
	t.Helper()
	r := &recorder{T: t}
	func() {
		defer func() {
			if got := recover(); got != nil && got != any(r) {
				panic(got)
			}
		}()
		f(r)
	}()
	if r.failed == "" {
		t.Error("this should have failed the test")
	}
	return r.failed
}
