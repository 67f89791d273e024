package postern

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

const (
	// adminLife is how long a session of the console lives that was made of a session of the application.
	adminLife = time.Hour

	// methodConsole is in the amr of such a session. It ends with the session of which it was made.
	methodConsole = "console"

	pathAdminSession = "/" + flowAdmin + "/session"
)

// An adminRow stands beside a session of the console that was made of a session of the application.
type adminRow struct {
	Session string    `json:"sid"` // of the application; it must live
	Until   time.Time `json:"until"`
}

func (k *kindCore) consoleKey(userID, sessionID string) store.Key {
	return store.Key{Part: head.Part(k.pool, userID), ID: "console:" + head.Hash(sessionID)}
}

// ofApplication reports whether the sessions of an administration are made of those of the application: they are of
// another kind, with another cookie, of the same people.
func (a *Auth) ofApplication(core *kindCore) bool {
	return core != a.session && core.sessions == a.sessions && core.pool == a.session.pool
}

// sessionOf returns where a session of the console is made, on the way to a page of it.
func (a *Auth) sessionOf(page string) string {
	return a.issuer + pathAdminSession + strings.TrimPrefix(page, a.issuer+"/"+flowAdmin)
}

// OpenConsole serves {base}/admin/session for a kind of session that the administration has for itself. A person with a
// fresh session of the application, and with one of the scopes, gets a session of k by a button. The request must have
// the cookies of that session: its access token alone is not enough. The session of k lives for an hour, and ends with
// the session of the application. Routes that only check tokens of k take it until its next refresh. Then the person
// sees page, the URL of a page of the console: {base}/admin/session/users leads to {base}/admin/users.
func (f *Flow) OpenConsole(w http.ResponseWriter, r *http.Request, k SessionKind, page string, scopes ...string) {
	a := f.auth
	if !a.consoleURL(page) {
		page = a.issuer + "/" + flowAdmin
	}
	here := a.sessionOf(page)
	err := a.openConsole(w, r, k.sessionKind(), page, scopes)
	if err == nil || errors.Is(err, errAnswered) {
		return
	}
	e, p := refusal(err), Page{}
	back := url.Values{"redirect_uri": {here}}
	to, text := "", "Sign in"
	switch {
	case e.Code == "not_signed_in":
		to = a.issuer + "/authorize?" + back.Encode()
	case e.stepUp != "":
		w.Header().Del("WWW-Authenticate")
		to, text = e.stepUp+"&"+back.Encode(), "Confirm that it is you"
	}
	if to != "" && r.Method != http.MethodPost {
		seeOther(w, to)
		return
	}
	if to != "" {
		p.Links = []Link{{Name: "proof", Text: text, URL: to}}
	}
	a.refusePage(w, r, p, e)
}

func (a *Auth) openConsole(w http.ResponseWriter, r *http.Request, core *kindCore, page string, scopes []string) error {
	if !a.ofApplication(core) {
		return errNotFound()
	}
	ctx := r.Context()
	l, h, answered, err := a.freshSession(w, r)
	if answered {
		return errAnswered
	}
	if err != nil {
		return err
	}
	p, err := core.person(ctx, l.subject)
	switch {
	case errors.Is(err, session.ErrEnded):
		return errSignedOut()
	case err != nil:
		return unavailableUsers("Users.Get", err)
	case !slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(p.Scopes, s) }):
		return &Error{Status: http.StatusForbidden, Code: "insufficient_scope", Text: "You have no right to administer anything here."}
	}
	if r.Method != http.MethodPost {
		a.show(w, r, Page{Name: "postern.console", Title: "Open the console", Args: map[string]any{"hours": adminLife},
			Text:  "The administration has a session for itself. It ends after {hours}, and when you sign out.",
			Forms: []Form{{Action: a.sessionOf(page), Submit: "Open the console"}}})
		return nil
	}
	if err := a.session.owns(r, l.id); errors.Is(err, session.ErrUnavailable) {
		return err
	} else if err != nil { // an access token alone, which services of the application see as well
		return errSignedOut()
	}
	old, ok := core.current(w, r)
	if !ok {
		return errAnswered
	}
	auth := l.auth
	auth.Methods = union(auth.Methods, []string{methodConsole})
	t, err := core.open(head.Loaded(head.Expect(ctx, h.Sec), h.Rights), p, auth, r.UserAgent())
	switch {
	case errors.Is(err, session.ErrEnded):
		return errChanged()
	case err != nil:
		return err
	}
	if err := a.keepConsole(ctx, core, l, t.SessionID); err != nil {
		_ = a.sessions.Revoke(ctx, t.SessionID) // the tokens have not left this program
		return err
	}
	if !old.zero() {
		_ = a.sessions.Revoke(ctx, old.id) // it ends within the hour without this, too
	}
	a.emitOf(ctx, Event{Name: "console opened", Kind: core.name, Subject: l.subject, UserID: l.subject, SessionID: t.SessionID, Provider: flowAdmin})
	core.setCookies(w, t)
	seeOther(w, page)
	return nil
}

// ConsoleApart reports whether sessions of k are apart from those of the application, so that one can end alone.
func (f *Flow) ConsoleApart(k SessionKind) bool { return k.sessionKind() != f.auth.session }

// CloseConsole ends the session of an administrator, and removes its cookies. A session of another kind goes on.
func (f *Flow) CloseConsole(w http.ResponseWriter, r *http.Request, actor Actor) error {
	if err := actor.kind.sessions.Revoke(r.Context(), actor.SessionID); err != nil {
		return unavailable(err)
	}
	actor.kind.clearCookies(w)
	f.auth.emitOf(r.Context(), Event{Name: "console closed", Kind: actor.kind.name, Subject: actor.UserID, UserID: actor.UserID, SessionID: actor.SessionID, Provider: flowAdmin})
	return nil
}

// keepConsole writes the row of a session of the console.
func (a *Auth) keepConsole(ctx context.Context, core *kindCore, l live, sessionID string) error {
	until := a.sessions.Now().Add(adminLife)
	value, err := json.Marshal(adminRow{l.id, until.UTC()})
	if err != nil {
		return fmt.Errorf("postern: encoding a session of the console: %w", err)
	}
	if err := core.sessions.Store().Write(ctx, store.Put(store.Item{Key: core.consoleKey(l.subject, sessionID), Value: value, Expires: until})); err != nil {
		return unavailable(err)
	}
	return nil
}

// consoleStands returns errSignedOut for a session of the console that has ended.
func (a *Auth) consoleStands(ctx context.Context, core *kindCore, l live) error {
	if !slices.Contains(l.auth.Methods, methodConsole) {
		return nil
	}
	if !a.ofApplication(core) {
		return errSignedOut()
	}
	err := core.consoleStands(ctx, l.id, l.subject)
	if errors.Is(err, session.ErrEnded) {
		return errSignedOut()
	}
	return err
}

// consoleStands returns session.ErrEnded for a session of the console that has ended: its hour is over, or the session
// of which it was made has ended.
func (k *kindCore) consoleStands(ctx context.Context, sessionID, userID string) error {
	now := k.sessions.Now()
	items, err := k.sessions.Store().Get(ctx, k.consoleKey(userID, sessionID))
	if err != nil {
		return unavailable(err)
	}
	var row adminRow
	if len(items) != 1 || json.Unmarshal(items[0].Value, &row) != nil || !now.Before(row.Until) {
		return session.ErrEnded
	}
	switch of, err := k.sessions.Find(ctx, row.Session); {
	case err != nil:
		return err
	case of.Ended != "" || of.Subject != userID || of.Actor != "" || !now.Before(of.ExpiresAt) || !now.Before(of.IdleExpiresAt):
		return session.ErrEnded
	}
	return nil
}
