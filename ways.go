package postern

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/text"
)

// With Config.IdentifierFirst a person types an address, or a username, and then chooses how to prove that it is
// theirs. Which ways they are offered depends on the configuration and on the cookie of the way that this browser used
// last, and never on the account: the store is not asked, so the answers to a known and to an unknown address are the
// same in content and in time.

// An IdentifierForm is the handler of a provider by which a person signs in who has typed an address or a username
// before: see Config.IdentifierFirst.
type IdentifierForm interface {
	// FormFor returns the form by which the person goes on, and links that belong to it, for the page that shows the
	// ways to sign in. It may begin an attempt. It must not look the identifier up, and must return the same form for
	// every one. r is like an authorize request of the provider. A nil Form: the page has a link to the provider.
	FormFor(w http.ResponseWriter, r *http.Request, identifier string) (*Form, []Link, error)
}

// setIdentifierFirst reads Config.IdentifierFirst. The providers are known by now.
func (a *Auth) setIdentifierFirst(c Config) []error {
	if !c.IdentifierFirst || len(a.faults) > 0 {
		return nil
	}
	a.identifierFirst, a.typedNames = true, a.usernames
	found := false
	for _, name := range a.names {
		_, is := a.flows[name].handler.(IdentifierForm)
		found = found || is
		if n, ok := a.flows[name].handler.(interface{ Usernames() bool }); ok && n.Usernames() {
			a.typedNames = true
		}
	}
	if !found {
		return []error{errors.New("postern: Config.IdentifierFirst needs a provider to which an address leads, such as password.New or magic.Code")}
	}
	return nil
}

// begins reports whether a request for a page may begin an attempt.
func begins(r *http.Request) bool { return r.Method == http.MethodPost || opensPage(r) }

// asAuthorize returns a request like one for the authorize step of a provider, with the parameters q.
func asAuthorize(r *http.Request, q url.Values) *http.Request {
	exchangeOf(r).posting = r.Method == http.MethodPost
	u := *r.URL
	u.RawQuery = q.Encode()
	r = r.WithContext(r.Context())
	r.URL, r.Method, r.Form, r.PostForm = &u, http.MethodGet, q, url.Values{}
	return r
}

// identifierPage asks for an address. The ways that need none are links, in their order around the form.
func (a *Auth) identifierPage(w http.ResponseWriter, r *http.Request, typed string) (Page, error) {
	p := Page{Name: "postern.choose", Title: "Sign in to {app}", Args: map[string]any{"app": a.name}}
	greetInvited(r, &p)
	q := onward(r)
	q.Del(hintParam)
	to := cloned(q)
	to.Del("login_hint")
	field := a.identifierField(typed)
	form := Form{Name: "identifier", Action: a.authorizeURL("", to), Submit: "Continue"}
	links, last := &p.Ways, a.lastUsed(r)
	for _, name := range a.order {
		h := a.flows[name].handler
		if _, is := h.(IdentifierForm); is {
			links = &p.Links
			if name == last {
				form.Note = textLastUsed
			}
			continue
		}
		*links = append(*links, a.wayLink(name, last, q, nil))
	}
	form.Fields = []Field{field}
	p.Forms = []Form{form}
	if err := a.autofill(w, r, q, &p); err != nil {
		return p, err
	}
	p.Links = append(p.Links, a.signUpLink(q)...)
	return p, nil
}

// identifierField asks for an address, or for an address or a username.
func (a *Auth) identifierField(typed string) Field {
	f := Field{Name: "identifier", Label: "Email address", Type: "email", InputMode: "email", Value: typed, Autocomplete: "email",
		MaxLength: mailaddr.MaxLength, Required: true}
	if a.typedNames {
		f.Label, f.Type, f.InputMode = "Email address or username", "text", ""
	}
	// A password manager fills a name that it has kept with a password.
	hasPassword := func(name string) bool {
		s, ok := a.flows[name].handler.(StepUpper)
		return ok && s.StepUp() == "password"
	}
	if slices.ContainsFunc(a.names, hasPassword) {
		f.Autocomplete = "username"
	}
	return f
}

func (a *Auth) signUpLink(q url.Values) []Link {
	to := (&Flow{auth: a}).SignUpURL(q.Encode())
	if to == "" {
		return nil
	}
	return []Link{{Name: "sign-up", Text: "Create an account", URL: to}}
}

// postIdentifier keeps what was typed for the next page, and leads to it, so that no reload and no Back sends the form
// again. A client that wants JSON gets that page at once.
func (a *Auth) postIdentifier(w http.ResponseWriter, r *http.Request) error {
	if _, err := a.returnFor(r); err != nil {
		return err
	}
	exchangeOf(r).invite = r.Form.Get("invitation")
	if err := knownMembers(r, "identifier"); err != nil {
		return err
	}
	typed := r.PostForm.Get("identifier")
	identifier, refused := a.readIdentifier(typed)
	if refused != nil {
		if len(typed) > mailaddr.MaxLength {
			typed = ""
		}
		p, err := a.identifierPage(w, r, typed)
		if err != nil {
			return err
		}
		a.show(w, r, p.WithError(refused))
		return nil
	}
	id, err := a.keepHint(w, r, identifier)
	if err != nil {
		return unavailable(err)
	}
	q := onward(r)
	q.Del("login_hint") // what the person has typed counts
	q.Set(hintParam, id)
	if !wantsJSON(r) {
		seeOther(w, a.authorizeURL("", q))
		return nil
	}
	p, err := a.waysPage(w, r, q, identifier)
	if err != nil {
		return err
	}
	a.show(w, r, p)
	return nil
}

// readIdentifier returns the one form of what a person typed: an address if it has an at sign.
func (a *Auth) readIdentifier(typed string) (string, *Error) {
	if strings.TrimSpace(typed) == "" {
		return "", badRequest("missing_field", "Please fill in: {field}.").with("field", Phrase(a.identifierField("").Label))
	}
	if a.typedNames && !strings.Contains(typed, "@") {
		name, ok := text.Username(strings.TrimSpace(typed))
		if !ok {
			return "", badRequest("invalid_username", "This is not a username. It has 3 to 32 of a-z, 0-9, dot, dash and underscore.")
		}
		return name, nil
	}
	address, err := mailaddr.ParseTyped(typed)
	var why *mailaddr.Error
	if errors.As(err, &why) {
		e := badRequest("invalid_address", why.Text)
		e.Err = err
		return "", e
	}
	return address.String(), nil
}

// waysPage shows the ways to sign in with an identifier: the form of the first, and links to the others, which keep the
// identifier. The way that this browser used last comes first.
func (a *Auth) waysPage(w http.ResponseWriter, r *http.Request, q url.Values, identifier string) (Page, error) {
	rest := cloned(q)
	rest.Del(hintParam)
	p := Page{
		Name: "postern.ways", Title: "Sign in to {app}", Args: map[string]any{"app": a.name, "identifier": identifier},
		Lines: []Line{{Label: "You sign in as", Value: identifier, Link: &Link{Name: "change", Text: "Not you? Change", URL: a.authorizeURL("", rest)}}},
	}
	last, order := a.lastUsed(r), slices.Clone(a.order)
	if at := slices.Index(order, last); at > 0 {
		order = slices.Insert(slices.Delete(order, at, at+1), 0, last)
	}
	asked := asAuthorize(r, q)
	links := &p.Ways
	for _, name := range order {
		if own, ok := a.flows[name].handler.(IdentifierForm); ok && len(p.Forms) == 0 && begins(r) {
			form, belong, err := own.FormFor(w, asked, identifier)
			if err != nil {
				return p, err
			}
			if form != nil {
				if name == last {
					form.Note = textLastUsed
				}
				p.Forms, p.Links, links = []Form{*form}, belong, &p.Links
				continue
			}
		}
		*links = append(*links, a.wayLink(name, last, q, a.formOf(name, asked)))
	}
	p.Links = append(p.Links, a.signUpLink(q)...)
	return p, nil
}
