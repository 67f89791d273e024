package postern

import (
	"net/http"
	"net/url"
	"strings"
)

// downloadPage leads to the export. Its proof is fresh, so the link gives the file at once.
func (a *Auth) downloadPage(*http.Request, accountView) (Page, error) {
	return Page{Name: "postern.account-download", Title: "Download my data",
		Text:  "The file has your profile, your addresses, your accounts at other sites and your sessions, as JSON. It has no password and no key.",
		Links: append([]Link{{Name: "export", Text: "Download account.json", URL: a.accountURL("export")}}, a.cancel("")...)}, nil
}

// exportToPerson is export in a browser. Without a fresh proof it leads back to the page with the link.
func (a *Auth) exportToPerson(w http.ResponseWriter, r *http.Request) error {
	if err := a.export(w, r, ""); err != nil {
		return a.accountRefused(w, r, "download", err)
	}
	return nil
}

// toType is what a person types to delete their account: an address, the username, or the id.
func toType(p Person) string {
	if address, ok := p.Email(); ok {
		return address
	}
	if p.Username != "" {
		return p.Username
	}
	for _, address := range p.Addresses {
		if address.Value != "" {
			return address.Value
		}
	}
	return p.ID
}

// deleteForm asks the person to type what names their account.
func (a *Auth) deleteForm(_ *http.Request, v accountView, _ url.Values) (Page, error) {
	if _, ok := a.session.users.(UserDeleter); !ok {
		return Page{}, errNotFound()
	}
	return Page{Name: "postern.account-delete", Title: "Delete your account", Args: map[string]any{"confirm": toType(v.Person), "app": a.name}, Links: a.cancel(""),
		Text: "Your account at {app} is deleted at once, with everything that belongs to it here: addresses, passwords, passkeys and the links to other sites. " +
			"Every session ends.\n\nNobody can undo this. If you want to keep your data, download them first.",
		Forms: []Form{{Action: a.accountURL("delete"), Submit: "Delete my account", Danger: true, Fields: []Field{
			{Name: "confirm", Label: "To confirm, type {confirm}", Autocomplete: "off", MaxLength: 254, Required: true}}}}}, nil
}

func (a *Auth) doDelete(w http.ResponseWriter, r *http.Request, values url.Values) (string, error) {
	v, err := a.accountViewer(w, r, true)
	if err != nil {
		return "", err
	}
	typed := strings.TrimSpace(values.Get("confirm"))
	if typed == "" || !strings.EqualFold(typed, toType(v.Person)) {
		return "", badRequest("confirm_required", "That is not what names your account. Nothing was deleted.")
	}
	if err := a.deletePerson(w, r, func(l live) bool { return l.subject == v.live.subject }); err != nil {
		return "", err
	}
	a.show(w, r, Page{Name: "postern.account-deleted", Title: "Your account was deleted", Args: map[string]any{"app": a.name},
		Text:  "Nothing of it is left here, and you are signed out.",
		Links: []Link{{Name: "application", Text: "Go to {app}", URL: a.redirects.home}}})
	return "", errAnswered
}
