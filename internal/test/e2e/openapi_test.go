package e2e

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/npm"
	"github.com/posternauth/postern/internal/test/testneed"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/magic"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/users"
)

// An accountApp is an application with users. Beside the routes of postern it has two for tests: /mail answers with the
// code of the last mail to ?to=, and /token with a token of a new administrator who has just given a proof.
type accountApp struct {
	*app
	dir  *users.Directory
	kind *postern.Kind[Member]

	mu    sync.Mutex
	codes map[string]string
	made  int
}

func newAccountApp(t *testing.T) *accountApp {
	t.Helper()
	a := &accountApp{app: newApp(t, keys.ES256), codes: map[string]string{}}
	var err error
	owner := []string{"users:read", "users:write", "users:roles", "users:export", "users:delete", "sessions:read", "sessions:write"}
	if a.dir, err = users.New(users.Config{Sessions: a.sessions, AllowUsernames: true, Roles: users.Roles{"owner": owner}}); err != nil {
		t.Fatal(err)
	}
	a.kind = postern.NewKind(a.sessions, a.dir, session.KindConfig[Member]{Name: "user"}, func(p postern.Person) Member { return Member{UserID: p.ID} })
	auth, err := postern.New(postern.Config{
		Sessions: a.sessions, Session: a.kind, Admin: a.dir.Admin(a.kind), Admit: postern.Open, Usernames: true,
		Logger: slog.New(slog.DiscardHandler), Mail: a.send, Redirects: []string{"/"}, TokenClients: []string{"spa"},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")}, ClientIPHeader: "X-Client-IP",
		Providers: map[string]postern.Provider{"password": password.New(password.Config{}), "code": magic.Code(magic.Config{})},
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	auth.Mount(mux)
	mux.HandleFunc("GET /mail", func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		defer a.mu.Unlock()
		_, _ = io.WriteString(w, a.codes[r.URL.Query().Get("to")])
	})
	mux.HandleFunc("GET /token", func(w http.ResponseWriter, r *http.Request) {
		token, err := a.owner(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, token)
	})
	a.serveHandler(t, mux)
	return a
}

func (a *accountApp) send(_ context.Context, m postern.Mail) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.codes[m.To] = m.Arg("code")
	return nil
}

func (a *accountApp) owner(ctx context.Context) (token string, err error) {
	a.mu.Lock()
	a.made++
	address := fmt.Sprintf("owner%d@example.com", a.made)
	a.mu.Unlock()
	id, err := a.dir.Create(ctx, postern.SignUp{ID: address, Identity: postern.Identity{Issuer: postern.MailIssuer, Subject: address,
		Addresses: []postern.Address{{Type: "email", Value: address, Verified: true}}}})
	if err != nil {
		return "", err
	}
	if err := a.dir.SetRoles(ctx, id, []string{"owner"}, users.Extra{}); err != nil {
		return "", err
	}
	p, err := a.dir.Get(ctx, id)
	if err != nil {
		return "", err
	}
	made, err := a.kind.Create(ctx, session.Grant[Member]{Subject: id, Roles: p.Roles, Scopes: p.Scopes,
		Authentication: session.Authentication{Time: time.Now(), Methods: []string{"pwd"}}})
	return made.Access, err
}

const openAPI = "../../../openapi.json"

// openAPIFolder returns a folder with the scripts and packages of testdata/openapi.
func openAPIFolder(t *testing.T) string {
	t.Helper()
	testneed.Binary(t, "node", "Debian package nodejs")
	modules := npm.Modules(t, "testdata/openapi")
	dir := t.TempDir()
	for _, name := range []string{"package.json", "validate.mjs", "properties.mjs", "client.ts"} {
		copyFile(t, filepath.Join("testdata/openapi", name), filepath.Join(dir, name))
	}
	copyFile(t, openAPI, filepath.Join(dir, "openapi.json"))
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// runNode runs node in a folder and returns what it writes.
func runNode(t *testing.T, dir string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// TestOpenAPI_Validates: a validator that others wrote takes the document for one of OpenAPI 3.1.
func TestOpenAPI_Validates(t *testing.T) {
	dir := openAPIFolder(t)
	runNode(t, dir, "validate.mjs", "openapi.json")
	if err := os.WriteFile(filepath.Join(dir, "wrong.json"), []byte(`{"openapi":"3.1.0","info":{"title":"x"},"paths":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "validate.mjs", "wrong.json")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err == nil {
		t.Errorf("it takes a document without a version: %s", out)
	}
}

// TestOpenAPI_Properties sends random requests to every operation, some that fit its schemas and some that do not.
// Each answer has a status of the document and a body that fits its schema, and none is a fault of the server.
// POSTERN_OPENAPI_RUNS is the number of requests for each operation.
//
// Defaults to 12.
func TestOpenAPI_Properties(t *testing.T) {
	dir, a := openAPIFolder(t), newAccountApp(t)
	runs := os.Getenv("POSTERN_OPENAPI_RUNS")
	if runs == "" {
		runs = "12"
	}
	t.Log(runNode(t, dir, "properties.mjs", a.url, runs))
}

// TestOpenAPI_TypeScriptClient: a client that openapi-typescript makes from the document passes tsc in strict mode. It
// creates an account with the code of a mail, signs in and reads the account.
func TestOpenAPI_TypeScriptClient(t *testing.T) {
	dir, a := openAPIFolder(t), newAccountApp(t)
	runNode(t, dir, "node_modules/openapi-typescript/bin/cli.js", a.url+"/auth/openapi.json", "-o", "schema.d.ts")
	runNode(t, dir, "node_modules/typescript/bin/tsc", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.iterable", "--module", "nodenext", "--skipLibCheck",
		"--types", "node", "--outDir", "out", "client.ts")
	copyFile(t, filepath.Join(dir, "package.json"), filepath.Join(dir, "out", "package.json"))
	t.Log(runNode(t, dir, "out/client.js", a.url))
}
