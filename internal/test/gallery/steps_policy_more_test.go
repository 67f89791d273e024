package gallery

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
)

// TestPolicy_Providers: the switches of TestPolicy_EachRoute hold for people who come back from another site, as a page
// and as JSON.
func TestPolicy_Providers(t *testing.T) {
	w := newSweep(t, "postern.choose")
	for name, policy := range map[string]struct {
		change func(*postern.Config)
		code   string // empty: the person is led to a second factor
	}{
		"Admit: Closed":  {func(c *postern.Config) { c.Admit = postern.Closed }, "sign_up_closed"},
		"Admit: Invited": {func(c *postern.Config) { c.Admit = postern.Invited }, "sign_up_closed"},
		"Admit: Domains": {func(c *postern.Config) { c.Admit = postern.Domains("corp.example") }, "sign_up_closed"},
		"RequireFactor":  {func(c *postern.Config) { c.RequireFactor = demanded }, ""},
	} {
		for _, provider := range []string{"google", "github"} {
			t.Run(name+", "+provider, func(t *testing.T) {
				open, mark := w.v.Auth, w.v.tape.mark()
				defer func() { w.v.Auth = open }()
				w.v.Auth = w.v.under(t, policy.change)
				w.v.at("new.person@example.com", "New")
				page := w.v.person(t, "en").open("/" + provider + "/authorize")
				leads := strings.HasPrefix(page.at.Path, "/auth/factors")
				if hasSession(page.Browser) || page.header.Get(codeHeader) != policy.code || leads != (policy.code == "") {
					t.Errorf("the page: %d %s at %s", page.status, page.header.Get(codeHeader), page.at)
				}
				b := w.v.Browser()
				program := b.SignIn(provider)
				leads = strings.Contains(program.Location+program.Body, flowtest.Issuer+"/factors")
				if hasSession(b.Browser) || program.Code() != policy.code || leads != (policy.code == "") {
					t.Errorf("JSON: %d %s to %s", program.Status, program.Body, program.Location)
				}
				if n := w.v.tape.gained(mark)["user/user"]; policy.code != "" && n > 0 {
					t.Errorf("%d new users", n)
				}
				w.v.tape.back(mark)
			})
		}
	}
}

// TestPolicy_StepsOfOtherProviders: a provider has its own steps and no other ones, also for somebody who may take that
// step at another provider: one that makes no credential ends no sign-up.
func TestPolicy_StepsOfOtherProviders(t *testing.T) {
	w := newSweep(t, "postern.sign-up-credential")
	s := w.steps[0]
	ticket := ""
	for _, f := range s.forms {
		ticket += f.values.Get("state") + " "
	}
	ticket, _, _ = strings.Cut(ticket, " ")
	if ticket == "" {
		t.Fatal("the page has no ticket")
	}
	values := url.Values{"state": {ticket}, "password": {good}}
	n := 0
	for _, step := range operations(t, "/{provider}") {
		for _, provider := range []string{"google", "github", "mail", "link"} {
			path := "/" + provider + strings.TrimPrefix(step.name, "/google")
			if slices.Contains([]string{"/authorize", "/callback"}, strings.TrimPrefix(path, "/"+provider)) {
				continue
			}
			to, err := url.Parse(flowtest.Issuer + path)
			if err != nil {
				t.Fatal(err)
			}
			for _, face := range faces(values) {
				face.method = step.method
				mark := w.v.tape.mark()
				if o := w.ask(s, to, face); o.rec.Code != http.StatusNotFound && o.rec.Code != http.StatusMethodNotAllowed || len(o.changed) > 0 || o.new != nil {
					t.Errorf("%s %s %s: %s", step.method, path, face.name, o)
				}
				w.v.tape.back(mark)
				n++
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d requests", n)
	}
}
