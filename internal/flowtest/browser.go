package flowtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
)

// A Browser keeps the cookies of the application and follows no redirect. It asks for JSON, to see the code of a refusal,
// unless HTML is set. It is not for concurrent use; Clone it.
type Browser struct {
	*World
	HTML    bool
	cookies map[string]string
}

// Browser is a new one.
func (w *World) Browser() *Browser { return &Browser{World: w, cookies: map[string]string{}} }

// Clone is a browser with the same cookies: another tab, or a replay.
func (b *Browser) Clone() *Browser {
	c := b.World.Browser()
	c.HTML = b.HTML
	for name, value := range b.cookies {
		c.cookies[name] = value
	}
	return c
}

// An Answer is what the browser got.
type Answer struct {
	Status   int
	Header   http.Header
	Body     string
	Location string
}

// Get opens a URL of the application.
func (b *Browser) Get(target string) *Answer { return b.send(http.MethodGet, target, nil, nil) }

// Post sends a form to a URL of the application, as the page of another site does.
func (b *Browser) Post(target string, form url.Values) *Answer {
	return b.send(http.MethodPost, target, form, http.Header{"Sec-Fetch-Site": {"cross-site"}, "Origin": {IdP}})
}

func (b *Browser) send(method, target string, form url.Values, header http.Header) *Answer {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	for name, values := range header {
		r.Header[name] = values
	}
	if !b.HTML {
		r.Header.Set("Accept", "application/json")
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	b.Auth.ServeHTTP(rec, r)
	res := rec.Result()
	for _, k := range res.Cookies() {
		if k.MaxAge < 0 {
			delete(b.cookies, k.Name)
		} else {
			b.cookies[k.Name] = k.Value
		}
	}
	return &Answer{Status: res.StatusCode, Header: res.Header, Body: rec.Body.String(), Location: res.Header.Get("Location")}
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
	if a.Status != http.StatusFound || err != nil || u.Host == "" {
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
