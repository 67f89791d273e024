package torture

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	page = "https://app.example/"
	// verifier is the application's, and challenge what it sent to authorize (RFC 7636 appendix B).
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	pkce      = "?state=mine&client_id=api&code_challenge=" + challenge + "&code_challenge_method=S256"
)

// A shop is a server where people sign in by mail, on any store.
type shop struct {
	*testing.T
	*office
	mux   *http.ServeMux
	mails []postern.Mail
}

func newShop(t *testing.T, st store.Store, c *clock) *shop {
	t.Helper()
	o, err := newOffice(st, c)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{T: t, office: o, mux: http.NewServeMux()}
	auth, err := postern.New(postern.Config{
		Sessions: o.sessions, Redirects: []string{page},
		Mail: s.send,
		Providers: map[string]postern.Provider{
			"link": magic.Link(magic.Config{PerClient: 1000}), "code": magic.Code(magic.Config{PerClient: 1000}),
		},
		OnSuccess: func(w http.ResponseWriter, r *http.Request, in *postern.SignIn) error {
			g := session.Grant[user]{Subject: in.Identity.Subject, Properties: user{in.Identity.Name}, Authentication: in.Authentication}
			if in.Return.Challenge() != "" {
				return o.user.Code(w, r, g, in.Return)
			}
			return o.user.Cookie(w, r, g, in.Return)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	auth.Mount(s.mux)
	s.mux.Handle("GET /me", o.user.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })))
	return s
}

func (s *shop) send(_ context.Context, m postern.Mail) error {
	s.mails = append(s.mails, m)
	return nil
}

// A visitor is a browser, and what it was given.
type visitor struct {
	*shop
	cookies map[string]string
	state   string
	link    url.Values // what a link that was mailed carries
	digits  string     // a code that was mailed
	code    string     // an authorization code
	access  string
	refresh string
}

func (s *shop) visitor() *visitor { return &visitor{shop: s, cookies: map[string]string{}} }

func (v *visitor) do(method, target string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	v.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	r.Header.Set("Accept", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	for name, value := range v.cookies {
		r.Header.Add("Cookie", name+"="+value) // as it is: a thief need not keep to the grammar
	}
	rec := httptest.NewRecorder()
	v.mux.ServeHTTP(rec, r)
	for _, k := range rec.Result().Cookies() {
		if delete(v.cookies, k.Name); k.MaxAge >= 0 {
			v.cookies[k.Name] = k.Value
		}
	}
	return rec
}

// ask has a mail sent.
func (v *visitor) ask(provider, address, query string) {
	v.Helper()
	rec := v.do(http.MethodPost, issuer+"/"+provider+"/authorize"+query, url.Values{"email": {address}})
	sent := v.led(rec)
	m := v.mails[len(v.mails)-1]
	v.state, v.digits = sent.Query().Get("state"), m.Arg("code")
	if m.Arg("link") != "" {
		u, err := url.Parse(m.Arg("link"))
		if err != nil {
			v.Fatal(err)
		}
		v.link = u.Query()
	}
}

// arrive uses the mail.
func (v *visitor) arrive() {
	v.Helper()
	form, provider := v.link, "link"
	if form == nil {
		form, provider = url.Values{"state": {v.state}, "code": {v.digits}}, "code"
	}
	rec := v.do(http.MethodPost, issuer+"/"+provider+"/callback", form)
	v.code = v.led(rec).Query().Get("code")
	v.take()
}

// led is where an answer leads a client that wants JSON.
func (v *visitor) led(rec *httptest.ResponseRecorder) *url.URL {
	v.Helper()
	var led struct {
		To string `json:"redirect_uri"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &led); err != nil || led.To == "" {
		v.Fatalf("an answer that leads nowhere: %d %s", rec.Code, rec.Body)
	}
	to, err := url.Parse(led.To)
	if err != nil {
		v.Fatal(err)
	}
	return to
}

// take keeps the tokens that came as cookies.
func (v *visitor) take() {
	if refresh := v.cookies[cookieName+"-refresh"]; refresh != "" {
		v.access, v.refresh = v.cookies[cookieName], refresh
	}
}

func redemption(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier}, "client_id": {"api"}, "redirect_uri": {page}}
}

func (v *visitor) redeem() {
	v.Helper()
	rec := v.do(http.MethodPost, issuer+"/token", redemption(v.code))
	var out struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &out); err != nil || out.Refresh == "" {
		v.Fatalf("redeeming a code: %d %s", rec.Code, rec.Body)
	}
	v.access, v.refresh = out.Access, out.Refresh
}

// business is a day at the shop: people sign in, stay, leave, and are on their way. It returns who was there.
func (s *shop) business() (all []*visitor) {
	s.Helper()
	for i, provider := range []string{"link", "code", "link", "code"} {
		query := []string{"", pkce}[i/2]
		for _, how := range []string{"arrived", "refreshed", "left", "waits", "holds a code"} {
			v := s.visitor()
			all = append(all, v)
			v.ask(provider, strings.ReplaceAll(how, " ", "-")+string('a'+rune(i))+"@example.com", query)
			if how == "waits" {
				continue
			}
			v.arrive()
			if v.code != "" && how != "holds a code" {
				v.redeem()
			}
			switch how {
			case "refreshed":
				s.add(40 * time.Second)
				t, err := s.sessions.Refresh(s.Context(), v.refresh)
				if err != nil {
					s.Fatal(err)
				}
				v.access, v.refresh = t.Access, t.Refresh
			case "left":
				if err := s.sessions.Revoke(s.Context(), idOf(v.refresh)); err != nil {
					s.Fatal(err)
				}
			}
		}
	}
	return all
}
