package magic_test

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/posternauth/postern/magic"
)

// Query parameters travel as claims and never become anything else.
func TestM9_QueryParametersGrantNothing(t *testing.T) {
	w := newWorld(t, change{})
	query := "?email=mallory@example.com&role=admin&sub=1&iss=https://accounts.google.com&email_verified=true&name=Root&amr=mfa&userID=1" +
		"&redirect_uri=" + url.QueryEscape(deep) + "&state=x&client_id=api"
	want := map[string]string{
		"role": "admin", "sub": "1", "iss": "https://accounts.google.com", "email_verified": "true", "name": "Root", "amr": "mfa", "userID": "1",
	}
	for _, provider := range []string{"link", "code"} {
		c := w.browser()
		page := c.get(issuer + "/" + provider + "/authorize" + query).page
		c.post(page.Forms[0].Action, url.Values{"email": {ada}})
		m := w.mail()
		if m.To != ada {
			t.Fatalf("mail to %q", m.To)
		}
		if provider == "link" {
			c.press(c.open(m.Arg("link")).page)
		} else {
			var state string
			for _, link := range []string{page.Forms[0].Action} {
				a := c.post(link, url.Values{"email": {ada}})
				to, err := url.Parse(a.Header.Get("Location"))
				if err != nil {
					t.Fatal(err)
				}
				state = to.Query().Get("state")
			}
			c.guess(provider, state, w.mail().Arg("code"))
		}
		in := w.signedIn()
		if !reflect.DeepEqual(in.Identity.Params, want) {
			t.Errorf("claims %v, want %v", in.Identity.Params, want)
		}
		id := in.Identity
		if id.Subject != ada || id.Issuer != magic.Issuer || id.Name != "" || id.Provider != provider || len(id.Raw) != 0 ||
			in.Authentication.Methods[0] != provider || len(in.Authentication.Methods) != 1 || in.Return.Target() != deep {
			t.Errorf("%s: a parameter became more than a claim: %+v", provider, in)
		}
	}
}

func TestM9_ClaimsAreBounded(t *testing.T) {
	many := func(n int) string {
		q := url.Values{}
		for i := range n {
			q.Set(fmt.Sprintf("p%d", i), "v")
		}
		return "?" + q.Encode()
	}
	for name, tc := range map[string]struct {
		query  string
		status int
	}{
		"20":                   {many(20), 303},
		"21":                   {many(21), 400},
		"256 bytes":            {"?a=" + strings.Repeat("x", 256), 303},
		"257 bytes":            {"?a=" + strings.Repeat("x", 257), 400},
		"name too long":        {"?" + strings.Repeat("x", 65) + "=1", 400},
		"twice":                {"?a=1&a=2", 400},
		"control":              {"?a=%0d%0aBcc:%20x", 400},
		"no UTF-8":             {"?a=%ff", 400},
		"20 of 256":            {"?" + strings.ReplaceAll(many(20)[1:], "=v", "="+strings.Repeat("%25", 256)), 414}, // the query itself is too long
		"reserved is no claim": {"?scope=openid&nonce=1&prompt=login&" + many(20)[1:], 303},
	} {
		w := newWorld(t, change{})
		c := w.browser()
		if a, _ := c.ask("link", ada, tc.query); a.StatusCode != tc.status {
			t.Errorf("%s: %d, want %d\n%s", name, a.StatusCode, tc.status, a.body)
		}
		shown := c.get(issuer + "/link/authorize" + tc.query).StatusCode
		if tc.status == 303 && shown != 200 || tc.status != 303 && shown != tc.status {
			t.Errorf("%s: the page says %d", name, shown)
		}
		if n := w.mailCount(); (n == 1) != (tc.status == 303) {
			t.Errorf("%s: %d mails", name, n)
		}
	}
}

func TestA5_OneAddress(t *testing.T) {
	w := newWorld(t, change{})
	c := w.browser()
	for _, email := range []string{
		"", " ", "ada", "@", "@example.com", "ada@", "ada@@example.com", "ada@example.com@evil.example", "ada@example.com,eve@evil.example",
		"ada@example.com;eve@evil.example", "ada@example.com eve@evil.example", `["ada@example.com","eve@evil.example"]`, `{"email":"ada@example.com"}`,
		`"ada@example.com"`, `"ada"@example.com`, `"eve@evil.example> "@example.com`, "Ada <ada@example.com>", "<ada@example.com>", "ada@example.com>",
		"ada@example.com\r\nBcc: eve@evil.example", "ada@example.com\nBcc: eve@evil.example", "ada@example.com\x00", "ada\x00@example.com", "ada@exa\tmple.com",
		"ada@example.com%0d%0aBcc:eve", "ada(comment)@example.com", "ada@example.com(comment)", "ada@[127.0.0.1]", "ada@127.0.0.1", "ada@localhost",
		"ada@example.com.", ".ada@example.com", "ada.@example.com", "a..da@example.com", "ada\uff20example.com", "ad\u0430@example.com", "ada@ex\u0430mple.com",
		"\u0131da@example.com", "ada@-example.com", "ada@example..com", strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("a.", 130) + "example.com",
		"ada@exam\u200bple.com", "a\ufeffda@example.com", "ada@example.com\u200b.", "mailto:ada@example.com",
	} {
		for _, provider := range []string{"link", "code", "both"} {
			if a, _ := c.ask(provider, email, ""); a.StatusCode != 400 {
				t.Errorf("%q: %d", email, a.StatusCode)
			}
		}
	}
	for _, body := range []url.Values{{}, {"email": {ada, "eve@evil.example"}}, {"email[]": {ada}}, {"email": {ada, ada}}, {"to": {ada}}} {
		if a := c.post(issuer+"/link/authorize", body); a.StatusCode != 400 {
			t.Errorf("%v: %d", body, a.StatusCode)
		}
	}
	if a := c.post(issuer+"/link/authorize?email=eve@evil.example", url.Values{"email": {ada}}); a.StatusCode != 400 {
		t.Errorf("one in the query and one in the form: %d", a.StatusCode)
	}
	if n := w.mailCount(); n != 0 || w.store.count() != 0 {
		t.Errorf("%d mails, %d writes: %+v", n, w.store.count(), w.mails.All())
	}
}

// The mail goes to the canonical address, which is the Subject too.
func TestA4_MailGoesToTheCanonicalAddress(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerAddress: 100}})
	for _, typed := range []string{"ada@example.com", "ADA@example.com", "Ada@Example.COM", "aDa@eXAMPLE.com"} {
		c := w.browser()
		state, m := c.mustAsk("code", typed, "")
		c.guess("code", state, m.Arg("code"))
		if in := w.signedIn(); m.To != ada || in.Identity.Subject != ada || in.Identity.Addresses[0].Value != ada {
			t.Errorf("%q: mail to %q, subject %q", typed, m.To, in.Identity.Subject)
		}
	}
	for _, other := range []string{"ada+x@example.com", "a.da@example.com", "ada@xn--exmple-cua.com"} {
		c := w.browser()
		state, m := c.mustAsk("code", other, "")
		c.guess("code", state, m.Arg("code"))
		if in := w.signedIn(); m.To != other || in.Identity.Subject != other {
			t.Errorf("%q became %q", other, in.Identity.Subject)
		}
	}
}

// What a person cannot see around an address is left out, and an address with letters that cannot be used gets a text
// that helps.
func TestA5_TypedAddress(t *testing.T) {
	w := newWorld(t, change{config: magic.Config{PerAddress: 1000, PerClient: 1000}})
	for _, typed := range []string{
		"mara@example.net", "Mara@Example.NET", "mara@example.net ", "  mara@example.net", "mara@example.net\u00a0", "\u200bmara@example.net",
		"\ufeffmara@example.net", "\u202amara@example.net\u202c", "\u3000mara@example.net", "mara@example.net\u2060", "\u00admara@example.net",
	} {
		a, _ := w.browser().ask("code", typed, "")
		if a.StatusCode != 303 || w.mail().To != "mara@example.net" {
			t.Errorf("%q: %d, mail to %q", typed, a.StatusCode, w.mail().To)
		}
		// The address of a link to the form is shown as well.
		page := w.browser().get(issuer + "/code/authorize?email=" + url.QueryEscape(typed)).page
		if page.Forms[0].Fields[0].Value == "" {
			t.Errorf("%q is not in the form", typed)
		}
	}
	for typed, want := range map[string]string{
		"mara@m\u00fcnchen.example":       "begins with xn--",
		"m\u00e4ra@example.net":           "a to z",
		"\uff41mara@example.net":          "a to z",
		"Mara Lind <mara@example.net>":    "Type the address alone",
		"mailto:mara@example.net":         "Type the address alone",
		"mara@exam\u200bple.net":          "a to z",
		"mara@example.net, ada@example.c": "one @",
		"mara@example.net.":               "dot too many",
	} {
		a, _ := w.browser().ask("code", typed, "")
		if a.want(t, 400, "invalid_email"); !strings.Contains(a.page.Error, want) {
			t.Errorf("%q: %q, want words about %q", typed, a.page.Error, want)
		}
	}
	if a, _ := w.browser().ask("code", "mara@xn--mnchen-3ya.example", ""); a.StatusCode != 303 || w.mail().To != "mara@xn--mnchen-3ya.example" {
		t.Errorf("punycode: %d", a.StatusCode)
	}
}
