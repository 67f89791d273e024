package passkey_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/store"
)

// onePart is a store that writes one part at a time, as a Redis Cluster does.
type onePart struct{ store.Store }

func (onePart) OnePart() bool { return true }

// TestNew_NeedsTwoParts: New refuses a store in which two people could have one passkey.
func TestNew_NeedsTwoParts(t *testing.T) {
	w := newWorld(t)
	_, err := postern.New(postern.Config{
		Sessions: w.sessions, Session: w.kind, Store: onePart{w.store}, Redirects: []string{"https://app.example.com/"},
		Providers: map[string]postern.Provider{"passkey": passkey.New(passkey.Config{})},
	})
	if err == nil || !strings.Contains(err.Error(), "two parts") {
		t.Errorf("New: %v", err)
	}
	_, err = postern.New(postern.Config{
		Sessions: w.sessions, Session: w.kind, Redirects: []string{"https://app.example.com/"},
		Providers: map[string]postern.Provider{"passkey": passkey.New(passkey.Config{RPID: "example.org"})},
	})
	if err == nil || !strings.Contains(err.Error(), "RPID") {
		t.Errorf("New: %v", err)
	}
}

// TestWellKnown: the documents for related origins and for password managers.
func TestWellKnown(t *testing.T) {
	one := newWorld(t)
	several := newWorld(t, func(o *options) {
		o.passkey = passkey.Config{RPID: "example.com", Origins: []string{origin, "https://app.example.org"}}
	})
	get := func(w *world, path string) (int, string) {
		mux, rec := http.NewServeMux(), httptest.NewRecorder()
		w.auth.Mount(mux)
		mux.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, origin+path, nil))
		if rec.Code == http.StatusOK && rec.Header().Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", path, rec.Header())
		}
		return rec.Code, rec.Body.String()
	}
	if code, _ := get(one, "/.well-known/webauthn"); code != http.StatusNotFound {
		t.Errorf("one origin: %d", code)
	}
	if code, body := get(several, "/.well-known/webauthn"); code != http.StatusOK || body != `{"origins":["https://auth.example.com","https://app.example.org"]}` {
		t.Errorf("several origins: %d %s", code, body)
	}
	want := `{"enroll":"https://auth.example.com/auth/passkey/enroll","manage":"https://auth.example.com/auth/passkey/list"}`
	if code, body := get(one, "/.well-known/passkey-endpoints"); code != http.StatusOK || body != want {
		t.Errorf("endpoints: %d %s", code, body)
	}
	for _, path := range []string{"enroll", "list"} { // both are pages: who is signed out is led to the sign-in
		rec := httptest.NewRecorder()
		one.auth.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, origin+"/auth/passkey/"+path, nil))
		if body := rec.Body.String(); rec.Code != http.StatusUnauthorized || !strings.Contains(body, origin+"/auth/authorize") {
			t.Errorf("%s: %d\n%s", path, rec.Code, body)
		}
	}
}

// TestScript: the script has at most 3 KB gzipped, makes no HTML and loads nothing.
func TestScript(t *testing.T) {
	text, err := os.ReadFile("passkey.js")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(text); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	if b.Len() > 3<<10 {
		t.Errorf("%d bytes gzipped", b.Len())
	}
	for _, word := range []string{"innerHTML", "eval", "document.write", "fetch(", "import", "localStorage"} {
		if strings.Contains(string(text), word) {
			t.Errorf("the script has %s", word)
		}
	}
}

// TestDocs_Names: docs/passkeys.md has the name of every page, mail and event.
func TestDocs_Names(t *testing.T) {
	page, err := os.ReadFile("../docs/passkeys.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	literal := regexp.MustCompile(`"(passkey\.[a-z-]+)"|Name: "(passkey [a-z ]+|factor refused)"|Event: "(passkey [a-z ]+)"`)
	found := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range literal.FindAllStringSubmatch(string(text), -1) {
			found[m[1]+m[2]+m[3]] = true
		}
	}
	if len(found) < 20 {
		t.Fatalf("only %d names found: the pattern is wrong", len(found))
	}
	for name := range found {
		if name != "passkey.js" && !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("%s is not in docs/passkeys.md", name)
		}
	}
}

// TestM14_OutOfOrder: the step of the factor takes a passkey of the user who waits, and nothing else.
func TestM14_OutOfOrder(t *testing.T) {
	w := newWorld(t)
	b, d := w.browser(), newDevice()
	b.signUpPassword("ada@example.com")
	b.enroll(d)
	page := b.post("/passkey/ask", "ask", "on")
	b.fill(page, d.show(t, page.form("").Data)).want(200, "passkey.set")
	b = w.browser()
	page = b.signInPassword("ada@example.com").want(200, "passkey.verify")
	state, ceremony := page.form("").Hidden["state"], page.form("").Hidden["ceremony"]
	b.post("/passkey/verify").want(400, "invalid_state")
	b.post("/passkey/verify", "state", state).want(400, "no_passkey")
	b.post("/passkey/verify", "state", state, "ceremony", ceremony).want(400, "no_passkey")
	b.post("/passkey/verify", "state", state, "code", "123456").want(400, "no_passkey")
	b.post("/passkey/verify", "state", state, "credential", "{}").want(400, "expired_passkey")
	b.post("/passkey/callback", "state", state, "ceremony", ceremony, "credential", d.show(t, page.form("").Data)).want(400, "invalid_state")
	b.post("/passkey/enroll", "state", state).want(400, "invalid_state")
	b.get("/passkey/enroll?state="+state).want(400, "invalid_state")
	w.browser().post("/passkey/verify", "state", state, "ceremony", ceremony, "credential", d.show(t, page.form("").Data)).want(400, "invalid_state")
	if b.session() != nil {
		t.Fatal("signed in")
	}
	again := b.get("/passkey/verify?state="+state).want(200, "passkey.verify")
	done := b.clone()
	credential := d.show(t, again.form("").Data)
	b.fill(again, credential).want(200, "https://app.example.com/")
	done.fill(again, credential).want(400, "used_state")
}

// TestS12_Freshness: a change of the passkeys wants a fresh proof by an existing factor: a mailed link or another site,
// however new, is none.
func TestS12_Freshness(t *testing.T) {
	w := newWorld(t)
	b := w.browser()
	b.get("/door/authorize")
	if b.session() == nil {
		t.Fatal("not signed in")
	}
	for _, path := range []string{"/passkey/enroll", "/passkey/edit?id=x"} {
		b.get(path).want(401, "insufficient_user_authentication")
	}
	for _, path := range []string{"/passkey/enroll", "/passkey/rename", "/passkey/remove"} {
		b.post(path).want(401, "insufficient_user_authentication")
	}
	b.post("/passkey/ask", "ask", "on").want(401, "insufficient_user_authentication")
	b.get("/passkey/list").want(200, "passkey.list")
	out := w.browser()
	for _, path := range []string{"/passkey/enroll", "/passkey/list", "/passkey/edit?id=x"} {
		out.get(path).want(401, "not_signed_in")
	}
	// A password is none where the account asks for a passkey: the session must have shown one.
	d := newDevice()
	in := w.browser()
	in.signUpPassword("ada@example.com")
	old := in.clone()
	in.enroll(d)
	old.get("/passkey/list")
	page := in.post("/passkey/ask", "ask", "on")
	in.fill(page, d.show(t, page.form("").Data)).want(200, "passkey.set")
	other := w.browser()
	other.signInPassword("ada@example.com").want(200, "passkey.verify")
	other.get("/passkey/enroll").want(401, "not_signed_in")
}
