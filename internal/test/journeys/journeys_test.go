package journeys

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/posternauth/postern/internal/test/browser"
	"github.com/posternauth/postern/internal/test/fakeidp"
)

// A journey is what a person does from a beginning to an end.
type journey struct {
	name   string
	script bool // it needs JavaScript, as passkeys do
	walk   func(p *person)
}

// TestJourneys walks every journey with the mouse, without JavaScript and with the keyboard.
func TestJourneys(t *testing.T) {
	for _, h := range []hands{mouse, noScript, keyboard} {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			for i, j := range journeys {
				if j.script && h.noScript {
					continue
				}
				t.Run(j.name, func(t *testing.T) {
					s.Advance(2 * time.Hour) // the limits of the last journey are over
					j.walk(newPerson(t, s, h, strings.ReplaceAll(j.name, " ", ".")+string(rune('a'+i))+"@example.com"))
				})
			}
		})
	}
}

var journeys = []journey{
	{"sign up by code", false, signUpByCode},
	{"sign up by link", false, signUpByLink},
	{"second factor", false, secondFactor},
	{"passkeys", true, passkeys},
	{"reset", false, reset},
	{"link", false, link},
	{"export", false, export},
	{"leave", false, leave},
	{"disable", false, disable},
	{"step-up", false, stepUp},
	{"languages", false, languages},
	{"invitation", false, invitation},
	{"not me", false, notMe},
	{"address first", false, addressFirst},
	{"chooser", false, chooser},
	{"username", false, username},
	{"demanded", false, demanded},
	{"show password", false, showPassword},
}

// signUpByCode: the address is verified by the code of the mail; a wrong code and a short password are refused first.
func signUpByCode(p *person) {
	p.open("/authorize").shows("Sign in to Example Shop").follow("Continue with a password")
	p.follow("Create an account").shows("Create an account")
	p.fill("Email address", p.address).fill("Email address > Company", "Engines & Sons").press("Email address > Continue with email")
	p.shows("Check your mail", p.address)
	p.fill("8-digit code", "000000").pressRefused("Continue", 400).shows("not the code")
	p.enter("8-digit code", p.code("postern.verify-address"))
	p.shows("Choose how to sign in", p.address)
	p.fill("New password", "short").pressRefused("Create my account", 400)
	p.fill("New password", good).press("Create my account").shows("Home")
	p.inside("pwd")
	p.open("/account").shows(p.address, "Verified")
	p.signOut().outside()
	p.open("/password/authorize").fill("Email address or username", p.address).fill("Password", next).pressRefused("Sign in", 400)
	p.fill("Password", good).press("Sign in").shows("Home").inside("pwd")
}

// signUpByLink: the address is verified by the link of the mail. The account gets a password later.
func signUpByLink(p *person) {
	p.open("/mail/authorize").fill("Email address", p.address).press("Email me a link and a code").shows("Check your mail")
	p.mail("magic.sign-in").follow("Sign in to Example Shop").shows("Continue as").press("Continue as s…@example.com").shows("Home")
	p.inside("link")
	p.open("/account/security").follow("Choose a password").fill("New password", good).press("Set the password")
	p.shows("Confirm that it is you").follow("Mail me a code").fill("8-digit code", p.code("postern.step-up")).press("Continue")
	p.fill("New password", good).press("Set the password").shows("Your password was set.").follow("Back to your account").shows("You sign in with your password.")
	p.signOut().signIn(good).inside("pwd")
}

// secondFactor: an app and recovery codes are set up, and each is asked for at a sign-in.
func secondFactor(p *person) {
	p.settled().open("/account").follow("Security").follow("Second step > Set up").shows("Set up an authenticator app")
	p.reveal("Type the key by hand").shows("otpauth")
	address := regexp.MustCompile(`otpauth://\S+`).FindString(p.text())
	if p.hands == mouse {
		if got := browser.ReadQR(p.TB, p.ctx, "svg.figure"); got != address {
			p.Errorf("the picture has %s, and the text %s", got, address)
		}
	}
	p.fill("6-digit code", "000000").pressRefused("Confirm", 400).shows("That code is not right.")
	p.fill("6-digit code", p.appCode(address)).press("Confirm").shows("Your app is set up")
	p.follow("Set up recovery codes").press("Make recovery codes").shows("Your recovery codes")
	codes := regexp.MustCompile(`\b[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}\b`).FindAllString(p.text(), -1)
	if len(codes) != 10 {
		p.Fatalf("%d recovery codes\n%s", len(codes), p.scene())
	}
	p.signOut().Advance(time.Minute)
	p.signIn(good).shows("Enter a code from your app")
	p.fill("6-digit code", "000000").pressRefused("Continue", 400).shows("That code is not right.").outside()
	p.open("/account").signIn(good).fill("6-digit code", p.appCode(address)).press("Continue").shows("Home").inside("pwd otp mfa")
	p.signOut().signIn(good).follow("Use a recovery code").fill("Recovery code", strings.ToLower(codes[6])).press("Continue").shows("Home").inside("pwd recovery mfa")
	p.signOut().signIn(good).follow("Use a recovery code").fill("Recovery code", codes[6]).pressRefused("Continue", 400)
}

// reset: the password is lost, and everybody who knew it is out.
func reset(p *person) {
	p.settled()
	q := p.elsewhere()
	q.open("/password/authorize").follow("I forgot my password").fill("Email address or username", p.address).press("Send me a link").shows("Check your mail")
	q.mail("password.reset").follow("Choose a new password").fill("New password", "short").pressRefused("Set the password", 400)
	q.fill("New password", next).press("Set the password").shows("Sign in to Example Shop", "Your password was set.")
	p.outside()
	p.open("/password/authorize").fill("Email address or username", p.address).fill("Password", good).pressRefused("Sign in", 400)
	p.signIn(next).shows("Home").inside("pwd")
	p.mail("password.reset").followRefused("Choose a new password", 400).shows("This link does not work any more")
}

// passkeys: a passkey is added, signs in, and is renamed and removed. Then the device's copy is refused.
func passkeys(p *person) {
	p.settled()
	device := p.authenticator()
	p.open("/account/security").follow("Add a passkey").press("Create a passkey").shows("Your passkey was added.")
	if all := p.credentials(device); len(all) != 1 || all[0].RpID != "app.example" {
		p.Fatalf("the device has %+v", all)
	}
	p.signOut()
	p.open("/authorize").follow("Continue with a passkey")
	p.press("Sign in with a passkey").shows("Home").inside("hwk user mfa")
	p.open("/account/security").shows("You have 1 passkey.").follow("Rename or remove").fill("Name", "Blue key").press("Rename").shows("The passkey was renamed.")
	p.follow("Rename or remove").press("Remove Blue key").shows("The passkey was removed.", "You have no passkeys yet.")
	p.signOut()
	p.open("/passkey/authorize")
	p.pressRefused("Sign in with a passkey", 400).shows("This passkey is not known here any more.")
}

// link: an account at another site is linked, signs in, and is unlinked.
func link(p *person) {
	p.idp.SetUsers(fakeidp.User{Subject: "10-" + p.address, Email: "club." + p.address, EmailVerified: true, Name: "Ada of the Club"})
	p.settled().open("/account/security").follow("Link Book Club").press("Continue with Book Club")
	p.shows("Who are you?").press("Ada of the Clubclub." + p.address)
	p.shows("Add Book Club to your account?").press("Add Book Club").shows("Accounts at other sites", "idp.example")
	p.signOut().open("/authorize").follow("Continue with Book Club").press("Ada of the Clubclub." + p.address).shows("Home").inside("oidc")
	p.open("/account/security").press("Unlink").shows("Confirm that it is you").follow("Confirm with a password").fill("Password", good).press("Continue")
	p.shows("You cannot sign in with Book Club any more", "Thank you, it is you.").press("Continue").shows("The account at the other site was unlinked.", "You have linked no account at another site.")
	p.signOut().open("/authorize").follow("Continue with Book Club Last used").press("Ada of the Clubclub." + p.address).shows("Home")
	p.open("/account").shows("club." + p.address).hides("Ada Lovelace") // another account
}

// export: the file arrives, and has what the page promises.
func export(p *person) {
	p.settled().open("/account").follow("Download my data").shows("It has no password and no key.")
	name, content := p.download("Download account.json")
	var data map[string]any
	if err := json.Unmarshal(content, &data); err != nil || name != "account.json" {
		p.Fatalf("%s is not JSON: %v\n%s", name, err, content)
	}
	if who, _ := data["account"].(map[string]any); who["name"] != "Ada Lovelace" || strings.Contains(string(content), "$argon2") {
		p.Errorf("the file has %s", content)
	}
}

// leave: the account is deleted once its address is typed.
func leave(p *person) {
	p.settled().open("/account").follow("Delete my account").shows("Nobody can undo this.")
	p.fill("To confirm, type "+p.address, "somebody@example.com").pressRefused("Delete my account", 400).shows("Nothing was deleted.")
	p.fill("To confirm, type "+p.address, strings.ToUpper(p.address)).press("Delete my account").shows("Your account was deleted")
	p.outside()
	p.open("/password/authorize").fill("Email address or username", p.address).fill("Password", good).pressRefused("Sign in", 400)
}

// chief is an administrator with another browser, in the console.
func (p *person) chief() *person {
	p.Helper()
	chief := newPerson(p.TB, p.stage, p.hands, "chief."+p.address)
	chief.settled("owner").open("/admin").shows("It ends after 1 hour").press("Open the console").shows("Users", "Settings")
	return chief
}

// disable: an administrator disables a person, who is out at once, and lets them in again.
func disable(p *person) {
	p.settled().inside("pwd")
	chief := p.chief().fill("Address, username or id", p.address).press("Search").follow("Ada Lovelace").shows("State Active")
	chief.fill("Disable > Reason", "spam").press("Disable the user").shows("The user is disabled and signed out everywhere.", "Reason: spam")
	p.outside()
	p.open("/account").shows("Sign in to Example Shop")
	p.open("/password/authorize").fill("Email address or username", p.address).fill("Password", good).pressRefused("Sign in", 403).shows("This account is disabled.").outside()
	chief.press("Enable the user").shows("The user may sign in again.", "State Active")
	p.signIn(good).inside("pwd")
}

// stepUp: what was typed waits for a fresh proof.
func stepUp(p *person) {
	p.settled().open("/account").follow("Add an address").fill("Email address", "second."+p.address)
	p.stale().press("Send the code").shows("Confirm that it is you").follow("Confirm with a password")
	p.fill("Password", good).press("Continue").shows("Add an address", "Thank you, it is you. Nothing was changed yet.")
	p.has("Email address", "second."+p.address).press("Continue").shows("Enter the code", "second."+p.address)
	m, _ := p.mailTo(p.TB, "second."+p.address, "postern.new-address")
	p.fill("8-digit code", m.Arg("code")).press("Confirm").shows("Your addresses were changed.", "second."+p.address)
}

// languages: the choice at the foot of a page stays.
func languages(p *person) {
	p.open("/authorize").choose("Language", "Deutsch").press("Change language").shows("Bei Example Shop anmelden")
	p.open("/password/authorize").shows("Passwort vergessen")
	p.follow("Konto erstellen").shows("Geben Sie Ihre Adresse ein.").fill("E-Mail-Adresse", p.address).press("E-Mail-Adresse > Weiter mit E-Mail")
	p.shows("Prüfen Sie Ihre E-Mails")
	m, _ := p.mailTo(p.TB, p.address, "postern.verify-address")
	if !strings.Contains(m.Subject, "Ihr Code") {
		p.Errorf("the mail is not in German: %s", m.Subject)
	}
	p.openRefused("/nowhere", 404).shows("Seite nicht gefunden")
	p.open(site).open("/authorize").shows("Bei Example Shop anmelden").choose("Sprache", "العربية").press("Sprache ändern").hides("Example Shop anmelden")
	var direction string
	if p.run(chromedp.Evaluate("document.dir", &direction)); direction != "rtl" {
		p.Errorf("the page in Arabic goes %q", direction)
	}
}

// invitation: an administrator invites somebody, who signs up by the link.
func invitation(p *person) {
	p.chief().follow("Invite somebody").fill("Mail address", p.address).tick("Role: member").press("Mail the invitation").shows("The invitation was mailed.")
	p.mail("postern.invitation").follow("Accept the invitation").shows("You are invited to Example Shop")
	p.follow("Continue with a password").follow("Create an account").fill("Email address", p.address).press("Email address > Continue with email")
	p.fill("8-digit code", p.code("postern.verify-address")).press("Continue").fill("New password", good).press("Create my account").shows("Home").inside("pwd")
	if u, err := p.dir.Get(p.Context(), p.idOf()); err != nil || !slices.Equal(u.Roles, []string{"member"}) {
		p.Errorf("roles %v, %v", u.Roles, err)
	}
}

// notMe: a notice says that an address is about to be added, and its link stops that and ends every session.
func notMe(p *person) {
	p.settled()
	thief := p.elsewhere().signIn(good).open("/account").follow("Add an address").fill("Email address", "thief."+p.address).press("Send the code").shows("Enter the code")
	p.mail("postern.address-change").follow("Stop the change").shows("Stop the change?", "all its sessions end").inside("pwd")
	p.mail("postern.address-change").follow("Stop the change").press("Stop the change").shows("The change was stopped")
	p.outside()
	thief.outside()
	if m, _ := p.mailTo(p.TB, "thief."+p.address, "postern.new-address"); m.Arg("code") == "" {
		p.Error("no code was mailed to the new address")
	}
}
