package postern

import (
	"net/http"
	"net/url"
)

// chooseSteps are the methods of {base}/authorize.
func (a *Auth) chooseSteps() roomSteps {
	steps := roomSteps{"GET": a.choose}
	if a.identifierFirst || a.session != nil {
		steps["POST"] = a.postChoice
	}
	return steps
}

// choose redirects to the provider of the request or to the only provider, or shows a page to choose one. With a
// prompt, the person may go on with the session of this browser.
func (a *Auth) choose(w http.ResponseWriter, r *http.Request) error {
	ret, err := a.returnFor(r)
	if err != nil {
		return err
	}
	exchangeOf(r).invite = r.Form.Get("invitation")
	name := r.Form.Get("provider")
	switch asked, err := a.promptOf(r); {
	case err != nil:
		return err
	case asked.none:
		return a.refuseSilent(w, ret)
	case asked.selects && !asked.login && name == "":
		if shown, err := a.chooseAccount(w, r, ret); shown || err != nil {
			return err
		}
	}
	if name == "" && len(a.names) == 1 {
		name = a.names[0]
	}
	if name != "" {
		if s, ok := a.flows[name]; !ok || s.flow.parent != nil {
			return badRequest("unknown_provider", "There is no such way to sign in here (provider).")
		}
		w.Header().Set("Location", a.authorizeURL(name, onward(r)))
		w.WriteHeader(http.StatusFound)
		return nil
	}
	a.clearEnded(w, r)
	p, err := a.choicePage(w, r)
	if err != nil {
		return err
	}
	a.show(w, r, p)
	return nil
}

func (a *Auth) choicePage(w http.ResponseWriter, r *http.Request) (Page, error) {
	if !a.identifierFirst {
		p := a.choice(r)
		a.autofillInBrowser(w, r, &p)
		return p, nil
	}
	identifier, err := a.typedBefore(r)
	if err != nil {
		return Page{}, err
	}
	if identifier != "" {
		return a.waysPage(w, r, onward(r), identifier)
	}
	return a.identifierPage(w, r, a.loginHint(r))
}

// onward returns the parameters of an authorize request, to go on with: those of the query, and those of a body that
// stand in place of the query. What else was posted belongs to this step alone.
func onward(r *http.Request) url.Values {
	q := url.Values{}
	for name, values := range r.Form {
		if _, posted := r.PostForm[name]; name != "provider" && (!posted || authorizeParams[name]) {
			q[name] = values
		}
	}
	return q
}

// authorizeURL is where a sign-in by a provider begins, or where one is chosen if name is empty.
func (a *Auth) authorizeURL(name string, q url.Values) string {
	to := a.issuer + "/authorize"
	if name != "" {
		to = a.issuer + "/" + name + "/authorize"
	}
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	return to
}

// clearEnded takes the cookies of a session that has ended from a browser in which somebody is about to sign in, so
// that no later page reads them.
func (a *Auth) clearEnded(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && inBrowser(r) {
		a.sessions.ClearEnded(w, r)
	}
}

// choice is the page that lists the providers, in their order. The form of the first provider that has one stands in
// its place.
func (a *Auth) choice(r *http.Request) Page {
	p := Page{
		Name: "postern.choose", Args: map[string]any{"app": a.name},
		Title: "Sign in to {app}", Text: "How would you like to sign in?",
	}
	greetInvited(r, &p)
	q := onward(r)
	links, last := &p.Ways, a.lastUsed(r)
	for _, name := range a.order {
		form := a.formOf(name, r)
		if form != nil && len(p.Forms) == 0 {
			if name == last {
				form.Note = textLastUsed
			}
			p.Forms, links = []Form{*form}, &p.Links
			continue
		}
		*links = append(*links, a.wayLink(name, last, q, form))
	}
	p.Links = append(p.Links, a.signUpLink(q)...)
	return p
}

// greetInvited says on a page where a sign-in begins that the person came with an invitation. Whether it works is found
// out at the end, with the address.
func greetInvited(r *http.Request, p *Page) {
	if r.Form.Get("invitation") != "" {
		p.Title, p.Text = "You are invited to {app}", "Sign in, or create an account, with the address that got the invitation."
	}
}

// formOf returns the form that a provider has for the page that lists the providers; nil: none.
func (a *Auth) formOf(name string, r *http.Request) *Form {
	if own, ok := a.flows[name].handler.(interface{ Form(r *http.Request) *Form }); ok {
		return own.Form(r)
	}
	return nil
}

// wayLink is a link to a provider. form is the one that the provider would have in its place.
func (a *Auth) wayLink(name, last string, q url.Values, form *Form) Link {
	link := a.providerLink(name, a.authorizeURL(name, q))
	if form != nil && form.Submit != "" && a.labels[name] == "" { // a second one that mails
		link.Text, link.Args = form.Submit, form.Args
	}
	if name == last {
		link.Note = textLastUsed
	}
	return link
}
