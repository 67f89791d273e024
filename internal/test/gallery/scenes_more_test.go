package gallery

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	virtual "github.com/descope/virtualwebauthn"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/internal/test/virtualkey"
)

var passkeyScenes = []scene{
	{"passkey.sign-in", "", "A sign-in with a passkey begins.", true, func(p *person) *person { return p.open("/passkey/authorize") }},
	{"passkey.sign-in", "failed", "The browser sent no passkey.", false, func(p *person) *person { return p.open("/passkey/authorize").press("/passkey/callback") }},
	{"passkey.confirm", "", "A fresh proof by a passkey.", false, func(p *person) *person {
		p.withPasskey("key.confirm@example.com")
		p.v.Advance(11 * time.Minute)
		return p.open("/step-up/passkey")
	}},
	{"passkey.enroll", "", "Somebody who is signed in adds a passkey.", true, func(p *person) *person {
		return p.signUp("key.enroll@example.com").open("/passkey/enroll")
	}},
	{"passkey.added", "", "The passkey was added.", false, func(p *person) *person { return p.withPasskey("key.added@example.com") }},
	{"passkey.offer", "", "A sign-in by password has ended, and the person has no passkey yet.", true, func(p *person) *person {
		return p.offered("key.offer@example.com")
	}},
	{"passkey.offer", "failed", "The browser made no passkey.", false, func(p *person) *person {
		return p.offered("key.offernone@example.com").press("/passkey/offer")
	}},
	{"passkey.list", "", "The passkeys of the person who is signed in.", true, func(p *person) *person {
		p.withPasskey("key.list@example.com").open("/passkey/enroll")
		p.addPasskey()
		return p.open("/passkey/list")
	}},
	{"passkey.list", "none", "The person has no passkeys.", false, func(p *person) *person { return p.signUp("key.none@example.com").open("/passkey/list") }},
	{"passkey.edit", "", "A passkey is renamed or removed.", true, func(p *person) *person { return p.withPasskey("key.edit@example.com").follow("/passkey/edit") }},
	{"passkey.renamed", "", "The passkey has a new name.", false, func(p *person) *person {
		return p.withPasskey("key.rename@example.com").follow("/passkey/edit").send("name", "My old phone")
	}},
	{"passkey.removed", "", "The passkey was removed.", false, func(p *person) *person {
		return p.withPasskey("key.remove@example.com").follow("/passkey/edit").press("/passkey/remove")
	}},
	{"passkey.ask", "", "From now on a passkey is to be asked for after each other sign-in.", false, func(p *person) *person {
		return p.withPasskey("key.ask@example.com").press("/passkey/ask")
	}},
	{"passkey.set", "", "A passkey is asked for from now on.", false, func(p *person) *person { return p.asked("key.set@example.com") }},
	{"passkey.verify", "", "A sign-in in another way waits for a passkey.", false, func(p *person) *person {
		p.asked("key.verify@example.com")
		return p.elsewhere().signIn("key.verify@example.com", good)
	}},
	{"password.removed", "", "The password was removed. The person has a passkey.", false, func(p *person) *person {
		p.withPasskey("key.alone@example.com")
		p.request(http.MethodPost, flowtest.Issuer+"/password/remove", url.Values{})
		return p
	}},
}

// asked lets a passkey be asked for after each other sign-in.
func (p *person) asked(address string) *person {
	p.Helper()
	p.withPasskey(address).press("/passkey/ask")
	o, err := virtual.ParseAssertionOptions(p.options())
	if err != nil {
		p.Fatal(err)
	}
	p.device.Credentials[0].Counter++
	return p.send("credential", virtual.CreateAssertionResponse(party, p.device, p.device.Credentials[0], *o))
}

// offered signs up in a way in which browsers send forms, so that a passkey is offered: scenes without a mark of a
// browser are not led there.
func (p *person) offered(address string) *person {
	p.Header.Set("Sec-Fetch-Mode", "navigate")
	p.Header.Set("Sec-Fetch-Dest", "document")
	return p.signUp(address)
}

// withPasskey signs up with a password and adds a passkey.
func (p *person) withPasskey(address string) *person {
	p.Helper()
	p.signUp(address)
	p.v.Advance(time.Minute) // so that the history has one order
	p.open("/passkey/enroll")
	return p.addPasskey()
}

var (
	party       = virtual.RelyingParty{ID: "app.example", Origin: "https://app.example"}
	dataOptions = regexp.MustCompile(`data-options="([^"]*)"`)
)

// addPasskey makes a passkey on the page that asks for one.
func (p *person) addPasskey() *person {
	p.Helper()
	o, err := virtual.ParseAttestationOptions(p.options())
	if err != nil {
		p.Fatal(err)
	}
	p.device = virtual.NewAuthenticator()
	p.device.Options.UserHandle = []byte(o.UserID)
	p.device.Credentials = []virtual.Credential{virtual.NewCredential(virtual.KeyTypeEC2)}
	return p.send("credential", virtualkey.Create(party, p.device, p.device.Credentials[0], *o))
}

// options are those for the passkey of the page.
func (p *person) options() string {
	p.Helper()
	m := dataOptions.FindStringSubmatch(p.body)
	if m == nil {
		p.Fatalf("%s asks for no passkey:\n%s", p.at, p.body)
	}
	return html.UnescapeString(m[1])
}

var addedScenes = []scene{
	{"postern.link", "", "Somebody who is signed in adds an account at another site.", true, func(p *person) *person {
		p.v.at("link@other.example", "Grace")
		return p.signUp("link@example.com").openLink("google")
	}},
	{"postern.account-exists", "", "A new identity has the address of an account.", true, func(p *person) *person {
		p.signUp("exists@example.com")
		p.v.at("exists@example.com", "Grace")
		return p.elsewhere().open("/google/authorize")
	}},
	{"postern.link", "join", "The owner of that account has signed in.", false, func(p *person) *person {
		p.signUp("join@example.com")
		p.v.at("join@example.com", "Grace")
		return p.elsewhere().open("/google/authorize").signIn("join@example.com", good)
	}},
}

// openLink asks for a link to a provider as the account page does, and goes there.
func (p *person) openLink(provider string) *person {
	p.Helper()
	at := p.api(http.MethodPost, "/account/identities/"+provider, nil)["redirect_uri"]
	to, _ := at.(string)
	return p.open(to)
}

// api sends a JSON request of a page of the application.
func (p *person) api(method, path string, body any) (answer map[string]any) {
	p.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.Fatal(err)
	}
	r := p.Request(method, flowtest.Issuer+path, nil)
	if body != nil {
		r = p.Request(method, flowtest.Issuer+path, map[string][]string{})
		r.Body, r.ContentLength = readCloser{strings.NewReader(string(text))}, int64(len(text))
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	rec := p.Do(r)
	if rec.Code >= 400 {
		p.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
	_ = json.Unmarshal(rec.Body.Bytes(), &answer) // 204 has none
	return answer
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

// invite mails an invitation and returns its link.
func (v *world) invite(address string) string {
	v.Helper()
	link, err := v.Auth.Invite(v.Context(), postern.Invitation{Address: address, Roles: []string{"member"}})
	if err != nil {
		v.Fatal(err)
	}
	return link
}

var mailedScenes = []scene{
	{"postern.stop-change", "", "A notice says that an address is about to be added; its link was opened.", false, func(p *person) *person {
		return p.changing("stop@example.com").open(p.v.mailed("postern.address-change", "link"))
	}},
	{"postern.change-stopped", "", "The change of the address was stopped.", false, func(p *person) *person {
		return p.changing("stopped@example.com").open(p.v.mailed("postern.address-change", "link")).press("/account/stop")
	}},
	{"postern.undo-change", "", "A notice says that the address was replaced; its link was opened.", false, func(p *person) *person {
		return p.changed("undo@example.com").open(p.v.mailed("postern.address-undo", "link"))
	}},
	{"postern.change-undone", "", "The old address is back.", false, func(p *person) *person {
		return p.changed("undone@example.com").open(p.v.mailed("postern.address-undo", "link")).press("/account/undo")
	}},
	{"postern.not-me", "", "A notice says that the password was changed; its link was opened.", false, func(p *person) *person {
		return p.changedPassword("not-me@example.com").open(p.v.mailed("password.changed", "link"))
	}},
	{"postern.stopped", "", "The person pressed \"This was not me\".", false, func(p *person) *person {
		return p.changedPassword("stopped-all@example.com").open(p.v.mailed("password.changed", "link")).press("/account/undo")
	}},
	{"postern.confirm-address", "", "The link of a mail that verifies an address was opened.", false, func(p *person) *person { return p.confirming("confirm@example.com") }},
	{"postern.address-confirmed", "", "The address is verified.", false, func(p *person) *person {
		return p.confirming("confirmed@example.com").press("/account/confirm")
	}},
}

// changing begins to add an address.
func (p *person) changing(address string) *person {
	p.Helper()
	p.signUp(address)
	p.api(http.MethodPost, "/account/addresses", map[string]any{"address": "second." + address})
	return p
}

// changed has replaced an address.
func (p *person) changed(address string) *person {
	p.Helper()
	p.signUp(address)
	id := p.api(http.MethodGet, "/account", nil)["addresses"].([]any)[0].(map[string]any)["id"]
	p.api(http.MethodPost, "/account/addresses", map[string]any{"address": "new." + address, "replace": id})
	p.api(http.MethodPost, "/account/addresses/confirm", map[string]any{"code": p.v.mailed("postern.new-address", "code")})
	return p
}

// changedPassword has changed the password.
func (p *person) changedPassword(address string) *person {
	p.Helper()
	return p.signUp(address).open("/password/change").send("password", good, "new_password", next)
}

// confirming opens the link of a mail that an administrator caused.
func (p *person) confirming(address string) *person {
	p.Helper()
	owner := p.owner("owner." + address)
	id := owner.api(http.MethodPost, "/admin/users", map[string]any{"address": address, "name": "Grace Hopper", "roles": []string{"member"}})["id"].(string)
	owner.api(http.MethodPost, "/admin/users/"+id+"/addresses", map[string]any{"address": address})
	return p.open(p.v.mailed("postern.confirm-address", "link"))
}

var errorScenes = []scene{
	{"postern.error", "cancelled", "Somebody has cancelled the sign-in at the provider.", true, func(p *person) *person {
		p.stays = true
		return p.cancel("google")
	}},
	{"postern.error", "not-found", "There is no page at the address.", true, func(p *person) *person { return p.open("/nowhere") }},
	{"postern.error", "unavailable", "A fault of the server, with a reference for support.", true, func(p *person) *person {
		p.signUp("down@example.com")
		p.v.down = true
		defer func() { p.v.down = false }()
		return p.elsewhere().signIn("down@example.com", good)
	}},
	{"postern.error", "limited", "Too many requests.", false, func(p *person) *person {
		for i := 0; i < 40 && p.status != http.StatusTooManyRequests; i++ {
			p.open("/password/forgot").send("identifier", "limited@example.com")
		}
		return p
	}},
	{"postern.error", "state", "The sign-in was not begun in this browser.", false, func(p *person) *person { return p.open("/google/callback?state=x&code=y") }},
	{"postern.error", "reset-used", "The link that resets a password was used.", false, func(p *person) *person {
		p = p.lost("pat.twice@example.com")
		link := p.at.String()
		p.send("password", next)
		return p.open(link)
	}},
	{"postern.error", "disabled", "The account is disabled.", false, func(p *person) *person {
		p.signUp("disabled@example.com")
		id := p.api(http.MethodGet, "/account", nil)["id"].(string)
		p.owner("owner.disabled@example.com").api(http.MethodPost, "/admin/users/"+id+"/disable", map[string]any{"reason": "spam"})
		return p.elsewhere().signIn("disabled@example.com", good)
	}},
	{"postern.error", "redirect", "The application asked for an address that is not listed.", false, func(p *person) *person {
		return p.open("/authorize?redirect_uri=https://unknown.example/")
	}},
}

// cancel goes to a provider and back without a sign-in.
func (p *person) cancel(provider string) *person {
	p.Helper()
	r := p.Request(http.MethodGet, flowtest.Issuer+"/"+provider+"/authorize", nil)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	to := p.Do(r).Result().Header.Get("Location")
	_, state, _ := strings.Cut(to, "state=")
	state, _, _ = strings.Cut(state, "&")
	return p.open("/" + provider + "/callback?error=access_denied&iss=" + url.QueryEscape(flowtest.IdP) + "&state=" + state)
}
