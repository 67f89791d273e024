package postern

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/internal/seal"
	"github.com/posternauth/postern/internal/useragent"
)

// The mail with a code has a link too. The link holds the code, sealed, for one page: in the browser that asked for the
// mail the page has a button that sends the code, and in every other browser it shows the code to type in the first
// one. So a link gives no other browser anything: nobody confirms for a stranger what the stranger began, and no
// browser is signed in by a link that somebody sent to it. Opening a link, as scanners of mails do, only reads.

// pathCodeLink follows the path of the form that takes the code.
const pathCodeLink = "/link"

const (
	codeLinkPurpose = "mailed link"
	pathStepUpTyped = "/step-up/code"
	pathAddressCode = "/account/code"
)

// A codeLink is what a link holds.
type codeLink struct {
	ID      string `json:"i"` // of the attempt, or of the change, that the code belongs to
	Purpose string `json:"p"` // likewise
	Address string `json:"a"`
	Code    string `json:"c"`
	Device  string `json:"d"` // that asked for it, in words of this module
	Made    int64  `json:"t"` // Unix seconds
}

func (l codeLink) attempt() *attempt { return &attempt{ID: l.ID, Purpose: l.Purpose} }

// linkOfCode returns the link of a mail with a code. path is that of the form that takes the code.
func (a *Auth) linkOfCode(r *http.Request, path string, t *attempt, address, code string) (string, error) {
	plain, err := json.Marshal(codeLink{t.ID, t.Purpose, address, code, useragent.Device(r.UserAgent()), a.sessions.Now().Unix()})
	if err != nil {
		return "", err
	}
	token, err := seal.Seal(r.Context(), a.sessions.Secrets(), codeLinkPurpose, plain, a.issuer, path)
	if err != nil {
		return "", unavailable(err)
	}
	return a.issuer + path + pathCodeLink + "?" + url.Values{"token": {token}}.Encode(), nil
}

var errDeadLink = badRequest("expired_code", "This link does not work any more: it is too old, or it was used. Please ask for a new mail.")

// openCodeLink opens the token of a link.
func (a *Auth) openCodeLink(ctx context.Context, path, token string) (l codeLink, err error) {
	plain, err := seal.Open(ctx, a.sessions.Secrets(), codeLinkPurpose, token, a.issuer, path)
	switch {
	case errors.Is(err, seal.ErrOpen):
		return l, errDeadLink
	case err != nil:
		return l, unavailable(err)
	}
	if err := json.Unmarshal(plain, &l); err != nil || a.sessions.Now().Sub(time.Unix(l.Made, 0)) >= codeLife {
		return l, errDeadLink
	}
	return l, nil
}

// codeWorks returns an error unless the code of a link can still be used. Who has the link has the code, so this is no
// guess, and costs none.
func (a *Auth) codeWorks(ctx context.Context, l codeLink) error {
	_, row, err := a.readCode(ctx, l.attempt())
	switch {
	case errors.Is(err, errDeadCode):
		return errDeadLink
	case err != nil:
		return err
	case row.MAC == "":
		return errDeadLink
	}
	err = seal.CheckMAC(ctx, a.sessions.Secrets(), codePurpose, row.MAC, a.issuer, l.Purpose, l.ID, l.Address, l.Code)
	switch {
	case errors.Is(err, seal.ErrOpen): // a later mail has another one
		return errDeadLink
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// codeSent returns the code that a form sends: typed, or in the token of the link that belongs to the attempt.
func (a *Auth) codeSent(ctx context.Context, path string, t *attempt, values url.Values) (string, error) {
	token := values.Get("token")
	if token == "" || values.Get("code") != "" {
		return values.Get("code"), nil
	}
	l, err := a.openCodeLink(ctx, path, token)
	if err == nil && l.ID != t.ID {
		err = errDeadLink
	}
	return l.Code, err
}

// checkSent is checkCode for the code that a form sends.
func (a *Auth) checkSent(r *http.Request, path string, t *attempt, address string) error {
	code, err := a.codeSent(r.Context(), path, t, r.PostForm)
	if err != nil {
		return err
	}
	return a.checkCode(r, t, address, code)
}

// A codeHere reports whether the browser of a request asked for the code of a link, and returns the page that it has
// then, without its form.
type codeHere func(w http.ResponseWriter, r *http.Request, l codeLink) (Page, bool, error)

// showCodeLink returns the step that a link opens. path is that of the form that takes the code.
func (a *Auth) showCodeLink(path string, here codeHere) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		token := r.Form.Get("token")
		l, err := a.openCodeLink(r.Context(), path, token)
		if err == nil {
			err = a.codeWorks(r.Context(), l)
		}
		if err != nil {
			return err
		}
		p, asked, err := here(w, r, l)
		switch {
		case err != nil:
			return err
		case !asked:
			a.show(w, r, codeElsewhere(l))
			return nil
		}
		args := map[string]any{"address": l.Address, "device": deviceOf(l.Device)}
		p.Args, p.Text = args, "You asked for this link in this browser ({device}), by the mail to {address}."
		form := Form{Name: "link", Action: a.issuer + path, Hidden: map[string]string{"token": token}, Submit: "Continue"}
		if path != pathAddressCode { // which is found by the session
			form.Hidden["state"] = l.ID
		}
		p.Forms = []Form{form}
		a.show(w, r, p)
		return nil
	}
}

// codeElsewhere is the page of a link in a browser that did not ask for it.
func codeElsewhere(l codeLink) Page {
	to, _ := mailaddr.Parse(l.Address) // it was a canonical one
	return Page{
		Name: "postern.code-elsewhere", Title: "Your code",
		Args: map[string]any{"to": to.Mask(), "device": deviceOf(l.Device), "digits": codeDigits},
		Text: "The mail to {to} was asked for in another browser ({device}). Type this code there.\n\n" +
			"If you did not ask for it, close this page. Do not give the code to anybody.",
		Lines: []Line{{Label: "{digits}-digit code", Value: spaced(l.Code)}},
	}
}

// attemptHere returns the attempt of a link if this browser has it.
func (a *Auth) attemptHere(r *http.Request, l codeLink, flow string) (*attempt, bool, error) {
	t, err := a.attempts.findID(r, l.ID, flow)
	var refused *Error
	switch {
	case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	return t, t.Purpose == l.Purpose, nil
}

func (a *Auth) signUpHere(_ http.ResponseWriter, r *http.Request, l codeLink) (Page, bool, error) {
	t, asked, err := a.attemptHere(r, l, flowSignUp)
	if !asked || err != nil {
		return Page{}, false, err
	}
	return Page{Name: "postern.sign-up-code-link", Title: "Create an account",
		Links: []Link{{Name: "code", Text: "Enter the code", URL: a.issuer + pathSignUpCode + "?" + url.Values{"state": {t.ID}}.Encode()}}}, true, nil
}

func (a *Auth) stepUpHere(w http.ResponseWriter, r *http.Request, l codeLink) (Page, bool, error) {
	t, asked, err := a.attemptHere(r, l, flowStepUp)
	if !asked || err != nil {
		return Page{}, false, err
	}
	s, _, answered, err := a.stepUpOf(w, r)
	switch {
	case answered:
		return Page{}, false, errAnswered
	case err != nil:
		return Page{}, false, err
	case s.subject != t.Whose.User:
		return Page{}, false, errPurpose()
	}
	return Page{Name: "postern.step-up-code-link", Title: "Confirm that it is you",
		Links: []Link{{Name: "code", Text: "Enter the code", URL: a.issuer + pathStepUpCode + "?" + url.Values{"state": {t.ID}}.Encode()}}}, true, nil
}

func (a *Auth) enrolHere(_ http.ResponseWriter, r *http.Request, l codeLink) (Page, bool, error) {
	t, asked, err := a.attemptHere(r, l, flowWait)
	if !asked || err != nil {
		return Page{}, false, err
	}
	if _, err := a.readWaiting(r.Context(), t, waitEnroll); err != nil {
		return Page{}, false, err
	}
	return Page{Name: "postern.enroll-code-link", Title: "Set up a second step",
		Links: []Link{{Name: "code", Text: "Enter the code", URL: a.issuer + pathEnrolCode + "?" + url.Values{"state": {t.ID}}.Encode()}}}, true, nil
}

// addressHere goes by the session: a change of an address belongs to the one in which it was asked for.
func (a *Auth) addressHere(w http.ResponseWriter, r *http.Request, l codeLink) (Page, bool, error) {
	s, ok := a.session.current(w, r)
	if !ok {
		return Page{}, false, errAnswered
	}
	if s.zero() || s.actor != "" || !a.changesAddresses() {
		return Page{}, false, nil
	}
	c, _, err := a.readChange(r.Context(), s.subject)
	if err != nil || c.ID != l.ID || c.Session != s.id || c.Done || c.Stopped {
		return Page{}, false, err
	}
	return Page{Name: "postern.account-code-link", Title: "Confirm your address?", Links: a.cancel("")}, true, nil
}
