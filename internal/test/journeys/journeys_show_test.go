package journeys

import "github.com/chromedp/chromedp"

// showPassword: a person looks at what they type, and sends it as a password. Without JavaScript there is no button.
func showPassword(p *person) {
	p.settled().signOut().open("/password/authorize")
	if p.hands.noScript {
		p.hides("Show").fill("Email address or username", p.address).fill("Password", good).press("Sign in").shows("Home").inside("pwd")
		return
	}
	p.fill("Email address or username", p.address).fill("Password", good).field("password", "current-password", "false")
	p.touch("button", "Show")
	p.shows("Show").field("text", "current-password", "true").has("Password", good)
	p.touch("button", "Show")
	p.field("password", "current-password", "false")
	p.touch("button", "Show")
	p.field("text", "current-password", "true")
	p.run(chromedp.Evaluate(`addEventListener("submit", (e) => sessionStorage.setItem("sent", e.target.elements.password.type))`, nil))
	p.press("Sign in").shows("Home")
	var sent string
	if p.run(chromedp.Evaluate(`sessionStorage.getItem("sent")`, &sent)); sent != "password" {
		p.Errorf("the field was sent as %q", sent)
	}
	p.inside("pwd")
}

// field fails unless the field for a password has a type and an autocomplete, and its button is pressed or not.
func (p *person) field(kind, autocomplete, pressed string) *person {
	p.Helper()
	var got []string
	p.run(chromedp.Evaluate(`[document.querySelector("[name=password]")].flatMap((e) => [e.type, e.autocomplete, e.nextElementSibling.getAttribute("aria-pressed")])`, &got))
	if len(got) != 3 || got[0] != kind || got[1] != autocomplete || got[2] != pressed {
		p.Errorf("the field and its button are %q, want %q", got, []string{kind, autocomplete, pressed})
	}
	return p
}
