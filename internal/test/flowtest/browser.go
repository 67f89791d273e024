package flowtest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/posternauth/postern/internal/test/testworld"
)

// A Browser asks for JSON, to see the code of a refusal, unless HTML is set.
type Browser struct {
	*World
	*testworld.Browser
	HTML bool
}

// Browser returns a browser without cookies.
func (w *World) Browser() *Browser { return &Browser{World: w, Browser: testworld.NewBrowser(w.Auth)} }

// Clone returns a browser with the same cookies: another tab, or a replay.
func (b *Browser) Clone() *Browser { return &Browser{b.World, b.Browser.Clone(), b.HTML} }

// An Answer is what the browser got.
type Answer struct {
	Status   int
	Header   http.Header
	Body     string
	Location string
}

// Get opens a URL of the application.
func (b *Browser) Get(target string) *Answer { return b.send(http.MethodGet, target, nil, nil) }

// Post sends a form to a URL of the application, as the page of another site does. Where the answer leads to the
// second step of a posted callback, it goes there.
func (b *Browser) Post(target string, form url.Values) *Answer {
	a := b.send(http.MethodPost, target, form, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {IdP}})
	if strings.HasPrefix(a.Location, target+"?posted=") {
		return b.send(http.MethodGet, a.Location, nil, http.Header{"Sec-Fetch-Site": {"cross-site"}})
	}
	return a
}

func (b *Browser) send(method, target string, form url.Values, header http.Header) *Answer {
	r := b.Request(method, target, form)
	if !b.HTML {
		r.Header.Set("Accept", "application/json")
	}
	maps.Copy(r.Header, header)
	rec := b.Do(r)
	a := &Answer{Status: rec.Code, Header: rec.Result().Header, Body: rec.Body.String(), Location: rec.Result().Header.Get("Location")}
	var led struct {
		To string `json:"redirect_uri"`
	}
	if a.Status == http.StatusOK && !b.HTML && json.Unmarshal(rec.Body.Bytes(), &led) == nil && led.To != "" {
		a.Status, a.Location = http.StatusSeeOther, led.To // what a browser gets
	}
	return a
}

// Begin opens the authorize URL of a provider of the application and returns where it sends the browser.
func (b *Browser) Begin(provider string, query ...string) *url.URL {
	b.Helper()
	target := Issuer + "/" + provider + "/authorize"
	if len(query) > 0 {
		target += "?" + strings.Join(query, "&")
	}
	a := b.Get(target)
	u, err := url.Parse(a.Location)
	if a.Status != http.StatusFound && a.Status != http.StatusSeeOther || err != nil || u.Host == "" {
		b.Fatalf("authorize of %s: %d, Location %q\n%s", provider, a.Status, a.Location, a.Body)
	}
	return u
}

// Agree opens a page of a provider, which signs in at once, and returns where it sends the browser: the callback.
func (b *Browser) Agree(at *url.URL) string {
	b.Helper()
	resp, err := b.HTTP.Transport.RoundTrip(httptest.NewRequest(http.MethodGet, at.String(), nil))
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	to := resp.Header.Get("Location")
	if err != nil || to == "" {
		b.Fatalf("provider: %d %v\n%s", resp.StatusCode, err, body)
	}
	return to
}

// As adds login_hint to an authorization request: it names who signs in.
func As(at *url.URL, user string) *url.URL {
	u := *at
	q := u.Query()
	q.Set("login_hint", user)
	q.Set("login", user) // at GitHub
	u.RawQuery = q.Encode()
	return &u
}

// To goes all the way to the callback, without opening it.
func (b *Browser) To(provider string) string {
	b.Helper()
	return b.Agree(b.Begin(provider))
}

// SignIn goes all the way.
func (b *Browser) SignIn(provider string) *Answer {
	b.Helper()
	return b.Get(b.To(provider))
}

// Code is the stable code of a refusal; empty for anything else.
func (a *Answer) Code() string {
	var refusal struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(a.Body), &refusal) != nil {
		return ""
	}
	return refusal.Error
}

// With sets parameters of a URL, pairs of name and value; "-" takes one away.
func With(target string, pairs ...string) string {
	u, err := url.Parse(target)
	if err != nil {
		panic(err)
	}
	q := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		q.Set(pairs[i], pairs[i+1])
		if pairs[i+1] == "-" {
			q.Del(pairs[i])
		}
	}
	u.RawQuery = q.Encode()
	return u.String()
}
