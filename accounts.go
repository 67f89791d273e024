package postern

import (
	"cmp"
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/limit"
	"github.com/posternauth/postern/session"
)

// A browser has one session of a kind, and so one account. The chooser offers this account, and another one.

const (
	otherParam = "postern_account" // its value other: the person wants another account than that of this browser
	other      = "other"
)

// Sessions that one user can take on in this way, for each of which the store has a row.
var continueRule = limit.Rule{Name: "continue-as", Every: 10 * time.Minute, Burst: 100}

// A present is the person whose session this browser has, at this moment.
type present struct {
	live
	Person
	head head.Head
}

// present returns the person who is signed in in this browser, and may be. The error is errSignedOut if nobody is, or
// somebody acts as them.
func (a *Auth) present(w http.ResponseWriter, r *http.Request) (c present, err error) {
	l, ok := a.session.current(w, r)
	switch {
	case !ok:
		return c, errAnswered
	case l.zero() || l.actor != "":
		return c, errSignedOut()
	}
	if c.Person, c.head, err = a.admits(r.Context(), l.subject); err != nil {
		return c, err
	}
	again, ok := a.session.current(w, r) // after the head was read: a reset may have come between the two
	switch {
	case !ok:
		return c, errAnswered
	case again.id != l.id || again.subject != l.subject:
		return c, errSignedOut()
	}
	c.live = again
	c.auth, err = a.session.signedBy(r.Context(), c.id) // no token has the factors
	return c, err
}

// accountMark stands for a user in a form.
func (a *Auth) accountMark(userID string) string {
	return head.Hash("account chooser", a.issuer, userID)
}

// chooseAccount shows the account of this browser, if there is one that could go on, and reports whether it did.
func (a *Auth) chooseAccount(w http.ResponseWriter, r *http.Request, ret session.Return) (shown bool, err error) {
	if r.Form.Get(otherParam) == other || a.deliveryOf(ret) == byTokens {
		return false, nil
	}
	c, err := a.present(w, r)
	if err != nil {
		if refusal(err).Status >= http.StatusInternalServerError || errors.Is(err, errAnswered) {
			return false, err
		}
		return false, nil
	}
	var asks *mustAsk
	if err := a.strongEnough(r, c.auth); err != nil && !errors.As(err, &asks) { // a mistake of the application
		return false, err
	}
	a.show(w, r, a.accountsPage(r, c))
	return true, nil
}

func (a *Auth) accountsPage(r *http.Request, c present) Page {
	q := onward(r)
	form := Form{Name: "continue", Action: a.authorizeURL("", q), Hidden: map[string]string{"account": a.accountMark(c.subject)}, Args: map[string]any{}}
	address, _ := c.Email()
	address = cmp.Or(address, c.Username)
	form.Args["name"], form.Args["to"] = c.Name, address
	switch {
	case c.Name != "" && address != "":
		form.Submit = "Continue as {name}, {to}"
	case address != "":
		form.Submit = "Continue as {to}"
	case c.Name != "":
		form.Submit = "Continue as {name}"
	default:
		form.Submit = "Continue"
	}
	q.Set(otherParam, other)
	return Page{
		Name: "postern.accounts", Title: "Choose an account", Text: "With which account would you like to go on?", Forms: []Form{form},
		Links: []Link{{Name: other, Text: "Use another account", URL: a.authorizeURL("", q)}},
	}
}

// postAccount goes on with the account of this browser, as the person has chosen.
func (a *Auth) postAccount(w http.ResponseWriter, r *http.Request) error {
	ret, err := a.returnFor(r)
	if err != nil {
		return err
	}
	if err := knownMembers(r, "account", "max_age", "acr_values"); err != nil {
		return err
	}
	q := onward(r)
	q.Set(otherParam, other)
	c, err := a.present(w, r)
	switch e := refusal(err); {
	case err == nil:
	case e.Code == "not_signed_in":
		seeOther(w, a.authorizeURL("", q))
		return nil
	default:
		return err
	}
	if subtle.ConstantTimeCompare([]byte(r.PostForm.Get("account")), []byte(a.accountMark(c.subject))) != 1 {
		e := Deny("other_session", "This browser has another session now. Nothing was changed. Please start again.")
		a.show(w, r, a.accountsPage(r, c).WithError(refusal(e)))
		return nil
	}
	var asks *mustAsk
	switch err := a.allows(r, c, ret); {
	case err != nil && !errors.As(err, &asks):
		return err
	case err == nil:
	case asks.stepUp:
		seeOther(w, a.issuer+"/"+flowStepUp+stepUpQuery(r))
		return nil
	default:
		seeOther(w, a.authorizeURL("", q)) // the stations of a sign-in ask for what is missing
		return nil
	}
	return a.goOnAs(w, r, c, ret)
}

// goOnAs delivers the session of this browser to an application, as the end of a sign-in does. When and how the person
// signed in stays as it was.
func (a *Auth) goOnAs(w http.ResponseWriter, r *http.Request, c present, ret session.Return) error {
	if addr := a.clients.Addr(r); addr.IsValid() {
		ret = ret.From(addr.String())
	}
	location, err := returnURL(ret)
	if err != nil {
		return err
	}
	if ret.Challenge() == "" { // the application reads the cookies that this browser has
		a.dropHints(w, r)
		seeOther(w, location)
		return nil
	}
	a.dropHints(w, r)
	if err := a.besideCode(w, r, c, ret); err != nil {
		return err
	}
	a.continued(r.Context(), c)
	return nil
}

// besideCode answers with a code for an application, by the session of this browser.
func (a *Auth) besideCode(w http.ResponseWriter, r *http.Request, c present, ret session.Return) error {
	ctx := r.Context()
	if err := a.take(ctx, limit.For(continueRule, "user\x00"+a.session.pool+"\x00"+c.subject)); err != nil {
		return err
	}
	return a.session.beside(w, r.WithContext(head.Loaded(head.Expect(ctx, c.head.Sec), c.head.Rights)), c.Person, c.live, ret)
}

// continued writes to the audit log that a session went on without a new proof.
func (a *Auth) continued(ctx context.Context, c present) {
	a.emitOf(ctx, Event{Name: "sign-in continued", Reason: "select_account", Kind: a.session.name, UserID: c.subject, SessionID: c.id})
}

// postChoice takes the forms of {base}/authorize.
func (a *Auth) postChoice(w http.ResponseWriter, r *http.Request) error {
	switch _, err := a.promptOf(r); {
	case err != nil:
		return err
	case a.session != nil && r.PostForm.Has("account"):
		return a.postAccount(w, r)
	case a.identifierFirst:
		return a.postIdentifier(w, r)
	}
	return badRequest("invalid_request", "The form is not complete: go back, and send it again.")
}

func cloned(q url.Values) url.Values { return url.Values(http.Header(q).Clone()) }
