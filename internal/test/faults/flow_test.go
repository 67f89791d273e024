package faults

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/posternauth/postern/internal/test/flowtest"
)

// A flow is a sign-in in steps, each of them a request. From step once on each works once.
type flow struct {
	name    string
	subject string
	steps   []func(*browser) *answer
	once    int
}

// flows are all ways to sign in, each with a cookie at its end and with a code to redeem.
func flows() []flow {
	pkce := "?state=mine&client_id=api&code_challenge=" + challenge + "&code_challenge_method=S256"
	return []flow{
		{"provider", "10001", []func(*browser) *answer{begin("one", ""), callback}, 1},
		{"provider, code", "10001", []func(*browser) *answer{begin("one", pkce), callback, redeem}, 1},
		{"door", "anybody", []func(*browser) *answer{knock, callback}, 1},
		{"link", "ada@example.com", []func(*browser) *answer{ask("link", ""), openLink, pressLink}, 2},
		{"link, code", "ada@example.com", []func(*browser) *answer{ask("link", pkce), pressLink, redeem}, 1},
		{"mailed code", "ada@example.com", []func(*browser) *answer{ask("code", ""), typeCode}, 1},
		{"mailed code, code", "ada@example.com", []func(*browser) *answer{ask("code", pkce), typeCode, redeem}, 1},
	}
}

// run takes steps until one is refused, and returns the last answer and how many were good.
func (f flow) run(b *browser, from int) (a *answer, good int) {
	for i, step := range f.steps[from:] {
		if a = step(b); !a.ok() {
			return a, from + i
		}
	}
	return a, len(f.steps)
}

// begin opens authorize and goes to the provider, who sends the browser back.
func begin(provider, query string) func(*browser) *answer {
	return func(b *browser) *answer {
		b.Helper()
		a := b.get(issuer + "/" + provider + "/authorize" + query)
		if a.ok() && a.location != nil {
			b.at = a.location
			b.back = b.world.Browser().Agree(flowtest.As(a.location, "ada"))
			back, err := url.Parse(b.back)
			if err != nil {
				b.Fatal(err)
			}
			b.secret(back.Query().Get("code"))
		}
		return a
	}
}

// knock begins at the provider who believes everybody.
func knock(b *browser) *answer {
	b.Helper()
	a := b.get(issuer + "/door/authorize")
	if a.location != nil {
		b.back = a.location.String()
	}
	return a
}

func callback(b *browser) *answer {
	b.Helper()
	return b.arrive(b.get(b.back))
}

// arrive takes the code of an answer that leads back to the application.
func (b *browser) arrive(a *answer) *answer {
	if a.location != nil && a.location.Query().Has("code") {
		b.code = a.location.Query().Get("code")
	}
	return a
}

func (b *browser) redemption() url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {b.code}, "code_verifier": {verifier}, "client_id": {"api"}, "redirect_uri": {app},
	}
}

// redeem trades the code for an access token, as a front end does: without cookies.
func redeem(b *browser) *answer {
	b.Helper()
	a := b.house.browser().post(issuer+"/token", b.redemption())
	var out struct {
		Access string `json:"access_token"`
	}
	if a.ok() {
		if err := json.Unmarshal([]byte(a.body), &out); err != nil || out.Access == "" {
			b.Errorf("token answer %s: %v", a.body, err)
		}
		b.bearer = out.Access
	}
	return a
}

func ask(provider, query string) func(*browser) *answer {
	return func(b *browser) *answer {
		b.Helper()
		a := b.post(issuer+"/"+provider+"/authorize"+query, url.Values{"email": {"ada@example.com"}})
		if a.ok() {
			m := b.lastMail()
			if a.location == nil || a.location.Query().Get("state") == "" {
				b.Fatalf("answer to asking for a mail: %s", a.body)
			}
			b.state, b.back = a.location.Query().Get("state"), m.Arg("link")
			if m.Arg("link") != "" {
				b.secret(b.linkParts().Get("token"))
			}
			b.secret(m.Arg("code"), b.state)
			b.code = m.Arg("code")
		}
		return a
	}
}

func (b *browser) linkParts() url.Values {
	u, err := url.Parse(b.back)
	if err != nil {
		b.Fatal(err)
	}
	return u.Query()
}

func openLink(b *browser) *answer { b.Helper(); return b.get(b.back) }

// pressLink presses the button of the page that the link opens.
func pressLink(b *browser) *answer {
	b.Helper()
	return b.arrive(b.post(issuer+"/link/callback", b.linkParts()))
}

func typeCode(b *browser) *answer {
	b.Helper()
	return b.arrive(b.post(issuer+"/code/callback", url.Values{"state": {b.state}, "code": {b.code}}))
}

// signedIn opens the page for those who are.
func (b *browser) signedIn(subject string) bool {
	b.Helper()
	a := b.get(me)
	return a.status == http.StatusOK && a.body == subject
}
