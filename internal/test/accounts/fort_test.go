package accounts

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	virtual "github.com/descope/virtualwebauthn"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/internal/test/virtualkey"
	"github.com/posternauth/postern/passkey"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/totp"
)

const phrase = "wolke sieben am fluss"

// newFort is a town with passwords, passkeys and second factors. Ada has a password, an account at each provider, a
// mailbox, a passkey, and what the state says.
func newFort(t testing.TB, s state) *fort {
	t.Helper()
	f := &fort{}
	f.town = newTownWith(t, func(w *flowtest.World, c *postern.Config) {
		c.Providers["password"], c.Providers["passkey"] = password.New(password.Config{}), passkey.New(passkey.Config{})
		c.Factors = map[string]postern.Provider{"totp": totp.New(totp.Config{}), "recovery": totp.Recovery(totp.Config{})}
		c.TokenClients = []string{"tool"}
		c.Redirects = append(c.Redirects, "/welcome")
	})
	f.key = newKey()
	b := f.Browser()
	page := f.json(b, "POST", "/sign-up", "email", ada.Email)
	page = f.json(b, "POST", "/sign-up/code", "state", page.hidden(), "code", f.newest("code"))
	f.json(b, "POST", "/password/sign-up", "state", page.hidden(), "password", phrase)
	f.user = f.who(b)
	for _, p := range providers { // linked from the account, as a person does
		hint := ada.Subject
		if p == "github" {
			hint = ada.Login
		}
		to, err := url.Parse(f.json(b, "POST", "/account/identities/"+p).Redirect)
		if err != nil {
			t.Fatal(err)
		}
		f.done(b, f.json(b, "GET", b.Agree(flowtest.As(to, hint))))
	}
	f.old = f.Browser() // a session from before there was a factor
	f.firstStep(f.old)
	if f.who(f.old) != f.user {
		t.Fatal("no session")
	}
	page = f.json(b, "GET", "/passkey/enroll")
	f.done(b, page, "credential", f.key.make(t, page.Forms[0].Data))
	if s.totp {
		page = f.json(b, "GET", "/factors/totp/enroll")
		f.seed = seedIn(t, page.raw)
		f.done(b, page, "code", f.code())
		f.Advance(time.Minute)
	}
	if s.recovery {
		page = f.done(b, f.json(b, "GET", "/factors/recovery/enroll"))
		f.codes = recoveryOf.FindAllString(page.raw, -1)
	}
	if s.always {
		page = f.done(b, page0(f.json(b, "GET", "/passkey/list"), "/passkey/ask"))
		f.done(b, page, "credential", f.key.show(t, page.Forms[0].Data))
	}
	f.home = b
	return f
}

// A state is what a person has beside a password and a passkey.
type state struct {
	name           string
	totp, recovery bool
	always         bool // the passkey is asked for after each other proof
}

func (s state) due() bool { return s.totp || s.always }

type fort struct {
	*town
	user      string
	seed      []byte
	codes     []string // of recovery
	key       *key
	home, old *flowtest.Browser
}

// An answer as a program reads it.
type page struct {
	Step, Error string
	Redirect    string `json:"redirect_uri"`
	Access      string `json:"access_token"`
	Forms       []struct {
		URL    string
		Hidden map[string]string
		Data   json.RawMessage
	}
	Links  []struct{ Name, URL string }
	status int
	raw    string
}

func (p page) hidden() string {
	if len(p.Forms) == 0 {
		return ""
	}
	return p.Forms[0].Hidden["state"]
}

func (p page) path() string { return strings.TrimPrefix(p.Forms[0].URL, flowtest.Issuer) }

func (p page) fields() (pairs []string) {
	for name, value := range p.Forms[0].Hidden {
		pairs = append(pairs, name, value)
	}
	return pairs
}

// json sends a request of a program, and returns what it reads.
func (f *fort) json(b *flowtest.Browser, method, path string, pairs ...string) page {
	f.Helper()
	target := path
	if strings.HasPrefix(path, "/") {
		target = flowtest.Issuer + path
	}
	var values url.Values
	if method == http.MethodPost {
		values = url.Values{}
		for i := 0; i+1 < len(pairs); i += 2 {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	r := b.Browser.Request(method, target, values)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	rec := b.Do(r)
	p := page{status: rec.Code, raw: rec.Body.String()}
	if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
		f.Fatalf("%s %s: %d %v\n%s", method, path, rec.Code, err, rec.Body)
	}
	return p
}

// done sends the form of a page, which must succeed.
func (f *fort) done(b *flowtest.Browser, p page, more ...string) page {
	f.Helper()
	next := f.json(b, "POST", p.path(), append(p.fields(), more...)...)
	if next.status != http.StatusOK {
		f.Fatalf("%s: %d %s", p.Step, next.status, next.raw)
	}
	return next
}

// newest returns a value of the last mail that has it.
func (f *fort) newest(arg string) string {
	f.Helper()
	all := f.Mails.All()
	for i := len(all) - 1; i >= 0; i-- {
		if v := all[i].Arg(arg); v != "" {
			return v
		}
	}
	f.Fatalf("no mail with %s", arg)
	return ""
}

// firstStep proves the password.
func (f *fort) firstStep(b *flowtest.Browser, query ...string) page {
	f.Helper()
	q := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	p := f.json(b, "GET", "/password/authorize?"+q.Encode())
	return f.json(b, "POST", "/password/callback", "state", p.hidden(), "identifier", ada.Email, "password", phrase)
}

func (f *fort) code() string {
	mac := hmac.New(sha1.New, f.seed)
	_ = binary.Write(mac, binary.BigEndian, f.Now().Unix()/30)
	h := mac.Sum(nil)
	o := h[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(h[o:])&0x7fffffff)%1_000_000)
}

var (
	secretOf   = regexp.MustCompile(`secret=([A-Z2-7]{32})`)
	recoveryOf = regexp.MustCompile(`\b[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){3}\b`)
)

func seedIn(t testing.TB, text string) []byte {
	t.Helper()
	m := secretOf.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no secret in %s", text)
	}
	seed, err := base32.StdEncoding.DecodeString(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return seed
}

// key is an authenticator with one passkey.
type key struct {
	virtual.Authenticator
	rp virtual.RelyingParty
}

func newKey() *key {
	u, _ := url.Parse(flowtest.Issuer)
	return &key{virtual.NewAuthenticator(), virtual.RelyingParty{ID: u.Hostname(), Name: "x", Origin: u.Scheme + "://" + u.Host}}
}

func (k *key) make(t testing.TB, data json.RawMessage) string {
	t.Helper()
	o, err := virtual.ParseAttestationOptions(string(data))
	if err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	c := virtual.NewCredential(virtual.KeyTypeEC2)
	k.Options.UserHandle = []byte(o.UserID)
	k.AddCredential(c)
	return virtualkey.Create(k.rp, k.Authenticator, c, *o)
}

func (k *key) show(t testing.TB, data json.RawMessage) string {
	t.Helper()
	o, err := virtual.ParseAssertionOptions(string(data))
	if err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	c := &k.Credentials[len(k.Credentials)-1]
	c.Counter++
	return virtual.CreateAssertionResponse(k.rp, k.Authenticator, *c, *o)
}
