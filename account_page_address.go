package postern

import (
	"net/http"
	"net/url"
	"time"
)

// addressSection lists the addresses of the person, and a change that waits for its code.
func (a *Auth) addressSection(r *http.Request, v accountView) (Section, error) {
	s := Section{Name: "addresses", Title: "Addresses"}
	_, changes := a.session.users.(AddressChanger)
	ids, err := a.identitiesOf(r.Context(), v.ID)
	if err != nil {
		return s, err
	}
	// An account keeps something by which its person is found: the last such address cannot be removed.
	ways := waysOf(v.Person, v.head, len(ids))
	named := ways.Addresses > 1 || ways.Usernames+ways.Identities > 0
	main := true
	for _, address := range v.Addresses {
		l := Line{Label: "Other address", Value: address.Value, Note: "Verified"}
		id := addressID(v.ID, address)
		switch {
		case address.Type != "email":
			l.Label = "Phone number"
		case address.Verified && main:
			l.Label, main = "Main address", false
		}
		switch {
		case !address.Verified && address.Type == "email":
			l.Note = "Not verified"
		case !address.Verified:
			l.Note = ""
		}
		if address.Type == "email" && a.changesAddresses() {
			l.Link = &Link{Name: "change", Text: "Change", URL: a.accountURL("address?id=" + id)}
			if !address.Verified {
				l.Link = &Link{Name: "verify", Text: "Verify", URL: a.accountURL("address?note=" + id)}
			}
		}
		if changes && (!address.Verified || address.Type != "email" || named) {
			l.Form = &Form{Name: "remove-address", Action: a.accountURL("remove-address"), Hidden: map[string]string{"id": id}, Submit: "Remove", Danger: true}
		}
		s.Lines = append(s.Lines, l)
	}
	if len(v.Addresses) == 0 {
		s.Text = "Your account has no address."
	}
	if !a.changesAddresses() {
		return s, nil
	}
	c, waits, err := a.changeThatWaits(r, v)
	if err != nil {
		return s, err
	}
	if waits {
		s.Lines = append(s.Lines, Line{Label: "New address", Value: c.New, Note: "It waits for the code that we sent to it.",
			Link: &Link{Name: "code", Text: "Enter the code", URL: a.accountURL("code")}})
	}
	s.Links = []Link{{Name: "add", Text: "Add an address", URL: a.accountURL("address")}}
	return s, nil
}

// changeThatWaits returns the change of this session that waits for its code.
func (a *Auth) changeThatWaits(r *http.Request, v accountView) (changeRow, bool, error) {
	c, _, err := a.readChange(r.Context(), v.live.subject)
	return c, err == nil && c.ID != "" && !c.Done && !c.Stopped && c.Session == v.live.id && c.Sec == v.head.Sec, err
}

// addressForm asks for a new address. The parameter id names the address in whose place it comes, and note an address
// of the account that is not verified yet.
func (a *Auth) addressForm(_ *http.Request, v accountView, values url.Values) (Page, error) {
	if !a.changesAddresses() {
		return Page{}, errNotFound()
	}
	p := Page{Name: "postern.account-address", Title: "Add an address", Links: a.cancel(""),
		Text: "We send a code to the new address. Your other addresses get a notice."}
	form := Form{Action: a.accountURL("address"), Submit: "Send the code", Fields: []Field{
		{Name: "address", Label: "Email address", Type: "email", Value: values.Get("address"), Autocomplete: "email", MaxLength: 254, Required: true}}}
	if id := values.Get("id"); id != "" {
		old, ok := addressOfID(v.Person, id)
		if !ok || !old.Verified || old.Type != "email" {
			return Page{}, errNotFound()
		}
		p.Title, p.Args = "Change an address", map[string]any{"address": old.Value}
		p.Text = "The new address comes in the place of {address}. We send a code to the new address, and a notice to {address}.\n\n" +
			"Everybody else who is signed in to your account will be signed out."
		form.Hidden = map[string]string{"id": id}
	}
	if id := values.Get("note"); id != "" {
		note, ok := addressOfID(v.Person, id)
		if !ok || note.Verified || note.Type != "email" {
			return Page{}, errNotFound()
		}
		form.Fields[0].Value = note.Value
	}
	p.Forms = []Form{form}
	return p, nil
}

func (a *Auth) doAddress(w http.ResponseWriter, r *http.Request, values url.Values) (string, error) {
	if !a.changesAddresses() {
		return "", errNotFound()
	}
	_, err := a.newAddress(w, r, values.Get("address"), values.Get("id"))
	return "code", err
}

// codeForm asks for the code that was mailed to a new address.
func (a *Auth) codeForm(r *http.Request, v accountView, values url.Values) (Page, error) {
	if !a.changesAddresses() {
		return Page{}, errNotFound()
	}
	c, waits, err := a.changeThatWaits(r, v)
	if err != nil {
		return Page{}, err
	}
	p := Page{Name: "postern.account-code", Title: "Enter the code", Links: a.cancel("")}
	if !waits {
		p.Text = "No address waits for a code in this session. Add it again to get a new code."
		p.Links = append([]Link{{Name: "add", Text: "Add an address", URL: a.accountURL("address")}}, p.Links...)
		return p, nil
	}
	p.Args = map[string]any{"address": c.New, "lifetime": time.Duration(codeLife), "digits": codeDigits}
	p.Text = "We sent a code to {address}. Enter it here, or open the link of the mail in this browser. They work for {lifetime}, once."
	hidden := map[string]string{"address": c.New}
	if c.Old != "" {
		for _, old := range v.Addresses {
			if old.Type == "email" && old.Value == c.Old {
				hidden["id"] = addressID(v.ID, old)
			}
		}
	}
	p.Forms = []Form{
		{Name: "code", Action: a.accountURL("code"), Submit: "Confirm", Fields: []Field{
			{Name: "code", Label: "{digits}-digit code", Value: values.Get("code"), Autocomplete: "one-time-code", InputMode: "numeric", MaxLength: 20, Required: true}}},
		{Name: "again", Action: a.accountURL("address"), Hidden: hidden, Submit: "Send a new code"},
	}
	return p, nil
}

func (a *Auth) doCode(w http.ResponseWriter, r *http.Request, values url.Values) (string, error) {
	return "?done=address", a.takeAddress(w, r, values)
}

func (a *Auth) removeAddressForm(_ *http.Request, v accountView, values url.Values) (Page, error) {
	old, ok := addressOfID(v.Person, values.Get("id"))
	if !ok {
		return Page{}, errNotFound()
	}
	p := Page{Name: "postern.account-remove-address", Title: "Remove an address", Args: map[string]any{"address": old.Value}, Links: a.cancel(""),
		Text:  "{address} is removed from your account.",
		Forms: []Form{{Action: a.accountURL("remove-address"), Hidden: map[string]string{"id": values.Get("id")}, Submit: "Remove {address}", Danger: true}}}
	if old.Verified {
		p.Text = "Nobody signs in with {address} any more, and everybody else who is signed in to your account is signed out. For seven days a mail to {address} can undo it."
	}
	return p, nil
}

func (a *Auth) doRemoveAddress(w http.ResponseWriter, r *http.Request, values url.Values) (string, error) {
	return "?done=removed", a.removeAddress(w, r, values.Get("id"))
}
