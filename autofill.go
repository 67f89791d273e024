package postern

import (
	"net/http"
	"net/url"
	"slices"
)

// An Autofiller is the handler of a provider whose credentials a browser can offer in a field for an address, as it
// does with passkeys (Web Authentication Level 3 section 5.1.4, conditional mediation).
type Autofiller interface {
	// Autofill returns a form that the script sends when the person has chosen a credential, and the path of the
	// script: see Form.Unseen and Page.Script. It may begin an attempt. r is like an authorize request of the provider.
	Autofill(w http.ResponseWriter, r *http.Request) (f *Form, script string, err error)
}

// Autofill lets the browser offer passkeys in the field of a page in which a person types an address or a username to
// sign in. It changes only a page that a browser opens by an authorize request, and does nothing without a provider
// that is an [Autofiller].
func (f *Flow) Autofill(w http.ResponseWriter, r *http.Request, p *Page) {
	x := exchangeOf(r)
	if x != nil && x.asked && x.purpose == purposeSignIn && r.Method == http.MethodGet && !x.posting {
		f.auth.autofillInBrowser(w, r, p)
	}
}

// AutofillAgain is Autofill for the page of a sign-in that is shown once more, with an error, as the answer to its
// form. query is that of the authorize request which the sign-in began with.
func (f *Flow) AutofillAgain(w http.ResponseWriter, r *http.Request, query string, p *Page) {
	a, x := f.auth, exchangeOf(r)
	q, err := url.ParseQuery(query)
	if err != nil || x == nil || x.purpose != purposeSignIn || r.Method != http.MethodPost || wantsJSON(r) {
		return
	}
	ret, asked, posting := x.ret, x.asked, x.posting
	defer func() { x.ret, x.asked, x.posting = ret, asked, posting }()
	if x.ret, err = a.returnOf(q); err == nil {
		x.asked = true
		err = a.autofill(w, r, q, p)
	}
	if err != nil {
		a.log.WarnContext(r.Context(), "postern: a page does not offer passkeys in its field", "cause", err)
	}
}

// autofillInBrowser is autofill for a page that works without. Programs open the page of the credential by themselves.
func (a *Auth) autofillInBrowser(w http.ResponseWriter, r *http.Request, p *Page) {
	if r.Method != http.MethodGet || !inBrowser(r) {
		return
	}
	if err := a.autofill(w, r, onward(r), p); err != nil {
		a.log.WarnContext(r.Context(), "postern: a page does not offer passkeys in its field", "cause", err)
	}
}

// autofill adds the unseen form of a credential to a page with a field for an address or a username. q are the
// parameters of the authorize request.
func (a *Auth) autofill(w http.ResponseWriter, r *http.Request, q url.Values, p *Page) error {
	i := slices.IndexFunc(p.Forms, func(f Form) bool { return identifierOf(f) >= 0 })
	if i < 0 || p.Script != "" || !begins(r) {
		return nil
	}
	for _, name := range a.order {
		own, ok := a.flows[name].handler.(Autofiller)
		if !ok {
			continue
		}
		x := exchangeOf(r)
		x.aside = true
		unseen, script, err := own.Autofill(w, asAuthorize(r, q))
		x.aside = false
		if err != nil || unseen == nil {
			return err
		}
		form := &p.Forms[i]
		form.Fields = slices.Clone(form.Fields)
		form.Fields[identifierOf(*form)].Autocomplete = "username webauthn"
		unseen.Unseen, p.Script = true, script
		p.Forms = append(p.Forms, *unseen)
		return nil
	}
	return nil
}

// identifierOf returns the place of the field of a form in which a person says who they are; -1 without one.
func identifierOf(f Form) int {
	return slices.IndexFunc(f.Fields, func(field Field) bool { return field.Autocomplete == "username" || field.Autocomplete == "email" })
}
