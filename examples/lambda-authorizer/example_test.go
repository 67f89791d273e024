package lambdaauthorizer_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/internal/test/functiontest"
	"github.com/posternauth/postern/lambdahttp/lambdatest"
)

// TestAPI runs both functions as template.yaml has them, with the cache on.
func TestAPI(t *testing.T) {
	token := tokens(t)
	env := "PUBLIC_KEY=" + token("-public")
	authorizer, _ := functiontest.Start(t, functiontest.Build(t, "authorizer"), env)
	orders, _ := functiontest.Start(t, functiontest.Build(t, "api"), env)
	guard := &lambdatest.LambdaAuthorizer{Function: authorizer, Type: lambdatest.TokenAuthorizer, IdentityValidation: gateway.IdentityValidation, TTL: gateway.TTL}
	api := functiontest.Gateway(t, lambdatest.Config{Type: lambdatest.REST, Routes: []lambdatest.Route{
		{Method: "GET", Path: "/orders", Function: orders, Authorizer: guard},
		{Method: "GET", Path: "/orders/{id}", Function: orders, Authorizer: guard},
		{Method: "POST", Path: "/orders", Function: orders, Authorizer: guard},
		{Method: "GET", Path: "/health", Function: orders},
	}})
	reader, writer := token("-name", "Ada Ltd"), token("-name", "Bob Ltd", "-scope", "orders:read,orders:write")
	for _, c := range []struct {
		call, token string
		status      int
		says        string
	}{
		{"GET /health", "", 200, "ok"},
		{"GET /orders", "", 401, ""},
		{"GET /orders", "a.b.c", 401, ""},
		{"GET /orders", "no token", 401, ""},
		{"GET /orders", reader, 200, "the orders of Ada Ltd"},
		{"GET /orders/1", reader, 200, "an order of Ada Ltd"}, // by the cached policy, as the next ones
		{"POST /orders", reader, 403, ""},
		{"POST /orders", writer, 200, "a new order of Bob Ltd"},
		{"GET /orders/*", writer, 200, "an order of Bob Ltd"},
	} {
		method, path, _ := strings.Cut(c.call, " ")
		r := httptest.NewRequest(method, "/prod"+path, nil)
		if c.token != "" {
			r.Header.Set("Authorization", "Bearer "+c.token)
		}
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if w.Code != c.status || c.status == http.StatusOK && strings.TrimSpace(w.Body.String()) != c.says {
			t.Errorf("%s: %d %s, want %d %s", c.call, w.Code, w.Body, c.status, c.says)
		}
	}
}

// tokens runs the command that makes tokens, with a new key.
func tokens(t *testing.T) func(args ...string) string {
	key := filepath.Join(t.TempDir(), "key.pem")
	binary := filepath.Join(t.TempDir(), "token")
	if out, err := exec.Command("go", "build", "-o", binary, "./token").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return func(args ...string) string {
		t.Helper()
		var errs bytes.Buffer
		cmd := exec.Command(binary, append([]string{"-key", key}, args...)...)
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, errs.String())
		}
		return strings.TrimSpace(string(out))
	}
}

// TestTemplate: the settings of the template are those that package gateway recommends.
func TestTemplate(t *testing.T) {
	text, err := os.ReadFile("template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"'" + gateway.IdentityValidation + "'",
		fmt.Sprintf("ReauthorizeEvery: %d\n", gateway.TTL/time.Second),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("template.yaml does not have %s", want)
		}
	}
}
