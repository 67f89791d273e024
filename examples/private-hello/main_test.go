package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/internal/test/testserver"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/lambdahttp"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
	"github.com/posternauth/postern/posterntest"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/store/dynamostore"
	"github.com/posternauth/postern/users"
)

const good = "correct horse battery"

// newTest returns the program in memory, with a clock.
func newTest(t *testing.T, firstLogin bool) (*app, *posterntest.Clock, store.Store) {
	t.Helper()
	clock := posterntest.NewClock(time.Time{})
	db := &store.Memory{Now: clock.Now}
	a, err := newApp(settings{
		origin: "http://localhost:8080", store: db, vault: &keys.MemoryVault{},
		firstLogin: firstLogin, now: clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, clock, db
}

// client calls the program, wherever it runs.
type client struct {
	t      *testing.T
	origin string
}

func (c client) call(method, path, body string, header ...string) (status int, answer map[string]any) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.origin+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = []string{header[i+1]}
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		c.t.Fatalf("%s %s: %d, not JSON: %s", method, path, res.StatusCode, raw)
	}
	return res.StatusCode, answer
}

// wants compares an answer with that of the original.
func (c client) wants(status int, text, method, path, body string, header ...string) {
	c.t.Helper()
	got, answer := c.call(method, path, body, header...)
	raw, _ := json.Marshal(answer)
	if got != status || string(raw) != text {
		c.t.Errorf("%s %s %s: %d %s, want %d %s", method, path, body, got, raw, status, text)
	}
}

func (c client) login(username, password string) (status int, token string) {
	c.t.Helper()
	body, _ := json.Marshal(map[string]string{"username": username, "password": password})
	status, answer := c.call("POST", "/login", string(body))
	token, _ = answer["token"].(string)
	return status, token
}

const (
	wrong   = `{"error":"Bad username/password combination","status":"error"}`
	missing = `{"error":"Please provide a username and password","status":"error"}`
	closed  = `{"error":"This is a private resource","status":"error"}`
)

// walk is the handbook's example from the outside: the answers of the original.
func walk(c client) {
	c.t.Helper()
	c.wants(400, missing, "POST", "/login", `{}`)
	c.wants(400, missing, "POST", "/login", `{"username":"ada","password":""}`)
	status, answer := c.call("POST", "/login", `{"username":"Ada","password":"`+good+`"}`)
	user, _ := answer["user"].(map[string]any)
	token, _ := answer["token"].(string)
	if status != 200 || user["username"] != "ada" || token == "" || len(user) != 2 || len(answer) != 2 {
		c.t.Fatalf("first login: %d %v", status, answer)
	}
	if at, err := time.Parse(time.RFC3339, fmt.Sprint(user["createdAt"])); err != nil || time.Since(at).Abs() > time.Hour {
		c.t.Errorf("createdAt: %v", user["createdAt"])
	}
	if _, second := c.login("ada", good); second == "" || second == token {
		c.t.Error("the second login gave no new token")
	}
	c.wants(401, wrong, "POST", "/login", `{"username":"ada","password":"another long password"}`)

	c.wants(400, `{"error":"Please provide a token to verify","status":"error"}`, "POST", "/verify", `{}`)
	c.wants(200, `{"status":"valid"}`, "POST", "/verify", `{"token":"`+token+`"}`)
	forged := token[:len(token)-4] + "AAAA"
	c.wants(401, `{"error":"This token is not valid","status":"error"}`, "POST", "/verify", `{"token":"`+forged+`"}`)

	c.wants(401, closed, "GET", "/private", "")
	for _, header := range []string{"Authorization", "authorization", "AUTHORIZATION"} { // gateways change the case
		c.wants(200, `{"message":"Hello ada"}`, "GET", "/private", "", header, "Bearer "+token)
	}
	if status, _ := c.call("GET", "/private", "", "Authorization", "Bearer "+forged); status != 401 {
		c.t.Errorf("a forged token: %d", status)
	}
	if status, _ := c.call("POST", "/login", `["ada"]`); status != 400 {
		c.t.Errorf("JSON that is not an object: %d", status)
	}
}

func TestHTTP(t *testing.T) {
	a, _, _ := newTest(t, true)
	server := httptest.NewServer(a.routes())
	defer server.Close()
	walk(client{t, server.URL})
}

func TestLambda(t *testing.T) {
	for _, api := range []lambdatest.APIType{lambdatest.HTTPAPI, lambdatest.HTTPAPIv1, lambdatest.REST, lambdatest.FunctionURL, lambdatest.ALB} {
		t.Run(api.String(), func(t *testing.T) {
			a, _, _ := newTest(t, true)
			function, err := lambdahttp.New(a.routes(), lambdahttp.Config{AllowLocal: true})
			if err != nil {
				t.Fatal(err)
			}
			server := httptest.NewServer(lambdatest.Handler(api, lambdatest.Func(function.Invoke)))
			defer server.Close()
			stage := map[lambdatest.APIType]string{lambdatest.REST: "/prod"}[api]
			walk(client{t, server.URL + stage})
		})
	}
}

// TestBootstrap runs the program as Lambda does, behind the Runtime API.
func TestBootstrap(t *testing.T) {
	bootstrap := functiontest.Build(t, ".")
	origin := functiontest.Serve(t, func(url string) http.Handler {
		_, port, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ":")
		function, _ := functiontest.Start(t, bootstrap, "ORIGIN=http://localhost:"+port, "CREATE_ON_FIRST_LOGIN=yes", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256")
		return lambdatest.Handler(lambdatest.HTTPAPI, function)
	})
	walk(client{t, origin})
}

// TestFirstLogin: without the setting nobody becomes a user by logging in. With it, first logins of one name at the
// same moment make one user.
func TestFirstLogin(t *testing.T) {
	a, _, _ := newTest(t, false)
	server := httptest.NewServer(a.routes())
	defer server.Close()
	c := client{t, server.URL}
	c.wants(401, wrong, "POST", "/login", `{"username":"ada","password":"`+good+`"}`)
	if page, err := a.users.Search(t.Context(), users.Query{}); err != nil || len(page.Users) != 0 {
		t.Errorf("%v, %v", page.Users, err)
	}

	a, _, _ = newTest(t, true)
	weak := client{t, serve(t, a)}
	for _, body := range []string{`{"username":"eve","password":"secret"}`, `{"username":"admin","password":"` + good + `"}`, `{"username":"a b","password":"` + good + `"}`} {
		if status, answer := weak.call("POST", "/login", body); status != 400 || answer["status"] != "error" {
			t.Errorf("%s: %d %v", body, status, answer)
		}
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]int{}
	for i := range 20 {
		wg.Go(func() {
			id, err := a.create(t.Context(), nameOf("ada"), fmt.Sprintf("%s %d", good, i))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			ids[id]++
		})
	}
	wg.Wait()
	if len(ids) != 1 {
		t.Errorf("%d users of one name: %v", len(ids), ids)
	}
}

// TestExpiry: a token ends, and so does that of a user who is disabled, at once.
func TestExpiry(t *testing.T) {
	a, clock, _ := newTest(t, true)
	c := client{t, serve(t, a)}
	_, token := c.login("ada", good)
	clock.Advance(59 * time.Minute)
	c.wants(200, `{"message":"Hello ada"}`, "GET", "/private", "", "Authorization", "Bearer "+token)
	clock.Advance(2 * time.Hour)
	if status, _ := c.call("GET", "/private", "", "Authorization", "Bearer "+token); status != 401 {
		t.Errorf("an old token: %d", status)
	}
	if status, _ := c.call("POST", "/verify", `{"token":"`+token+`"}`); status != 401 {
		t.Errorf("an old token is verified: %d", status)
	}

	_, token = c.login("ada", good)
	id, err := a.users.Find(t.Context(), nameOf("ada"))
	if err == nil {
		err = a.users.Disable(t.Context(), id, "spam", time.Time{}, users.Extra{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if status, _ := c.call("GET", "/private", "", "Authorization", "Bearer "+token); status != 401 {
		t.Errorf("a disabled user: %d", status)
	}
	c.wants(401, wrong, "POST", "/login", `{"username":"ada","password":"`+good+`"}`)
}

// TestGuesses: an eleventh guess is refused, whether or not somebody has the name.
func TestGuesses(t *testing.T) {
	a, clock, _ := newTest(t, false)
	c := client{t, serve(t, a)}
	if _, err := a.importLegacy(t.Context(), strings.NewReader(legacy("ada", good)), "salt"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ada", "nobody-at-all"} {
		for range 10 {
			if status, _ := c.login(name, "a wrong password"); status != 401 {
				t.Errorf("%s: %d", name, status)
			}
		}
		if status, _ := c.login(name, good); status != 429 {
			t.Errorf("%s, the eleventh: %d", name, status)
		}
	}
	clock.Advance(time.Hour)
	if status, _ := c.login("ada", good); status != 200 {
		t.Errorf("an hour later: %d", status)
	}
}

// TestImport: the handbook's hash opens the account once, and is then replaced. It is never in the store as it was.
func TestImport(t *testing.T) {
	a, _, db := newTest(t, false)
	lines := legacy("Ada", "old pw") + legacy("bob", "another") + `{"username":"x","password":"` + strings.Repeat("ab", 32) + `"}`
	for _, want := range []users.Report{{Created: 2, Refused: 1}, {Skipped: 2, Refused: 1}} { // an import can be repeated
		got, err := a.importLegacy(t.Context(), strings.NewReader(lines), "salt")
		if err != nil || got.Created != want.Created || got.Skipped != want.Skipped || got.Refused != want.Refused {
			t.Errorf("%+v, %v", got, err)
		}
	}
	id, err := a.users.Find(t.Context(), nameOf("ada"))
	if err != nil {
		t.Fatal(err)
	}
	stored := func() string {
		t.Helper()
		row := a.row("$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")(id)[0].Item
		items, err := db.Get(t.Context(), row.Key)
		if err != nil || len(items) != 1 {
			t.Fatal(items, err)
		}
		return string(items[0].Value)
	}
	before := stored()
	if strings.Contains(before, sum("Ada", "old pw")) || !strings.Contains(before, "argon2id") {
		t.Errorf("the row: %s", before)
	}
	c := client{t, serve(t, a)}
	c.wants(401, wrong, "POST", "/login", `{"username":"ada","password":"old pW"}`)
	if status, _ := c.login("Ada", "old pw"); status != 200 {
		t.Errorf("the imported password: %d", status)
	}
	after := stored()
	if after == before || !strings.Contains(after, "$argon2id$") {
		t.Errorf("the row after the first login: %s", after)
	}
	if status, _ := c.login("ada", "old pw"); status != 200 {
		t.Errorf("after the new hash: %d", status)
	}
	if _, err := a.importLegacy(t.Context(), strings.NewReader(`{"username":"eve","password":"not hex"}`), "salt"); err == nil {
		t.Error("a damaged file was imported")
	}
}

// TestSettings: only on a developer's machine users and keys are in memory.
func TestSettings(t *testing.T) {
	for _, env := range []map[string]string{
		{"ORIGIN": "https://api.example.com"},
		{"ORIGIN": "https://api.example.com", "TABLE": "users"},
		{"ORIGIN": "https://api.example.com", "TABLE": "users", "VAULT_KEY": "c2hvcnQ="},
		{"ORIGIN": "http://localhost.example.com"},
	} {
		for _, name := range []string{"ORIGIN", "TABLE", "VAULT_KEY"} {
			t.Setenv(name, env[name])
		}
		if _, err := settingsFromEnvironment(); err == nil {
			t.Errorf("%v is accepted", env)
		}
	}
}

func serve(t *testing.T, a *app) string {
	t.Helper()
	server := httptest.NewServer(a.routes())
	t.Cleanup(server.Close)
	return server.URL
}

func nameOf(s string) postern.Identity {
	return postern.Identity{Issuer: postern.NameIssuer, Subject: s}
}

// sum is the hash of the original.
func sum(username, password string) string {
	h := sha256.Sum256([]byte(password + "salt" + username + password))
	return hex.EncodeToString(h[:])
}

func legacy(username, password string) string {
	return fmt.Sprintf(`{"username":%q,"password":%q,"createdAt":"2021-03-01T12:00:00.000Z"}`+"\n", username, sum(username, password))
}

// broken is a store that fails its reads.
type broken struct {
	store.Store
	now bool
}

func (b *broken) Get(ctx context.Context, keys ...store.Key) ([]store.Item, error) {
	if b.now {
		return nil, errors.New("the table is gone")
	}
	return b.Store.Get(ctx, keys...)
}

// TestStoreFails: a store that fails is not a wrong password, and not a token that is not valid.
func TestStoreFails(t *testing.T) {
	db := &broken{Store: &store.Memory{}}
	a, err := newApp(settings{origin: "http://localhost:8080", store: db, vault: &keys.MemoryVault{}, firstLogin: true})
	if err != nil {
		t.Fatal(err)
	}
	c := client{t, serve(t, a)}
	_, token := c.login("ada", good)
	db.now = true
	if status, _ := c.login("ada", good); status != 503 {
		t.Errorf("login: %d", status)
	}
	if status, _ := c.call("POST", "/verify", `{"token":"`+token+`"}`); status != 503 {
		t.Errorf("verify: %d", status)
	}
	if status, _ := c.call("GET", "/private", "", "Authorization", "Bearer "+token); status != 503 {
		t.Errorf("private: %d", status)
	}
	db.now = false
	c.wants(200, `{"status":"valid"}`, "POST", "/verify", `{"token":"`+token+`"}`)
}

// TestTable: two instances of the function share users, sessions and keys in a table of DynamoDB. A token of one is
// valid at the other. In the original, login and the other functions had two secrets.
func TestTable(t *testing.T) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	env := map[string]string{
		"ORIGIN": "https://api.example.com", "TABLE": "auth", "VAULT_KEY": base64.StdEncoding.EncodeToString(secret), "CREATE_ON_FIRST_LOGIN": "yes",
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_ENDPOINT_URL": testserver.Moto(t).URL(),
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	if err := dynamostore.CreateTable(t.Context(), newDynamoDB(), "auth"); err != nil {
		t.Fatal(err)
	}
	instance := func() client {
		t.Helper()
		s, err := settingsFromEnvironment()
		if err != nil {
			t.Fatal(err)
		}
		a, err := newApp(s)
		if err != nil {
			t.Fatal(err)
		}
		return client{t, serve(t, a)}
	}
	one, two := instance(), instance()
	walk(one)
	status, token := one.login("ada", good)
	if status != 200 {
		t.Fatal(status)
	}
	two.wants(200, `{"status":"valid"}`, "POST", "/verify", `{"token":"`+token+`"}`)
	two.wants(200, `{"message":"Hello ada"}`, "GET", "/private", "", "Authorization", "Bearer "+token)
	two.wants(401, wrong, "POST", "/login", `{"username":"ada","password":"another long password"}`)
}
