package magic_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// secretsOf a mail and of the browser that asked for it.
func secretsOf(t *testing.T, link, code string, c *client) map[string]string {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{
		"state": u.Query().Get("state"), "token": u.Query().Get("token"), "secret of the token": u.Query().Get("token")[22:], "code": code,
	}
	i := 0
	for _, value := range c.Cookies {
		i++
		found[fmt.Sprint("cookie ", i)] = value
	}
	return found
}

// The store holds nothing that opens anything: no token, no code, no state, no address, and no plain hash of a code,
// which a million tries would turn back.
func TestM2_AStolenStoreIsUseless(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	state, m := c.mustAsk("both", ada, "?invite=canary-claim")
	secrets := secretsOf(t, m.Arg("link"), m.Arg("code"), c)
	c.guess("both", state, wrong(m.Arg("code")))
	c.press(c.open(m.Arg("link")).page)
	w.signedIn()
	secrets["address"], secrets["claim"], secrets["domain"] = ada, "canary-claim", "example.com"

	all := w.store.everything()
	if strings.Count(all, "\n") < 5 {
		t.Fatalf("the store saw too little:\n%s", all)
	}
	last, _, _ := strings.Cut(all[strings.LastIndex(all, "magic:"):], "\n")
	if !strings.Contains(last, `"used":`) || strings.Contains(last, `"sealed":`) || strings.Contains(last, `"code":`) {
		t.Errorf("what is left of a used mail: %s", last)
	}
	for name, secret := range secrets {
		sum := sha256.Sum256([]byte(secret))
		forms := map[string]string{
			"clear": secret, "hex": hex.EncodeToString([]byte(secret)), "base64": base64.RawStdEncoding.EncodeToString([]byte(secret)),
			"base64url": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		}
		if name == "code" || name == "address" || name == "domain" { // little to guess: not even hashed
			forms["hash"] = base64.RawURLEncoding.EncodeToString(sum[:])[:20]
			forms["hash in hex"] = hex.EncodeToString(sum[:])[:20]
		}
		for form, text := range forms {
			if strings.Contains(all, text) {
				t.Errorf("the store holds the %s (%s)", name, form)
			}
		}
	}
}

// No secret of a whole run, refusals and faults included, is in the log (at debug level) or in an event, and no
// address.
func TestL1_NothingSecretIsLogged(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	state, m := c.mustAsk("both", ada, "?invite=canary-claim")
	secrets := secretsOf(t, m.Arg("link"), m.Arg("code"), c)
	secrets["address"], secrets["claim"] = ada, "canary-claim"
	other := w.browser()
	other.open(m.Arg("link"))
	other.open(m.Arg("link") + "x")
	other.guess("both", state, m.Arg("code"))
	c.guess("both", state, wrong(m.Arg("code")))
	secrets["wrong code"] = wrong(m.Arg("code"))
	c.guess("both", state, "not a code "+m.Arg("code"))
	c.post(issuer+"/both/authorize", url.Values{"email": {"ada@@example.com"}})
	secrets["mistyped address"] = "ada@@example.com"
	for n := 1; n <= 12; n++ {
		w.store.failAt = w.store.calls + n
		c.copy().guess("both", state, wrong(m.Arg("code")))
		w.store.failAt = w.store.calls + n
		c.copy().open(m.Arg("link"))
		w.store.failAt = w.store.calls + n
		c.copy().ask("both", ada, "")
		w.store.failAt = 0
	}
	m = w.mail()
	u, err := url.Parse(m.Arg("link"))
	if err != nil {
		t.Fatal(err)
	}
	secrets["later token"] = u.Query().Get("token")
	c.press(c.open(m.Arg("link")).page)

	said := w.Log.String()
	if strings.Count(said, "\n") < 10 {
		t.Fatalf("the log saw too little:\n%s", said)
	}
	for _, e := range w.Events.All() {
		if e.Name == "sign-in" {
			e.Subject = "" // who signed in is what the audit log is for
		}
		said += fmt.Sprintf("\n%+v %v", e, e.Err)
	}
	for name, secret := range secrets {
		if strings.Contains(said, secret) {
			t.Errorf("the %s was logged", name)
		}
	}
}

// Whatever a client calls itself, a mail repeats none of it, and its head is one line.
func TestM6_MailRepeatsNothingOfTheRequest(t *testing.T) {
	for _, hostile := range []string{
		"<script>alert(1)</script>", "Firefox/1 on Windows\r\nBcc: eve@evil.example", "<a href=https://evil.example>Safari/1</a> Macintosh",
		"https://evil.example/", strings.Repeat("A", 2000), "\x1b[31mred", "Chrome/1 \u202eevil", "ada@evil.example", "",
	} {
		w := newWorld(t, change{})
		c := w.browser()
		c.Header["User-Agent"] = []string{hostile}
		c.Header["Accept-Language"] = []string{hostile}
		c.Header["Referer"] = []string{"https://evil.example/" + hostile}
		c.mustAsk("both", ada, "?note="+url.QueryEscape("<b>evil.example</b>"))
		m := w.mail()
		for _, text := range []string{m.Subject, m.Text, m.HTML} {
			if strings.Contains(text, "evil") || strings.Contains(text, "script") || strings.Contains(text, "AAAA") || strings.ContainsAny(text, "\r\x1b\u202e") {
				t.Errorf("%.40q: %q", hostile, text)
			}
		}
		if strings.ContainsAny(m.Subject+m.To, "\r\n") || m.Subject != "Sign in to auth.example.com" {
			t.Errorf("%.40q: subject %q", hostile, m.Subject)
		}
	}
}
