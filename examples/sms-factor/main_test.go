package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/session"
)

// TestEnroll: a number counts after its code was typed. The store never has the number or a code as a text.
func TestEnroll(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signUp()
	p := b.get("/factors/sms/enroll").want(t, 200, "sms.enroll")
	for _, bad := range []string{"", "0791234567", "+41", "+4179123456x", "+1 202 555 0100", "+4179123456789012"} {
		b.fill(p, 0, "number", bad).want(t, 400, "invalid_number")
	}
	if w.phone.count() != 0 {
		t.Fatal("a message to a bad number")
	}
	w.phone.fail = errors.New("no service")
	b.fill(p, 0, "number", number).want(t, 503, "temporarily_unavailable")
	w.phone.fail = nil
	p = b.fill(p, 0, "number", "+41 79 123-45 67").want(t, 200, "sms.confirm")
	if got := w.phone.got; len(got) != 1 || !strings.HasPrefix(got[0], number+" "+w.code()+" is your code for SMS factor.") ||
		!strings.HasSuffix(got[0], "\n\n@127.0.0.1 #"+w.code()) || p.Args["number"] != "••••••••••67" {
		t.Fatalf("messages %q, page %+v", got, p)
	}
	first := w.code()
	p = b.fill(p, 1).want(t, 200, "sms.confirm") // another code, to the same number
	if first != w.code() {
		b.fill(p, 0, "code", first).want(t, 400, "wrong_code")
	}
	p = b.fill(p, 0, "code", w.wrong()).want(t, 400, "wrong_code")
	if b.get("/factors/sms/status").Args["number"] != nil {
		t.Error("the number counts before it is proved")
	}
	other := w.browser()
	other.signIn()
	b.fill(p, 0, "code", w.code()).want(t, 200, "sms.added")
	if got := b.me(); got != ada+", by [pwd sms mfa]\n" {
		t.Errorf("after the setup: %s", got)
	}
	if got := other.me(); strings.Contains(got, ada) {
		t.Errorf("a session without the factor goes on: %s", got)
	}
	if m := w.mails.Last(t, ada); m.Name != "sms.added" || strings.Contains(m.Text, "4567") || strings.Contains(m.Text, "{") {
		t.Errorf("notice: %+v", m)
	}
	b.get("/factors/sms/enroll").want(t, 409, "has_factor")
	if p := b.get("/factors/sms/status").want(t, 200, "sms.status"); p.Args["number"] != "••••••••••67" {
		t.Errorf("status: %+v", p)
	}
	for _, secret := range []string{number, number[1:], first, w.code()} {
		if strings.Contains(w.disk.written.String(), secret) {
			t.Errorf("the store has %q", secret)
		}
	}
}

// TestEnroll_Guesses: five codes in a quarter of an hour, and no code after five minutes.
func TestEnroll_Guesses(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.signUp()
	p := b.fill(b.get("/factors/sms/enroll"), 0, "number", number)
	w.clock.Advance(5*time.Minute + time.Second)
	b.fill(p, 0, "code", w.code()).want(t, 400, "wrong_code")
	p = b.fill(b.get("/factors/sms/enroll"), 0, "number", number)
	for range 4 {
		b.fill(p, 0, "code", w.wrong()).want(t, 400, "wrong_code")
	}
	b.fill(p, 0, "code", w.code()).want(t, 429, "rate_limited")
}

// TestSignIn: one message for a sign-in, another one on demand; the newest code works, once; the browser is remembered.
func TestSignIn(t *testing.T) {
	w := newWorld(t)
	w.enrolled()
	b := w.browser()
	p := b.signIn().want(t, 200, "sms.verify")
	ask := p.Forms[0].URL + "?state=" + p.Forms[0].Hidden["state"]
	b.get(ask).want(t, 200, "sms.verify")
	if n := w.phone.count(); n != 1 || strings.Contains(b.me(), ada) {
		t.Fatalf("%d messages; %s", n, b.me())
	}
	first := w.code()
	p = b.fill(p, 0, "code", w.wrong()).want(t, 400, "wrong_code") // the form again
	p = b.fill(p, 1).want(t, 200, "sms.verify")
	if n := w.phone.count(); n != 1 {
		t.Fatalf("%d messages", n)
	}
	if first != w.code() {
		b.fill(p, 0, "code", first).want(t, 400, "wrong_code")
	}
	if p := b.fill(p, 0, "code", w.code()[:3]+" "+w.code()[3:], "remember", "yes"); p.To == "" {
		t.Fatalf("after the code: %+v", p)
	}
	if got := b.me(); got != ada+", by [pwd sms mfa]\n" {
		t.Errorf("after the code: %s", got)
	}
	if p := b.signIn(); p.To == "" || b.me() != ada+", by [pwd]\n" || w.phone.count() != 0 {
		t.Errorf("in a remembered browser: %+v %s", p, b.me())
	}

	used := w.code()
	c := w.browser()
	p = c.signIn().want(t, 200, "sms.verify")
	if used != w.code() {
		c.fill(p, 0, "code", used).want(t, 400, "wrong_code") // that of another sign-in
	}
	w.clock.Advance(5*time.Minute + time.Second)
	p = c.fill(p, 0, "code", w.code()).want(t, 400, "wrong_code")
	ask = p.Forms[0].URL + "?state=" + p.Forms[0].Hidden["state"]
	c.send(http.MethodHead, ask, nil) // sends nothing
	if n := w.phone.count(); n != 1 {
		t.Errorf("%d messages", n)
	}
	c.get(ask).want(t, 200, "sms.verify") // sends one, since none is under way
	if p := c.fill(p, 0, "code", w.code()); p.To == "" || w.phone.count() != 1 {
		t.Errorf("after the second code: %+v", p)
	}
}

// TestPages: the same steps without a script. A wrong code shows the form again.
func TestPages(t *testing.T) {
	w := newWorld(t)
	w.enrolled()
	c := posterntest.Client(t)
	p := posterntest.SignIn(t, c, w.origin+"/auth/password/authorize")
	p = posterntest.Submit(t, c, p, url.Values{"identifier": {ada}, "password": {phrase}})
	if p.StatusCode != http.StatusOK || w.phone.count() != 1 {
		t.Fatalf("after the password: %d", p.StatusCode)
	}
	p = posterntest.Submit(t, c, p, url.Values{"code": {w.wrong()}})
	if p.StatusCode != http.StatusBadRequest {
		t.Fatalf("a wrong code: %d", p.StatusCode)
	}
	p = posterntest.Submit(t, c, p, url.Values{"again": {"yes"}})
	p = posterntest.Submit(t, c, p, url.Values{"code": {w.code()}})
	if p.Request.URL.Path != "/me" || p.StatusCode != http.StatusOK {
		t.Errorf("after the code: %d at %s", p.StatusCode, p.Request.URL)
	}
}

// TestOnce: of several requests with the right code one succeeds, for a sign-in and for a new number.
func TestOnce(t *testing.T) {
	w := newWorld(t)
	race := func(b browser, p page) (won int) {
		var mu sync.Mutex
		var all sync.WaitGroup
		code := w.code()
		for range 4 {
			all.Go(func() {
				q := b.fill(p, 0, "code", code)
				mu.Lock()
				defer mu.Unlock()
				if q.Step == "sms.added" || q.To != "" {
					won++
				} else if q.Status >= 500 {
					t.Errorf("%+v", q)
				}
			})
		}
		all.Wait()
		return won
	}
	b := w.browser()
	b.signUp()
	if n := race(b, b.fill(b.get("/factors/sms/enroll"), 0, "number", number)); n != 1 {
		t.Errorf("%d set up the number", n)
	}
	c := w.browser()
	if n := race(c, c.signIn()); n != 1 {
		t.Errorf("%d signed in", n)
	}
}

// TestLimits: five wrong codes in a quarter of an hour, five messages in an hour. A right code is refused as well.
func TestLimits(t *testing.T) {
	w := newWorld(t)
	w.enrolled()
	b := w.browser()
	p := b.signIn()
	for range 5 {
		b.fill(p, 0, "code", w.wrong()).want(t, 400, "wrong_code")
	}
	b.fill(p, 0, "code", w.code()).want(t, 429, "rate_limited")
	if m := w.mails.Last(t, ada); m.Name != "postern.factor-guessed" {
		t.Errorf("mail %s", m.Name)
	}
	for range 4 { // one was sent by the sign-in
		b.fill(p, 1).want(t, 200, "sms.verify")
	}
	b.fill(p, 1).want(t, 429, "rate_limited")
	if n := w.phone.count(); n != 5 {
		t.Errorf("%d messages", n)
	}
	w.clock.Advance(61 * time.Minute)
	c := w.browser()
	if p := c.fill(c.signIn(), 0, "code", w.code()); p.To == "" {
		t.Errorf("an hour later: %+v", p)
	}
}

// TestLimits_Number: ten messages a day to a number.
func TestLimits_Number(t *testing.T) {
	w := newWorld(t)
	w.enrolled() // that was the first
	for range 9 {
		w.browser().signIn().want(t, 200, "sms.verify")
		w.clock.Advance(15 * time.Minute)
	}
	w.browser().signIn().want(t, 429, "rate_limited")
	if n := w.phone.count(); n != 9 {
		t.Errorf("%d messages", n)
	}
	w.clock.Advance(24 * time.Hour)
	w.browser().signIn().want(t, 200, "sms.verify")
}

// TestRemove: it wants a proof of the last ten minutes, which is a code; and it ends other sessions.
func TestRemove(t *testing.T) {
	w := newWorld(t)
	b := w.enrolled()
	other := w.browser()
	other.fill(other.signIn(), 0, "code", w.code())
	w.clock.Advance(11 * time.Minute)
	remove := func() page { return b.send(http.MethodPost, "/factors/sms/remove", map[string]string{}) }
	p := remove().want(t, 401, "insufficient_user_authentication")
	way := b.get(p.StepUp+"&redirect_uri=/me").want(t, 200, "postern.step-up")
	if len(way.Links) != 1 {
		t.Fatalf("the password alone must not do: %+v", way)
	}
	p = b.get(way.Links[0].URL).want(t, 200, "sms.verify")
	remove().want(t, 401, "insufficient_user_authentication")
	if p = b.fill(p, 0, "code", w.code()); p.To == "" {
		t.Fatalf("step-up: %+v", p)
	}
	remove().want(t, 200, "sms.removed")
	remove().want(t, 409, "no_factor")
	if m := w.mails.Last(t, ada); m.Name != "sms.removed" {
		t.Errorf("mail %s", m.Name)
	}
	if !strings.Contains(b.me(), ada) || strings.Contains(other.me(), ada) {
		t.Errorf("this session: %s, the other: %s", b.me(), other.me())
	}
	if p := w.browser().signIn(); p.To == "" {
		t.Errorf("a code is still asked for: %+v", p)
	}
}

// TestRequireFactor: a person who must have a factor sets it up on the way to the first session.
func TestRequireFactor(t *testing.T) {
	w := newWorld(t, func(s *settings) {
		s.need = func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
			return postern.Requirement{Factor: true}, nil
		}
	})
	b := w.browser()
	p := b.signUp().want(t, 200, "postern.enroll")
	p = b.get(p.Links[0].URL).want(t, 200, "sms.enroll")
	p = b.fill(p, 0, "number", number).want(t, 200, "sms.confirm")
	p = b.fill(p, 0, "code", w.wrong()).want(t, 400, "wrong_code")
	p = b.fill(p, 0, "code", w.code()).want(t, 200, "sms.added")
	if strings.Contains(b.me(), ada) {
		t.Error("a session before the end")
	}
	if p = b.fill(p, 0); p.To == "" || b.me() != ada+", by [pwd sms mfa]\n" {
		t.Errorf("after it: %+v %s", p, b.me())
	}
}

// TestHandler_Check: a factor without a sender, a key or calling codes is refused.
func TestHandler_Check(t *testing.T) {
	if err := (SMS{}).Check(); err == nil {
		t.Error("no error")
	}
}
