package serve

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/users"
)

// sstFile has the table of a migration, with more lines.
func sstFile(lines string) string {
	return wireFile + "\n[forward_auth.sst]\nenabled = true\ntypes = [\"user\"]\nsubject = \"properties.userID\"\nuntil = \"${UNTIL}\"\n" + lines
}

// An sstWire is a House with users who were imported with their ids, and the imported key of SST.
type sstWire struct {
	*wire
	old   keys.SigningKey
	until time.Time
	log   bytes.Buffer
}

func newSSTWire(t *testing.T, engine, lines string, change ...func(string) string) *sstWire {
	t.Helper()
	w := &sstWire{}
	file := sstFile(lines)
	for _, f := range change {
		file = f(file)
	}
	w.wire = newWire(t, engine, file, func(p *Parts, env environment) {
		w.until = p.Now().Add(30 * 24 * time.Hour).Truncate(time.Second)
		env["UNTIL"] = w.until.Format(time.RFC3339)
		p.Logger = slog.New(slog.NewTextHandler(&w.log, nil))
	})
	var err error
	if w.old, err = keys.Generate(keys.RS512); err != nil {
		t.Fatal(err)
	}
	if err := w.house.Ring().Import(t.Context(), w.old.Public(), w.until.Add(24*time.Hour)); err != nil {
		t.Fatal(err)
	}
	var records iter.Seq2[users.Imported, error] = func(yield func(users.Imported, error) bool) {
		for _, id := range []string{"sst-ada", "sst-bob"} {
			if !yield(users.Imported{ID: id, UserID: id, Name: id, Roles: []string{"reader"}}, nil) {
				return
			}
		}
	}
	report, err := w.house.Users().Import(t.Context(), "sst", records, users.ImportOptions{})
	if err != nil || report.Created != 2 {
		t.Fatal(report, err)
	}
	return w
}

// signed is a token as fast-jwt of SST v2 writes it.
func signed(t *testing.T, key keys.SigningKey, header, payload string) string {
	t.Helper()
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(header)) + "." + encode([]byte(payload))
	signature, err := key.Sign(t.Context(), []byte(input))
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + encode(signature)
}

const rs512 = `{"alg":"RS512","typ":"JWT"}`

// payload is that of a session of a user, an hour old, which ends in a year.
func (w *sstWire) payload(user string) string {
	now := w.clock.Now().Unix()
	return fmt.Sprintf(`{"type":"user","properties":{"userID":%q},"iat":%d,"exp":%d}`, user, now-3600, now+365*86400)
}

func (w *sstWire) token(user string) string { return signed(w.t, w.old, rs512, w.payload(user)) }

// verify asks {issuer}/verify as a proxy does, about a request with a token.
func (w *sstWire) verify(token string) (int, http.Header) {
	w.t.Helper()
	status, h, _ := w.browser().ask(http.MethodGet, "/auth/verify", nil, "X-Original-Method", "GET", "X-Original-Uri", "/wiki", "Authorization", "Bearer "+token)
	return status, h
}

func (w *sstWire) want(what, token string, want int) {
	w.t.Helper()
	if status, h := w.verify(token); status != want {
		w.t.Errorf("%s: %d %s, want %d", what, status, h.Get("X-Auth-Error"), want)
	}
}

// TestSST_Off: without the table an imported key lets nobody in; a program in Go can check tokens with it.
func TestSST_Off(t *testing.T) {
	w := newSSTWire(t, "memory", "", func(string) string { return wireFile })
	token := w.token("sst-ada")
	w.want("without the table", token, http.StatusUnauthorized)
	parts := strings.Split(token, ".")
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Verify(t.Context(), w.house.Ring().Imported(), "", keys.RS512, []byte(parts[0]+"."+parts[1]), signature); err != nil {
		t.Errorf("a program in Go: %v", err)
	}
}

// TestSST_Verify: a token is let in as its user with the roles of the directory, at forward authentication alone.
func TestSST_Verify(t *testing.T) {
	for _, engine := range []string{"memory", "sqlite"} {
		w := newSSTWire(t, engine, "")
		token := w.token("sst-ada")
		status, h := w.verify(token)
		if status != http.StatusOK || h.Get("X-Auth-Subject") != "sst-ada" || h.Get("X-Auth-Roles") != "reader" || h.Get("X-Auth-Scopes") != "posts:read" ||
			h.Get("X-Auth-Kind") != "user" || h.Get("X-Auth-Session") != "" {
			t.Fatalf("%s: %d %v", engine, status, h)
		}
		for target, want := range map[string]int{"/auth/verify/desk": 403, "/auth/session": 401, "/auth/sessions": 401, "/auth/account": 401} {
			got, _, body := w.browser().ask(http.MethodGet, target, nil, "X-Original-Method", "GET", "X-Original-Uri", "/", "Authorization", "Bearer "+token)
			if got != want {
				t.Errorf("%s %s: %d %s, want %d", engine, target, got, body, want)
			}
		}
		if err := w.house.Users().AddRoles(t.Context(), "sst-ada", "editor"); err != nil {
			t.Fatal(err)
		}
		if status, h := w.verify(token); status != http.StatusOK || !strings.Contains(h.Get("X-Auth-Roles"), "editor") {
			t.Errorf("%s: roles of the directory: %d %v", engine, status, h)
		}
		claims := fmt.Sprintf(`{"type":"user","properties":{"userID":"sst-bob","roles":["editor"]},"roles":["editor"],"scope":"posts:write","sub":"sst-ada","iat":%d,"exp":%d}`, w.clock.Now().Unix(), w.clock.Now().Unix()+600)
		if status, h := w.verify(signed(t, w.old, rs512, claims)); status != http.StatusOK || h.Get("X-Auth-Roles") != "reader" || h.Get("X-Auth-Subject") != "sst-bob" || h.Get("X-Auth-Scopes") != "posts:read" {
			t.Errorf("%s: roles of the token: %d %v", engine, status, h)
		}
		if status, h, body := w.browser().ask(http.MethodGet, "/auth/.well-known/jwks.json", nil); status != 200 || bytes.Contains(body, []byte(thumbprint(t, w.old))) || bytes.Contains(body, []byte("RS512")) {
			t.Errorf("%s: the imported key is published: %d %v %s", engine, status, h, body)
		}
		one := w.browser() // a session of the kind goes on as before
		one.signUp(ada, secretPhrase)
		if status, h := one.verify("/auth/verify", "/wiki"); status != http.StatusOK || h.Get("X-Auth-Session") == "" {
			t.Errorf("%s: a session of here: %d %v", engine, status, h)
		}
		if !strings.Contains(w.log.String(), "one imported key for RS512 is needed") {
			t.Errorf("%s: before the import, the log does not say that a key is missing: %s", engine, &w.log)
		}
	}
}

func thumbprint(t *testing.T, key keys.SigningKey) string {
	t.Helper()
	kid, err := keys.Thumbprint(key.Public().Public())
	if err != nil {
		t.Fatal(err)
	}
	return kid
}

// TestSST_Refuses: every token that is not a session of a user, signed by the imported key with RS512.
func TestSST_Refuses(t *testing.T) {
	w := newSSTWire(t, "memory", "max_age = \"10d\"\n", func(file string) string { // the ring has RS512, too
		return strings.Replace(file, `algorithm = "ES256"`, `algorithm = "RS512"`, 1)
	})
	payload := w.payload("sst-ada")
	der, err := x509.MarshalPKIXPublicKey(w.old.Public().Public())
	if err != nil {
		t.Fatal(err)
	}
	own, err := w.house.Ring().SigningKey(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	other, err := keys.Generate(keys.RS512)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	hs512 := func(secret []byte) string {
		input := encode([]byte(`{"alg":"HS512","typ":"JWT"}`)) + "." + encode([]byte(payload))
		mac := hmac.New(sha512.New, secret)
		mac.Write([]byte(input))
		return input + "." + encode(mac.Sum(nil))
	}
	now := w.clock.Now().Unix()
	of := func(format string, args ...any) string { return signed(t, w.old, rs512, fmt.Sprintf(format, args...)) }
	w.want("a good token", signed(t, w.old, rs512, payload), http.StatusOK)
	for what, token := range map[string]string{
		"HS512 with the public key in PEM": hs512(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
		"HS512 with the public key":        hs512(der),
		"another RSA key":                  signed(t, other, rs512, payload),
		"a key of the ring":                signed(t, own, rs512, payload),
		"a key of the ring, with its kid":  signed(t, own, `{"alg":"RS512","kid":"`+own.Public().ID()+`"}`, payload),
		"as a token of here":               signed(t, w.old, `{"alg":"RS512","typ":"at+jwt"}`, payload),
		"with our issuer":                  of(`{"iss":%q,"aud":"https://api.example.com","type":"user","properties":{"userID":"sst-ada"},"sub":"sst-ada","sid":"x","jti":"x","client_id":"https://api.example.com","iat":%d,"exp":%d}`, w.house.Issuer(), now, now+60),
		"none":                             encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(payload)) + ".",
		"without exp":                      of(`{"type":"user","properties":{"userID":"sst-ada"},"iat":%d}`, now),
		"without iat":                      of(`{"type":"user","properties":{"userID":"sst-ada"},"exp":%d}`, now+600),
		"too old":                          of(`{"type":"user","properties":{"userID":"sst-ada"},"iat":%d,"exp":%d}`, now-10*86400, now+600),
		"expired":                          of(`{"type":"user","properties":{"userID":"sst-ada"},"iat":%d,"exp":%d}`, now-3600, now-60),
		"of another type":                  of(`{"type":"admin","properties":{"userID":"sst-ada"},"iat":%d,"exp":%d}`, now, now+600),
		"an empty id":                      of(`{"type":"user","properties":{"userID":""},"iat":%d,"exp":%d}`, now, now+600),
		"an id that is a number":           of(`{"type":"user","properties":{"userID":1},"iat":%d,"exp":%d}`, now, now+600),
		"an id with a control character":   of(`{"type":"user","properties":{"userID":"sst-ada\n"},"iat":%d,"exp":%d}`, now, now+600),
		"a link whose claims were chosen":  of(`{"type":"user","properties":"userID","userID":"sst-ada","iat":%d,"exp":%d}`, now, now+600),
		"somebody unknown":                 of(`{"type":"user","properties":{"userID":"sst-eve"},"iat":%d,"exp":%d}`, now, now+600),
	} {
		w.want(what, token, http.StatusUnauthorized)
	}
}

// TestSST_Ends: the day of the table, the revoked key, and what happens to the user.
func TestSST_Ends(t *testing.T) {
	ctx := context.Background()
	for what, end := range map[string]func(*sstWire) error{
		"until":              func(w *sstWire) error { w.clock.Advance(w.until.Sub(w.clock.Now())); return nil },
		"the key is revoked": func(w *sstWire) error { return w.house.Ring().Revoke(ctx, thumbprint(t, w.old)) },
		"disabled": func(w *sstWire) error {
			return w.house.Users().Disable(ctx, "sst-ada", "test", time.Time{}, users.Extra{})
		},
		"deleted":              func(w *sstWire) error { return w.house.Users().Delete(ctx, "sst-ada", users.Extra{}) },
		"all sessions revoked": func(w *sstWire) error { return w.house.Sessions().RevokeSubject(ctx, "sst-ada") },
	} {
		w := newSSTWire(t, "sqlite", "max_age = \"90d\"\n")
		ada, bob := w.token("sst-ada"), w.token("sst-bob")
		w.want(what+", before", ada, http.StatusOK)
		if err := end(w); err != nil {
			t.Fatal(what, err)
		}
		w.want(what, ada, http.StatusUnauthorized)
		if what != "until" && what != "the key is revoked" {
			w.want(what+", another user", bob, http.StatusOK)
		}
	}
	w := newSSTWire(t, "memory", "max_age = \"90d\"\n")
	token := w.token("sst-ada")
	w.clock.Advance(w.until.Sub(w.clock.Now()) - time.Second)
	w.want("a second before until", token, http.StatusOK)
}

// TestSST_Factor: a token shows no second factor, so it is refused for whom one is required.
func TestSST_Factor(t *testing.T) {
	w := newSSTWire(t, "memory", "", func(file string) string {
		return strings.Replace(file, "[factors]\n", "[factors]\nrequire_for_roles = [\"editor\"]\n", 1)
	})
	w.want("a reader", w.token("sst-ada"), http.StatusOK)
	if err := w.house.Users().AddRoles(t.Context(), "sst-ada", "editor"); err != nil {
		t.Fatal(err)
	}
	w.want("an editor", w.token("sst-ada"), http.StatusUnauthorized)
}

// TestSST_Options: tokens without exp, and the cookie of SST, where they are allowed.
func TestSST_Options(t *testing.T) {
	w := newSSTWire(t, "memory", "allow_no_exp = true\ncookie = \"auth-token\"\nmax_age = \"20d\"\n")
	token := signed(t, w.old, rs512, fmt.Sprintf(`{"type":"user","properties":{"userID":"sst-ada"},"iat":%d}`, w.clock.Now().Unix()))
	w.want("without exp", token, http.StatusOK)
	for origin, want := range map[string]int{w.origin: 200, "https://evil.example": 403} {
		site := map[bool]string{true: "same-origin", false: "cross-site"}[origin == w.origin]
		status, h, _ := w.browser().ask(http.MethodGet, "/auth/verify", url.Values{}, "X-Original-Method", "POST", "X-Original-Uri", "/wiki",
			"Cookie", "auth-token="+token, "Origin", origin, "Sec-Fetch-Site", site)
		if status != want || want == 200 && h.Get("X-Auth-Subject") != "sst-ada" {
			t.Errorf("by cookie from %s: %d %v, want %d", origin, status, h, want)
		}
	}
	w.clock.Advance(20 * 24 * time.Hour)
	w.want("without exp, 20 days old", token, http.StatusUnauthorized)
	plain := newSSTWire(t, "memory", "")
	status, _, _ := plain.browser().ask(http.MethodGet, "/auth/verify", nil, "X-Original-Method", "GET", "X-Original-Uri", "/wiki", "Cookie", "auth-token="+plain.token("sst-ada"))
	if status != http.StatusUnauthorized {
		t.Errorf("by a cookie that is not named: %d", status)
	}
}

// TestSST_Lambda: the same by an event of an HTTP API, as cmd/postern-lambda serves it.
func TestSST_Lambda(t *testing.T) {
	w := newSSTWire(t, "sqlite", "") // memory would be of one process
	function, err := lambdahttp.New(w.house.Handler(), lambdahttp.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(token string) (status int, subject string) {
		event, err := json.Marshal(map[string]any{
			"version": "2.0", "routeKey": "$default", "rawPath": "/auth/verify",
			"headers":        map[string]string{"authorization": "Bearer " + token, "x-original-method": "GET", "x-original-uri": "/wiki"},
			"requestContext": map[string]any{"domainName": "auth.example.com", "stage": "$default", "http": map[string]string{"method": "GET", "path": "/auth/verify", "sourceIp": "192.0.2.1"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		answer, err := function.Invoke(t.Context(), event)
		if err != nil {
			t.Fatal(err)
		}
		var a struct {
			StatusCode int
			Headers    map[string]string
		}
		if err := json.Unmarshal(answer, &a); err != nil {
			t.Fatal(err)
		}
		for name, value := range a.Headers {
			if strings.EqualFold(name, "X-Auth-Subject") {
				subject = value
			}
		}
		return a.StatusCode, subject
	}
	if status, subject := ask(w.token("sst-ada")); status != http.StatusOK || subject != "sst-ada" {
		t.Errorf("%d %q", status, subject)
	}
	w.clock.Advance(w.until.Sub(w.clock.Now()))
	if status, _ := ask(w.token("sst-ada")); status != http.StatusUnauthorized {
		t.Errorf("after until: %d", status)
	}
}
