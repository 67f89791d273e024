package magic_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
)

// A client is a browser: cookies, an address, a name.
type client struct {
	w       *world
	cookies map[string]string
	addr    string
	header  http.Header
}

func (w *world) browser() *client {
	return &client{w: w, cookies: map[string]string{}, addr: "192.0.2.1:4711", header: http.Header{
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"},
	}}
}

// An answer is a response, and the page in it if there is one.
type answer struct {
	*http.Response
	body string
	page postern.Page
}

func (c *client) get(target string) answer { return c.do(c.request("GET", target, nil)) }

func (c *client) post(target string, form url.Values) answer {
	return c.do(c.request("POST", target, form))
}

func (c *client) request(method, target string, form url.Values) *http.Request {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, target, body)
	r.RemoteAddr = c.addr
	for name, values := range c.header {
		r.Header[name] = values
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for name, value := range c.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return r
}

func (c *client) do(r *http.Request) answer {
	c.w.t.Helper()
	rec := httptest.NewRecorder()
	c.w.auth.ServeHTTP(rec, r)
	a := answer{Response: rec.Result(), body: rec.Body.String()}
	for _, k := range a.Cookies() {
		if k.MaxAge < 0 {
			delete(c.cookies, k.Name)
		} else {
			c.cookies[k.Name] = k.Value
		}
	}
	if a.Header.Get("Content-Type") == "application/json" && r.Method != "HEAD" {
		_ = json.Unmarshal([]byte(a.body), &a.page) // the JSON of clients without pages is no page
	}
	return a
}

// ask asks a provider for a mail and returns the answer and the state of the attempt.
func (c *client) ask(provider, address, query string) (a answer, state string) {
	c.w.t.Helper()
	a = c.post(issuer+"/"+provider+"/authorize"+query, url.Values{"email": {address}})
	if a.StatusCode == http.StatusSeeOther {
		to, err := url.Parse(a.Header.Get("Location"))
		if err != nil {
			c.w.t.Fatal(err)
		}
		state = to.Query().Get("state")
	}
	return a, state
}

// mustAsk is ask for a mail that has to be sent.
func (c *client) mustAsk(provider, address, query string) (state string, m magic.Message) {
	c.w.t.Helper()
	before := c.w.mailCount()
	a, state := c.ask(provider, address, query)
	if a.StatusCode != http.StatusSeeOther || c.w.mailCount() != before+1 {
		c.w.t.Fatalf("asking for a mail: status %d, %d mails\n%s", a.StatusCode, c.w.mailCount()-before, a.body)
	}
	return state, c.w.mail()
}

// open opens a link, and press presses the button on the page.
func (c *client) open(link string) answer { c.w.t.Helper(); return c.get(link) }

func (c *client) press(page postern.Page) answer {
	c.w.t.Helper()
	if page.Form == nil {
		c.w.t.Fatalf("the page has no form: %+v", page)
	}
	form := url.Values{}
	for name, value := range page.Form.Hidden {
		form.Set(name, value)
	}
	return c.post(page.Form.Action, form)
}

func (c *client) guess(provider, state, code string) answer {
	c.w.t.Helper()
	return c.post(issuer+"/"+provider+"/callback", url.Values{"state": {state}, "code": {code}})
}

// wrong is a code other than the right one.
func wrong(code string) string {
	return string('0'+(code[0]-'0'+1)%10) + code[1:]
}

func (a answer) want(t testing.TB, status int, code string) {
	t.Helper()
	if a.StatusCode != status || a.page.Code != code {
		t.Errorf("status %d, code %q; want %d, %q\n%s", a.StatusCode, a.page.Code, status, code, a.body)
	}
}

// race runs f n times at once and counts the answers by status.
func race(n int, f func() answer) map[int]int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	counts := map[int]int{}
	gate := make(chan struct{})
	for range n {
		wg.Go(func() {
			<-gate
			a := f()
			mu.Lock()
			defer mu.Unlock()
			counts[a.StatusCode]++
		})
	}
	close(gate)
	wg.Wait()
	return counts
}

// copy is the same browser in another tab, with the cookies of now.
func (c *client) copy() *client {
	d := *c
	d.cookies = map[string]string{}
	for name, value := range c.cookies {
		d.cookies[name] = value
	}
	return &d
}
