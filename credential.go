package postern

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// An Enroller is the handler of a provider whose credential people can choose at the end of a sign-up.
type Enroller interface {
	// EnrollForm returns the form that sets the credential, for a page that lists the ways, or nil. The form sends the
	// hidden field state to a step of the provider, which ends with Flow.SignUp. identifier is the address or the
	// username, for a hidden field of password managers.
	EnrollForm(state, identifier string) *Form
}

// A Credential begins with a new user.
type Credential struct {
	// Changes returns the rows of the credential for the user's id. They lie in the part Flow.Part of the user. The
	// function can be called several times.
	Changes func(userID string) []store.Change

	Passwords, Passkeys int      // how many of these the changes write
	Methods             []string // amr of the sign-in that follows: "pwd"
}

// An Applying person has verified an address, or chosen a username, and now chooses a credential.
type Applying struct {
	Address  string // verified; empty with a Username
	Username string
	Fields   map[string]string // of Config.SignUpFields
}

// Applying returns who holds the ticket of a request's parameter "state". The error is that of Resume.
func (f *Flow) Applying(r *http.Request) (Applying, error) {
	_, own, err := f.auth.ticket(r)
	switch {
	case err != nil:
		return Applying{}, err
	case own.Issuer == MailIssuer:
		return Applying{Address: own.Subject, Fields: own.Fields}, nil
	}
	return Applying{Username: own.Subject, Fields: own.Fields}, nil
}

func (a *Auth) ticket(r *http.Request) (*attempt, signUpState, error) {
	var own signUpState
	if a.session == nil {
		return nil, own, errNotFound()
	}
	t, err := a.attempts.find(r, flowSignUp)
	if err != nil {
		return nil, own, err
	}
	if err := json.Unmarshal(t.Provider, &own); t.Purpose != purposeTicket || err != nil {
		return nil, own, errPurpose()
	}
	if own.Issuer == NameIssuer && !a.usernames { // any more
		return nil, own, errClosed
	}
	if x := exchangeOf(r); x != nil {
		x.form = pathCredential + "?state=" + t.ID
	}
	return t, own, nil
}

// SignUp ends a sign-up: it makes the user and the credential in one write where Users can do that, uses up the ticket
// of the request's parameter "state", and signs the person in. It answers the request, also if it fails.
func (f *Flow) SignUp(w http.ResponseWriter, r *http.Request, c Credential) {
	t, _, err := f.auth.ticket(r)
	if err == nil {
		err = f.auth.finishSignUp(w, r, f, t, c)
	}
	if err != nil {
		f.Fail(w, r, err)
	}
}

func (a *Auth) finishSignUp(w http.ResponseWriter, r *http.Request, f *Flow, t *attempt, c Credential) error {
	var own signUpState
	if err := json.Unmarshal(t.Provider, &own); err != nil {
		return errPurpose()
	}
	ctx, id := r.Context(), own.identity()
	invite, err := a.invitationNamed(ctx, t.Invite, id)
	if err != nil {
		return err
	}
	_, verified := id.Email()
	if err := a.admitted(ctx, Applicant{Identity: id, Address: addressOf(id), Username: nameOf(id), Form: true, Invited: invite != nil && verified}); err != nil {
		return err
	}
	used, err := a.usedTicket(r, t)
	if err != nil {
		return err
	}
	s := SignUp{ID: head.Hash("sign-up ticket", a.issuer, t.ID), Identity: id, Locale: firstLanguage(r), Fields: own.Fields, Time: a.sessions.Now(),
		Passwords: c.Passwords, Passkeys: c.Passkeys}
	if invite != nil {
		s.Roles = invite.Roles
	}
	u, err := a.createUser(ctx, s, func(userID string) (list []store.Change) {
		if c.Changes != nil {
			list = c.Changes(userID)
		}
		return append(list, used)
	}, invite)
	switch {
	case errors.Is(err, ErrTaken) && id.Issuer == NameIssuer:
		return &Error{Status: http.StatusConflict, Code: "username_taken", Text: "This username is taken. Please choose another one."}
	case errors.Is(err, ErrTaken):
		return errAddressTaken()
	case errors.Is(err, store.ErrConflict): // the ticket was used, by another tab or an earlier try
		return errUsed()
	case err != nil:
		return unavailableUsers("Users.Create", err)
	}
	if err := a.wrote(ctx, used); err != nil {
		return err
	}
	a.attempts.clear(w, t)
	x := exchangeOf(r)
	x.attempt = &attempt{ID: t.ID, Flow: t.Flow, Target: t.Target, State: t.State, Challenge: t.Challenge, ClientID: t.ClientID}
	a.emitOf(ctx, Event{Name: "user created", UserID: u, Provider: flowSignUp})
	if f == nil {
		f = &Flow{auth: a, name: flowSignUp}
	}
	f.finish(w, r, Identity{}, u, true, c.Methods)
	return nil
}

// wrote returns errUsed unless this request wrote the row of a used ticket. Users.Create gives the same user to the
// same ticket, and then writes nothing: a copy of the ticket, or a request at the same moment, must not sign in to the
// account with whatever password it has. So this is checked after the user is made.
func (a *Auth) wrote(ctx context.Context, used store.Change) error {
	items, err := a.store.Get(ctx, used.Item.Key)
	switch {
	case err != nil:
		return unavailable(err)
	case len(items) == 0 || items[0].Version != used.Item.Version:
		return errUsed()
	}
	return nil
}

func addressOf(id Identity) string { a, _ := id.Email(); return a }

func nameOf(id Identity) string {
	if id.Issuer == NameIssuer {
		return id.Subject
	}
	return ""
}

// Replace replaces the session of the request, after the credential that the person just changed has ended all that was
// minted before: head is moved, and this session goes on with a new id. The person has just proved who they are by
// methods. Without methods, the new session has the proof of the session that Person found in this request.
func (f *Flow) Replace(w http.ResponseWriter, r *http.Request, userID string, methods ...string) error {
	p, err := f.auth.session.person(r.Context(), userID)
	if err != nil {
		return err
	}
	proof := session.Authentication{Time: f.auth.sessions.Now(), Methods: methods}
	if x := exchangeOf(r); x != nil && (len(methods) == 0 || x.head != nil && x.head.Due()) {
		proof = x.live.auth // a password in a form is no new proof of a person who has a second factor
	}
	return f.auth.session.replace(w, r, p, proof, session.Return{})
}
