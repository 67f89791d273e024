package authcode

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/text"
)

// The largest sizes in a callback. Codes of Microsoft are the longest known, under 2 KiB.
const (
	maxCode = 4 << 10
	maxIss  = 2 << 10
)

// A callback has the parameters of the provider's answer (RFC 6749 section 4.1.2, RFC 9207 section 2). Either code or
// failure is set.
type callback struct {
	code    string
	failure string // the error code and the error description of the provider
	words   string
	iss     string
	hasIss  bool
}

// readCallback reads the parameters of a callback; its state is checked elsewhere. An ambiguous answer is refused
// before the attempt is used up.
func readCallback(form url.Values) (callback, error) {
	for _, values := range form {
		if len(values) != 1 {
			return callback{}, malformed(errors.New("a parameter more than once")) // RFC 6749 section 3.1
		}
	}
	back := callback{code: form.Get("code"), failure: form.Get("error"), iss: form.Get("iss"), hasIss: form.Has("iss")}
	back.words = quote(form.Get("error_description"), form.Get("state"))
	switch {
	case (back.code == "") == (back.failure == ""): // an empty parameter counts as left out (RFC 6749 section 3.1)
		return callback{}, malformed(errors.New("not exactly one of code and error"))
	case len(back.code) > maxCode || !text.Printable(back.code):
		return callback{}, malformed(errors.New("code is too long or not printable"))
	case len(back.iss) > maxIss:
		return callback{}, malformed(errors.New("iss is too long"))
	}
	return back, nil
}

// check compares the issuer (RFC 9207 section 2.4), and then returns an error of the provider as a refusal.
func (c callback) check(server Server, begunWith string) error {
	switch {
	case begunWith != server.Issuer:
		return mixUp(errors.New("the attempt was begun with another issuer"))
	case server.IssParameter && !c.hasIss:
		return mixUp(errors.New("iss is missing, but the metadata of the provider promises it"))
	case c.hasIss && server.Issuer != "" && c.iss != server.Issuer:
		return mixUp(fmt.Errorf("iss is not %q", server.Issuer))
	}
	if c.failure != "" {
		return denied(c.failure, c.words)
	}
	return nil
}

func mixUp(cause error) error {
	return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_issuer", Err: cause,
		Text: "This answer did not come from the service you chose. Please start again."}
}

// denied returns the page for an error parameter (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6). The
// code on the page is one of Postern. The provider's own code and description go to the log; words is already quoted.
func denied(failure, words string) error {
	cause := fmt.Errorf("the provider answered with error %s", saidBy(failure, words))
	switch failure {
	case "access_denied", "user_cancelled_authorize", "user_cancelled_login": // the latter two: Apple, LinkedIn
		return &postern.Error{Status: http.StatusForbidden, Code: "access_denied", Err: cause,
			Text: "Signing in was cancelled, or not allowed, at the service you chose."}
	case "login_required", "interaction_required", "consent_required", "account_selection_required":
		return &postern.Error{Status: http.StatusBadRequest, Code: "interaction_required", Err: cause,
			Text: "The service you chose needs you to sign in there first. Please start again."}
	case "temporarily_unavailable":
		return Unavailable(cause)
	}
	return &postern.Error{Status: http.StatusBadRequest, Code: "provider_error", Err: cause,
		Text: "The service you chose could not sign you in. Please try again, or choose another way to sign in."}
}
