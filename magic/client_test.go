package magic_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/testworld"
)

// A client is a browser with an address and a name.
type client struct {
	*testworld.Browser
	w *world
}

func (w *world) browser() *client {
	b := testworld.NewBrowser(w.auth)
	b.Addr = "192.0.2.1:4711"
	b.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
	return &client{b, w}
}

// An answer is a response, and the page in it if there is one.
type answer struct {
	*http.Response
	body string
	page postern.Page
}

func (c *client) get(target string) answer { return c.do(c.Request("GET", target, nil)) }

func (c *client) post(target string, form url.Values) answer {
	return c.do(c.Request("POST", target, form))
}

func (c *client) do(r *http.Request) answer {
	c.w.t.Helper()
	rec := c.Do(r)
	a := answer{Response: rec.Result(), body: rec.Body.String()}
	if a.Header.Get("Content-Type") == "application/json" && r.Method != "HEAD" {
		_ = json.Unmarshal([]byte(a.body), &a.page) // the JSON of clients without pages is no page
	}
	if to := a.Header.Get("Location"); strings.HasPrefix(to, issuer+"/continue?") { // the page that leads on after a form
		if next := c.get(to).page.Next; next != "" {
			a.Header.Set("Location", next)
		}
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
func (c *client) mustAsk(provider, address, query string) (state string, m postern.Mail) {
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
	if len(page.Forms) == 0 {
		c.w.t.Fatalf("the page has no form: %+v", page)
	}
	form := url.Values{}
	for name, value := range page.Forms[0].Hidden {
		form.Set(name, value)
	}
	return c.post(page.Forms[0].Action, form)
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
func (c *client) copy() *client { return &client{c.Clone(), c.w} }
