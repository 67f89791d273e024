package serve

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/posternauth/postern/store"
)

// environment is a LookupEnv of what a test sets.
type environment map[string]string

func (e environment) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

func vaultKey() string {
	return base64.StdEncoding.EncodeToString([]byte("0123456789abcdefghijklmnopqrstuv"))
}

func parse(t *testing.T, text string) Config {
	t.Helper()
	c, err := Parse("postern.toml", []byte(text), environment{}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestExample_Starts(t *testing.T) {
	c := parse(t, Example())
	env := environment{"POSTERN_VAULT_KEY": vaultKey()}
	opened := ""
	p := Parts{LookupEnv: env.lookup, ReadFile: os.ReadFile, OpenStore: func(_ context.Context, url string) (store.Store, func(), error) {
		opened = url
		return &store.Memory{}, func() { opened = "closed" }, nil
	}}
	if err := Check(t.Context(), c, p); err != nil {
		t.Fatal(err)
	}
	h, err := Open(t.Context(), c, p)
	if err != nil {
		t.Fatal(err)
	}
	if opened != "sqlite:postern.db" {
		t.Errorf("opened the store %q", opened)
	}
	if err := h.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	w := httptest.NewRecorder()
	h.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost:8080/.well-known/oauth-authorization-server/auth", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `"issuer":"http://localhost:8080/auth"`) {
		t.Errorf("metadata: %d %s", w.Code, w.Body)
	}
	if err := h.Close(); err != nil || opened != "closed" {
		t.Errorf("Close: %v, store %s", err, opened)
	}
}
