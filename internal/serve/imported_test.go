package serve

import (
	"encoding/base64"
	"net/http"
	"testing"
	"time"

	"github.com/posternauth/postern/keys"
)

// TestImportedKeys: a program in Go can check a token of SST Auth with an imported key. Forward authentication
// of the auth server refuses it.
func TestImportedKeys(t *testing.T) {
	w := newWire(t, "memory", wireFile)
	other, err := keys.Generate(keys.RS512)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.house.Ring().Import(t.Context(), other.Public(), w.clock.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"RS512","typ":"JWT"}`)) + "." + encode([]byte(`{"type":"user","properties":{"userID":"ada"},"iat":1700000000}`))
	signature, err := other.Sign(t.Context(), []byte(input))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.Verify(t.Context(), w.house.Ring().Imported(), "", keys.RS512, []byte(input), signature); err != nil {
		t.Errorf("a program in Go: %v", err)
	}
	b := w.browser()
	b.signUp(ada, secretPhrase)
	for token, want := range map[string]int{b.token(): http.StatusOK, input + "." + encode(signature): http.StatusUnauthorized} {
		status, _, body := w.browser().ask(http.MethodGet, "/auth/verify", nil, "X-Original-Method", "GET", "X-Original-Uri", "/wiki", "Authorization", "Bearer "+token)
		if status != want {
			t.Errorf("%.30s: %d %s, want %d", token, status, body, want)
		}
	}
}
