package postern

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/returnto"
	"github.com/posternauth/postern/session"
)

// Done ends a sign-in: it passes the identity to Config.OnSuccess, which answers the request, or to the stations of
// Config.Session. methods are how the person proved it, for the amr of the session (RFC 8176, and Postern's "oidc",
// "oauth", "link"); "console" is refused. Name, Picture and Addresses are made safe to show first: see [Identity].
//
// After Resume, the sign-in leads where the attempt was asked to lead. Without Resume, it depends on this request: an
// authorize request leads to its redirect_uri, and any other request to the first of Config.Redirects. So a mailed link
// that is opened in another browser never leads to the URL that its requester wanted.
//
// An error of OnSuccess becomes a page: [Deny] and other [*Error] with their status and text, any other error 500. If
// OnSuccess returns nil and has written nothing, the answer is a redirect (303) to where the sign-in leads, with the
// application's state.
func (f *Flow) Done(w http.ResponseWriter, r *http.Request, id Identity, methods ...string) {
	if id.Issuer == "" || id.Subject == "" {
		f.Fail(w, r, fmt.Errorf("postern: provider %q gave an identity without Issuer or Subject", f.name))
		return
	}
	f.finish(w, r, id, "", false, methods)
}

// DoneUser is Done for a provider that knows the user, because it keeps a credential of the user: a password or a
// passkey. It needs Config.Session.
func (f *Flow) DoneUser(w http.ResponseWriter, r *http.Request, userID string, methods ...string) {
	if userID == "" || f.auth.session == nil {
		f.Fail(w, r, fmt.Errorf("postern: provider %q ended without a user's id, or without Config.Session", f.name))
		return
	}
	f.finish(w, r, Identity{}, userID, false, methods)
}

// finish ends a sign-in of an identity, or of a user. isNew reports that the user began with it.
func (f *Flow) finish(w http.ResponseWriter, r *http.Request, id Identity, userID string, isNew bool, methods []string) {
	a := f.auth
	x := exchangeOf(r)
	switch {
	case x == nil:
		f.Fail(w, r, errOutside)
		return
	case x.finished:
		a.log.ErrorContext(r.Context(), "postern: a provider called Done twice for one request", "provider", f.name)
		return
	}
	if slices.Contains(methods, methodConsole) {
		f.Fail(w, r, errOwnMethod(f.name))
		return
	}
	x.finished = true
	ret, err := a.asked(r)
	if x.attempt != nil {
		ret, err = x.attempt.ret(), nil
	}
	if err != nil {
		f.Fail(w, r, err)
		return
	}
	if addr := f.Addr(r); addr.IsValid() {
		ret = ret.From(addr.String())
	}
	id = clean(id)
	id.Provider = f.name
	f.succeed(w, r, &SignIn{
		Identity:       id,
		UserID:         userID,
		New:            isNew,
		Authentication: session.Authentication{Time: a.authTime(id), Methods: methods},
		Tokens:         id.Tokens,
		Return:         ret,
	}, a.onSuccess)
}

// finishWaiting ends a sign-in that waited for an answer of the person.
func (f *Flow) finishWaiting(w http.ResponseWriter, r *http.Request, in *SignIn, sec int64) {
	exchangeOf(r).finished = true
	f.succeed(w, r.WithContext(head.Expect(r.Context(), sec)), in, f.auth.enter)
}

// succeed calls end with a finished sign-in, and answers the request if end did not.
func (f *Flow) succeed(w http.ResponseWriter, r *http.Request, in *SignIn, end func(http.ResponseWriter, *http.Request, *SignIn) error) {
	a := f.auth
	if _, ok := a.redirects.match(in.Return.Target()); !ok { // the list, or what RedirectAlso knows, has changed since
		f.Fail(w, r, errReturn())
		return
	}
	location, err := returnURL(in.Return)
	if err != nil {
		f.Fail(w, r, err)
		return
	}
	answer := &watched{ResponseWriter: w}
	if a.session == nil { // with users the stations know when a sign-in is finished
		a.noteUse(answer, r, in.Identity.Provider)
	}
	switch err := end(answer, r, in); {
	case errors.Is(err, errAnswered):
		return
	case err != nil && answer.written:
		// Too late for a page: only the logs get it.
		a.report(r, f, refusal(err), "")
		return
	case err != nil:
		a.dropUse(w)
		f.Fail(w, r, err)
		return
	}
	if x := exchangeOf(r); x.posted != nil {
		a.giveBackPlace(r.Context(), x.posted)
	}
	if purpose, _ := purposeOf(exchangeOf(r)); purpose != purposeLink && purpose != purposeStepUp { // these began in a session
		f.Emit(r.Context(), r, Event{Name: eventSignIn, Subject: in.Identity.Subject, UserID: in.UserID})
	}
	if !answer.written {
		seeOther(w, location)
	}
}

// returnURL returns the URL where a sign-in leads, with the application's state.
func returnURL(ret session.Return) (string, error) {
	location, err := returnto.URL(ret)
	if err != nil {
		return "", fmt.Errorf("postern: %w", err)
	}
	return location, nil
}

// authTime is when the person proved who they are. It may be long ago, where they were signed in to the provider
// already (OpenID Connect Core section 2, auth_time). session.Fresh goes by it.
func (a *Auth) authTime(id Identity) time.Time {
	now := a.sessions.Now()
	if id.AuthTime.IsZero() || id.AuthTime.After(now) {
		return now
	}
	return id.AuthTime
}

// watched knows whether an answer has begun.
type watched struct {
	http.ResponseWriter
	written bool
}

func (w *watched) WriteHeader(status int) {
	w.written = w.written || status >= 200
	w.ResponseWriter.WriteHeader(status)
}

func (w *watched) Write(p []byte) (int, error) {
	w.written = true
	return w.ResponseWriter.Write(p)
}

// Flush and Unwrap keep what http.ResponseController and older code can do with the writer.
func (w *watched) Flush() {
	w.written = true
	_ = http.NewResponseController(w.ResponseWriter).Flush() // http.Flusher has no error to give
}

func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// errOwnMethod refuses the amr value of a session of the console, which no proof of a person gives.
func errOwnMethod(provider string) error {
	return fmt.Errorf("postern: provider %q gives the method %q, which is Postern's own", provider, methodConsole)
}
