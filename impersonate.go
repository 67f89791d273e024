package postern

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/session"
)

const (
	eventBegun = "impersonation begun"
	eventEnded = "impersonation ended"

	maxReason = 500 // bytes, of an impersonation
)

// An Impersonation is what an administrator asks for, to see the application as a user sees it.
type Impersonation struct {
	UserID string
	Reason string               // one line of at most 500 bytes, for the audit log
	Allow  func(p Person) error // whether the actor may act as the user
}

// Impersonate gives the browser of an administrator a session of Config.Session in which the actor acts as a user, and
// answers the request with JSON. An error is an [*Error] to answer with. Actor must have returned the actor for this
// request. The session is an impersonation of package
// session: its tokens name the actor in the claim act, it ends with the session of the actor, and after an hour.
//
// The administrator needs a kind of session with another cookie, since one browser has one session of a kind. Its
// sessions must be in the same store. If this browser has a session of Config.Session, Impersonate refuses: nobody is
// signed out by it.
//
// The person finds the impersonation in the history of their account. If that entry cannot be written, there is no
// session.
func (f *Flow) Impersonate(w http.ResponseWriter, r *http.Request, actor Actor, i Impersonation) error {
	err := f.auth.impersonate(w, r, actor, i)
	if err == nil || errors.Is(err, errAnswered) {
		return nil
	}
	return refusal(err)
}

// CanImpersonate reports whether an administrator can act as a user from the session of their request. It cannot be
// done with a session of the application, nor with one that was made of it: one browser has one session of a kind.
func (f *Flow) CanImpersonate(actor Actor) bool { return actor.kind != f.auth.session && !actor.beside }

func (a *Auth) impersonate(w http.ResponseWriter, r *http.Request, actor Actor, i Impersonation) error {
	switch {
	case a.session == nil:
		return errNotFound()
	case i.Reason == "":
		return badRequest("missing_field", "Please give a reason.")
	case len(i.Reason) > maxReason || text.Line(i.Reason, maxReason) != i.Reason:
		return badRequest("invalid_field", "The reason is one line of at most 500 bytes.")
	case actor.kind == a.session:
		return &Error{Status: http.StatusConflict, Code: "separate_kind_needed",
			Text: "Administrators need a kind of session with its own cookie to act as a user."}
	}
	ctx := r.Context()
	if err := a.browserIsFree(w, r); err != nil {
		return err
	}
	p, h, err := a.impersonated(ctx, i.UserID)
	if err == nil && i.Allow != nil {
		err = i.Allow(p)
	}
	if err != nil {
		return err
	}
	t, err := a.session.actAs(head.Loaded(head.Expect(ctx, h.Sec), h.Rights), p, actor)
	switch {
	case errors.Is(err, session.ErrEnded):
		return errRightsChanged()
	case err != nil:
		return err
	}
	e := Event{Name: eventBegun, Kind: a.session.name, Subject: actor.UserID, UserID: p.ID, SessionID: t.SessionID, Actor: actor.UserID,
		Provider: flowAdmin, Reason: i.Reason}
	// The tokens have not left this program: without them, a session that stays after a failure opens nothing.
	info, err := a.sessions.Find(ctx, t.SessionID)
	if err == nil {
		err = a.actorStands(ctx, actor)
	}
	if err == nil {
		err = a.keepHistory(ctx, e)
	}
	if err != nil {
		_ = a.sessions.Revoke(ctx, t.SessionID)
		return err
	}
	a.sessions.Emit(ctx, e)
	a.session.setCookies(w, t)
	return answerJSON(w, http.StatusOK, struct {
		ID      string    `json:"id"`
		Expires time.Time `json:"expires_at"`
	}{t.SessionID, info.ExpiresAt.UTC()})
}

// browserIsFree refuses a browser that has a session of Config.Session. The Bearer token of the administrator says
// nothing about that.
func (a *Auth) browserIsFree(w http.ResponseWriter, r *http.Request) error {
	r = r.Clone(r.Context())
	r.Header.Del("Authorization")
	l, ok := a.session.current(w, r)
	switch {
	case !ok:
		return errAnswered
	case !l.zero():
		return &Error{Status: http.StatusConflict, Code: "signed_in_here", Text: "Somebody is signed in to the application in this browser. Please sign out there first."}
	}
	return nil
}

// impersonated returns the user of an impersonation. The head is read first, so that a change of it in between is found
// out.
func (a *Auth) impersonated(ctx context.Context, userID string) (Person, head.Head, error) {
	h, err := head.Get(ctx, a.store, a.session.pool, userID)
	if err != nil {
		return Person{}, h, unavailable(err)
	}
	p, err := a.session.users.Get(ctx, userID)
	switch {
	case errors.Is(err, ErrNoUser) || err == nil && h.Gone == head.Deleted:
		return p, h, errNotFound()
	case err != nil:
		return p, h, unavailableUsers("Users.Get", err)
	case p.Disabled || h.Gone != "":
		return p, h, &Error{Status: http.StatusConflict, Code: "user_disabled", Text: "This user is disabled. Nobody signs in as them."}
	}
	return p, h, nil
}

// actorStands checks that an actor has still the rights that they had when the request came.
func (a *Auth) actorStands(ctx context.Context, actor Actor) error {
	h, err := head.Get(ctx, a.store, actor.Pool, actor.UserID)
	switch {
	case err != nil:
		return unavailable(err)
	case h.Gone != "" || h.Sec != actor.Sec || h.Rights != actor.Rights:
		return errRightsChanged()
	}
	return nil
}

// errImpersonated refuses what only the person may do.
func errImpersonated() *Error {
	return &Error{Status: http.StatusForbidden, Code: "impersonated", Text: "You act as somebody else here. Only they may do this."}
}

// postEnd is POST {base}/session/end. Every refusal is JSON.
func (a *Auth) postEnd(w http.ResponseWriter, r *http.Request) error {
	if err := a.endImpersonation(w, r); err != nil && !errors.Is(err, errAnswered) {
		a.refuseJSON(w, r, err)
	}
	return nil
}

// endImpersonation leaves the session of the administrator as it is.
func (a *Auth) endImpersonation(w http.ResponseWriter, r *http.Request) error {
	l, ok := a.session.current(w, r)
	switch {
	case !ok:
		return errAnswered
	case l.zero():
		return errSignedOut()
	case l.actor == "":
		return &Error{Status: http.StatusConflict, Code: "not_impersonating", Text: "Nobody acts as somebody else here. Sign out to end your own session."}
	}
	ctx := r.Context()
	if err := a.sessions.Revoke(ctx, l.id); err != nil { // emits the events
		return err
	}
	a.remember(ctx, Event{Name: eventEnded, UserID: l.subject, Provider: flowAdmin})
	a.session.clearCookies(w)
	if wantsJSON(r) {
		return answerNothing(w)
	}
	seeOther(w, a.redirects.home)
	return nil
}
