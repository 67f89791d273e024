package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/store"
)

const good = "correct horse battery"

// world is the program in memory, with a clock and a mailbox.
type world struct {
	*app
	clock *posterntest.Clock
	mails posterntest.Mail
}

func newWorld(t *testing.T, change ...func(*settings)) *world {
	t.Helper()
	w := &world{clock: posterntest.NewClock(time.Time{})}
	s := settings{
		origin: "http://localhost:8080", store: &store.Memory{Now: w.clock.Now}, vault: &keys.MemoryVault{},
		send: w.mails.Send, admin: "root@example.com", rawToken: true, now: w.clock.Now,
	}
	for _, f := range change {
		f(&s)
	}
	var err error
	if w.app, err = newApp(s); err != nil {
		t.Fatal(err)
	}
	return w
}

// code is what was mailed last, and empty if it was no code.
func (w *world) code(t *testing.T) func(address string) string {
	return func(address string) string {
		t.Helper()
		return w.mails.Last(t, address).Arg("code")
	}
}

func (w *world) serve(t *testing.T) client {
	t.Helper()
	server := httptest.NewServer(w.routes())
	t.Cleanup(server.Close)
	return client{t, server.URL, w.code(t)}
}

// client calls the program, wherever it runs.
type client struct {
	t      *testing.T
	origin string
	code   func(address string) string
}

// call sends JSON and decodes the answer, which must be JSON. No answer ever has a hash.
func (c client) call(method, path string, body map[string]string, token string) (*http.Response, map[string]any, string) {
	c.t.Helper()
	var raw []byte
	if body != nil {
		raw, _ = json.Marshal(body)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.origin+path, bytes.NewReader(raw))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	if raw, err = io.ReadAll(res.Body); err != nil {
		c.t.Fatal(err)
	}
	if !json.Valid(raw) || !strings.HasPrefix(res.Header.Get("Content-Type"), "application/json") {
		c.t.Fatalf("%s %s: %d, not JSON: %s", method, path, res.StatusCode, raw)
	}
	if strings.Contains(string(raw), "argon2") || strings.Contains(string(raw), good) {
		c.t.Errorf("%s %s: the answer has a password: %s", method, path, raw)
	}
	var answer map[string]any
	_ = json.Unmarshal(raw, &answer) // a list is in raw alone
	return res, answer, strings.TrimSpace(string(raw))
}

func (c client) wants(status int, code, method, path string, body map[string]string, token string) {
	c.t.Helper()
	res, answer, raw := c.call(method, path, body, token)
	if res.StatusCode != status || answer["error"] != code {
		c.t.Errorf("%s %s %v: %d %s, want %d %s", method, path, body, res.StatusCode, raw, status, code)
	}
}

func person(name, email, password string, code ...string) map[string]string {
	m := map[string]string{"name": name, "email": email, "password": password}
	if len(code) > 0 {
		m["code"] = code[0]
	}
	return m
}

// register makes an account and returns its first token.
func (c client) register(name, email string) string {
	c.t.Helper()
	res, answer, raw := c.call("POST", "/register", person(name, email, good), "")
	if res.StatusCode != 202 || answer["auth"] != false {
		c.t.Fatalf("register: %d %s", res.StatusCode, raw)
	}
	res, answer, raw = c.call("POST", "/register", person(name, email, good, c.code(strings.ToLower(email))), "")
	return c.token(res, answer, raw)
}

func (c client) login(email, password string) string {
	c.t.Helper()
	return c.token(c.call("POST", "/login", map[string]string{"email": email, "password": password}, ""))
}

func (c client) token(res *http.Response, answer map[string]any, raw string) string {
	c.t.Helper()
	token, _ := answer["token"].(string)
	if res.StatusCode != 200 || answer["auth"] != true || token == "" || len(answer) != 2 {
		c.t.Fatalf("%d %s", res.StatusCode, raw)
	}
	return token
}

// walk is the walk-through from the outside, with its answers.
func walk(c client) {
	c.t.Helper()
	token := c.register("Ada Lovelace", "Ada@example.com")
	me := func(header string) {
		c.t.Helper()
		res, answer, raw := c.call("GET", "/me", nil, header)
		if res.StatusCode != 200 || answer["name"] != "Ada Lovelace" || answer["email"] != "ada@example.com" || answer["_id"] == "" || len(answer) != 3 {
			c.t.Errorf("me: %d %s", res.StatusCode, raw)
		}
	}
	me("Bearer " + token)
	me(token) // as the original sends it
	me("Bearer " + c.login("ada@example.com", good))
	c.wants(401, "invalid_token", "GET", "/me", nil, "Bearer "+token[:len(token)-4]+"AAAA")
	if res, _, raw := c.call("GET", "/me", nil, ""); res.StatusCode != 401 {
		c.t.Errorf("without a token: %d %s", res.StatusCode, raw)
	}

	c.wants(401, "wrong_password", "POST", "/login", map[string]string{"email": "ada@example.com", "password": "another long password"}, "")
	c.wants(401, "wrong_password", "POST", "/login", map[string]string{"email": "nobody@example.com", "password": good}, "")
	c.wants(400, "missing_field", "POST", "/login", map[string]string{"email": "ada@example.com"}, "")
	c.wants(400, "missing_field", "POST", "/register", map[string]string{"name": "Eve"}, "")
	c.wants(400, "weak_password", "POST", "/register", person("Eve", "eve@example.com", "secret"), "")
	c.wants(400, "invalid_address", "POST", "/register", person("Eve", "not an address", good), "")
	c.wants(400, "wrong_code", "POST", "/register", person("Eve", "eve@example.com", good, "AAAAAAAAAAAAAAAAAAAAAAAAAA"), "")

	if res, _, raw := c.call("GET", "/users", nil, ""); res.StatusCode != 401 {
		c.t.Errorf("the users without a token: %d %s", res.StatusCode, raw)
	}
	if res, _, raw := c.call("GET", "/users", nil, "Bearer "+token); res.StatusCode != 403 || strings.Contains(raw, "ada@") {
		c.t.Errorf("the users without the scope: %d %s", res.StatusCode, raw)
	}
	root := c.register("Root", "root@example.com")
	res, _, raw := c.call("GET", "/users", nil, "Bearer "+root)
	var list []map[string]any
	if err := json.Unmarshal([]byte(raw), &list); err != nil || res.StatusCode != 200 || len(list) != 2 {
		c.t.Fatalf("the users: %d %s", res.StatusCode, raw)
	}
	for _, u := range list {
		if len(u) != 3 || u["_id"] == "" || u["name"] == "" || u["email"] == "" {
			c.t.Errorf("a user in the list: %v", u)
		}
	}
	c.wants(400, "invalid_cursor", "GET", "/users?cursor=x", nil, "Bearer "+root)
}

func TestHTTP(t *testing.T) { walk(newWorld(t).serve(t)) }

func TestLambda(t *testing.T) {
	for _, api := range []lambdatest.APIType{lambdatest.HTTPAPI, lambdatest.HTTPAPIv1, lambdatest.REST, lambdatest.FunctionURL, lambdatest.ALB} {
		t.Run(api.String(), func(t *testing.T) {
			w := newWorld(t)
			function, err := lambdahttp.New(w.routes(), lambdahttp.Config{AllowLocal: true})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(lambdatest.Handler(api, lambdatest.Func(function.Invoke)))
			defer server.Close()
			stage := map[lambdatest.APIType]string{lambdatest.REST: "/prod"}[api]
			walk(client{t, server.URL + stage, w.code(t)})
		})
	}
}

// TestBootstrap runs the program as Lambda does, behind the Runtime API. Its mail is printed.
func TestBootstrap(t *testing.T) {
	bootstrap := functiontest.Build(t, ".")
	var printed *functiontest.Output
	origin := functiontest.Serve(t, func(url string) http.Handler {
		port := url[strings.LastIndexByte(url, ':'):]
		function, out := functiontest.Start(t, bootstrap, "ORIGIN=http://localhost"+port, "ADMIN=root@example.com", "RAW_TOKEN=yes", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256")
		printed = out
		return lambdatest.Handler(lambdatest.HTTPAPI, function)
	})
	code := regexp.MustCompile(`[A-Z2-7]{26}`)
	walk(client{t, origin, func(address string) string {
		t.Helper()
		return code.FindString(printed.Find(t, `(?s)To: `+regexp.QuoteMeta(address)+`.*?[A-Z2-7]{26}`))
	}})
}
