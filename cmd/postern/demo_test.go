package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// demoSite is `dev` in this process, on a clock that the test moves.
type demoSite struct {
	*testing.T
	url    string
	folder folder
	house  *devHouse
	ahead  atomic.Int64 // of the real time
}

func newDemoSite(t *testing.T) *demoSite {
	t.Helper()
	d := &demoSite{T: t}
	listeners, url, err := listen(t.Context(), "127.0.0.1:0", "dev", "it is a test")
	if err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return time.Now().Add(time.Duration(d.ahead.Load())) }
	d.url, d.folder = url, folder(filepath.Join(t.TempDir(), "data"))
	d.house, err = openDev(t.Context(), d.folder, url, world{nil, io.Discard, io.Discard, now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, listeners, newServer(d.house.handler, io.Discard)) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		d.house.close()
	})
	return d
}

// signIn signs a person in by a mailed code and returns their browser.
func (d *demoSite) signIn(address string) *http.Client {
	d.Helper()
	c := browser(d.T)
	_, body := page(d.T, c, "GET", d.url+"/auth/code/authorize", nil)
	action, form := fill(d.T, d.url+"/auth/code/authorize", body, url.Values{"email": {address}})
	_, body = page(d.T, c, "POST", action, form)
	_, list := page(d.T, c, "GET", d.url+"/inbox.json?to="+address, nil)
	var mails []struct{ Code string }
	if err := json.Unmarshal([]byte(list), &mails); err != nil || len(mails) == 0 {
		d.Fatalf("inbox: %v %s", err, list)
	}
	action, form = fill(d.T, action, body, url.Values{"code": {mails[0].Code}})
	if status, body := page(d.T, c, "POST", action, form); status != 200 || !strings.Contains(body, "You are signed in") {
		d.Fatalf("sign-in: %d\n%s", status, body)
	}
	return c
}

var listed = regexp.MustCompile(`<li><div><b>([^<]*)</b>( <span class="tag">this one</span>)?<span class="words">([^<]*)</span>.*name="id" value="([^"]+)"`)

// sessions reads the list of the page: the ids of the others, and of the one that asks.
func (d *demoSite) sessions(c *http.Client) (others []string, own string) {
	d.Helper()
	_, body := page(d.T, c, "GET", d.url+"/", nil)
	for _, m := range listed.FindAllStringSubmatch(body, -1) {
		if m[2] != "" {
			own = m[4]
		} else {
			others = append(others, m[4])
		}
	}
	return others, own
}

func (d *demoSite) wantSessions(c *http.Client, others int) {
	d.Helper()
	if got, own := d.sessions(c); len(got) != others || own == "" {
		d.Errorf("the page lists %d other sessions, want %d; its own: %t", len(got), others, own != "")
	}
}

func (d *demoSite) wantSignedOut(c *http.Client) {
	d.Helper()
	if status, body := page(d.T, c, "GET", d.url+"/", nil); status != 200 || !strings.Contains(body, "Continue with Google") {
		d.Errorf("not signed out: %d\n%s", status, body)
	}
}

func TestDemo_Sessions(t *testing.T) {
	d := newDemoSite(t)
	here, there, third := d.signIn("ada@example.com"), d.signIn("ada@example.com"), d.signIn("ada@example.com")
	grace := d.signIn("grace@example.com")
	d.wantSessions(here, 2)
	d.wantSessions(grace, 0)
	_, body := page(t, here, "GET", d.url+"/", nil)
	if m := listed.FindStringSubmatch(body); m == nil || m[2] == "" || !strings.HasPrefix(m[1], "Go-http-client/") ||
		!regexp.MustCompile(`^Signed in (just now|\d+ seconds? ago) on this machine, by code\. Last seen (just now|\d+ seconds? ago)\. Ends in 7 days if it is not used\.$`).MatchString(m[3]) {
		t.Errorf("the list says %q", m)
	}

	t.Log("the session goes on by itself")
	d.ahead.Add(int64(6 * time.Minute))
	if status, body := page(t, here, "GET", d.url+"/", nil); status != 200 || !regexp.MustCompile("expires in [45] minutes, then renews itself").MatchString(body) {
		t.Errorf("six minutes later: %d\n%s", status, body)
	}
	d.wantSessions(here, 2)

	t.Log("not those of others")
	_, graces := d.sessions(grace)
	for _, id := range []string{graces, "", "x", strings.Repeat("A", 16) + "." + strings.Repeat("A", 22), strings.Repeat("x", 8<<10)} {
		if status, body := page(t, here, "POST", d.url+"/sessions/end", url.Values{"id": {id}}); status != 404 || !strings.Contains(body, "No such session") {
			t.Errorf("ending %.20q: %d\n%s", id, status, body)
		}
	}
	d.wantSessions(grace, 0)
	for _, path := range []string{"end", "others", "everywhere"} {
		r, err := http.NewRequestWithContext(t.Context(), "POST", d.url+"/sessions/"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "http://localhost:1")
		r.Header.Set("Sec-Fetch-Site", "same-site")
		resp, err := here.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s for a page of another origin: %d", path, resp.StatusCode)
		}
	}
	d.wantSessions(here, 2)

	t.Log("one of them")
	_, id := d.sessions(there)
	page(t, here, "POST", d.url+"/sessions/end", url.Values{"id": {id}})
	d.wantSignedOut(there)
	d.wantSessions(here, 1)
	page(t, there, "POST", d.url+"/sessions/others", nil) // it has no say any more
	d.wantSessions(here, 1)

	t.Log("all others")
	page(t, here, "POST", d.url+"/sessions/others", nil)
	d.wantSignedOut(third)
	d.wantSessions(here, 0)

	t.Log("its own")
	_, own := d.sessions(here)
	page(t, here, "POST", d.url+"/sessions/end", url.Values{"id": {own}})
	d.wantSignedOut(here)
	u, err := url.Parse(d.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range here.Jar.Cookies(u) {
		if !strings.Contains(k.Name, "device") { // that one marks a known browser, signed in or not
			t.Errorf("the cookie %s is kept", k.Name)
		}
	}

	t.Log("everywhere")
	d.ahead.Add(int64(2 * time.Hour)) // three mails an hour are all that a person gets
	here, there = d.signIn("ada@example.com"), d.signIn("ada@example.com")
	d.wantSessions(here, 1)
	page(t, here, "POST", d.url+"/sessions/everywhere", nil)
	d.wantSignedOut(here)
	d.wantSignedOut(there)
	d.wantSessions(grace, 0)
}

func TestDemo_StoreGone(t *testing.T) {
	d := newDemoSite(t)
	c := d.signIn("ada@example.com")
	d.house.db.Close()
	if status, body := page(t, c, "GET", d.url+"/", nil); status != http.StatusServiceUnavailable {
		t.Errorf("home: %d\n%s", status, body)
	}
	if status, _ := page(t, c, "GET", d.url+"/api/me", nil); status != http.StatusOK {
		t.Errorf("a route that asks no store: %d", status)
	}
}
