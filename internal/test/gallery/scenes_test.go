package gallery

import (
	"time"
)

// A scene is a page in one of its states.
type scene struct {
	page  string // Page.Name
	state string // empty: the usual one
	when  string // it is shown, for docs/pages.md
	main  bool   // one of the pages that most people see

	// walk leads to the page and returns who is there.
	walk func(p *person) *person
}

// name is that of the scene's pictures.
func (s scene) name() string {
	if s.state == "" {
		return s.page
	}
	return s.page + "-" + s.state
}

// chapters are all scenes, in the order of docs/pages.md.
var chapters = []struct {
	title  string
	scenes []scene
}{
	{"Sign in", signInScenes},
	{"By mail", magicScenes},
	{"Passwords", passwordScenes},
	{"Passkeys", passkeyScenes},
	{"Sign up", signUpScenes},
	{"Second factor and step-up", factorScenes},
	{"Two ways to one account", addedScenes},
	{"Account", accountScenes},
	{"Administration", adminScenes},
	{"From a notice", mailedScenes},
	{"Errors", errorScenes},
}

func scenes() (all []scene) {
	for _, c := range chapters {
		all = append(all, c.scenes...)
	}
	return all
}

var signInScenes = []scene{
	{"postern.choose", "", "A sign-in begins: the ways to sign in, in the order of Config.Order.", true,
		func(p *person) *person { return p.open("/authorize") }},
	{"postern.choose", "identifier", "With Config.IdentifierFirst the address is asked for first.", true,
		func(p *person) *person { return p.addressFirst().open("/authorize") }},
	{"postern.choose", "wrong", "What was typed there is no address.", false,
		func(p *person) *person {
			return p.addressFirst().open("/authorize").send("identifier", "ada@localhost")
		}},
	{"postern.ways", "", "The address was typed: the ways to sign in with it. They are the same for every address.", true,
		func(p *person) *person {
			return p.addressFirst().open("/authorize").send("identifier", "ada@example.com")
		}},
	{"postern.accounts", "", "With prompt=select_account: the account of this browser, or another one.", true,
		func(p *person) *person {
			return p.signUp("grace.chooser@example.com").open("/authorize?redirect_uri=https://other.example/cb&prompt=select_account")
		}},
	{"postern.continue", "", "A sign-in by a form has ended: the page leads on to the application at once.", true, func(p *person) *person {
		p.signUp("grace@example.com")
		p.stays = true
		return p.open("/password/authorize?redirect_uri=https://other.example/cb").send("identifier", "grace@example.com", "password", good)
	}},
	{"postern.continue-used", "", "Somebody goes back to the page that led on.", false, func(p *person) *person { return p.open("/continue?ticket=x") }},
}

// addressFirst has the person come to a handler that asks for the address first.
func (p *person) addressFirst() *person {
	p.Header.Set(firstHeader, "yes")
	return p
}

var magicScenes = []scene{
	{"magic.ask", "", "A sign-in by mail begins.", true, func(p *person) *person { return p.open("/mail/authorize") }},
	{"magic.ask", "wrong", "What was typed is not an address.", false, func(p *person) *person {
		return p.open("/mail/authorize").send("email", "ada@localhost")
	}},
	{"magic.code", "", "The code was mailed, and a link with it.", true, func(p *person) *person {
		return p.open("/mail/authorize").send("email", "grace.code@example.com")
	}},
	{"magic.code", "wrong", "The code is not that of the mail.", false, func(p *person) *person {
		return p.open("/mail/authorize").send("email", "grace.wrong@example.com").send("code", "000000")
	}},
	{"magic.sent", "", "The link was mailed.", true, func(p *person) *person {
		return p.open("/link/authorize").send("email", "grace.link@example.com")
	}},
	{"magic.held", "", "Enough mails were sent to the address.", false, func(p *person) *person {
		for i := 0; i < 8 && p.header.Get(pageHeader) != "magic.held"; i++ {
			p = p.elsewhere().open("/mail/authorize").send("email", "grace.held@example.com")
		}
		return p
	}},
	{"magic.link", "", "The link of the mail was opened.", true, func(p *person) *person {
		p.open("/link/authorize").send("email", "ada.link@example.com")
		return p.open(p.v.mailed("magic.sign-in", "link"))
	}},
	{"magic.link-elsewhere", "", "The link was opened in another browser than the one that asked for it.", false, func(p *person) *person {
		p.open("/mail/authorize").send("email", "ada.elsewhere@example.com")
		return p.elsewhere().open(p.v.mailed("magic.sign-in", "link"))
	}},
	{"magic.link-used-elsewhere", "", "The link was used in another browser, and is opened in the one that asked for it.", false, func(p *person) *person {
		p.open("/link/authorize").send("email", "ada.both@example.com")
		link := p.v.mailed("magic.sign-in", "link")
		p.elsewhere().open(link).press("/callback")
		return p.open(link)
	}},
	{"postern.error", "link-used", "The link of a mail was opened again.", false, func(p *person) *person {
		p.open("/link/authorize").send("email", "ada.used@example.com")
		link := p.v.mailed("magic.sign-in", "link")
		p.open(link).press("/callback")
		return p.elsewhere().open(link)
	}},
	{"postern.error", "link-expired", "The link of a mail is too old.", false, func(p *person) *person {
		p.open("/link/authorize").send("email", "ada.late@example.com")
		p.v.Advance(11 * time.Minute)
		return p.open(p.v.mailed("magic.sign-in", "link"))
	}},
}

var passwordScenes = []scene{
	{"password.sign-in", "", "A sign-in with a password begins.", true, func(p *person) *person { return p.open("/password/authorize") }},
	{"password.sign-in", "wrong", "Name and password do not belong together.", true, func(p *person) *person {
		return p.signIn("nobody@example.com", "some wrong password")
	}},
	{"password.forgot", "", "The password is lost.", true, func(p *person) *person { return p.open("/password/forgot") }},
	{"password.forgot-sent", "", "A mail is on its way, if somebody has that name.", false, func(p *person) *person {
		return p.open("/password/forgot").send("identifier", "nobody@example.com")
	}},
	{"password.new", "", "The link of that mail was opened.", true, func(p *person) *person { return p.lost("pat.new@example.com") }},
	{"password.new", "weak", "The new password is too short.", false, func(p *person) *person {
		return p.lost("pat.weak@example.com").send("password", "short")
	}},
	{"password.sign-in", "reset", "The password was reset.", false, func(p *person) *person {
		return p.lost("pat.done@example.com").send("password", next)
	}},
	{"password.change", "", "Somebody who is signed in changes the password.", true, func(p *person) *person {
		return p.signUp("pat.change@example.com").open("/password/change")
	}},
	{"password.change", "wrong", "The old password is not right.", false, func(p *person) *person {
		return p.signUp("pat.wrong@example.com").open("/password/change").send("password", "not the old one", "new_password", next)
	}},
	{"password.changed", "", "The password was changed.", false, func(p *person) *person {
		return p.signUp("pat.changed@example.com").open("/password/change").send("password", good, "new_password", next)
	}},
	{"password.set", "", "Somebody who has no password chooses one.", false, func(p *person) *person {
		return p.byMail("pat.set@example.com").open("/password/change")
	}},
	{"password.added", "", "The password was set.", false, func(p *person) *person {
		p.byMail("pat.first@example.com").open("/step-up/code").send("code", p.v.mailed("postern.step-up", "code"))
		return p.open("/password/change").send("new_password", good)
	}},
	{"password.confirm", "", "A fresh proof by the password.", true, func(p *person) *person {
		p.signUp("pat.confirm@example.com")
		p.v.Advance(11 * time.Minute)
		return p.open("/step-up/password")
	}},
}

// lost opens the link of the mail that resets a password.
func (p *person) lost(address string) *person {
	p.Helper()
	p.signUp(address)
	p.open("/password/forgot").send("identifier", address)
	return p.elsewhere().open(p.v.mailed("password.reset", "link"))
}

// byMail signs in with a mailed code; a new address makes an account.
func (p *person) byMail(address string) *person {
	p.Helper()
	p.knows.address = address
	p.open("/mail/authorize").send("email", address)
	return p.send("code", p.v.mailed("magic.sign-in", "code"))
}

var signUpScenes = []scene{
	{"postern.sign-up", "", "Somebody creates an account.", true, func(p *person) *person { return p.open("/sign-up") }},
	{"postern.sign-up", "wrong", "What was typed is not an address.", false, func(p *person) *person {
		return p.open("/sign-up").send("email", "ada@localhost")
	}},
	{"postern.sign-up-code", "", "The code that verifies the address was mailed.", true, func(p *person) *person {
		return p.open("/sign-up").send("email", "new.code@example.com")
	}},
	{"postern.sign-up-code", "wrong", "The code is not that of the mail.", false, func(p *person) *person {
		return p.open("/sign-up").send("email", "new.wrong@example.com").send("code", "000000")
	}},
	{"postern.sign-up-code-link", "", "The link of that mail was opened.", false, func(p *person) *person {
		p.open("/sign-up").send("email", "new.link@example.com")
		return p.open(p.v.mailed("postern.verify-address", "link"))
	}},
	{"postern.code-elsewhere", "", "The link of a mail with a code was opened in another browser than the one that asked for it.", true, func(p *person) *person {
		p.open("/sign-up").send("email", "new.elsewhere@example.com")
		return p.elsewhere().open(p.v.mailed("postern.verify-address", "link"))
	}},
	{"postern.sign-up-credential", "", "The address is verified: how to sign in from now on.", true, func(p *person) *person {
		p.open("/sign-up").send("email", "new.choice@example.com")
		return p.send("code", p.v.mailed("postern.verify-address", "code"))
	}},
	{"password.sign-up", "weak", "The password is too short.", false, func(p *person) *person {
		p.open("/sign-up").send("email", "new.weak@example.com")
		return p.send("code", p.v.mailed("postern.verify-address", "code")).send("password", "short")
	}},
	{"passkey.sign-up", "", "The account is created with a passkey.", true, func(p *person) *person {
		return p.open("/sign-up").send("username", "curie").press("/passkey/sign-up")
	}},
	{"postern.sign-up", "taken", "The username belongs to somebody else.", false, func(p *person) *person {
		p.open("/sign-up").send("username", "hopper").send("password", good)
		return p.elsewhere().open("/sign-up").send("username", "hopper")
	}},
	{"postern.choose", "invited", "The link of an invitation was opened.", false, func(p *person) *person {
		return p.open(p.v.invite("invited@example.com"))
	}},
	{"postern.error", "invitation", "The invitation is for another address.", false, func(p *person) *person {
		return p.open(p.v.invite("invited.too@example.com")).follow("/password/authorize").follow("/sign-up").send("email", "other@example.com")
	}},
}
