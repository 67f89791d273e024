package gallery

import (
	"net/http"
	"strings"
	"time"
)

var accountScenes = []scene{
	{"postern.account", "", "The account of the person who is signed in.", true, func(p *person) *person { return p.home("account.home@example.com").open("/account") }},
	{"postern.account-profile", "", "The profile is changed.", true, func(p *person) *person { return p.home("account.profile@example.com").open("/account/profile") }},
	{"postern.account-profile", "wrong", "The picture is not an https address.", false, func(p *person) *person {
		return p.home("account.wrong@example.com").open("/account/profile").send("picture", "http://example.com/ada.png")
	}},
	{"postern.account-security", "", "The ways to sign in, the factors, and accounts at other sites.", true, func(p *person) *person {
		return p.withPasskey("account.security@example.com").open("/account/security")
	}},
	{"postern.account-sessions", "", "Where the person is signed in.", true, func(p *person) *person {
		p.home("account.sessions@example.com")
		phone := p.elsewhere()
		phone.Header.Set("User-Agent", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1")
		phone.signIn("account.sessions@example.com", good)
		return p.open("/account/sessions")
	}},
	{"postern.account-history", "", "What has happened to the account.", true, func(p *person) *person {
		return p.withPasskey("account.history@example.com").open("/account/history")
	}},
	{"postern.account-address", "", "An address is added.", false, func(p *person) *person { return p.home("account.add@example.com").open("/account/address") }},
	{"postern.account-code", "", "The code that was mailed to the new address is typed.", false, func(p *person) *person {
		return p.home("account.code@example.com").open("/account/address").send("address", "second.code@example.com")
	}},
	{"postern.account-code-link", "", "The link of that mail was opened.", false, func(p *person) *person {
		p.home("account.codelink@example.com").open("/account/address").send("address", "second.link@example.com")
		return p.open(p.v.mailed("postern.new-address", "link"))
	}},
	{"postern.account-link", "", "An account at another site is about to be linked.", false, func(p *person) *person {
		return p.home("account.link@example.com").open("/account/link?provider=google")
	}},
	{"postern.account-download", "", "The person downloads what is kept about them.", false, func(p *person) *person {
		return p.home("account.download@example.com").open("/account/download")
	}},
	{"postern.account-delete", "", "The account is about to be deleted: the person types their address.", true, func(p *person) *person {
		return p.home("account.delete@example.com").open("/account/delete")
	}},
	{"postern.account-delete", "wrong", "What was typed is not the address.", false, func(p *person) *person {
		return p.home("account.typo@example.com").open("/account/delete").send("confirm", "somebody@example.com")
	}},
	{"postern.account-deleted", "", "The account was deleted.", false, func(p *person) *person {
		return p.home("account.gone@example.com").open("/account/delete").send("confirm", "account.gone@example.com")
	}},
	{"postern.resume", "", "What was typed has waited for a fresh proof.", true, func(p *person) *person {
		p.home("account.resume@example.com").open("/account/address")
		p.v.Advance(11 * time.Minute)
		return p.send("address", "second.resume@example.com").prove()
	}},
	{"postern.account-acting", "", "An administrator who acts as somebody else opens the account.", false, func(p *person) *person {
		p.home("account.acting@example.com")
		id := p.api(http.MethodGet, "/account", nil)["id"].(string)
		o := p.owner("owner.acting@example.com")
		o.api(http.MethodPost, "/admin/users/"+id+"/impersonate", map[string]any{"reason": "ticket 4711"})
		return o.open("/account")
	}},
	{"postern.signed-out", "", "The person has signed out.", true, func(p *person) *person {
		return p.home("account.out@example.com").open("/account").press("/account/sign-out")
	}},
}

// alone are the pages that a person sees only if what a button of another page does is refused, or has waited for a
// fresh proof, as the page postern.resume: they are that page.
var alone = []string{"postern.account-end-session", "postern.account-end-sessions", "postern.account-remove-address", "postern.account-thaw", "postern.account-unlink"}

// home signs up somebody with a name.
func (p *person) home(address string) *person {
	p.Helper()
	p.signUp(address)
	p.api(http.MethodPatch, "/account", map[string]any{"name": "Grace Hopper"})
	return p
}

// prove gives the fresh proof that a page asks for, by the password.
func (p *person) prove() *person {
	p.Helper()
	if !strings.Contains(p.body, `name="password"`) {
		p.follow("/step-up/password")
	}
	return p.send("password", good)
}
