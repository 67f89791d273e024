package session_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// cleared returns how many cookies an answer removes.
func cleared(res *http.Response) (n int) {
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 && c.Value == "" {
			n++
		}
	}
	return n
}

func (k *keeper) clearEnded(cookies []*http.Cookie) *http.Response {
	rec, r := recorder(), request("GET", "/")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	k.sessions.ClearEnded(rec, r)
	return rec.Result()
}

// TestClearEnded: the cookies of a session that has ended go, and those of one that lives stay as they are.
func TestClearEnded(t *testing.T) {
	k := newKeeper(t)
	c := k.pairUp()
	if res := k.clearEnded(c.cookies); len(res.Cookies()) != 0 {
		t.Errorf("of a session that lives: %v", res.Header)
	}
	if res := k.clearEnded(nil); len(res.Cookies()) != 0 {
		t.Errorf("without cookies: %v", res.Header)
	}
	spoiled := []*http.Cookie{{Name: c.cookies[1].Name, Value: c.cookies[1].Value[:len(c.cookies[1].Value)-2] + "AA"}}
	if n := cleared(k.clearEnded(spoiled)); n != 2 {
		t.Errorf("a forged refresh token: %d cookies cleared", n)
	}
	k.spy.onGet = func(int) error { return errors.New("the store is away") }
	if res := k.clearEnded(c.cookies); len(res.Cookies()) != 0 {
		t.Errorf("without the store: %v", res.Header)
	}
	k.spy.onGet = nil
	if err := k.sessions.RevokeSubject(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	if n := cleared(k.clearEnded(c.cookies)); n != 2 {
		t.Errorf("of a session that has ended: %d cookies cleared", n)
	}
	twice := append(append([]*http.Cookie{}, c.cookies...), c.cookies[0])
	if res := k.clearEnded(twice); len(res.Cookies()) != 0 {
		t.Errorf("two cookies of a name: %v", res.Header)
	}
	live := k.pairUp()
	if res := k.clearEnded([]*http.Cookie{c.cookies[0], live.cookies[1]}); len(res.Cookies()) != 0 || !strings.HasSuffix(live.cookies[1].Name, "-refresh") {
		t.Errorf("an old access token beside a refresh token that works: %v", res.Header)
	}
}
