package postern

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// A UserDeleter is a Users from which people can delete themselves: DELETE {base}/account. DeleteUser deletes a user
// and ends everything they have. It returns nil for a user who was deleted before. If it returns an error, and Get then
// ErrNoUser, the user counts as deleted.
type UserDeleter interface {
	DeleteUser(ctx context.Context, userID string) error
}

// Offered are the ways to sign in that a handler offers.
type Offered struct {
	Password, Passkey bool
	Mail              bool     // links and codes, to a verified address
	Providers         []string // names in Config.Providers of those with identities

	// Issuer reports whether one of the Providers has the identities of an issuer, as far as the providers say which
	// issuer they have.
	Issuer func(issuer string) bool
}

// An Unlinker is a Linker that keeps the last way to sign in of those that are offered. It checks this in the same
// write.
type Unlinker interface {
	UnlinkIdentity(ctx context.Context, userID string, id Identity, o Offered) error
}

func (a *Auth) offered() (o Offered) {
	for _, name := range a.order {
		class := ""
		if s, ok := a.flows[name].handler.(StepUpper); ok {
			class = s.StepUp()
		}
		switch {
		case class == "password":
			o.Password = true
		case class == "passkey":
			o.Passkey = true
		case a.flows[name].mails:
			o.Mail = true
		default:
			o.Providers = append(o.Providers, name)
		}
	}
	o.Issuer = func(issuer string) bool {
		return slices.ContainsFunc(o.Providers, func(name string) bool { s := a.flows[name]; return s.issues != nil && s.issues(issuer) })
	}
	return o
}

// endBefore ends what was issued to a user before a way to sign in is removed, where Users is a table of the program,
// which knows no heads. It comes before the deed: if the deed fails, people sign in again, and nobody stays signed in
// by a way that is gone.
func (a *Auth) endBefore(ctx context.Context, h head.Head) error {
	if a.keepsHeads() {
		return nil
	}
	return a.writeOrChanged(ctx, h.Moved().Put())
}

// writeOrChanged writes changes that contain a head as it was read.
func (a *Auth) writeOrChanged(ctx context.Context, changes ...store.Change) error {
	switch err := a.store.Write(ctx, changes...); {
	case errors.Is(err, store.ErrConflict):
		return errChanged()
	case err != nil:
		return unavailable(err)
	}
	return nil
}

// carryOn gives the session of the request a new id after a deed that moved the head of its user, so that of all
// sessions this one goes on. A program with a Bearer token signs in again. The deed is done, so a failure here ends the
// session and nothing else.
func (a *Auth) carryOn(w http.ResponseWriter, r *http.Request, l live, before head.Head) {
	ctx := r.Context()
	after, err := head.Get(ctx, a.store, a.session.pool, l.subject)
	if err != nil || after.Sec != before.Sec+1 || r.Header.Get("Authorization") != "" {
		return // another event moved the head too: that one ends this session as well
	}
	p, err := a.session.person(ctx, l.subject)
	if err == nil {
		r = r.WithContext(head.Expect(head.Carry(ctx, before.Sec, after.Sec), after.Sec))
		err = a.session.replace(w, r, p, l.auth, session.Return{})
	}
	if err != nil {
		a.log.WarnContext(ctx, "postern: a session did not survive a change of its account", "cause", err)
	}
}

// accountSession is a session as its owner sees it.
type accountSession struct {
	ID        string    `json:"id"`
	Current   bool      `json:"current"`
	Device    string    `json:"device,omitempty"`
	Address   string    `json:"address,omitempty"`
	ClientID  string    `json:"client_id,omitempty"`
	Created   time.Time `json:"created_at"`
	LastUsed  time.Time `json:"last_used_at"`
	ExpiresAt time.Time `json:"expires_at"`
	Methods   []string  `json:"amr"`

	Impersonation bool `json:"impersonation"` // an administrator acts as the owner
	AtIssuer      bool `json:"at_issuer"`     // a browser has one here in its cookies, perhaps beside that of an application
}

// shownTo describes a session to its owner, whose request has the session current, or its pair.
func shownTo(s session.Info, current string) accountSession {
	return accountSession{s.ID, s.ID == current || slices.Contains(s.Paired, current), s.DeviceName(), s.Address, s.ClientID, s.Created.UTC(), s.LastUsed.UTC(), s.ExpiresAt.UTC(),
		append([]string{}, s.Authentication.Methods...), s.Actor != "", s.AtIssuer}
}

func (a *Auth) listSessions(w http.ResponseWriter, r *http.Request, _ string) error {
	l, _, err := a.owner(w, r)
	if err != nil {
		return err
	}
	page, err := a.sessions.List(r.Context(), l.subject, session.ListOptions{After: r.Form.Get("after")})
	switch {
	case errors.Is(err, session.ErrPage):
		return badRequest("invalid_cursor", "There is no such page. Please begin the list again.")
	case err != nil:
		return err
	}
	out := struct {
		Sessions []accountSession `json:"sessions"`
		Next     string           `json:"next,omitempty"`
	}{[]accountSession{}, page.Next}
	for _, s := range page.Sessions {
		if s.Kind == a.session.name {
			out.Sessions = append(out.Sessions, shownTo(s, l.id))
		}
	}
	return answerJSON(w, http.StatusOK, out)
}

// endSession ends one session of the person. A session of another person is answered as one that does not exist.
func (a *Auth) endSession(w http.ResponseWriter, r *http.Request, id string) error {
	l, _, err := a.freshOwner(w, r)
	if err != nil {
		return err
	}
	s, err := a.sessions.Find(r.Context(), id)
	switch {
	case errors.Is(err, session.ErrEnded):
		return errNotFound()
	case err != nil:
		return err
	case s.Kind != a.session.name || s.Subject != l.subject:
		return errNotFound()
	}
	if err := a.sessions.Revoke(r.Context(), id); err != nil {
		return err
	}
	return nil
}

func (a *Auth) endOtherSessions(w http.ResponseWriter, r *http.Request, _ string) error {
	l, _, err := a.freshOwner(w, r)
	if err != nil {
		return err
	}
	if err := a.sessions.RevokeOthers(r.Context(), l.id); errors.Is(err, session.ErrEnded) { // in the meantime
		return errSignedOut()
	} else if err != nil {
		return err
	}
	return nil
}

type identityJSON struct {
	ID       string `json:"id"`
	Provider string `json:"provider"`
	Issuer   string `json:"issuer"`
	Mark     string `json:"mark,omitempty"`
}

func identityID(userID string, id Identity) string {
	return head.Hash("identity", userID, id.Issuer, id.Subject)[:22]
}

func (a *Auth) listIdentities(w http.ResponseWriter, r *http.Request, _ string) error {
	l, _, err := a.owner(w, r)
	if err != nil {
		return err
	}
	ids, err := a.identitiesOf(r.Context(), l.subject)
	if err != nil {
		return err
	}
	out := []identityJSON{}
	for _, id := range ids {
		out = append(out, identityJSON{identityID(l.subject, id), id.Provider, id.Issuer, a.flows[id.Provider].mark})
	}
	return answerJSON(w, http.StatusOK, map[string]any{"identities": out})
}

// linkIdentity sends the person to a provider. The page after it names what will be added.
func (a *Auth) linkIdentity(w http.ResponseWriter, r *http.Request, provider string) error {
	return a.beginLink(w, r, provider)
}

func (a *Auth) unlinkIdentity(w http.ResponseWriter, r *http.Request, id string) error {
	linker, ok := a.session.users.(Linker)
	if !ok {
		return errNotFound()
	}
	l, h, err := a.freshOwner(w, r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	ids, err := a.identitiesOf(ctx, l.subject)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(ids, func(have Identity) bool { return identityID(l.subject, have) == id })
	if i < 0 {
		return errNotFound()
	}
	if err := a.endBefore(ctx, h); err != nil {
		return err
	}
	if u, ok := linker.(Unlinker); ok {
		err = u.UnlinkIdentity(head.Bind(ctx, l.subject, h.Sec), l.subject, ids[i], a.offered())
	} else {
		err = linker.Unlink(head.Bind(ctx, l.subject, h.Sec), l.subject, ids[i])
	}
	if err != nil {
		return unavailableUsers("Users.Unlink", err)
	}
	a.carryOn(w, r, l, h)
	a.emitOf(ctx, Event{Name: "identity unlinked", UserID: l.subject, Provider: ids[i].Provider})
	a.notifyOf(ctx, l.subject, noticeOfUnlink(ids[i].Provider, a.wayOf(ids[i].Provider)))
	return nil
}

// deleteAccount is deletePerson for programs. The parameter confirm must be the id of the account, so that no single
// click, and no program that follows links, deletes anybody.
func (a *Auth) deleteAccount(w http.ResponseWriter, r *http.Request, _ string) error {
	return silent(func(w http.ResponseWriter, r *http.Request, _ string) error {
		return a.deletePerson(w, r, func(l live) bool { return r.Form.Get("confirm") == l.subject })
	})(w, r, "")
}

// deletePerson deletes the person, if they have confirmed it.
func (a *Auth) deletePerson(w http.ResponseWriter, r *http.Request, confirmed func(live) bool) error {
	deleter, ok := a.session.users.(UserDeleter)
	if !ok {
		return errNotFound()
	}
	l, h, err := a.freshOwner(w, r)
	if err != nil {
		return err
	}
	if !confirmed(l) {
		return badRequest("confirm_required", "Please confirm that the account is to be deleted.")
	}
	ctx := r.Context()
	p, err := a.personOf(ctx, l)
	if err != nil {
		return err
	}
	told, err := a.noticeAddresses(ctx, p)
	if err != nil {
		return err
	}
	e := Event{Name: "account deleted", UserID: l.subject, Kind: a.session.name}
	if err := deleter.DeleteUser(head.Bind(ctx, l.subject, h.Sec), l.subject); err != nil {
		if _, gone := a.session.users.Get(ctx, l.subject); !errors.Is(gone, ErrNoUser) {
			return unavailableUsers("Users.DeleteUser", err)
		}
		e.Err = err // the person is deleted, and not everything is removed
	}
	a.emitOf(ctx, e)
	a.noticeAll(ctx, p, told, noticeDeleted)
	_ = a.sessions.SignOut(w, r) // the session has ended with its user; this removes the cookies
	return nil
}

// export answers with what the application keeps of the person, by an allow-list: nothing of a credential is in it.
func (a *Auth) export(w http.ResponseWriter, r *http.Request, _ string) error {
	l, h, err := a.freshOwner(w, r)
	if err != nil {
		return err
	}
	ctx := r.Context()
	me, err := a.accountOf(ctx, l, h)
	if err != nil {
		return err
	}
	ids, err := a.identitiesOf(ctx, l.subject)
	if err != nil {
		return err
	}
	me.Links = nil
	type linked struct {
		Provider string `json:"provider"`
		Issuer   string `json:"issuer"`
		Subject  string `json:"subject"`
	}
	out := struct {
		Account    accountJSON      `json:"account"`
		Identities []linked         `json:"identities"`
		Sessions   []accountSession `json:"sessions"`
	}{Account: me, Identities: []linked{}, Sessions: []accountSession{}}
	for _, id := range ids {
		out.Identities = append(out.Identities, linked{id.Provider, id.Issuer, id.Subject})
	}
	for after := ""; ; {
		page, err := a.sessions.List(ctx, l.subject, session.ListOptions{After: after})
		if err != nil {
			return fmt.Errorf("postern: listing sessions: %w", err)
		}
		for _, s := range page.Sessions {
			if s.Kind == a.session.name {
				out.Sessions = append(out.Sessions, shownTo(s, l.id))
			}
		}
		if after = page.Next; after == "" {
			break
		}
	}
	w.Header().Set("Content-Disposition", `attachment; filename="account.json"`)
	a.emitOf(ctx, Event{Name: "account exported", UserID: l.subject, Kind: a.session.name, SessionID: l.id})
	return answerJSON(w, http.StatusOK, out)
}

// addressOfID finds an address of a person by the id that the account shows.
func addressOfID(p Person, id string) (Address, bool) {
	i := slices.IndexFunc(p.Addresses, func(a Address) bool { return addressID(p.ID, a) == strings.TrimSpace(id) })
	if i < 0 {
		return Address{}, false
	}
	return p.Addresses[i], true
}
