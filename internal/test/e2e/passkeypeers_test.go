package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// TestPasskeys_SimpleWebAuthn: the stock front end of @simplewebauthn/browser signs up and in with our options, and
// @simplewebauthn/server comes to the verdicts of ours about what it sent.
func TestPasskeys_SimpleWebAuthn(t *testing.T) {
	modules := scripts(t)
	browser := startBrowser(t)
	a := servePasskeys(t, func(mux *http.ServeMux) {
		mux.Handle("GET /swa/", http.StripPrefix("/swa/", http.FileServer(http.Dir(filepath.Join(modules, "node_modules/@simplewebauthn/browser/esm")))))
		mux.HandleFunc("GET /app", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/passkey-page.html") })
	})
	w := newWindow(t, browser)
	w.authenticator(phone())
	w.open(a.url + "/app")
	w.waitFor("ready")

	type exchange struct {
		Options  map[string]any `json:"options"`
		Response map[string]any `json:"response"`
		Done     struct {
			RedirectURI string `json:"redirect_uri"`
			Error       string `json:"error"`
		} `json:"done"`
	}
	run := func(expression string) (x exchange) {
		t.Helper()
		var text string
		w.run(chromedp.Evaluate(expression+`.then((x) => JSON.stringify(x))`, &text, func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }))
		if err := json.Unmarshal([]byte(text), &x); err != nil {
			t.Fatal(err)
		}
		if x.Done.RedirectURI != a.url+"/me" {
			t.Fatalf("%s: %+v", expression, x.Done)
		}
		return x
	}
	made := run(`signUp("ada")`)
	w.forget()
	shown := run(`signIn()`)
	w.open(a.url + "/me")
	w.shows("signed in: ada by swk user mfa")

	var verdicts struct {
		Synced                       bool
		Registration, Authentication map[string]string
	}
	node(t, modules, "verify-simplewebauthn.mjs", map[string]any{
		"origin": a.url, "rpID": "localhost", "registration": made, "authentication": shown,
	}, &verdicts)
	if !verdicts.Synced {
		t.Error("the other server reads the passkey as not synced")
	}
	for ceremony, all := range map[string]map[string]string{"registration": verdicts.Registration, "authentication": verdicts.Authentication} {
		if len(all) != 5 {
			t.Fatalf("%s: %v", ceremony, all)
		}
		for name, verdict := range all {
			if (name == "unchanged") != (verdict == "accepted") || !strings.HasPrefix(verdict, "accepted") && !strings.HasPrefix(verdict, "refused") {
				t.Errorf("%s, %s: %s", ceremony, name, verdict)
			}
		}
	}
}
