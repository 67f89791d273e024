package journeys

import (
	"regexp"
	"strings"

	"github.com/chromedp/cdproto/network"
)

// addressFirst: the address is typed before the way is chosen, and stays over a change of mind. An address that nobody
// has leads to the same ways.
func addressFirst(p *person) {
	p.resident(p.TB, p.address, "Ada Lovelace")
	p.run(network.SetExtraHTTPHeaders(network.Headers{firstHeader: "yes"}))
	const field = "Email address or username"
	p.open("/authorize").shows("Sign in to Example Shop").fill(field, "ada@localhost").pressRefused("Continue", 400).shows("The domain needs a dot")
	p.fill(field, "nobody."+p.address).press("Continue").shows("You sign in as", "nobody."+p.address, "Continue with a mail")
	p.fill("Password", good).pressRefused("Sign in", 400).outside()
	p.open("/authorize").fill(field, "nobody."+p.address).press("Continue").follow("Not you? Change")
	p.fill(field, p.address).press("Continue").shows("You sign in as", p.address, "Continue with a mail").hides("nobody.")
	p.fill("Password", good).press("Sign in").shows("Home").inside("pwd")
	p.signOut().open("/authorize").fill(field, strings.ToUpper(p.address)).press("Continue").shows(p.address).follow("Continue with a mail")
	p.has("Email address", p.address).press("Email me a link and a code").fill("6-digit code", p.code("magic.sign-in")).press("Sign in").shows("Home").inside("code")
}

// chooser: an application asks which account is meant. The person goes on with that of the browser, then with another.
func chooser(p *person) {
	other := "other." + p.address
	p.resident(p.TB, other, "Grace Hopper")
	p.settled().open("/authorize?prompt=select_account").shows("Choose an account").press("Continue as Ada Lovelace, " + p.address).shows("Home").inside("pwd")
	p.open("/account").shows(p.address)
	p.open("/authorize?prompt=select_account").follow("Use another account").shows("Sign in to Example Shop").follow("Continue with a password Last used")
	p.fill("Email address or username", other).fill("Password", good).press("Sign in").shows("Home").inside("pwd")
	p.open("/account").shows(other).hides("Ada Lovelace")
	p.open("/authorize?prompt=select_account").shows("Grace Hopper").hides("Ada Lovelace")
}

// username: an account without an address. A name has one owner, in whatever case it is typed.
func username(p *person) {
	name := "ada." + p.hands.name[:2]
	p.open("/sign-up").shows("Create an account").fill("Username > Username", "a b").pressRefused("Username > Continue with a username", 400).shows("3 to 32")
	p.open("/sign-up").fill("Username > Username", name).press("Username > Continue with a username").shows("Choose how to sign in", name)
	p.fill("New password", good).press("Create my account").shows("Home").inside("pwd")
	p.open("/account").shows(name)
	p.elsewhere().open("/sign-up").fill("Username > Username", strings.ToUpper(name)).pressRefused("Username > Continue with a username", 409).shows("This username is taken.")
	p.signOut().open("/password/authorize").fill("Email address or username", strings.ToUpper(name)).fill("Password", next).pressRefused("Sign in", 400)
	p.fill("Password", good).press("Sign in").shows("Home").inside("pwd")
}

// demanded: the application wants a second factor of the person, who has none. A mailed code comes first, since the
// password alone may be a thief's. Nobody is signed in before the factor is set up.
func demanded(p *person) {
	p.address = guarded + p.address
	p.settled().shows("Set up a second step", "we send a code").outside()
	p.open("/account").shows("Sign in to Example Shop")
	p.signIn(good).press("Mail me a code").fill("8-digit code", "00000000").pressRefused("Continue", 400).shows("not the code")
	p.fill("8-digit code", p.code("postern.enroll")).press("Continue").shows("Please set one up.").follow("Set up a code from your app")
	p.reveal("Type the key by hand")
	address := regexp.MustCompile(`otpauth://\S+`).FindString(p.text())
	p.fill("6-digit code", p.appCode(address)).press("Confirm").shows("Your app is set up").press("Continue").shows("Home").inside("pwd otp mfa")
}
