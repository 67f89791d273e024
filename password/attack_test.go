package password_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestA9_TypedBeforeProof: what somebody typed before the address was proved is nowhere after the owner proved it
// elsewhere. Mallory has a password ready at each step, in each order.
func TestA9_TypedBeforeProof(t *testing.T) {
	const bad = "mallorys eigenes kennwort"
	for _, when := range []string{"before", "between", "after"} {
		w := newWorld(t)
		mallory, ada := w.browser(), w.browser()
		begin := func() string { return state(t, mallory.post("/sign-up", "email", "ada@example.com")) }
		try := func(st string) {
			t.Helper()
			for _, path := range []string{"/password/sign-up", "/sign-up/code", "/password/callback", "/password/reset"} {
				a := mallory.post(path, "state", st, "password", bad, "code", "12345678", "identifier", "ada@example.com", "token", st)
				if a.Code < 400 {
					t.Fatalf("%s of Mallory: %d\n%s", path, a.Code, a.Body)
				}
				if a = mallory.post(path, "state", st, "password", bad); a.Code < 400 {
					t.Fatalf("%s of Mallory: %d\n%s", path, a.Code, a.Body)
				}
			}
		}
		var st string
		if when == "before" {
			st = begin()
			try(st)
		}
		mine := ada.apply("ada@example.com")
		if when == "between" {
			st = begin()
			try(st)
			try(mine)
		}
		want(t, ada.post("/password/sign-up", "state", mine, "password", good), http.StatusSeeOther, "/continue")
		if when == "after" {
			st = begin()
		}
		try(st)
		try(mine)
		if mallory.session() != nil {
			t.Fatal("Mallory has a session")
		}
		want(t, mallory.signIn("ada@example.com", bad), http.StatusBadRequest, "wrong_password")
		want(t, w.browser().signIn("ada@example.com", good), http.StatusSeeOther, "/continue")
	}
}

// TestA3_PreHijacking runs the five classes with a password and a provider: the attacker ends with nothing.
func TestA3_PreHijacking(t *testing.T) {
	const victim = "ada@example.com"
	verified := func(w *world, subject string, ok bool) {
		w.who = postern.Identity{Issuer: "https://door.example", Subject: subject, Provider: "door", Addresses: []postern.Address{{Type: "email", Value: victim, Verified: ok}}}
	}
	t.Run("classic-federated merge", func(t *testing.T) {
		w := newWorld(t)
		mallory := w.browser()
		mallory.post("/sign-up", "email", victim) // no user without proof
		verified(w, "ada", true)
		want(t, w.browser().get("/door/authorize"), http.StatusSeeOther, "app.example.com")
		want(t, mallory.signIn(victim, good), http.StatusBadRequest, "wrong_password")
	})
	t.Run("unexpired session", func(t *testing.T) {
		w := newWorld(t)
		thief := w.browser()
		user := thief.signUp(victim, good) // somebody at the owner's mailbox once
		second := w.browser()
		want(t, second.signIn(victim, good), http.StatusSeeOther, "/continue")
		token := w.browser().forgot(victim)
		want(t, w.browser().post("/password/reset", "token", token, "password", better), http.StatusSeeOther, "authorize")
		if thief.session() != nil || second.session() != nil {
			t.Error("a session survives the reset")
		}
		for _, b := range []*browser{thief, second} {
			want(t, b.post("/password/change", "password", good, "new_password", good+" x"), http.StatusUnauthorized, "")
		}
		if w.head(user).Ways.Passwords != 1 {
			t.Error("passwords")
		}
	})
	t.Run("trojan identifier", func(t *testing.T) {
		w := newWorld(t)
		ada := w.browser().signUp(victim, good)
		w.who = postern.Identity{Issuer: "https://door.example", Subject: "mallory", Provider: "door"}
		mallory := w.browser()
		want(t, mallory.get("/door/authorize"), http.StatusSeeOther, "app.example.com")
		if s := mallory.session(); s == nil || s.Subject == ada {
			t.Errorf("session %+v", s)
		}
	})
	t.Run("unexpired address change", func(t *testing.T) {
		w := newWorld(t)
		mallory := w.browser()
		user := mallory.signUp("mallory@example.com", better)
		mallory.post("/account/addresses", "address", victim) // never confirmed
		w.browser().signUp(victim, good)
		if w.user(victim) == user {
			t.Error("the address belongs to Mallory")
		}
		want(t, mallory.signIn(victim, better), http.StatusBadRequest, "wrong_password")
	})
	t.Run("non-verifying provider", func(t *testing.T) {
		w := newWorld(t)
		verified(w, "mallory", false)
		mallory := w.browser()
		want(t, mallory.get("/door/authorize"), http.StatusSeeOther, "app.example.com")
		ada := w.browser().signUp(victim, good)
		if s := mallory.session(); s == nil || s.Subject == ada {
			t.Errorf("session %+v", s)
		}
		w.browser().forgot(victim)
		for _, m := range w.mails.Take() {
			if m.To != victim {
				t.Errorf("a mail to %s", m.To)
			}
		}
	})
}

// A ticket makes one user: a copy of it, in the ten minutes of its life, does not sign in to the account.
func TestA12_TicketOnce(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	st := b.apply("ada@example.com")
	replay := &browser{b.Clone(), w}
	want(t, b.post("/password/sign-up", "state", st, "password", good), http.StatusSeeOther, "/continue")
	for _, typed := range []string{good, better} {
		want(t, replay.post("/password/sign-up", "state", st, "password", typed), http.StatusBadRequest, "used_state")
	}
	if replay.session() != nil {
		t.Error("the copy signed in")
	}
	want(t, w.browser().signIn("ada@example.com", good), http.StatusSeeOther, "/continue")
}

// dump returns all rows of a user.
func (w *world) dump(user string) string {
	w.t.Helper()
	var b strings.Builder
	items, _, err := w.store.List(w.t.Context(), head.Part(w.sessions.Issuer(), user), "", 1000)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, item := range items {
		b.WriteString(item.Key.Part + " " + item.Key.ID + " " + string(item.Value) + "\n")
	}
	return b.String()
}

// The rows of a user, in the hands of a thief, hold no password, no link and nothing that another server takes.
func TestStolenRows(t *testing.T) {
	w := newWorld(t)
	user := w.browser().signUp("ada@example.com", good)
	token := w.browser().forgot("ada@example.com")
	rows := w.dump(user)
	if !strings.Contains(rows, "password reset 1") || !strings.Contains(rows, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Fatalf("rows\n%s", rows)
	}
	parts := strings.Split(token, ".")
	for _, secret := range append(parts[2:], good, token) {
		if strings.Contains(rows, secret) {
			t.Errorf("%q is in the rows", secret)
		}
	}
	// The thief runs a server on the rows, with secrets of the thief: the owner's link opens nothing there, and the
	// thief's link opens nothing here.
	thief := newWorld(t, func(o *options) { o.store, o.clock = w.store.Store, w.World })
	want(t, thief.browser().post("/password/reset", "token", token, "password", better), http.StatusBadRequest, "expired_reset")
	forged := thief.browser().forgot("ada@example.com")
	want(t, w.browser().post("/password/reset", "token", forged, "password", better), http.StatusBadRequest, "expired_reset")
	// An old row over a new one gives nobody a password: the rest of the link is not in the store.
	want(t, w.browser().post("/password/reset", "token", strings.Join(parts[:3], ".")+"."+strings.Repeat("A", 26), "password", better), http.StatusBadRequest, "expired_reset")
	want(t, w.browser().post("/password/reset", "token", token, "password", better), http.StatusSeeOther, "authorize")
}

// TestL3_MailsRepeatNothing: no mail and no notice has a text that somebody sent, except the address it goes to.
func TestL3_MailsRepeatNothing(t *testing.T) {
	w := newWorld(t)
	w.browser().signUp("ada@example.com", good)
	hostile := []string{"<b>win</b>", "http://evil.example", "evil.example", "%0aBcc: x", "{{link}}", "ada\u202e", "Gewinn jetzt abholen"}
	w.mails.Take()
	for i, text := range hostile {
		b := w.browser()
		b.Header.Set("User-Agent", text)
		b.Header.Set("Accept-Language", text)
		b.Header.Set("Referer", "https://evil.example/"+url.QueryEscape(text))
		b.Header.Set("X-Forwarded-Host", "evil.example")
		b.post("/password/forgot?"+url.Values{"state": {text}, "app": {text}}.Encode(), "identifier", []string{"ada@example.com", "noa@example.com"}[i%2])
		b.post("/password/forgot", "identifier", text)
	}
	mails := w.mails.Take()
	if len(mails) < 5 {
		t.Fatalf("%d mails", len(mails))
	}
	for _, m := range mails {
		args, _ := json.Marshal(m.Args)
		for _, text := range hostile {
			if strings.Contains(m.Subject+m.Text+m.HTML+string(args), text) {
				t.Errorf("%s has %q:\n%s", m.Name, text, m.Text)
			}
		}
		if strings.ContainsAny(m.Subject, "\r\n") {
			t.Errorf("subject %q", m.Subject)
		}
	}
}

// TestP1_ImportedAndRehashed: a hash of another system signs in, and is then replaced by one of today's costs. One that
// costs too much is refused where it comes in, and again where it is found.
func TestP1_ImportedAndRehashed(t *testing.T) {
	w := newWorld(t)
	user := w.browser().signUp("ada@example.com", good)
	const bcrypt = "$2b$04$abcdefghijklmnopqrstuu5Lo0g67CiD3M4RpN1BmBb4Crp5w7dbK"
	weak, err := hash.ImportArgon2("$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
	if err != nil {
		t.Fatal(err)
	}
	for _, encoded := range []string{bcrypt + "x", "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "plain"} {
		if _, err := password.Row(w.sessions.Issuer(), user, encoded); err == nil {
			t.Errorf("%q was taken", encoded)
		}
	}
	if _, err := password.Row(w.sessions.Issuer(), user, weak); err != nil {
		t.Errorf("a weak hash that is verified alone: %v", err)
	}
	// The password of now, hashed with other costs.
	small, err := hash.New(hash.Config{MemoryMiB: 64, Parallel: 1})
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := small.Hash(t.Context(), good)
	if err != nil {
		t.Fatal(err)
	}
	id, err := w.dir.CreateWith(t.Context(), postern.SignUp{
		ID: strings.Repeat("i", 32), Identity: postern.Identity{Issuer: postern.MailIssuer, Subject: "bea@example.com"}, Passwords: 1,
	}, func(userID string) []store.Change {
		change, err := password.Row(w.sessions.Issuer(), userID, encoded)
		if err != nil {
			t.Fatal(err)
		}
		return []store.Change{change}
	})
	if err != nil {
		t.Fatal(err)
	}
	want(t, w.browser().signIn("bea@example.com", good), http.StatusSeeOther, "/continue")
	if rows := w.dump(id); strings.Contains(rows, "m=7168") || !strings.Contains(rows, "m=19456,t=2,p=1") {
		t.Errorf("not replaced:\n%s", rows)
	}
	want(t, w.browser().signIn("bea@example.com", good), http.StatusSeeOther, "/continue")
	key := store.Key{Part: head.Part(w.sessions.Issuer(), id), ID: "password"}
	items, err := w.store.Get(t.Context(), key)
	if err != nil || len(items) != 1 {
		t.Fatal(err)
	}
	items[0].Value = []byte(`{"hash":"$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`)
	if err := w.store.Write(t.Context(), store.Put(items[0])); err != nil {
		t.Fatal(err)
	}
	want(t, w.browser().signIn("bea@example.com", good), http.StatusServiceUnavailable, "temporarily_unavailable")
}

// A store that is away is 503 at every step, and nothing is half done.
func TestStoreAway(t *testing.T) {
	w := newWorld(t)
	w.browser().signUp("ada@example.com", good)
	b := w.browser()
	st := state(t, b.get("/password/authorize"))
	w.store.failing(func(int, bool) (before, after error) { return context.DeadlineExceeded, nil })
	want(t, b.post("/password/callback", "state", st, "identifier", "ada@example.com", "password", good), http.StatusServiceUnavailable, "temporarily_unavailable")
	want(t, b.post("/password/forgot", "identifier", "ada@example.com"), http.StatusServiceUnavailable, "temporarily_unavailable")
	w.store.failing(nil)
	want(t, b.post("/password/callback", "state", st, "identifier", "ada@example.com", "password", good), http.StatusSeeOther, "/continue")
}

// A program signs up, signs in and resets by JSON, with the same steps.
func TestJSON(t *testing.T) {
	w := newWorld(t)
	w.browser().signUp("ada@example.com", good)
	b := w.browser()
	b.Header.Set("Accept", "application/json")
	type page struct {
		Step, Error string
		Forms       []struct {
			URL    string
			Hidden map[string]string
		}
		To string `json:"redirect_uri"`
	}
	send := func(path string, body map[string]string) (p page, status int) {
		t.Helper()
		var r *http.Request
		if body == nil {
			r = b.Request(http.MethodGet, issuer+path, nil)
		} else {
			text, _ := json.Marshal(body)
			r = b.Request(http.MethodPost, issuer+path, url.Values{})
			r.Body, r.ContentLength = http.NoBody, 0
			r2, err := http.NewRequestWithContext(r.Context(), http.MethodPost, issuer+path, strings.NewReader(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			r2.Header = r.Header.Clone()
			r2.Header.Set("Content-Type", "application/json")
			r2.RemoteAddr = r.RemoteAddr
			r = r2
		}
		a := b.Do(r)
		if err := json.Unmarshal(a.Body.Bytes(), &p); err != nil {
			t.Fatalf("%s: %d %v\n%s", path, a.Code, err, a.Body)
		}
		return p, a.Code
	}
	begin := map[string]string{"redirect_uri": "https://app.example.com/", "login_hint": "ada@example.com"}
	begin["colour"] = "red"
	if p, code := send("/password/authorize", begin); code != http.StatusBadRequest || p.Error != "invalid_request" {
		t.Errorf("%d %+v", code, p)
	}
	delete(begin, "colour")
	if p, code := send("/password/authorize", begin); code != http.StatusOK || p.Step != "password.sign-in" {
		t.Errorf("%d %+v", code, p)
	}
	p, code := send("/password/authorize", nil)
	if code != http.StatusOK || p.Step != "password.sign-in" || len(p.Forms) != 1 || p.Forms[0].Hidden["state"] == "" {
		t.Fatalf("%d %+v", code, p)
	}
	form := map[string]string{"state": p.Forms[0].Hidden["state"], "identifier": "ada@example.com", "password": better}
	if p, code := send("/password/callback", form); code != http.StatusBadRequest || p.Error != "wrong_password" {
		t.Errorf("%d %+v", code, p)
	}
	form["remember"] = "yes"
	if p, code := send("/password/callback", form); code != http.StatusBadRequest || p.Error != "invalid_request" {
		t.Errorf("%d %+v", code, p)
	}
	delete(form, "remember")
	form["password"] = good
	if p, code := send("/password/callback", form); code != http.StatusOK || p.To != "https://app.example.com/" || b.session() == nil {
		t.Errorf("%d %+v", code, p)
	}
	if p, code := send("/password/forgot", map[string]string{"identifier": "ada@example.com"}); code != http.StatusOK || p.Step != "password.forgot-sent" {
		t.Errorf("%d %+v", code, p)
	}
}

func TestService(t *testing.T) {
	w := newWorld(t)
	s, err := password.NewService(password.Config{Hasher: hasher()}, w.sessions, w.sessions.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	user := b.signUp("ada@example.com", good)
	if _, err := s.Check(t.Context(), user, good); err != nil {
		t.Error(err)
	}
	if _, err := s.Check(t.Context(), user, better); err != password.ErrWrong {
		t.Error(err)
	}
	if err := s.CheckNobody(t.Context(), "noa", good); err != password.ErrWrong {
		t.Error(err)
	}
	if err := s.Set(t.Context(), user, "ada@example.com!", "ada@example.com"); err == nil {
		t.Error("a password that is the address")
	}
	if err := s.Set(t.Context(), user, better); err != nil {
		t.Fatal(err)
	}
	if b.session() != nil {
		t.Error("the session survives a new password")
	}
	want(t, w.browser().signIn("ada@example.com", better), http.StatusSeeOther, "/continue")
	for range 11 {
		_, err = s.Check(t.Context(), user, good)
	}
	if err != password.ErrLimited {
		t.Errorf("the limit: %v", err)
	}
	w.Advance(time.Hour)
	w.guessed(user, 99)
	if _, err := s.Check(t.Context(), user, good); err != password.ErrWrong || w.head(user).Lock == "" {
		t.Error("not locked", err)
	}
	if err := s.Unlock(t.Context(), user); err != nil || w.head(user).Lock != "" {
		t.Error(err)
	}
	if _, err := s.Check(t.Context(), user, better); err != nil {
		t.Error(err)
	}
	if err := s.Remove(t.Context(), user); err != nil {
		t.Error(err)
	}
	if _, err := s.Check(t.Context(), user, better); err != password.ErrWrong {
		t.Error(err)
	}
}

// A password that was right before a reset begins no session after it.
func TestP6_CheckedBeforeAReset(t *testing.T) {
	w := newWorld(t)
	s, err := password.NewService(password.Config{Hasher: hasher()}, w.sessions, w.sessions.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	user := w.browser().signUp("ada@example.com", good)
	proved, err := s.Check(t.Context(), user, good)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Set(t.Context(), user, better); err != nil {
		t.Fatal(err)
	}
	if _, err := w.kind.Create(proved, session.Grant[profile]{Subject: user}); !errors.Is(err, session.ErrEnded) {
		t.Errorf("a session of the old password: %v", err)
	}
	proved, err = s.Check(t.Context(), user, better)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.kind.Create(proved, session.Grant[profile]{Subject: user}); err != nil {
		t.Error(err)
	}
}
