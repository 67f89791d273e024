package gallery

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	virtual "github.com/descope/virtualwebauthn"

	"github.com/posternauth/postern/internal/test/testworld"
)

// chrome is the browser of everybody here.
const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"

// A person uses the application with a browser that has no screen: opens pages, fills in forms, follows links.
type person struct {
	*testworld.Browser
	testing.TB
	v *world

	stays  bool                  // at the page between a form and another page
	device virtual.Authenticator // has the passkey that was made last

	id string // of the user that an administrator looks at

	knows *knowledge
	trail []step // every page that was shown

	at     *url.URL
	status int
	header http.Header
	body   string
}

// A knowledge is what a person knows, in whatever browser.
type knowledge struct {
	address  string   // of the account
	app      string   // otpauth address of the authenticator app
	recovery []string // recovery codes
}

// person returns one who has never been here. language is what the browser asks for.
func (v *world) person(t testing.TB, language string) *person {
	v.people++
	b := testworld.NewBrowser(v)
	b.Addr = fmt.Sprintf("10.%d.%d.7:4711", v.people%250, v.people/250)
	b.Header.Set("User-Agent", chrome)
	b.Header.Set("Accept-Language", language)
	b.Header.Set("Accept", "text/html,application/xhtml+xml")
	return &person{Browser: b, TB: t, v: v, knows: &knowledge{}}
}

// elsewhere is the same person with another browser.
func (p *person) elsewhere() *person {
	o := p.v.person(p.TB, p.Header.Get("Accept-Language"))
	o.device, o.knows = p.device, p.knows
	return o
}

// open opens an address of the application, or a path below the issuer.
func (p *person) open(target string) *person {
	p.Helper()
	if strings.HasPrefix(target, "/") {
		target = "https://app.example" + base + target
	}
	p.at = nil
	p.request(http.MethodGet, target, nil)
	return p
}

// request sends one, and follows redirects and pages that lead on by themselves.
func (p *person) request(method, target string, form url.Values) {
	p.Helper()
	for range 12 {
		from := p.at
		to, err := url.Parse(target)
		if from != nil && err == nil {
			to, err = from.Parse(target)
		}
		if err != nil {
			p.Fatalf("%s leads to %q", p.at, target)
		}
		if to.Host == "idp.example" {
			resp, err := p.v.HTTP.Transport.RoundTrip(httptest.NewRequest(http.MethodGet, to.String(), nil))
			if err != nil {
				p.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			p.at, p.status, p.header, p.body = to, resp.StatusCode, resp.Header, string(body)
		} else {
			r := p.Request(method, to.String(), form)
			if form == nil {
				r.Header.Set("Sec-Fetch-Mode", "navigate")
				r.Header.Set("Sec-Fetch-Dest", "document")
			}
			rec := p.Do(r)
			p.at, p.status, p.header, p.body = to, rec.Code, rec.Result().Header, rec.Body.String()
		}
		if p.at.Host != "app.example" && p.at.Host != "idp.example" {
			return
		}
		method, form = http.MethodGet, nil
		switch leads := refreshOf(p.body); {
		case p.status >= 300 && p.status < 400 && p.header.Get("Location") != "":
			target = p.header.Get("Location")
		case leads != "" && !p.stays:
			target = leads
		default:
			p.note()
			return
		}
	}
	p.Fatalf("no end of redirects at %s", p.at)
}

// send fills in the first form that has all of the fields, pairs of name and value, and sends it.
func (p *person) send(pairs ...string) *person {
	p.Helper()
	for _, f := range formsOf(p.body) {
		if f.has(pairs) {
			return p.sendForm(f, pairs)
		}
	}
	p.Fatalf("%s has no form with %q:\n%s", p.at, pairs, p.body)
	return p
}

// press sends the first form whose action ends in a path and that has all of the fields.
func (p *person) press(action string, pairs ...string) *person {
	p.Helper()
	for _, f := range formsOf(p.body) {
		to, err := p.at.Parse(f.action)
		if err == nil && strings.HasSuffix(to.Path, action) && f.has(pairs) {
			return p.sendForm(f, pairs)
		}
	}
	p.Fatalf("%s has no form for %s with %q:\n%s", p.at, action, pairs, p.body)
	return p
}

func (p *person) sendForm(f form, pairs []string) *person {
	p.Helper()
	values := url.Values{}
	for name, v := range f.values {
		values[name] = v
	}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	if f.get {
		to, err := p.at.Parse(f.action)
		if err != nil {
			p.Fatal(err)
		}
		to.RawQuery = values.Encode()
		p.request(http.MethodGet, to.String(), nil)
		return p
	}
	action := f.action
	if action == "" {
		action = p.at.String()
	}
	p.request(http.MethodPost, action, values)
	return p
}

// follow follows the first link whose address has the text in it.
func (p *person) follow(part string) *person {
	p.Helper()
	for _, link := range linksOf(p.body) {
		if strings.Contains(link, part) {
			p.request(http.MethodGet, link, nil)
			return p
		}
	}
	p.Fatalf("%s has no link with %q:\n%s", p.at, part, p.body)
	return p
}

// signUp makes an account with a password, which is signed in.
func (p *person) signUp(address string) *person {
	p.Helper()
	p.knows.address = address
	p.open("/sign-up").send("email", address)
	p.send("code", p.v.mailed("postern.verify-address", "code"))
	if p.v.Auth == nil || !strings.Contains(p.body, "password/sign-up") {
		p.Fatalf("%s is not the end of a sign-up:\n%s", p.at, p.body)
	}
	return p.send("password", good)
}

// signIn signs in with a password, up to what comes behind it.
func (p *person) signIn(name, password string) *person {
	p.Helper()
	return p.open("/password/authorize").send("identifier", name, "password", password)
}
