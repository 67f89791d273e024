package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A lodge is a store that calls before each Write what is set, and may be one that writes to one Part at a time, as a
// Redis Cluster does.
type lodge struct {
	store.Store
	one    bool
	before func(changes []store.Change) error
}

func (s *lodge) OnePart() bool { return s.one }

func (s *lodge) Write(ctx context.Context, changes ...store.Change) error {
	for _, c := range changes {
		if s.one && c.Item.Key.Part != changes[0].Item.Key.Part {
			return store.ErrInvalid
		}
	}
	if s.before != nil {
		if err := s.before(changes); err != nil {
			return err
		}
	}
	return s.Store.Write(ctx, changes...)
}

// A house is an office at the wire, in which somebody has a head.
type house struct {
	*testing.T
	*office
	store   *lodge
	handler http.Handler
	subject string
}

func newHouse(t *testing.T, st store.Store, c *clock, one bool, subject string) *house {
	t.Helper()
	h := &house{T: t, store: &lodge{Store: st, one: one}, subject: subject}
	var err error
	if h.office, err = newOffice(h.store, c); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", h.sessions.Handler())
	mux.Handle("GET /me", h.user.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }), checkStore))
	h.handler = mux
	return h
}

// ask returns the status and the code of the error.
func (h *house) ask(method, path string, form url.Values, headers ...string) (int, string) {
	h.Helper()
	r := httptest.NewRequest(method, "https://app.example"+path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	h.handler.ServeHTTP(rec, r)
	var body struct {
		Error string `json:"error"`
	}
	if rec.Body.Len() > 0 {
		if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
			h.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
		}
	}
	return rec.Code, body.Error
}

func (h *house) signIn() session.Tokens {
	h.Helper()
	t, err := h.create(h.Context(), h.subject)
	if err != nil {
		h.Fatal(err)
	}
	return t
}

func (h *house) mustRefresh(token string) session.Tokens {
	h.Helper()
	t, err := h.sessions.Refresh(h.Context(), token)
	if err != nil {
		h.Fatal(err)
	}
	return t
}

func (h *house) code() string {
	h.Helper()
	rec := httptest.NewRecorder()
	g := session.Grant[user]{Subject: h.subject}
	if err := h.user.Code(rec, httptest.NewRequest("GET", "https://app.example/", nil), g, returnto.New(page, "", challenge, "api")); err != nil {
		h.Fatal(err)
	}
	to, err := rec.Result().Location()
	if err != nil {
		h.Fatal(err)
	}
	return to.Query().Get("code")
}

func (h *house) change(f func(head.Head) head.Head) {
	h.Helper()
	now, err := head.Get(h.Context(), h.store.Store, pool, h.subject)
	if err == nil {
		err = h.store.Store.Write(h.Context(), f(now).Put())
	}
	if err != nil {
		h.Fatal(err)
	}
}

// over fails unless every door is shut for the tokens.
func (h *house) over(what string, t session.Tokens) {
	h.Helper()
	cookies := cookieName + "=" + t.Access + "; " + cookieName + "-refresh=" + t.Refresh
	for _, door := range []struct {
		method, path string
		form         url.Values
		header, text string
		code         int
		error        string
	}{
		{"GET", "/me", nil, "Authorization", "Bearer " + t.Access, 401, "session_ended"},
		{"GET", "/me", nil, "Cookie", cookies, 401, "session_ended"},
		{"POST", "/auth/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh}}, "Accept", "*/*", 400, "invalid_grant"},
		{"POST", "/auth/refresh", url.Values{}, "Cookie", cookies, 401, "session_ended"},
	} {
		if code, err := h.ask(door.method, door.path, door.form, door.header, door.text); code != door.code || err != door.error {
			h.Errorf("%s: %s %s by %s: %d %s", what, door.method, door.path, door.header, code, err)
		}
	}
}

// eachEngine is each, and Redis as a cluster writes.
func eachEngine(t *testing.T, f func(t *testing.T, st store.Store, c *clock, one bool)) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			c := new(clock)
			c.set(time.Now())
			st, done, err := open(b.start(t).spec, c.now)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = done() })
			f(t, st, c, false)
			if b.name == "Redis" {
				t.Run("one part", func(t *testing.T) { f(t, st, c, true) })
			}
		})
	}
}

var headEvents = map[string]func(h *house){
	"sec": func(h *house) { h.change(head.Head.Moved) },
	"disabled": func(h *house) {
		h.change(func(now head.Head) head.Head {
			now = now.Moved()
			now.Gone = head.Disabled
			return now
		})
	},
	"all ended": func(h *house) {
		if err := h.sessions.RevokeSubject(h.Context(), h.subject); err != nil {
			h.Error(err)
		}
	},
}

// TestA10_SessionsOnEveryEngine: after each event, every token of a session and every code that was made before is
// refused at the wire, and a session that is being created at that moment does not begin, or is over at its first use.
func TestA10_SessionsOnEveryEngine(t *testing.T) {
	eachEngine(t, func(t *testing.T, st store.Store, c *clock, one bool) {
		for event, happens := range headEvents {
			h := newHouse(t, st, c, one, fmt.Sprint("somebody of ", event, one))
			h.change(head.Head.Moved)
			minted := map[string]session.Tokens{}
			lost, retried := h.signIn(), h.signIn()
			h.mustRefresh(h.rotated(lost).Refresh)
			c.add(2 * time.Minute) // the answer with the next token of lost never came
			minted["lost answer"], minted["after the grace"] = lost, h.signIn()
			c.add(40 * time.Second)
			h.mustRefresh(retried.Refresh)
			minted["retried predecessor"] = retried
			minted["within the grace"] = h.mustRefresh(h.signIn().Refresh)
			code := h.code()
			for what, tokens := range minted {
				if what != "lost answer" { // a refresh of it would be the rotation that the test waits for
					h.mustRefresh(tokens.Refresh)
				}
			}
			once := false
			h.store.before = func([]store.Change) error {
				if !once {
					once = true
					happens(h)
				}
				return nil
			}
			born, err := h.create(t.Context(), h.subject)
			h.store.before = nil
			switch {
			case !once:
				t.Errorf("%s did not happen", event)
			case err == nil && event != "all ended":
				if !one {
					t.Errorf("%s: a session began", event)
				}
				minted["born meanwhile"] = born
			case err != nil && !errors.Is(err, session.ErrEnded):
				t.Errorf("%s: %v", event, err)
			}
			for what, tokens := range minted {
				h.over(event+", "+what, tokens)
			}
			if code, answer := h.ask("POST", "/auth/token", redemption(code)); code != 400 || answer != "invalid_grant" {
				t.Errorf("%s: the code: %d %s", event, code, answer)
			}
		}
	})
}

// rotated refreshes tokens after the grace.
func (h *house) rotated(t session.Tokens) session.Tokens {
	h.Helper()
	h.add(31 * time.Second)
	return h.mustRefresh(t.Refresh)
}

// TestA10_DiesBetweenTwoWrites: a program dies after each of the writes that end all sessions, or all others, of a
// person. The call, made again by another program, ends the rest, and nothing lives that should not.
func TestA10_DiesBetweenTwoWrites(t *testing.T) {
	eachEngine(t, func(t *testing.T, st store.Store, c *clock, one bool) {
		for name, call := range map[string]func(h *house, mine session.Tokens) error{
			"all":    func(h *house, _ session.Tokens) error { return h.sessions.RevokeSubject(h.Context(), h.subject) },
			"others": func(h *house, mine session.Tokens) error { return h.sessions.RevokeOthers(h.Context(), mine.SessionID) },
		} {
			died := 0
			for at := 0; ; at++ {
				subject := fmt.Sprint(name, at, one)
				h, next := newHouse(t, st, c, one, subject), newHouse(t, st, c, one, subject)
				mine, other := h.signIn(), h.signIn()
				n := 0
				h.store.before = func([]store.Change) error {
					if n++; n > at {
						return errors.New("the program has died")
					}
					return nil
				}
				err := call(h, mine)
				if err == nil {
					break
				}
				died++
				if !errors.Is(err, session.ErrUnavailable) {
					t.Errorf("%s, write %d: %v", name, at+1, err)
				}
				err = call(next, mine)
				if err != nil && (name == "all" || !errors.Is(err, session.ErrEnded)) {
					t.Errorf("%s again, after write %d: %v", name, at, err)
				}
				next.over(fmt.Sprint(name, " again, after write ", at), other)
				if name == "all" || err != nil {
					next.over(fmt.Sprint(name, " again, after write ", at, ", mine"), mine)
				} else {
					next.mustRefresh(mine.Refresh)
				}
			}
			if want := 1 + map[bool]int{true: 1}[one]; died != want {
				t.Errorf("%s: died at %d writes, want %d", name, died, want)
			}
		}
	})
}
