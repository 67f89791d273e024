package session_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// SST Auth's tokens named neither issuer, audience nor key, and never expired (its finding S1). A kind with such a life
// panics: TestNewKind_PanicsSayWhatToChange. OpenAuth revoked sessions by another name of the user than the
// application's (its finding O14).
func TestCreate_Token(t *testing.T) {
	w := newWorld(t)
	g := w.grant()
	tokens := must(w.user.Create(t.Context(), g))(t)
	parts := strings.Split(tokens.Access, ".")
	header := string(must(base64.RawURLEncoding.DecodeString(parts[0]))(t))
	if want := `{"alg":"ES256","kid":"` + w.key.Public().ID() + `","typ":"at+jwt"}`; header != want {
		t.Errorf("header = %s, want %s", header, want)
	}
	payload := must(base64.RawURLEncoding.DecodeString(parts[1]))(t)
	var got map[string]any
	if err := json.Unmarshal(payload, &got); err != nil {
		t.Fatal(err)
	}
	now := w.Now()
	want := map[string]any{
		"iss": issuer, "aud": audience, "sub": "u1", "client_id": audience, "type": "user",
		"iat": float64(now.Add(-30 * time.Second).Unix()), "exp": float64(now.Add(time.Hour).Unix()),
		"properties": map[string]any{"userID": "u1", "tenantID": "t1"},
		"scope":      "orders:read orders:write", "roles": []any{"owner"}, "amr": []any{"oidc"},
		"auth_time": float64(g.Authentication.Time.Unix()), "sid": tokens.SessionID, "jti": got["jti"],
	}
	if a, b := string(must(json.Marshal(got))(t)), string(must(json.Marshal(want))(t)); a != b {
		t.Errorf("claims = %s\nwant     %s", a, b)
	}
	if jti, _ := got["jti"].(string); len(jti) != 22 {
		t.Errorf("jti = %q, want 128 bits", jti)
	}
	if !tokens.Expires.Equal(now.Add(time.Hour)) {
		t.Errorf("Expires = %v", tokens.Expires)
	}
	s := must(w.user.Verify(t.Context(), tokens.Access))(t)
	if s.ID != tokens.SessionID || s.Kind != "user" || s.Subject != "u1" || s.ClientID != audience || s.Properties != g.Properties ||
		strings.Join(s.Scopes, " ") != "orders:read orders:write" || strings.Join(s.Roles, " ") != "owner" ||
		strings.Join(s.Authentication.Methods, " ") != "oidc" || !s.Authentication.Time.Equal(g.Authentication.Time) || !s.Expires.Equal(tokens.Expires) || s.Claims != nil {
		t.Errorf("session = %+v", s)
	}
	again := must(w.user.Create(t.Context(), g))(t)
	if a, b := tokens.SessionID, again.SessionID; a == b || a[:17] != b[:17] {
		t.Errorf("ids %q and %q: want the same first half and another second", a, b)
	}
}

// What was not granted is not in the token: a reader must not take an empty claim for a statement.
func TestCreate_LeavesOut(t *testing.T) {
	w := newWorld(t)
	tokens := must(w.user.Create(t.Context(), session.Grant[User]{Subject: "u1"}))(t)
	tok := must(jose.Parse(tokens.Access))(t)
	for _, name := range []string{"scope", "roles", "auth_time", "amr", "nbf"} {
		if strings.Contains(tok.Payload, `"`+name+`"`) {
			t.Errorf("payload has %s: %s", name, tok.Payload)
		}
	}
	s := must(w.user.Verify(t.Context(), tokens.Access))(t)
	if s.Scopes != nil || s.Roles != nil || s.Authentication.Methods != nil || !s.Authentication.Time.IsZero() {
		t.Errorf("session = %+v", s)
	}
}

func TestCreate_Text(t *testing.T) {
	w := newWorld(t)
	for _, text := range []string{`quote " backslash \ slash /`, "<script>&amp;", "日本語 Zürich 👋", "line\u2028separator", "u+212a \u212a", "tab\tnewline\nnul\x00"} {
		g := session.Grant[User]{Subject: "u1", Properties: User{UserID: text}}
		if !strings.ContainsAny(text, "\t\n\x00") {
			g.Subject = text
		}
		tokens := must(w.user.Create(t.Context(), g))(t)
		s := must(w.user.Verify(t.Context(), tokens.Access))(t)
		if s.Subject != g.Subject || s.Properties.UserID != text {
			t.Errorf("%q came back as %q and %q", text, s.Subject, s.Properties.UserID)
		}
	}
	g := session.Grant[User]{Subject: "u1", Properties: User{UserID: "<&>"}}
	if tok := must(jose.Parse(must(w.user.Create(t.Context(), g))(t).Access))(t); !strings.Contains(tok.Payload, `"<&>"`) {
		t.Errorf("HTML is escaped: %s", tok.Payload)
	}
}

func TestCreate_Refuses(t *testing.T) {
	w := newWorld(t)
	type grant = session.Grant[User]
	for name, c := range map[string]struct {
		g    grant
		want error
	}{
		"no subject":           {grant{}, session.ErrGrant},
		"long subject":         {grant{Subject: strings.Repeat("a", 256)}, session.ErrGrant},
		"subject not UTF-8":    {grant{Subject: "a\xffb"}, session.ErrGrant},
		"subject of controls":  {grant{Subject: "a\x00b"}, session.ErrGrant},
		"empty scope":          {grant{Subject: "a", Scopes: []string{""}}, session.ErrGrant},
		"two scopes in one":    {grant{Subject: "a", Scopes: []string{"a b"}}, session.ErrGrant},
		"scope with quote":     {grant{Subject: "a", Scopes: []string{`a"`}}, session.ErrGrant},
		"scope with backslash": {grant{Subject: "a", Scopes: []string{`a\`}}, session.ErrGrant},
		"scope outside ASCII":  {grant{Subject: "a", Scopes: []string{"é"}}, session.ErrGrant},
		"role with space":      {grant{Subject: "a", Roles: []string{"x admin"}}, session.ErrGrant},
		"method with newline":  {grant{Subject: "a", Authentication: session.Authentication{Methods: []string{"a\nb"}}}, session.ErrGrant},
		"too large":            {grant{Subject: "a", Properties: User{UserID: strings.Repeat("a", 3000)}}, session.ErrTooLarge},
		"far too large":        {grant{Subject: "a", Properties: User{UserID: strings.Repeat("a", 1<<20)}}, session.ErrTooLarge},
	} {
		if got, err := w.user.Create(t.Context(), c.g); !errors.Is(err, c.want) || got != (session.Tokens{}) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	odd := session.NewKind[any](w.sessions, "odd")
	for name, properties := range map[string]any{"a function": func() {}, "duplicates": json.RawMessage(`{"a":1,"a":2}`), "deep": json.RawMessage(strings.Repeat("[", 40) + strings.Repeat("]", 40))} {
		if _, err := odd.Create(t.Context(), session.Grant[any]{Subject: "a", Properties: properties}); !errors.Is(err, session.ErrGrant) {
			t.Errorf("%s: %v, want ErrGrant", name, err)
		}
	}
}

// Whatever Create makes fits into a cookie, and what is just too large fails.
func TestCreate_FitsACookie(t *testing.T) {
	w := newWorld(t)
	largest := 0
	for n := 1000; n < 3000; n += 7 {
		g := session.Grant[User]{Subject: "u1", Properties: User{UserID: strings.Repeat("a", n)}}
		rec, r := recorder(), request("GET", "/")
		err := w.user.Cookie(rec, r, g, ret("https://example.com/"))
		cookie := rec.Header().Get("Set-Cookie")
		switch {
		case err == nil && len(cookie) <= 4096:
			largest = n
		case err == nil:
			t.Fatalf("%d bytes of properties give a cookie of %d", n, len(cookie))
		case !errors.Is(err, session.ErrTooLarge) || cookie != "":
			t.Fatalf("%d: %v, cookie %q", n, err, cookie)
		}
	}
	if largest < 2000 || largest > 2980 {
		t.Errorf("the largest properties are %d bytes, want 2 KiB or more, and fewer than were tried", largest)
	}
}

func TestCreate_Failures(t *testing.T) {
	verify := newWorld(t, func(c *session.Config) {
		c.Keys = must(keys.Static(must(keys.Generate(keys.ES256))(t).Public()))(t)
	})
	if _, err := verify.user.Create(t.Context(), verify.grant()); !errors.Is(err, session.ErrNoSigner) {
		t.Errorf("keys that verify: %v", err)
	}
	down := newWorld(t, func(c *session.Config) { c.Keys = brokenSigner{c.Keys.(keys.Signer)} })
	if _, err := down.user.Create(t.Context(), down.grant()); !errors.Is(err, session.ErrUnavailable) || !errors.Is(err, keys.ErrUnavailable) {
		t.Errorf("keys that are away: %v", err)
	}
	if !strings.Contains(down.Log.String(), `"level":"ERROR"`) {
		t.Error("keys that are away are not logged")
	}
	dry := newWorld(t, func(c *session.Config) { c.Rand = iotest.ErrReader(io.ErrUnexpectedEOF) })
	if _, err := dry.user.Create(t.Context(), dry.grant()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("no randomness: %v", err)
	}
}

func TestCreate_Event(t *testing.T) {
	w := newWorld(t)
	tokens := must(w.user.Create(t.Context(), w.grant()))(t)
	if len(w.Events.All()) != 1 {
		t.Fatalf("events = %+v", w.Events.All())
	}
	want := session.Event{Name: "session created", Time: w.Now(), Kind: "user", Subject: "u1", SessionID: tokens.SessionID}
	if w.Events.All()[0] != want {
		t.Errorf("event = %+v, want %+v", w.Events.All()[0], want)
	}
}
