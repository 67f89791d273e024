package magic_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/magic"
)

// The address is shown in full where it was typed, on the page in the same browser. Everywhere else it is masked or not
// there at all: the page that a link opens, refusals, events and the log.
func TestPages_AddressInFullWhereTyped(t *testing.T) {
	for _, provider := range []string{"link", "code", "both"} {
		w := newWorld(t, change{})
		asker, other := w.browser(), w.browser()
		a, state := asker.ask(provider, ada, "")
		sent := issuer + "/" + provider + "/callback?state=" + state
		page := asker.get(sent)
		if !strings.Contains(page.page.Text, " to "+ada+".") || !slices.Equal(urls(page.page), []string{issuer + "/" + provider + "/authorize"}) {
			t.Errorf("%s, the page after sending: %+v", provider, page.page)
		}
		elsewhere := []answer{a, other.get(sent), other.guess(provider, state, "1")}
		if provider != "code" {
			link := w.mail().Arg("link")
			elsewhere = append(elsewhere, asker.open(link), other.open(link), other.press(other.open(link).page))
		}
		if provider != "link" {
			if wrong := asker.guess(provider, state, wrong(w.mail().Arg("code"))); !strings.Contains(wrong.page.Text, ada) {
				t.Errorf("%s, a wrong code: %+v", provider, wrong.page)
			}
			asker.guess(provider, state, w.mail().Arg("code"))
			elsewhere = append(elsewhere, asker.get(sent)) // used
		}
		for i, a := range elsewhere {
			if strings.Contains(a.body, ada) || strings.Contains(strings.Join(a.Header["Location"], ""), "ada@") {
				t.Errorf("%s, answer %d has the address: %d %s", provider, i, a.StatusCode, a.body)
			}
		}
		if strings.Contains(w.Log.String(), ada) {
			t.Errorf("%s: the log has the address", provider)
		}
	}
}

func urls(p postern.Page) (all []string) {
	for _, l := range p.Links {
		all = append(all, l.URL)
	}
	return all
}

// Every page has a way back: to another address, to the other ways to sign in, or out of a confirmation. In another
// browser the way back has nothing of what the browser that asked was to do.
func TestPages_WayBack(t *testing.T) {
	w := newWorld(t, change{})
	const query = "?redirect_uri=https%3A%2F%2Fapp.example.com%2Forders%2F7&state=s"
	asker, other := w.browser(), w.browser()
	a := asker.get(issuer + "/both/authorize" + query)
	others := issuer + "/authorize" + query
	if got := urls(a.page); !slices.Equal(got, []string{others}) {
		t.Errorf("the page that asks leads to %q", got)
	}
	_, state := asker.ask("both", ada, query)
	again := issuer + "/both/authorize" + query
	if got := urls(asker.get(issuer + "/both/callback?state=" + state).page); !slices.Equal(got, []string{again}) {
		t.Errorf("the page for the code leads to %q", got)
	}
	link := w.mail().Arg("link")
	if got := asker.open(link).page.Links; len(got) != 1 || got[0].Name != "cancel" || got[0].URL != again {
		t.Errorf("the page of the link leads to %v", got)
	}
	if got := other.open(link).page.Links; len(got) != 1 || got[0].Name != "cancel" || got[0].URL != issuer+"/both/authorize" {
		t.Errorf("the page of the link in another browser leads to %v", got)
	}
	if got := urls(other.guess("both", state, "123456").page); !slices.Equal(got, []string{issuer + "/both/authorize", issuer + "/authorize"}) {
		t.Errorf("a refusal leads to %q", got)
	}
	for _, to := range []string{again, others} {
		if a := asker.get(to); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %d", to, a.StatusCode)
		}
	}
}

// A provider with its own name has it on all of its pages and in its mails; otherwise it has the application's.
func TestPages_Name(t *testing.T) {
	for name, want := range map[string]string{"": "auth.example.com", "Orders & Co.": "Orders & Co."} {
		w := newWorld(t, change{config: magic.Config{Name: name}})
		c := w.browser()
		_, state := c.ask("both", ada, "")
		for page, a := range map[string]answer{
			"magic.ask": c.get(issuer + "/both/authorize"), "magic.link": c.open(w.mail().Arg("link")), "magic.code": c.get(issuer + "/both/callback?state=" + state),
			"magic.link-elsewhere": w.browser().open(w.mail().Arg("link")),
		} {
			if a.page.App != want || a.page.Name != page {
				t.Errorf("%q: a page %q of %q: %+v", name, a.page.Name, a.page.App, a.page)
			}
		}
		if a := c.guess("both", state, "1"); a.page.App != want || a.page.Name != "magic.code" || a.page.Code != "invalid_code" {
			t.Errorf("%q: %+v", name, a.page)
		}
		if got := w.mail().Subject; got != "Sign in to "+want {
			t.Errorf("%q: the subject is %q", name, got)
		}
	}
}

// Labels and attributes of the fields that people fill in with a keyboard, a password manager or a phone.
func TestPages_Fields(t *testing.T) {
	w := newWorld(t, change{defaultPages: true})
	c := w.browser()
	page := c.get(issuer + "/both/authorize").body
	for _, want := range []string{
		`<label for="field-0">Email address</label>`, `type="email" name="email" autocomplete="email" inputmode="email"`, " required autofocus>",
		`<button type="submit">Email me a link and a code</button>`, "<h1>Sign in to auth.example.com</h1>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s on\n%s", want, page)
		}
	}
	_, state := c.ask("both", ada, "")
	page = c.get(issuer + "/both/callback?state=" + state).body
	for _, want := range []string{
		`<label for="field-0">6-digit code</label>`, `name="code" autocomplete="one-time-code" inputmode="numeric"`, "<p>auth.example.com</p>\n<h1>Check your mail</h1>",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s on\n%s", want, page)
		}
	}
	page = c.guess("both", state, wrong(w.mail().Arg("code"))).body
	for _, want := range []string{`<p id="error" class="error" role="alert">`, `aria-invalid="true" aria-describedby="error"`, "<title>Error: Check your mail · auth.example.com</title>"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s on\n%s", want, page)
		}
	}
}
