package testworld

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
)

// A Browser sends requests to a handler and keeps its cookies. It follows no redirect. It follows SameSite: a POST from
// another site carries only the cookies of SameSite=None. It is not for concurrent use; Clone it.
type Browser struct {
	Handler http.Handler
	Cookies map[string]string
	Header  http.Header // of each request
	Addr    string      // host:port of the client; empty: that of the request

	NoSameSite bool // send every cookie with a POST from another site, as browsers that do not know SameSite do

	none map[string]bool // cookies of SameSite=None
}

// NewBrowser returns a browser without cookies.
func NewBrowser(h http.Handler) *Browser {
	return &Browser{Handler: h, Cookies: map[string]string{}, Header: http.Header{}, none: map[string]bool{}}
}

// Clone returns a browser with the cookies of now: another tab, or a replay.
func (b *Browser) Clone() *Browser {
	c := *b
	c.Cookies, c.Header, c.none = maps.Clone(b.Cookies), b.Header.Clone(), maps.Clone(b.none)
	return &c
}

// Request returns a request of this browser, which has no cookies yet. A form comes from a page of the same origin.
func (b *Browser) Request(method, target string, form url.Values) *http.Request {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	maps.Copy(r.Header, b.Header.Clone())
	return r
}

// Do sends r with the cookies of the browser, and keeps those of the answer.
func (b *Browser) Do(r *http.Request) *httptest.ResponseRecorder {
	if b.Addr != "" {
		r.RemoteAddr = b.Addr
	}
	foreign := r.Method == http.MethodPost && r.Header.Get("Sec-Fetch-Site") == "cross-site"
	for name, value := range b.Cookies {
		if !foreign || b.none[name] || b.NoSameSite {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	rec := httptest.NewRecorder()
	b.Handler.ServeHTTP(rec, r)
	for _, k := range rec.Result().Cookies() {
		if k.MaxAge < 0 {
			delete(b.Cookies, k.Name)
		} else {
			b.Cookies[k.Name], b.none[k.Name] = k.Value, k.SameSite == http.SameSiteNoneMode
		}
	}
	return rec
}
