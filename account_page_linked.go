package postern

import (
	"net/http"
	"net/url"
	"strings"
)

// identitySection lists the accounts at other sites, and the sites that can be added.
func (a *Auth) identitySection(r *http.Request, v accountView) (s Section, has bool, err error) {
	s = Section{Name: "identities", Title: "Accounts at other sites", Text: "With these you can sign in here."}
	ids, err := a.identitiesOf(r.Context(), v.live.subject)
	if err != nil {
		return s, false, err
	}
	_, links := a.session.users.(Linker)
	for _, id := range ids {
		l := Line{Label: "{provider}", Value: strings.TrimPrefix(id.Issuer, "https://"), Args: map[string]any{"provider": a.siteOf(id)}}
		if links {
			l.Form = &Form{Name: "unlink", Action: a.accountURL("unlink"), Hidden: map[string]string{"id": identityID(v.live.subject, id)}, Submit: "Unlink", Danger: true}
		}
		s.Lines = append(s.Lines, l)
	}
	if len(ids) == 0 {
		s.Text = "You have linked no account at another site."
	}
	if links {
		for _, name := range a.offered().Providers {
			s.Links = append(s.Links, Link{Name: "link:" + name, Text: "Link {provider}", Args: map[string]any{"provider": a.wayOf(name)},
				URL: a.accountURL("link?provider=" + name), Mark: a.flows[name].mark})
		}
	}
	return s, len(s.Lines)+len(s.Links) > 0, nil
}

// siteOf is the name of another site in a text.
func (a *Auth) siteOf(id Identity) any {
	if label := a.wayOf(id.Provider); label != "" {
		return label
	}
	return Phrase("Another site") // no provider here has this issuer any more
}

// linkForm says what happens before the person leaves for the other site.
func (a *Auth) linkForm(_ *http.Request, _ accountView, values url.Values) (Page, error) {
	name := values.Get("provider")
	if !a.canLink(name) {
		return Page{}, errNotFound()
	}
	return Page{Name: "postern.account-link", Title: "Link {provider}", Args: map[string]any{"provider": a.wayOf(name)}, Links: a.cancel("security"),
		Text:  "You go on to {provider} and sign in there. When you come back, you see what will be added, and say yes or no.",
		Forms: []Form{{Action: a.accountURL("link"), Hidden: map[string]string{"provider": name}, Submit: "Continue with {provider}"}}}, nil
}

func (a *Auth) canLink(name string) bool {
	if _, ok := a.session.users.(Linker); !ok {
		return false
	}
	for _, offered := range a.offered().Providers {
		if offered == name {
			return true
		}
	}
	return false
}

// doLink begins to add an identity. The person comes back to the account.
func (a *Auth) doLink(w http.ResponseWriter, r *http.Request, values url.Values) (string, error) {
	name := values.Get("provider")
	if !a.canLink(name) {
		return "", errNotFound()
	}
	r.Form.Set("redirect_uri", a.accountURL("security"))
	if err := a.beginLink(w, r, name); err != nil {
		return "", err
	}
	return "", errAnswered
}

func (a *Auth) unlinkForm(r *http.Request, v accountView, values url.Values) (Page, error) {
	ids, err := a.identitiesOf(r.Context(), v.live.subject)
	if err != nil {
		return Page{}, err
	}
	for _, id := range ids {
		if identityID(v.live.subject, id) == values.Get("id") {
			return Page{Name: "postern.account-unlink", Title: "Unlink {provider}", Args: map[string]any{"provider": a.siteOf(id)}, Links: a.cancel("security"),
				Text:  "You cannot sign in with {provider} any more, and everybody else who is signed in to your account is signed out.",
				Forms: []Form{{Action: a.accountURL("unlink"), Hidden: map[string]string{"id": values.Get("id")}, Submit: "Unlink {provider}", Danger: true}}}, nil
		}
	}
	return Page{}, errNotFound()
}

func (a *Auth) doUnlink(w http.ResponseWriter, r *http.Request, values url.Values) (string, error) {
	return "security?done=unlinked", a.unlinkIdentity(w, r, values.Get("id"))
}

// browserSection lists the browsers that stand in for the second factor.
func (a *Auth) browserSection(r *http.Request, v accountView) (s Section, has bool, err error) {
	s = Section{Name: "browsers", Title: "Remembered browsers", Text: "In these browsers you are not asked for the second step."}
	list, err := a.browsersOf(r, v.live.subject, v.head)
	if err != nil {
		return s, false, err
	}
	for _, b := range list {
		l := Line{Label: "{device}", Value: Phrase("Remembered until {until, date}"), Args: map[string]any{"device": deviceOf(b.Device), "until": b.Expires},
			Form: &Form{Name: "forget-browser", Action: a.accountURL("forget-browser"), Hidden: map[string]string{"id": b.ID}, Submit: "Forget"}}
		if b.Current {
			l.Note = "This browser."
		}
		s.Lines = append(s.Lines, l)
	}
	if len(list) > 1 {
		s.Forms = []Form{{Name: "forget-browsers", Action: a.accountURL("forget-browsers"), Submit: "Forget all browsers"}}
	}
	return s, len(list) > 0, nil
}

func (a *Auth) doForgetBrowser(w http.ResponseWriter, r *http.Request, values url.Values) (string, error) {
	id := values.Get("id")
	if id == "" { // each has its own form
		return "", errNotFound()
	}
	return "security?done=browser", a.forgetBrowsers(w, r, id)
}

func (a *Auth) doForgetBrowsers(w http.ResponseWriter, r *http.Request, _ url.Values) (string, error) {
	return "security?done=browsers", a.forgetBrowsers(w, r, "")
}
