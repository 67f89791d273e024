package postern

import (
	"errors"
	"net/http"

	"github.com/posternauth/postern/session"
)

// Every attempt has a purpose, which is sealed when it begins. A proof that was given for one purpose counts for no
// other: a link that a person followed to add a provider to their account never makes a user.
const (
	purposeSignIn = ""        // the only one in which a user is made
	purposeSignUp = "sign-up" // a mailed code, and then the ticket for a credential
	purposeTicket = "ticket"
	purposeLink   = "link"
	purposeStepUp = "step-up"
	purposeJoin   = "join" // a new identity whose address belongs to a user
)

// whose is the person for whom an attempt began, with the session and the state of their security at that moment.
type whose struct {
	User    string `json:"u"`
	Session string `json:"s,omitempty"`
	Sec     int64  `json:"c,omitempty"`
	MaxAge  int64  `json:"m,omitempty"` // seconds
}

// purposeOf returns the purpose of a request that ends an attempt, and the person for whom it began.
func purposeOf(x *exchange) (string, whose) {
	switch {
	case x == nil:
	case x.attempt != nil:
		return x.attempt.Purpose, x.attempt.Whose
	case x.purpose != "": // a provider that calls Done without an attempt
		return x.purpose, x.whose
	}
	return purposeSignIn, whose{}
}

// room serves a path of the handler itself, for people: the request is read and checked as that of a provider.
func (a *Auth) room(w http.ResponseWriter, r *http.Request, steps map[string]func(http.ResponseWriter, *http.Request) error) {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	serve := steps[method]
	if serve == nil {
		allow := ""
		for _, m := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
			if steps[m] != nil {
				if allow != "" {
					allow += ", "
				}
				if allow += m; m == http.MethodGet {
					allow += ", HEAD"
				}
			}
		}
		w.Header().Set("Allow", allow)
		a.fail(w, r, nil, errMethod())
		return
	}
	r, err := a.admit(w, r)
	defer func() {
		if x := exchangeOf(r); x != nil && x.leave != nil {
			x.leave()
		}
	}()
	if err == nil && method != http.MethodGet && !a.ours(r) {
		err = errCrossOrigin()
	}
	if err == nil {
		err = serve(w, r)
	}
	if err != nil && !errors.Is(err, errAnswered) {
		a.fail(w, r, nil, err)
	}
}

func errCrossOrigin() *Error {
	return &Error{Status: http.StatusForbidden, Code: "cross_origin",
		Text: "This request did not come from a page of this site. Please start again."}
}

// returnFor reads where a room leads, as the authorize request of a provider does.
func (a *Auth) returnFor(r *http.Request) (session.Return, error) {
	x := exchangeOf(r)
	ret, err := a.returnOf(r.Form)
	if err != nil {
		return ret, err
	}
	x.ret, x.asked = ret, true
	if e := a.otherName(r); e != nil {
		return ret, e
	}
	return ret, nil
}
