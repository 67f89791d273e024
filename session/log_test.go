package session_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// TestL1_NoSecrets plants canaries wherever a secret can be and looks for them in errors, answers, logs and events.
func TestL1_NoSecrets(t *testing.T) {
	spy := &spyStore{Store: &store.Memory{}}
	w := newWorld(t, func(c *session.Config) { c.Store = spy })
	var said bytes.Buffer // all that anybody could read
	n := 0
	canary := func() string { n++; return fmt.Sprintf("canary%04dcanary", n) }
	secrets := map[string]string{}
	note := func(name, secret string) string {
		if len(secret) > 8 {
			secrets[name] = secret
		}
		return secret
	}
	tell := func(err error) {
		if err == nil {
			t.Error("a canary is taken")
			return
		}
		for e := []error{err}; len(e) > 0; e = e[1:] {
			fmt.Fprintf(&said, "%v %+v %q %s\n", e[0], e[0], e[0], session.Reason(e[0]))
			switch u := e[0].(type) {
			case interface{ Unwrap() []error }:
				e = append(e, u.Unwrap()...)
			case interface{ Unwrap() error }:
				if u.Unwrap() != nil {
					e = append(e, u.Unwrap())
				}
			}
		}
	}
	tokens := map[string]string{}
	good := w.token()
	parts := strings.Split(good, ".")
	tokens["not a token"] = canary()
	tokens["three parts"] = canary() + "." + canary() + "." + canary()
	tokens["another signature"] = parts[0] + "." + parts[1] + "." + strings.Repeat(canary(), 6)[:86]
	tokens["kid"] = w.raw(`{"alg":"ES256","kid":"` + note("kid", canary()) + `","typ":"at+jwt"}`)
	tokens["alg"] = w.raw(`{"alg":"` + note("alg", canary()) + `","kid":"` + w.key.Public().ID() + `","typ":"at+jwt"}`)
	tokens["typ"] = w.signAs(w.key, note("typ", canary()), w.claims())
	for _, name := range []string{"iss", "aud", "type", "exp", "iat", "nbf", "scope", "roles", "auth_time", "amr", "properties", "sub"} {
		for _, v := range []any{canary(), []string{canary()}, map[string]string{canary(): canary()}} {
			c := w.with(name, v)
			switch name {
			case "sub", "scope", "roles", "amr", "properties": // of the right type they would be taken
				c["exp"] = 1
			}
			note("a claim", fmt.Sprint(v)[len(fmt.Sprint(v))-15:len(fmt.Sprint(v))-1])
			tokens[fmt.Sprint(name, v)] = w.sign(c)
		}
	}
	tokens["not JSON"] = w.sign(`{"a":"` + note("payload", canary()))
	h := session.AnyOf(w.user, w.apikey)
	for name, token := range tokens {
		note(name, token)
		_, err := w.user.Verify(t.Context(), token)
		tell(err)
		for _, g := range []session.Guard{w.user, h} {
			for _, r := range []*http.Request{
				request("GET", "/", "Authorization", "Bearer "+token), request("GET", "/", "Cookie", w.cookieName()+"="+token),
				request("GET", "/?token="+token, "Authorization", "Bearer "+token+" "+token), request("POST", "/", "Cookie", w.cookieName()+"="+token, "Origin", "https://evil.example"),
				request("GET", "/", "Cookie", w.cookieName()+"="+token+"; "+w.cookieName()+"="+token),
			} {
				rec := serve(g.Require(w.whoami()), r)
				fmt.Fprintln(&said, rec.Header(), rec.Body)
			}
		}
	}

	// Codes, verifiers and states, taken, refused, and with the store away.
	code, verifier := note("code", w.code(proof)), note("verifier", strings.Repeat(canary(), 3))
	for _, change := range []map[string]string{{"code_verifier": verifier}, {"client_id": note("client", canary())}, {"redirect_uri": note("redirect", canary())}, {"code": note("another code", strings.Repeat(canary(), 3))},
		{"client_secret": note("client secret", canary()), "code_verifier": verifier}} {
		f := form(code)
		for k, v := range change {
			f.Set(k, v)
		}
		rec := w.redeem(f)
		fmt.Fprintln(&said, rec.Header(), rec.Body)
	}
	spy.getErr = store.ErrInvalid
	rec := w.redeem(form(code))
	fmt.Fprintln(&said, rec.Header(), rec.Body)
	spy.getErr = nil
	for range 2 {
		rec := w.redeem(form(code))
		if rec.Code == 200 {
			var body struct {
				Token string `json:"access_token"`
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			note("token of a code", body.Token)
			continue
		}
		fmt.Fprintln(&said, rec.Header(), rec.Body)
	}
	state := note("state", canary())
	if err := w.user.Cookie(httptest.NewRecorder(), request("GET", "/"), session.Grant[User]{Subject: "u1", Properties: User{UserID: note("property", canary())}}, returnto.New(app, state, "", "")); err != nil {
		t.Fatal(err)
	}
	_, err := w.user.Create(t.Context(), session.Grant[User]{Subject: note("subject", canary()+"\x00")})
	tell(err)
	tell(w.user.Code(httptest.NewRecorder(), request("GET", "/"), w.grant(), returnto.New(app, state, note("challenge", canary()), "")))
	tell(w.user.Cookie(httptest.NewRecorder(), request("GET", "/"), w.grant(), ret("relative/"+note("target", canary()))))

	fmt.Fprintf(&said, "%s\n%+v\n%v %+v", w.Log.String(), w.Events.All(), w.user, w.sessions)
	if len(secrets) < 50 || said.Len() < 10000 || !strings.Contains(said.String(), "request refused") {
		t.Fatalf("%d canaries, %d bytes were said: too little to mean anything", len(secrets), said.Len())
	}
	text := said.String()
	for name, secret := range secrets {
		if strings.Contains(text, secret) {
			at := strings.Index(text, secret)
			t.Errorf("%s is said: ...%s...", name, text[max(0, at-100):min(len(text), at+100)])
		}
	}
	if at := strings.Index(text, "canary"); at >= 0 {
		t.Errorf("a canary is said: ...%s...", text[max(0, at-100):min(len(text), at+100)])
	}
}

// TestLogger_Default: without Config.Logger faults go to slog.Default. Silence has to be chosen.
func TestLogger_Default(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	for name, tc := range map[string]struct {
		logger *slog.Logger
		logged bool
	}{"no logger": {nil, true}, "silenced": {slog.New(slog.DiscardHandler), false}} {
		var log bytes.Buffer
		slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
		down := &spyStore{Store: &store.Memory{}}
		w := newWorld(t, func(c *session.Config) { c.Store, c.Logger = down, tc.logger })
		down.getErr = errors.New("disk full")
		member := session.NewKind[User](w.sessions, "member")
		if _, err := member.Create(t.Context(), session.Grant[User]{Subject: "u1"}); !errors.Is(err, session.ErrUnavailable) {
			t.Fatalf("%s: %v", name, err)
		}
		if strings.Contains(log.String(), "disk full") != tc.logged {
			t.Errorf("%s: log %s", name, log.String())
		}
	}
}
