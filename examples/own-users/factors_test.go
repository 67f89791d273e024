package main

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/posternauth/postern/internal/test/virtualkey"
)

// TestOwnUsers_Factors: somebody sets up an app and recovery codes, signs in with each, makes a passkey, signs in by it
// and closes the account. The table of the application is as it was.
func TestOwnUsers_Factors(t *testing.T) {
	w := newWorld(t)
	one := w.browser()
	one.signUp(ada)

	p := one.send("/factors/totp/enroll")
	seed := fmt.Sprint(p.Args["key"])
	if p = one.fill(p, "code", w.appCode(seed)); p.Step != "totp.added" || w.mails.Last(t, ada).Name != "totp.added" {
		t.Fatalf("setting up an app: %+v", p)
	}
	p = one.send("/factors/recovery/enroll", "state", "")
	if p.Step != "recovery.codes" || len(p.Lines) != 10 {
		t.Fatalf("recovery codes: %+v", p)
	}
	recovery := p.Lines[0].Value
	w.clock.Advance(time.Minute) // a code works once

	two := w.browser()
	if p = two.signIn(first); p.Step != "totp.verify" || strings.Contains(two.me(), "account 1") {
		t.Fatalf("after the password: %+v", p)
	}
	if wrong := two.fill(p, "code", "000000"); wrong.Error != "wrong_code" || strings.Contains(two.me(), "account 1") {
		t.Errorf("a wrong code: %+v", wrong)
	}
	two.fill(p, "code", w.appCode(seed))
	if got := two.me(); got != "account 1, ada@example.com, by [pwd otp mfa]\n" {
		t.Fatalf("after the code: %s", got)
	}

	key := newDevice(w)
	if p = two.send("/passkey/enroll"); p.Step != "passkey.enroll" {
		t.Fatalf("adding a passkey: %+v", p)
	}
	if p = two.fill(p, "credential", key.create(t, p)); p.Step != "passkey.added" {
		t.Fatalf("adding a passkey: %+v", p)
	}
	three := w.browser()
	p = three.send("/passkey/authorize")
	three.fill(p, "credential", key.get(t, p)) // two factors in one: no code is asked for
	if got := three.me(); !strings.HasPrefix(got, "account 1, ada@example.com, by [hwk user mfa]") {
		t.Fatalf("after the passkey: %s", got)
	}

	four := w.browser()
	p = four.send(four.signIn(first).link(t, "factor:recovery"))
	four.fill(p, "code", recovery)
	if got := four.me(); got != "account 1, ada@example.com, by [pwd recovery mfa]\n" || strings.Contains(two.me(), "account 1") {
		t.Errorf("after the recovery code: %s, elsewhere %s", got, two.me())
	}

	p = three.send("/passkey/authorize")
	three.fill(p, "credential", key.get(t, p))
	w.clock.Advance(11 * time.Minute)
	if status, body := three.post("/close"); status != http.StatusUnauthorized || !strings.Contains(body, "/auth/step-up?") {
		t.Errorf("closing with an old sign-in: %d %s", status, body)
	}
	p = three.send("/passkey/authorize")
	three.fill(p, "credential", key.get(t, p))
	if status, body := three.post("/close"); status != http.StatusOK {
		t.Fatalf("closing: %d %s", status, body)
	}
	if got := three.me() + four.me(); strings.Contains(got, "account 1") {
		t.Errorf("a session of a closed account: %s", got)
	}
	p = three.send("/passkey/authorize")
	if p = three.fill(p, "credential", key.get(t, p)); p.Error != "account_disabled" {
		t.Errorf("a passkey of a closed account: %+v", p)
	}
	if p = w.browser().signIn(first); p.Error != "account_disabled" {
		t.Errorf("the password of a closed account: %+v", p)
	}
	var columns string
	if err := w.db.QueryRow(`SELECT string_agg(column_name, ' ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'accounts'`).
		Scan(&columns); err != nil || columns != "id email sign_up disabled" {
		t.Errorf("the table of the application: %s %v", columns, err)
	}
}

// link returns the URL of a link of a page.
func (p page) link(t *testing.T, name string) string {
	t.Helper()
	for _, l := range p.Links {
		if l.Name == name {
			return l.URL
		}
	}
	t.Fatalf("no link %q: %+v", name, p)
	return ""
}

// post sends an empty form of the application itself.
func (b browser) post(path string) (int, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.origin+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Origin", b.origin)
	a, err := b.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	return a.StatusCode, text(b.t, a)
}

// appCode is what an authenticator app shows (RFC 6238).
func (w *world) appCode(key string) string {
	w.t.Helper()
	seed, err := base32.StdEncoding.DecodeString(strings.ReplaceAll(key, " ", ""))
	if err != nil {
		w.t.Fatal(err)
	}
	mac := hmac.New(sha1.New, seed)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(w.clock.Now().Unix()/30)))
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:at+4])&0x7fffffff%1_000_000)
}

// device keeps one passkey, and verifies its person.
type device struct {
	virtualwebauthn.Authenticator
	party   virtualwebauthn.RelyingParty
	passkey virtualwebauthn.Credential
}

func newDevice(w *world) *device {
	return &device{virtualwebauthn.NewAuthenticator(), virtualwebauthn.RelyingParty{ID: "localhost", Origin: w.origin}, virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)}
}

func (d *device) create(t *testing.T, p page) string {
	t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(string(p.Forms[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	d.Options.UserHandle = []byte(o.UserID)
	return virtualkey.Create(d.party, d.Authenticator, d.passkey, *o)
}

func (d *device) get(t *testing.T, p page) string {
	t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(string(p.Forms[0].Data))
	if err != nil {
		t.Fatal(err)
	}
	d.passkey.Counter++
	return virtualwebauthn.CreateAssertionResponse(d.party, d.Authenticator, d.passkey, *o)
}
