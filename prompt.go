package postern

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
)

// The parameter prompt of an authorize request (OpenID Connect Core section 3.1.2.1), with Config.Session:
//
//	none             no page: the application gets the error login_required in any case
//	login            the person signs in anew, at an OpenID provider too
//	select_account   the person chooses between the account of this browser and another one
//	consent          is accepted, and asks for nothing: there is no consent here
//
// Without prompt the person is asked to sign in. The session of a browser goes on for an application if the application
// asks for it, and the person presses the button.
type prompt struct{ none, login, selects bool }

// promptOf reads the parameter. Without Config.Session the handler knows no session that could go on.
func (a *Auth) promptOf(r *http.Request) (p prompt, err error) {
	value := r.Form.Get("prompt")
	if a.session == nil || value == "" {
		return prompt{}, nil
	}
	asked := strings.Split(value, " ")
	for _, one := range asked {
		switch one {
		case "none":
			p.none = true
		case "login":
			p.login = true
		case "select_account":
			p.selects = true
		case "consent":
		default:
			return prompt{}, badRequest("invalid_request", "The application asked for a prompt that is not known here (prompt).")
		}
	}
	if p.none && (len(asked) > 1 || r.Method == http.MethodPost) { // a form has a page
		return prompt{}, badRequest("invalid_request", "The application asked for no page, and for one as well (prompt).")
	}
	return p, nil
}

// refuseSilent answers prompt=none: the application learns that the person must be asked (OpenID Connect Core section
// 3.1.2.6), also if somebody is signed in. A code without a press of the person would go to every page of the
// application that a script runs on, and to every program that answers at an address of Redirects (RFC 8252 section
// 8.6). So the answer says nothing about the browser, and reads and writes nothing.
func (a *Auth) refuseSilent(w http.ResponseWriter, ret session.Return) error {
	location, err := returnto.URL(ret, "error", "login_required", "iss", a.issuer)
	if err != nil {
		return err
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	seeOther(w, location)
	return nil
}

// mustAsk is why the session of a browser does not go on as it is.
type mustAsk struct{ stepUp bool } // whether a step-up is enough; else it needs a sign-in

func (e *mustAsk) Error() string { return "postern: the person must prove again who they are" }

// allows returns nil if the session of a browser may go on for a request. It asks what the end of a sign-in asks.
func (a *Auth) allows(r *http.Request, c present, ret session.Return) error {
	if a.deliveryOf(ret) == byTokens { // that client is no browser, and has no session here
		return &mustAsk{}
	}
	need, err := a.demand(r.Context(), c.Person, c.head, c.auth)
	if err != nil {
		return err
	}
	if !need.met(c.auth) {
		return &mustAsk{}
	}
	return a.strongEnough(r, c.auth)
}

// strongEnough checks a sign-in by max_age, in seconds, and acr_values.
func (a *Auth) strongEnough(r *http.Request, auth session.Authentication) error {
	if text := r.Form.Get("max_age"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return badRequest("invalid_request", "The application sent a malformed age of a sign-in (max_age).")
		}
		age := a.sessions.Now().Sub(auth.Time)
		if auth.Time.IsZero() || age < -attemptSkew || age > time.Duration(seconds)*time.Second {
			return &mustAsk{stepUp: true}
		}
	}
	if classes := strings.Fields(r.Form.Get("acr_values")); len(classes) > 0 && !slices.ContainsFunc(classes, auth.Meets) {
		return &mustAsk{stepUp: true}
	}
	return nil
}
