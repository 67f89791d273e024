package authcode

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern"
)

// Limits of what comes back. Codes of Microsoft are the longest known, under 2 KiB.
const (
	maxCode  = 4 << 10
	maxIss   = 2 << 10
	maxError = 64
)

// A callback is what the provider sent the person back with (RFC 6749 section 4.1.2, RFC 9207 section 2). Either code
// or failure is set.
type callback struct {
	code    string
	failure string
	iss     string
	hasIss  bool
}

// readCallback reads the parameters of a callback, whose state is checked elsewhere. What is not clearly one answer is
// refused before anything is spent.
func readCallback(form url.Values) (callback, error) {
	for _, values := range form {
		if len(values) != 1 {
			return callback{}, malformed(errors.New("a parameter more than once")) // RFC 6749 section 3.1
		}
	}
	back := callback{code: form.Get("code"), failure: form.Get("error"), iss: form.Get("iss"), hasIss: form.Has("iss")}
	switch {
	case form.Has("code") == form.Has("error"):
		return callback{}, malformed(errors.New("not exactly one of code and error"))
	case form.Has("code") && (back.code == "" || len(back.code) > maxCode || !visible(back.code)):
		return callback{}, malformed(errors.New("code is empty, too long or not printable"))
	case form.Has("error") && back.failure == "":
		return callback{}, malformed(errors.New("error is empty"))
	case len(back.iss) > maxIss:
		return callback{}, malformed(errors.New("iss is too long"))
	}
	return back, nil
}

// visible tells whether s is all VSCHAR (RFC 6749 appendix A).
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7e })
}

// check compares the issuer (RFC 9207 section 2.4), and then turns an error into a refusal.
func (c callback) check(server Server, begunWith string) error {
	switch {
	case begunWith != server.Issuer:
		return mixUp(errors.New("the attempt was begun with another issuer"))
	case server.IssParameter && !c.hasIss:
		return mixUp(errors.New("iss is missing although the provider announces it"))
	case c.hasIss && server.Issuer != "" && c.iss != server.Issuer:
		return mixUp(fmt.Errorf("iss is not %q", server.Issuer))
	}
	if c.failure != "" {
		return denied(c.failure)
	}
	return nil
}

func mixUp(cause error) error {
	return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_issuer", Err: cause,
		Text: "This answer did not come from the service that was asked. Please start again."}
}

// denied is the page for an error parameter (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6). The code is
// one of ours; of the provider's words only a code of the usual shape reaches the log.
func denied(failure string) error {
	cause := fmt.Errorf("the provider answered with error %q", label(failure))
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

// label makes an error code of a provider fit for a log: a short word, or nothing of it.
func label(code string) string {
	if len(code) > maxError || strings.ContainsFunc(code, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	}) {
		return "(unprintable)"
	}
	return code
}
