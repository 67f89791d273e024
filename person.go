package postern

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/limit"
)

// errAnswered is the error of a step whose request is answered already.
var errAnswered = errors.New("postern: the request is answered")

// Person returns the user who is signed in in this browser, after the store was asked. In a step by which a person
// begins to have a factor it is also the user of a sign-in that waits for that, by the parameter "state". With a maxAge
// above zero, the person must have proved who they are within it: by a second factor if they have one, and else by a
// password or a step-up. An earlier sign-in by mail or by another site does not count.
//
// With ok false, Person has answered the request: with 401 "not_signed_in", or with 401
// "insufficient_user_authentication" (RFC 9470) and the URL of the step-up. A person in a browser goes on to the
// sign-in or the step-up, and from there back to the page that they opened. That works for the pages that [Manager] and
// [Factor] name, and for those that a method Pages() []string of the handler lists: steps that are opened by GET and do
// nothing. After a form, the person comes back to the page that [Manager] names, and what the form had is lost.
func (f *Flow) Person(w http.ResponseWriter, r *http.Request, maxAge time.Duration) (p Person, ok bool) {
	a, x := f.auth, exchangeOf(r)
	if x != nil && a.session != nil && f.enrolls(r) {
		wt, err := a.enrolling(r)
		if wt != nil && err == nil {
			if p, err = a.comesIn(r.Context(), wt.row.User, wt.head); err == nil {
				x.enroll, x.head, x.self = wt, &wt.head, wt.row.User
				return p, true
			}
		}
		if err != nil {
			f.Fail(w, r, err)
			return p, false
		}
	}
	l, h, answered, err := a.signedIn(w, r, maxAge)
	if x != nil && err == nil {
		x.live, x.head = l, &h
	}
	switch {
	case answered:
		return p, false
	case err == nil:
		p, err = a.session.users.Get(r.Context(), l.subject)
		if errors.Is(err, ErrNoUser) {
			err = errSignedOut()
		}
	}
	if err != nil {
		if !acceptsPage(r) || !a.leadsToProof(w, r, f.pageOfPerson(), err) {
			f.Fail(w, r, unavailableUsers("Users.Get", err))
		}
		return p, false
	}
	return p, true
}

// pageOfPerson is where a person goes on after a proof that a form of this provider needed: what the form had is not
// kept, since it may be a password.
func (f *Flow) pageOfPerson() string {
	if s, ok := f.auth.flows[f.name]; ok {
		if m, ok := s.handler.(Manager); ok {
			return f.URL(m.Manage())
		}
	}
	if f.auth.session == nil {
		return ""
	}
	return f.auth.accountURL("security")
}

// AccountLink is a link to the pages of the account, for a page on which a person has changed a credential. It is none
// for a person on the way to a session, where Enroll has returned a form.
func (f *Flow) AccountLink(r *http.Request) []Link {
	if x := exchangeOf(r); f.auth.session == nil || x == nil || x.enroll != nil {
		return nil
	}
	return f.auth.cancel("security")
}

// enrolls reports whether a request is for a step by which a person begins to have a factor.
func (f *Flow) enrolls(r *http.Request) bool {
	_, ok := f.auth.factorOf(f)
	step, _, _ := strings.Cut(f.Step(r), "/")
	return ok && step == "enroll"
}

// freshSession is signedIn for a change of the account.
func (a *Auth) freshSession(w http.ResponseWriter, r *http.Request) (l live, h head.Head, answered bool, err error) {
	return a.signedIn(w, r, stepUpLife)
}

// signedIn returns the session of the request and the head of its user. With a maxAge above zero the session had the
// Sec of that head.
func (a *Auth) signedIn(w http.ResponseWriter, r *http.Request, maxAge time.Duration) (l live, h head.Head, answered bool, err error) {
	if a.session == nil {
		return l, h, false, errNotFound()
	}
	l, h, answered, err = a.stepUpOf(w, r)
	if answered || err != nil {
		return l, h, answered, err
	}
	if maxAge > 0 {
		need, err := a.session.due(r.Context(), l, h)
		if err == nil && !a.fresh(l, need, maxAge) {
			err = errStepUp(w, a.issuer, maxAge)
		}
		if err != nil {
			return l, h, false, err
		}
		again, ok := a.session.current(w, r) // after the head was read: a reset may have come between the two
		if !ok {
			return l, h, true, nil
		}
		if again.id != l.id || again.subject != l.subject {
			return l, h, false, errSignedOut()
		}
	}
	return l, h, false, nil
}

// errStepUp refuses a request that needs a fresh proof (RFC 9470 section 3), and names the page where it is given.
func errStepUp(w http.ResponseWriter, issuer string, maxAge time.Duration) *Error {
	seconds := int64(maxAge / time.Second)
	w.Header().Add("WWW-Authenticate", fmt.Sprintf(`Bearer error="insufficient_user_authentication", error_description="a fresh proof is needed", max_age="%d"`, seconds))
	return &Error{Status: http.StatusUnauthorized, Code: "insufficient_user_authentication",
		Text:   "Please confirm first that it is you: this needs a proof that is not older than ten minutes.",
		stepUp: issuer + "/step-up?" + url.Values{"max_age": {fmt.Sprint(seconds)}}.Encode()}
}

// An Ask states how strictly a provider must identify the person this time.
type Ask struct {
	Login  bool          // the person signs in anew there, whatever session they have
	Select bool          // the person chooses an account there
	MaxAge time.Duration // how old that sign-in may be, in a step-up
	UserID string        // the user who is expected; empty for a sign-in
}

// Ask returns what a request, which begins an attempt, asks of the provider: by its purpose, or by the parameter prompt
// of a sign-in.
func (f *Flow) Ask(r *http.Request) Ask {
	x := exchangeOf(r)
	if x != nil && x.purpose == purposeSignIn {
		asked, _ := f.auth.promptOf(r) // it was read before
		return Ask{Login: asked.login, Select: asked.selects}
	}
	if x == nil || x.purpose != purposeStepUp {
		return Ask{}
	}
	return Ask{Login: true, MaxAge: time.Duration(x.whose.MaxAge) * time.Second, UserID: x.whose.User}
}

// Pool returns the name of the pool of user ids. With a user's id it names the part of the store where the rows of the
// user lie, the credentials of a provider among them.
func (f *Flow) Pool() string {
	if f.auth.session == nil {
		return f.auth.issuer
	}
	return f.auth.session.pool
}

// Part returns the part of the store with the rows of a user. The ID of a provider's row begins with the provider's
// name, that of a factor's row with "factor:" and the name: a reset of the factors of a user deletes these.
func (f *Flow) Part(userID string) string { return head.Part(f.Pool(), userID) }

// Users returns where the users are, and nil without Config.Session.
func (f *Flow) Users() Users {
	if f.auth.session == nil {
		return nil
	}
	return f.auth.session.users
}

// EndUser ends everything that a user has: see [Auth.EndUser].
func (f *Flow) EndUser(ctx context.Context, userID string) error { return f.auth.EndUser(ctx, userID) }

// Notify mails a notice about the security of an account to every verified address of the user, after what it is about.
// Best effort: an error becomes the event "notice not sent".
//
// Its link "This was not me" works for seven days, once, and goes to those addresses that the user had before
// the changes of the last seven days.
func (f *Flow) Notify(ctx context.Context, userID string, n Notice) {
	f.auth.notifyOf(ctx, userID, f.noticeOf(n))
}

// RefusesMailbox reports whether the account of a user is frozen so that a mailbox does not prove who they are: no
// password is reset by a mail to it.
func (f *Flow) RefusesMailbox(ctx context.Context, userID, address string) (bool, error) {
	a := f.auth
	h, err := head.Get(ctx, a.store, f.Pool(), userID)
	if err != nil {
		return true, unavailable(err)
	}
	if !h.Frozen {
		return false, nil
	}
	row, item, err := a.readFreeze(ctx, userID)
	return err != nil || item.Version == "" || !row.Resets || row.denies(wayOfMail(address)), err
}

// LimitUser is Limit by a user, shared by all flows of a package: name should begin with the name of the package.
func (f *Flow) LimitUser(ctx context.Context, name, userID string, every time.Duration, burst int) error {
	rule := limit.Rule{Name: name, Every: every, Burst: burst}
	return f.limited(ctx, rule, limit.For(rule, "user\x00"+f.Pool()+"\x00"+userID))
}

// LimitIdentifier is LimitUser by what a person typed to be found by, before it is known whether there is a user. It
// refuses unknown identifiers alike.
func (f *Flow) LimitIdentifier(ctx context.Context, name string, id Identity, every time.Duration, burst int) error {
	rule := limit.Rule{Name: name, Every: every, Burst: burst}
	return f.limited(ctx, rule, limit.For(rule, "identifier\x00"+f.Pool()+"\x00"+id.Issuer+"\x00"+id.Subject))
}

// SignIn runs the stations for a program that proves by itself who somebody is: the user is found or made, and the
// answer is the session, as at the end of every other sign-in. It leads to the first of Config.Redirects. It needs
// Config.Session.
func (a *Auth) SignIn(w http.ResponseWriter, r *http.Request, id Identity, methods ...string) {
	r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, a.newExchange(r)))
	f := &Flow{auth: a, name: "application"}
	if a.session == nil {
		f.Fail(w, r, errors.New("postern: Auth.SignIn needs Config.Session"))
		return
	}
	f.Done(w, r, id, methods...)
}

// Proving returns the user who must prove again who they are, in a request of a step-up: at authorize, and where the
// state of its attempt comes back. A provider that keeps credentials then asks for no name, and takes none from the
// request. ok is false for every other request.
func (f *Flow) Proving(r *http.Request) (userID string, ok bool) {
	purpose, who := purposeOf(exchangeOf(r))
	if t, err := f.auth.attempts.find(r, f.name); err == nil {
		purpose, who = t.Purpose, t.Whose
	}
	return who.User, purpose == purposeStepUp && who.User != ""
}

// Usernames reports whether people can have a username: Config.Usernames.
func (f *Flow) Usernames() bool { return f.auth.usernames }

// WaysIn returns the other ways by which a user can sign in here, as people know them: those that the user has and that
// Config.Providers offers. A provider asks for them before it removes a credential: without another way it must not.
func (f *Flow) WaysIn(ctx context.Context, p Person) (List, error) {
	a := f.auth
	h, err := head.Get(ctx, a.store, f.Pool(), p.ID)
	if err != nil {
		return nil, unavailable(err)
	}
	var ids []Identity
	if lister, ok := f.Users().(IdentityLister); ok {
		if ids, err = lister.Identities(ctx, p.ID); err != nil && !errors.Is(err, ErrNoUser) {
			return nil, unavailable(fmt.Errorf("postern: Users.Identities: %w", err))
		}
		ids = a.named(ids)
	}
	class := func(name string) string {
		if s, ok := a.flows[name].handler.(StepUpper); ok {
			return s.StepUp()
		}
		return ""
	}
	_, mailbox := p.Email()
	var ways List
	for _, name := range a.order {
		has := false
		switch own := class(name); {
		case name == f.name, own == class(f.name) && own != "provider" && own != "":
		case own == "password":
			has = h.Ways.Passwords > 0
		case own == "passkey":
			has = h.Ways.Passkeys > 0
		case a.flows[name].mails:
			has = mailbox
		default:
			has = slices.ContainsFunc(ids, func(id Identity) bool { return id.Provider == name })
		}
		if has {
			ways = append(ways, a.wayOf(name))
		}
	}
	return ways, nil
}
