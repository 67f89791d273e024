package infra_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/serve"
	"github.com/posternauth/postern/internal/test/infra"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/secrets"
	"github.com/posternauth/postern/store"
)

// house is the auth function as infra/postern.toml configures it, over a store that counts.
type house struct {
	t     *testing.T
	store *infra.CountingStore
	inner *serve.House
	mails []postern.Mail

	issuer  string
	handler http.Handler // Handler of inner, or a gateway in front of it

	requests float64 // since the last measure
	now      time.Time
}

func (h *house) clock() time.Time { return h.now }

// measure returns what a step took.
func (h *house) measure(name string, step func()) infra.Flow {
	h.store.Take()
	h.requests = 0
	step()
	return infra.Flow{Name: name, Requests: h.requests, Units: h.store.Take()}
}

func newHouse(t *testing.T, change ...func(*serve.Config)) *house {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(infra.Root(t), "infra", "postern.toml"))
	if err != nil {
		t.Fatal(err)
	}
	variables := maps.Clone(variablesOf("auth"))
	variables["POSTERN_SEAL"] = ""
	lookup := func(name string) (string, bool) { value, ok := variables[name]; return value, ok }
	config, err := serve.Parse("postern.toml", text, lookup)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range change {
		change(&config)
	}
	h := &house{t: t, store: &infra.CountingStore{}, now: time.Now(), issuer: issuer}
	h.store.Now = h.clock
	h.inner, err = serve.Open(t.Context(), config, serve.Parts{
		LookupEnv: lookup, ReadFile: os.ReadFile, Now: h.clock,
		OpenStore:   func(context.Context, string) (store.Store, func(), error) { return h.store, func() {}, nil },
		OpenVault:   func(context.Context, serve.VaultRequest) (keys.Vault, error) { return &keys.MemoryVault{}, nil },
		OpenSecrets: func(context.Context, serve.SourceRequest) (secrets.Source, error) { return noSecrets(lookup), nil },
		OpenMail: func(context.Context, serve.Mail) (func(context.Context, postern.Mail) error, error) {
			return func(_ context.Context, m postern.Mail) error { h.mails = append(h.mails, m); return nil }, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	h.handler = h.inner.Handler()
	t.Cleanup(func() {
		if err := h.inner.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// noSecrets is a source for a configuration that names no secret.
func noSecrets(lookup func(string) (string, bool)) secrets.Source {
	return secrets.Environment{LookupEnv: lookup}
}

// browser is a program that signs in by JSON.
type browser struct {
	*house
	jar   http.CookieJar
	token string // sent with each request, unless it is empty
}

func (h *house) browser() *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &browser{house: h, jar: jar}
}

// send sends a request and returns the answer. A nil body is a GET, url.Values are a form, anything else is JSON.
func (b *browser) send(target string, body any) map[string]any {
	b.t.Helper()
	method, kind, data := http.MethodPost, "application/json", []byte(nil)
	switch v := body.(type) {
	case nil:
		method, kind = http.MethodGet, ""
	case url.Values:
		kind, data = "application/x-www-form-urlencoded", []byte(v.Encode())
	default:
		var err error
		if data, err = json.Marshal(v); err != nil {
			b.t.Fatal(err)
		}
	}
	r := httptest.NewRequest(method, target, bytes.NewReader(data)).WithContext(b.t.Context())
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if b.token != "" {
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Origin", strings.TrimSuffix(b.issuer, "/auth"))
	}
	for _, c := range b.jar.Cookies(r.URL) {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.requests++
	b.handler.ServeHTTP(w, r)
	res := w.Result()
	b.jar.SetCookies(r.URL, res.Cookies())
	var answer map[string]any
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			b.t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
	}
	if w.Code != http.StatusOK {
		b.t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
	}
	return answer
}

// form sends a form of a page, by its name, with the values of its fields.
func (b *browser) form(page map[string]any, name string, values map[string]any) map[string]any {
	b.t.Helper()
	forms, _ := page["forms"].([]any)
	for _, item := range forms {
		f, _ := item.(map[string]any)
		if f["name"] != name {
			continue
		}
		sent := map[string]any{}
		hidden, _ := f["hidden"].(map[string]any)
		for key, value := range hidden {
			sent[key] = value
		}
		for key, value := range values {
			sent[key] = value
		}
		return b.follow(b.send(f["url"].(string), sent))
	}
	b.t.Fatalf("no form %s: %v", name, page)
	return nil
}

// follow goes on where an answer leads, as far as it is the issuer's.
func (b *browser) follow(answer map[string]any) map[string]any {
	b.t.Helper()
	for {
		next, ok := answer["redirect_uri"].(string)
		if !ok || !strings.HasPrefix(next, b.issuer+"/") {
			return answer
		}
		answer = b.send(next, nil)
	}
}

const verifier = "a-verifier-of-pkce-with-at-least-forty-three-characters"

// authorize begins a sign-in by a provider.
func (b *browser) authorize(provider string, values map[string]any) map[string]any {
	sum := sha256.Sum256([]byte(verifier))
	sent := map[string]any{
		"redirect_uri": origin + "/", "state": "state", "code_challenge": base64.RawURLEncoding.EncodeToString(sum[:]), "code_challenge_method": "S256",
		"client_id": "api", "response_type": "code",
	}
	for key, value := range values {
		sent[key] = value
	}
	return b.follow(b.send(b.issuer+"/"+provider+"/authorize", sent))
}

// tokens redeems the code of an answer that leads back to the application.
func (b *browser) tokens(answer map[string]any) map[string]any {
	b.t.Helper()
	back, err := url.Parse(answer["redirect_uri"].(string))
	if err != nil {
		b.t.Fatal(err)
	}
	return b.send(b.issuer+"/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {origin + "/"}, "client_id": {"api"}, "code_verifier": {verifier},
	})
}

// byCode signs in by a mailed code.
func (b *browser) byCode(address string) map[string]any {
	b.t.Helper()
	page := b.authorize("link", map[string]any{"email": address})
	code := b.mails[len(b.mails)-1].Args["code"].(string)
	return b.form(page, "code", map[string]any{"code": code})
}
