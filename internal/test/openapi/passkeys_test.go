package openapi

import (
	"encoding/json"
	"strings"

	virtual "github.com/descope/virtualwebauthn"

	"github.com/posternauth/postern/internal/test/flowtest"
	"github.com/posternauth/postern/internal/test/virtualkey"
)

// A device holds one passkey.
type device struct {
	virtual.Authenticator
	v *town
}

var party = virtual.RelyingParty{ID: "app.example", Origin: "https://app.example"}

// options are those of the first form of a page.
func (a answer) options(v *town) string {
	forms, _ := a.json["forms"].([]any)
	text, err := json.Marshal(forms[0].(object)["data"])
	if err != nil {
		v.Fatal(err)
	}
	return string(text)
}

// filled are the hidden fields of the first form of a page, with a credential.
func (a answer) filled(credential string) object {
	forms, _ := a.json["forms"].([]any)
	fields, _ := forms[0].(object)["hidden"].(object)
	fields["credential"] = credential
	return fields
}

func (d *device) make(page answer) object {
	o, err := virtual.ParseAttestationOptions(page.options(d.v))
	if err != nil {
		d.v.Fatal(err)
	}
	d.Credentials = []virtual.Credential{virtual.NewCredential(virtual.KeyTypeEC2)}
	d.Options.UserHandle = []byte(o.UserID)
	return page.filled(virtualkey.Create(party, d.Authenticator, d.Credentials[0], *o))
}

func (d *device) show(page answer) object {
	o, err := virtual.ParseAssertionOptions(page.options(d.v))
	if err != nil {
		d.v.Fatal(err)
	}
	d.Credentials[0].Counter++
	return page.filled(virtual.CreateAssertionResponse(party, d.Authenticator, d.Credentials[0], *o))
}

func passkeys(v *town) {
	c, d := v.client(), &device{virtual.NewAuthenticator(), v}
	state := c.must(200, "POST", "/sign-up", object{"username": "curie"}).hidden("state")
	page := c.must(200, "POST", "/passkey/sign-up", object{"state": state})
	c.must(400, "POST", "/passkey/sign-up", page.filled(""))
	c.must(200, "POST", "/passkey/sign-up", d.make(page))
	page = v.client().must(200, "GET", "/passkey/authorize", nil)
	v.client().must(400, "POST", "/passkey/callback", d.show(page))
	c = v.client()
	page = c.must(200, "GET", "/passkey/authorize", nil)
	c.must(200, "POST", "/passkey/callback", d.show(page))

	second := &device{virtual.NewAuthenticator(), v}
	c.must(200, "POST", "/passkey/enroll", object{"mediation": "conditional"})
	page = c.must(200, "GET", "/passkey/enroll", nil)
	list := c.must(200, "GET", "/passkey/list", nil)
	c.must(200, "POST", "/passkey/enroll", second.make(page))
	c.must(400, "POST", "/passkey/enroll", object{"other": "x"})
	lines, _ := list.json["lines"].([]any)
	link, _ := lines[0].(object)["link"].(object)
	target, _ := link["url"].(string)
	_, id, _ := strings.Cut(target, "id=")
	c.must(200, "GET", "/passkey/edit?id="+id, nil)
	c.must(404, "GET", "/passkey/edit?id=x", nil)
	c.must(200, "POST", "/passkey/rename", object{"id": id, "name": "the old one"})
	c.must(400, "POST", "/passkey/rename", object{"id": id, "name": ""})
	c.must(200, "POST", "/passkey/remove", object{"id": id})
	c.must(404, "POST", "/passkey/remove", object{"id": id})
	c.must(200, "GET", "/passkey/list", nil)
	v.client().must(401, "GET", "/passkey/list", nil)

	page = c.must(200, "POST", "/passkey/ask", object{"ask": "on"})
	c.must(400, "POST", "/passkey/ask", page.filled("x"))
	c.must(200, "POST", "/passkey/ask", second.show(page))
	c.must(200, "POST", "/password/set", object{"new_password": good})
	c = v.client()
	page = c.must(200, "GET", "/password/authorize", nil)
	page = c.must(200, "POST", "/password/callback", object{"state": page.hidden("state"), "identifier": "curie", "password": good})
	c.must(200, "GET", "/passkey/verify?state="+page.hidden("state"), nil)
	c.must(400, "GET", "/passkey/verify?state=x", nil)
	c.must(400, "POST", "/passkey/verify", page.filled("x"))
	c.must(200, "POST", "/passkey/verify", second.show(page))
	if s := flowtest.Issuer; !strings.Contains(s, party.ID) {
		v.Fatalf("the party is not that of %s", s)
	}
}
