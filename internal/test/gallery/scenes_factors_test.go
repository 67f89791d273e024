package gallery

import (
	"fmt"
	"regexp"
	"time"

	"github.com/posternauth/postern/internal/test/virtualkey"
)

var factorScenes = []scene{
	{"postern.enroll-code", "", "A second factor is due, and the person has none: a code comes first.", false, func(p *person) *person { return p.due("guard.code@example.com") }},
	{"postern.enroll-code-typed", "", "That code was mailed.", false, func(p *person) *person { return p.due("guard.typed@example.com").press("/factors/code") }},
	{"postern.enroll-code-link", "", "The link of that mail was opened.", false, func(p *person) *person {
		p = p.due("guard.link@example.com").press("/factors/code")
		return p.open(p.v.mailed("postern.enroll", "link"))
	}},
	{"postern.enroll", "", "The person chooses a second factor.", true, func(p *person) *person { return p.enrolling("guard.enroll@example.com") }},
	{"totp.enroll", "", "An authenticator app is set up.", true, func(p *person) *person {
		return p.enrolling("guard.app@example.com").follow("/factors/totp/enroll")
	}},
	{"totp.enroll", "wrong", "The code of the app is not right.", false, func(p *person) *person {
		return p.enrolling("guard.appwrong@example.com").follow("/factors/totp/enroll").send("code", "000000")
	}},
	{"totp.added", "", "The app is set up.", false, func(p *person) *person { return p.withApp("guard.added@example.com") }},
	{"recovery.status", "offer", "Recovery codes are made.", false, func(p *person) *person {
		return p.withApp("guard.offer@example.com").follow("/factors/recovery/enroll")
	}},
	{"recovery.codes", "", "The recovery codes, to be printed or written down.", true, func(p *person) *person { return p.withCodes("guard.codes@example.com") }},
	{"postern.factor", "", "A second factor is due, and the person has several.", true, func(p *person) *person {
		p.withCodes("guard.list@example.com")
		return p.elsewhere().signIn("guard.list@example.com", good).toList()
	}},
	{"totp.verify", "", "The code of the app is due. The browser can be remembered.", true, func(p *person) *person {
		p.withCodes("guard.verify@example.com")
		return p.elsewhere().signIn("guard.verify@example.com", good)
	}},
	{"totp.verify", "wrong", "The code of the app is not right.", false, func(p *person) *person {
		p.withCodes("guard.verifywrong@example.com")
		return p.elsewhere().signIn("guard.verifywrong@example.com", good).send("code", "000000")
	}},
	{"recovery.verify", "", "A recovery code is typed in place of the factor.", true, func(p *person) *person {
		p.withCodes("guard.recover@example.com")
		return p.elsewhere().signIn("guard.recover@example.com", good).follow("/factors/recovery/verify")
	}},
	{"totp.status", "", "The authenticator app of the person who is signed in.", false, func(p *person) *person {
		return p.withCodes("guard.status@example.com").press("/factors/continue").open("/factors/totp/status")
	}},
	{"totp.status", "none", "The person has no app.", false, func(p *person) *person { return p.signUp("plain.status@example.com").open("/factors/totp/status") }},
	{"totp.removed", "", "The app was removed.", false, func(p *person) *person {
		p = p.withCodes("guard.remove@example.com").press("/factors/continue")
		return p.open("/factors/totp/status").press("/factors/totp/remove")
	}},
	{"recovery.status", "", "How many recovery codes are left.", false, func(p *person) *person {
		return p.withCodes("guard.left@example.com").press("/factors/continue").open("/factors/recovery/status")
	}},
	{"postern.step-up", "", "What the person is about to do needs a fresh proof.", true, func(p *person) *person {
		p.signUp("plain.step@example.com").open("/passkey/enroll")
		p.addPasskey()
		p.v.Advance(11 * time.Minute)
		return p.open("/step-up")
	}},
	{"postern.step-up-code", "", "A fresh proof by a mailed code.", false, func(p *person) *person {
		p.byMail("plain.stepcode@example.com")
		p.v.Advance(11 * time.Minute)
		return p.open("/step-up/code")
	}},
	{"postern.step-up-code-link", "", "The link of that mail was opened.", false, func(p *person) *person {
		p.byMail("plain.steplink@example.com")
		p.v.Advance(11 * time.Minute)
		p.open("/step-up/code")
		return p.open(p.v.mailed("postern.step-up", "link"))
	}},
	{"postern.step-up", "page", "A page needs a fresh proof before it is shown.", false, func(p *person) *person {
		p.signUp("plain.stale@example.com")
		p.v.Advance(11 * time.Minute)
		return p.open("/passkey/enroll")
	}},
	{"postern.error", "guesses", "The second factor was guessed too often.", false, func(p *person) *person {
		p.withCodes("guard.often@example.com")
		p = p.elsewhere().signIn("guard.often@example.com", good)
		for i := 0; i < 6 && p.status == 400; i++ {
			p.send("code", fmt.Sprintf("%06d", i))
		}
		for i := 0; i < 8 && len(formsOf(p.body)) > 0 && formsOf(p.body)[0].names["code"]; i++ {
			p.send("code", fmt.Sprintf("%06d", i))
		}
		return p
	}},
}

// due signs up somebody who must have a second factor, up to the first proof.
func (p *person) due(address string) *person {
	p.Helper()
	p.signUp(address)
	return p.elsewhere().signIn(address, good)
}

// enrolling is due behind the code that is mailed.
func (p *person) enrolling(address string) *person {
	p.Helper()
	p = p.due(address).press("/factors/code")
	return p.send("code", p.v.mailed("postern.enroll", "code"))
}

// withApp sets up an authenticator app.
func (p *person) withApp(address string) *person {
	p.Helper()
	p = p.enrolling(address).follow("/factors/totp/enroll")
	return p.send("code", p.appCode())
}

// withCodes sets up recovery codes too.
func (p *person) withCodes(address string) *person {
	p.Helper()
	return p.withApp(address).follow("/factors/recovery/enroll").press("/factors/recovery/enroll")
}

// toList goes from a factor to the list of factors.
func (p *person) toList() *person {
	p.Helper()
	return p.open("/factors?state=" + p.at.Query().Get("state"))
}

var otpauth = regexp.MustCompile(`otpauth://totp/[^\s"<]*`)

// appCode is the code of an app that has read the page (RFC 6238).
func (p *person) appCode() string {
	p.Helper()
	return codeAt(p, p.knows.app, p.v.Now())
}

func codeAt(p *person, address string, at time.Time) string {
	p.Helper()
	code, err := virtualkey.AppCode(address, at)
	if err != nil {
		p.Fatalf("%s: %v\n%s", p.at, err, p.body)
	}
	return code
}
