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

func (d *demoSite) wantSignedOut(c *http.Client) {
	d.Helper()
	if status, body := page(d.T, c, "GET", d.url+"/", nil); status != 200 || !strings.Contains(body, "Continue with Google") {
		d.Errorf("not signed out: %d\n%s", status, body)
	}
}

// tokenOf returns the access token that the demo has of a browser.
func (d *demoSite) tokenOf(c *http.Client) string {
	d.Helper()
	_, body := page(d.T, c, "POST", d.url+"/token", url.Values{"own": {"1"}})
	m := regexp.MustCompile(`<span class="one">([^<]+)</span>\.<span class="two">([^<]+)</span>\.<span>([^<]+)</span>`).FindStringSubmatch(body)
	if m == nil {
		d.Fatalf("no token:\n%s", body)
	}
	return m[1] + "." + m[2] + "." + m[3]
}

// TestDemo_Session: the session goes on by itself, is renewed on demand, and ends.
func TestDemo_Session(t *testing.T) {
	d := newDemoSite(t)
	here, there := d.signIn("ada@example.com"), d.signIn("ada@example.com")
	if status, body := page(t, here, "GET", d.url+"/", nil); status != 200 || !strings.Contains(body, "As ada@example.com.") || !strings.Contains(body, "/auth/step-up?redirect_uri=") ||
		strings.Contains(body, `<a class="button quiet" href="/auth/admin">`) {
		t.Errorf("home: %d\n%s", status, body)
	}

	d.ahead.Add(int64(6 * time.Minute))
	if status, body := page(t, here, "GET", d.url+"/", nil); status != 200 || !regexp.MustCompile("expires in [45] minutes, then renews itself").MatchString(body) {
		t.Errorf("six minutes later: %d\n%s", status, body)
	}
	before := d.tokenOf(here)
	d.ahead.Add(int64(time.Minute))
	if status, body := page(t, here, "POST", d.url+"/renew", nil); status != 200 || !strings.Contains(body, "The session has a new access token.") {
		t.Errorf("renewed: %d\n%s", status, body)
	}
	if d.tokenOf(here) == before {
		t.Error("the token is the same")
	}
	page(t, browser(t), "POST", d.url+"/renew", nil) // nothing to renew

	page(t, here, "POST", d.url+"/auth/signout", nil)
	d.wantSignedOut(here)
	if status, body := page(t, there, "GET", d.url+"/", nil); status != 200 || !strings.Contains(body, "You are signed in") {
		t.Errorf("the other session: %d\n%s", status, body)
	}
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
