package session_test

import (
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestS1_SignInReplaces: a sign-in by cookie makes a new session and ends the one the browser had, in whatever state
// its tokens are, planted ones too; if that cannot be done, there is no sign-in.
func TestS1_SignInReplaces(t *testing.T) {
	k := newKeeper(t)
	signIn := func(in *keeper, cookie string) (session.Tokens, *httptest.ResponseRecorder, error) {
		rec := recorder()
		r := request("GET", issuer+"/google/callback")
		if cookie != "" {
			r.Header.Set("Cookie", cookie)
		}
		err := in.member.Cookie(rec, r, k.grant(), ret(app))
		got := session.Tokens{Access: value(set(t, rec.Header(), k.access())), Refresh: value(set(t, rec.Header(), k.renewal()))}
		if err == nil {
			got.SessionID = must(k.member.Verify(t.Context(), got.Access))(t).ID
		}
		return got, rec, err
	}
	elsewhere := k.create() // the person's other browser
	for name, c := range map[string]struct {
		later  time.Duration
		cookie func(old session.Tokens) string
	}{
		"both cookies":   {0, k.cookies},
		"access expired": {10 * time.Minute, k.cookies},
		"access alone":   {0, func(old session.Tokens) string { return k.access() + "=" + old.Access }},
		"refresh alone":  {time.Hour, func(old session.Tokens) string { return k.renewal() + "=" + old.Refresh }},
		"one planted beside": {0, func(old session.Tokens) string {
			return k.cookies(old) + "; " + k.access() + "=x; " + k.renewal() + "=y"
		}},
		"behind a planted": {0, func(old session.Tokens) string { return k.access() + "=x; " + k.renewal() + "=y; " + k.cookies(old) }},
	} {
		old := k.create()
		other := must(k.member.Create(t.Context(), session.Grant[User]{Subject: "somebody else"}))(t)
		k.Advance(c.later)
		k.told(true)
		got, _, err := signIn(k, c.cookie(old))
		if err != nil || got.SessionID == old.SessionID || got.SessionID == "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if told := k.told(true); !slices.Equal(told, []string{"session ended: replaced", "session created"}) {
			t.Errorf("%s: events %q", name, told)
		}
		if _, err := k.refresh(old.Refresh); !errors.Is(err, session.ErrEnded) {
			t.Errorf("%s: the old refresh token: %v", name, err)
		}
		k.mustRefresh(got.Refresh)
		// Whose it was makes no difference.
		if _, _, err := signIn(k, c.cookie(other)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := k.refresh(other.Refresh); !errors.Is(err, session.ErrEnded) {
			t.Errorf("%s: another person's session of this browser: %v", name, err)
		}
	}
	k.mustRefresh(elsewhere.Refresh)

	// What proves nothing ends nothing.
	old := k.create()
	p := strings.Split(old.Refresh, ".")
	k.told(true)
	for _, cookie := range []string{
		"", k.renewal() + "=" + old.SessionID, k.renewal() + "=" + strings.TrimSuffix(old.Refresh, p[5]) + strings.Repeat("A", 43), k.access() + "=" + old.Refresh, k.renewal() + "=" + old.Access,
	} {
		if _, _, err := signIn(k, cookie); err != nil {
			t.Errorf("%q: %v", cookie, err)
		}
	}
	k.mustRefresh(old.Refresh)
	robot := session.NewKind[APIKey](k.sessions, "robot")
	bot := must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "u1"}))(t)
	if _, _, err := signIn(k, k.renewal()+"="+bot.Refresh+"; "+k.access()+"="+bot.Access+"; "+session.CookieNameOf(robot)+"-refresh="+bot.Refresh); err != nil {
		t.Error(err)
	}
	k.mustRefresh(bot.Refresh) // of another kind
	k.wantTold()

	// Parameter and Code hand the session to another program, and leave that of the browser alone.
	r := request("GET", "/", "Cookie", k.cookies(old))
	if err := k.member.Parameter(recorder(), r, k.grant(), ret(app)); err != nil {
		t.Error(err)
	}
	if err := k.member.Code(recorder(), r, k.grant(), handedTo(audience)); err != nil {
		t.Error(err)
	}
	k.mustRefresh(old.Refresh)

	// No end, no beginning.
	k.told(true)
	k.spy.calm()
	k.spy.onWrite = fails(false, errors.New("away"))
	if _, rec, err := signIn(k, k.cookies(old)); !errors.Is(err, session.ErrUnavailable) || len(rec.Header()) != 0 {
		t.Errorf("store away: %v %v", err, rec.Header())
	}
	k.spy.calm()
	k.mustRefresh(old.Refresh)
	for name, g := range map[string]session.Grant[User]{"no subject": {}, "bad scope": {Subject: "u1", Scopes: []string{"a b"}}} {
		if err := k.member.Cookie(recorder(), request("GET", "/", "Cookie", k.cookies(old)), g, ret(app)); !errors.Is(err, session.ErrGrant) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := k.member.Cookie(recorder(), request("GET", "/", "Cookie", k.cookies(old)), k.grant(), returnto.New("", "", "", "")); !errors.Is(err, session.ErrReturn) {
		t.Errorf("no Return: %v", err)
	}
	k.mustRefresh(old.Refresh)
	k.wantTold()
}

// TestI7_Revocation: what was not written is not acknowledged, and can be tried again; what is over is no error.
func TestI7_Revocation(t *testing.T) {
	lost := errors.New("connection lost")
	ways := map[string]func(k *keeper, tokens session.Tokens) error{
		"Revoke":        func(k *keeper, tokens session.Tokens) error { return k.sessions.Revoke(t.Context(), tokens.SessionID) },
		"RevokeSubject": func(k *keeper, tokens session.Tokens) error { return k.sessions.RevokeSubject(t.Context(), "u1") },
		"RevokeOthers": func(k *keeper, tokens session.Tokens) error {
			for _, in := range k.twin(0).list() {
				if in.ID != tokens.SessionID {
					return k.sessions.RevokeOthers(t.Context(), in.ID)
				}
			}
			return errors.New("no other session")
		},
		"SignOut": func(k *keeper, tokens session.Tokens) error {
			rec := recorder()
			err := k.sessions.SignOut(rec, request("POST", "/", "Cookie", k.cookies(tokens)))
			if (err == nil) != (set(t, rec.Header(), k.renewal()) != "") {
				t.Errorf("SignOut: %v, and cookies %q", err, rec.Header()["Set-Cookie"])
			}
			return err
		},
		"SignOutEverywhere": func(k *keeper, tokens session.Tokens) error {
			rec := recorder()
			err := k.sessions.SignOutEverywhere(rec, request("POST", "/", "Cookie", k.cookies(tokens)))
			if (err == nil) != (set(t, rec.Header(), k.renewal()) != "") {
				t.Errorf("SignOutEverywhere: %v, and cookies %q", err, rec.Header()["Set-Cookie"])
			}
			return err
		},
		"DELETE /sessions/{id}": func(k *keeper, tokens session.Tokens) error {
			if rec := k.ask("DELETE", "/sessions/"+tokens.SessionID, "", "Cookie", k.cookies(tokens)); rec.Code == 503 {
				return session.ErrUnavailable
			} else if rec.Code != 204 {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
			return nil
		},
		"POST /signout": func(k *keeper, tokens session.Tokens) error {
			if rec := k.ask("POST", "/signout", "", "Cookie", k.cookies(tokens)); rec.Code == 503 {
				if len(rec.Header()["Set-Cookie"]) != 0 || rec.Header().Get("Retry-After") == "" {
					t.Errorf("%v", rec.Header())
				}
				return session.ErrUnavailable
			} else if rec.Code != 204 {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
			return nil
		},
	}
	for name, way := range ways {
		for trouble, write := range map[string]func(int, []store.Change) (bool, error){
			"not written": fails(false, lost), "conflicts": fails(false, store.ErrConflict), "invalid": fails(false, store.ErrInvalid),
		} {
			k := newKeeper(t)
			tokens := k.create()
			k.create()
			k.told(true)
			k.spy.calm()
			k.spy.onWrite = write
			if err := way(k, tokens); !errors.Is(err, session.ErrUnavailable) {
				t.Errorf("%s, %s: %v", name, trouble, err)
			}
			k.wantTold()
			k.spy.calm()
			k.mustRefresh(tokens.Refresh)
			if err := way(k, tokens); err != nil {
				t.Errorf("%s, %s, again: %v", name, trouble, err)
			}
			if told := k.told(); len(told) != 1 {
				t.Errorf("%s: events %q", name, told)
			}
			if _, err := k.refresh(tokens.Refresh); !errors.Is(err, session.ErrEnded) {
				t.Errorf("%s, %s: it lives: %v", name, trouble, err)
			}
		}
		// Written, though the answer was lost: done, and told once.
		k := newKeeper(t)
		tokens := k.create()
		k.create()
		k.told(true)
		k.spy.calm()
		k.spy.onWrite = fails(true, lost)
		if err := way(k, tokens); err != nil || k.spy.writes() != 1 {
			t.Errorf("%s, answer lost: %v after %d writes", name, err, k.spy.writes())
		}
		if told := k.told(); len(told) != 1 {
			t.Errorf("%s, answer lost: events %q", name, told)
		}
	}
	k := newKeeper(t)
	tokens := k.create()
	k.told(true)
	for _, id := range []string{tokens.SessionID, tokens.SessionID, "", "x", strings.Repeat("A", 16) + "." + strings.Repeat("A", 22), tokens.SessionID + "A"} {
		if err := k.sessions.Revoke(t.Context(), id); err != nil {
			t.Errorf("%q: %v", id, err)
		}
	}
	k.wantTold("session ended: revoked")
	// A session of a kind this program has not got is ended all the same.
	born := k.create()
	other := newWorld(t, func(c *session.Config) {
		c.Keys, c.Secrets, c.Store, c.Now = k.config.Keys, k.config.Secrets, k.config.Store, k.Now
	})
	if err := other.sessions.Revoke(t.Context(), born.SessionID); err != nil {
		t.Error(err)
	}
	if _, err := k.refresh(born.Refresh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("%v", err)
	}
}

// RevokeSubject is one write for each kind, however many sessions there are, and reaches nobody else's.
func TestRevokeSubject(t *testing.T) {
	k := newKeeper(t)
	robot := session.NewKind[APIKey](k.sessions, "robot")
	var all []session.Tokens
	for range 50 {
		all = append(all, k.create())
	}
	all = append(all, must(robot.Create(t.Context(), session.Grant[APIKey]{Subject: "u1"}))(t))
	neighbour := must(k.member.Create(t.Context(), session.Grant[User]{Subject: "u2"}))(t)
	stateless := k.token()
	k.told(true)
	k.spy.calm()
	if err := k.sessions.RevokeSubject(t.Context(), "u1"); err != nil || k.spy.writes() != 2 {
		t.Errorf("%v, %d writes", err, k.spy.writes())
	}
	k.wantTold("subject revoked", "subject revoked")
	for _, tokens := range all {
		if _, err := k.refresh(tokens.Refresh); !errors.Is(err, session.ErrEnded) {
			t.Errorf("it lives: %v", err)
		}
	}
	k.mustRefresh(neighbour.Refresh)
	if _, err := k.user.Verify(t.Context(), stateless); err != nil {
		t.Errorf("a stateless token, which nothing ends: %v", err)
	}
	if !k.item(epochOf(all[0].SessionID)).Expires.IsZero() {
		t.Error("the epoch expires: what was ended would live again")
	}
	again := k.create()
	k.mustRefresh(again.Refresh)
	if err := k.sessions.RevokeSubject(t.Context(), "u1"); err != nil {
		t.Error(err)
	}
	if _, err := k.refresh(again.Refresh); !errors.Is(err, session.ErrEnded) {
		t.Errorf("the second time: %v", err)
	}
}

// RevokeOthers leaves one of many.
func TestRevokeOthers(t *testing.T) {
	k := newKeeper(t)
	mine, other, third := k.create(), k.create(), k.create()
	if err := k.sessions.Revoke(t.Context(), third.SessionID); err != nil {
		t.Fatal(err)
	}
	k.told(true)
	for range 2 {
		if err := k.sessions.RevokeOthers(t.Context(), mine.SessionID); err != nil {
			t.Fatal(err)
		}
		mine = k.rotate(mine.Refresh)
		if _, err := k.refresh(other.Refresh); !errors.Is(err, session.ErrEnded) {
			t.Errorf("another lives: %v", err)
		}
		if list := k.list(); len(list) != 1 || list[0].ID != mine.SessionID {
			t.Errorf("list %+v", list)
		}
	}
	k.wantTold("others revoked", "others revoked")
	for _, id := range []string{other.SessionID, third.SessionID, "x"} {
		if err := k.sessions.RevokeOthers(t.Context(), id); !errors.Is(err, session.ErrEnded) {
			t.Errorf("for one that is over: %v", err)
		}
	}
	k.mustRefresh(mine.Refresh)
}

// A program that lacks what it takes to end a session does not say that it did.
func TestSignOut_CannotEnd(t *testing.T) {
	k := newKeeper(t)
	tokens := k.create()
	for name, c := range map[string]struct {
		change func(*session.Config)
		cookie string
		want   error
	}{
		"no store":                  {func(c *session.Config) { c.Store = nil }, k.cookies(tokens), session.ErrStoreRequired},
		"no store, refresh alone":   {func(c *session.Config) { c.Store = nil }, k.renewal() + "=" + tokens.Refresh, session.ErrStoreRequired},
		"no store, nothing to end":  {func(c *session.Config) { c.Store = nil }, k.renewal() + "=x", nil},
		"no secrets":                {func(c *session.Config) { c.Secrets = nil }, k.renewal() + "=" + tokens.Refresh, session.ErrNoSigner},
		"secrets away":              {func(c *session.Config) { c.Secrets = brokenSecrets{} }, k.renewal() + "=" + tokens.Refresh, session.ErrUnavailable},
		"keys away":                 {func(c *session.Config) { c.Keys = brokenSigner{c.Keys.(keys.Signer)} }, k.cookies(tokens), session.ErrUnavailable},
		"one that is nobody's here": {func(c *session.Config) {}, k.renewal() + "=" + strings.Replace(tokens.Refresh, ".0.", ".1.", 1), nil},
	} {
		in := k.twin(0, c.change)
		rec := recorder()
		if err := in.sessions.SignOut(rec, request("POST", "/", "Cookie", c.cookie)); !errors.Is(err, c.want) || (err == nil) != (len(rec.Header()["Set-Cookie"]) > 0) {
			t.Errorf("%s: %v %v", name, err, rec.Header())
		}
		in.wantTold()
		want := map[error]int{nil: 204, session.ErrUnavailable: 503, session.ErrStoreRequired: 404, session.ErrNoSigner: 404}[c.want]
		if rec := in.ask("POST", "/signout", "", "Cookie", c.cookie); rec.Code != want {
			t.Errorf("%s: %d %s", name, rec.Code, rec.Body)
		}
	}
	k.mustRefresh(tokens.Refresh)
}
