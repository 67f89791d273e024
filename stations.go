package postern

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/store"
)

// With Config.Session every sign-in passes the same stations, whatever its provider:
//
//	identity -> user, or sign-up -> may the user come in? -> a second factor, where one is due -> session
//
// arrive is where a proof arrives. Its purpose decides which stations follow.
func (a *Auth) arrive(w http.ResponseWriter, r *http.Request, in *SignIn) error {
	switch purpose, who := purposeOf(exchangeOf(r)); purpose {
	case purposeSignIn:
		return a.signIn(w, r, in)
	case purposeLink:
		return a.endLink(w, r, in, who)
	case purposeStepUp:
		return a.endStepUp(w, r, in, who)
	}
	return errPurpose()
}

func errPurpose() *Error {
	return badRequest("invalid_state", "This page belongs to something else that was begun in this browser. Please start again.")
}

// signIn finds the user of a proof, or makes one, and ends with the session.
func (a *Auth) signIn(w http.ResponseWriter, r *http.Request, in *SignIn) error {
	if in.UserID == "" {
		u, err := a.session.users.Find(r.Context(), in.Identity)
		switch {
		case errors.Is(err, ErrNoUser):
			return a.firstSignIn(w, r, in)
		case err != nil:
			return unavailable(fmt.Errorf("postern: Users.Find: %w", err))
		}
		in.UserID = u
	}
	if err := a.redeemInvitation(r, in); err != nil {
		return err
	}
	return a.enter(w, r, in)
}

// firstSignIn makes the user of an identity that nobody has, if the policy allows it.
func (a *Auth) firstSignIn(w http.ResponseWriter, r *http.Request, in *SignIn) error {
	ctx := r.Context()
	who := Applicant{Identity: in.Identity, Form: in.Identity.Issuer == MailIssuer || in.Identity.Issuer == NameIssuer}
	if in.Identity.Issuer == NameIssuer {
		who.Username = in.Identity.Subject
	}
	who.Address, _ = in.Identity.Email()
	// Each of its verified addresses would become the user's, so the owner of each is asked.
	for _, address := range in.Identity.Addresses {
		one := Identity{Addresses: []Address{address}}
		value, verified := one.Email()
		if !verified || in.Identity.Issuer == MailIssuer {
			continue
		}
		u, err := a.session.users.Find(ctx, mailIdentity(value))
		switch {
		case err == nil:
			return a.offerJoin(w, r, in, u, value)
		case !errors.Is(err, ErrNoUser):
			return unavailable(fmt.Errorf("postern: Users.Find: %w", err))
		}
	}
	invite, err := a.invitationOf(r, in.Identity)
	if err != nil {
		return err
	}
	who.Invited = invite != nil
	if err := a.admitted(ctx, who); err != nil {
		return err
	}
	s := SignUp{ID: a.signUpID(r, in.Identity), Identity: in.Identity, Name: in.Identity.Name, Locale: languageOfNew(r, in.Identity), Time: a.sessions.Now()}
	if invite != nil {
		s.Roles = invite.Roles
	}
	u, err := a.createUser(ctx, s, nil, invite)
	switch {
	case errors.Is(err, ErrTaken):
		// Another sign-in was faster: of the same identity, or of the owner of the address.
		if u, err = a.session.users.Find(ctx, in.Identity); errors.Is(err, ErrNoUser) {
			return errAddressTaken()
		}
	case err == nil:
		in.New = true
	}
	if err != nil {
		return unavailableUsers("Users.Create", err)
	}
	in.UserID = u
	if in.New {
		a.emitOf(ctx, Event{Name: "user created", UserID: u, Provider: in.Identity.Provider})
	}
	return a.enter(w, r, in)
}

func unavailableUsers(what string, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return unavailable(fmt.Errorf("postern: %s: %w", what, err))
}

// signUpID is the same for every try of one attempt, so that a lost answer does not make two users. Without an attempt
// it is random: an id of the identity alone would give the next owner of an address the user of the one before.
func (a *Auth) signUpID(r *http.Request, id Identity) string {
	x := exchangeOf(r)
	if x == nil || x.attempt == nil {
		return rand.Text()
	}
	return head.Hash("sign-up", a.issuer, x.attempt.ID, id.Issuer, id.Subject)
}

// createUser makes a user, with the changes of its credential and of its invitation in the same write where Users can
// do that.
func (a *Auth) createUser(ctx context.Context, s SignUp, changes func(userID string) []store.Change, invite *invitation) (string, error) {
	all := func(userID string) (list []store.Change) {
		if changes != nil {
			list = changes(userID)
		}
		if invite != nil {
			list = append(list, invite.used())
		}
		return list
	}
	if c, ok := a.session.users.(Creator); ok {
		return c.CreateWith(ctx, s, all)
	}
	u, err := a.session.users.Create(ctx, s)
	if err != nil {
		return "", err
	}
	list := all(u)
	if s.Passwords+s.Passkeys > 0 {
		h, err := head.Get(ctx, a.store, a.session.pool, u)
		if err != nil {
			return "", err
		}
		h.Ways.Passwords += s.Passwords
		h.Ways.Passkeys += s.Passkeys
		list = append(list, h.Added().Put())
	}
	return u, a.writeParts(ctx, list)
}

// writeParts writes changes all at once where the engine can, and else part by part.
func (a *Auth) writeParts(ctx context.Context, changes []store.Change) error {
	if store.WritesTwoParts(a.store) {
		return a.store.Write(ctx, changes...)
	}
	for len(changes) > 0 {
		part := changes[0].Item.Key.Part
		same := func(c store.Change) bool { return c.Item.Key.Part == part }
		var now, later []store.Change
		for _, c := range changes {
			if same(c) {
				now = append(now, c)
			} else {
				later = append(later, c)
			}
		}
		if err := a.store.Write(ctx, now...); err != nil {
			return err
		}
		changes = later
	}
	return nil
}

// enter gives the session to a user who has proved who they are, unless the user may not come in.
func (a *Auth) enter(w http.ResponseWriter, r *http.Request, in *SignIn) error {
	ctx := r.Context()
	p, h, err := a.admits(ctx, in.UserID)
	if err != nil {
		return err
	}
	if err := a.thawed(ctx, in, p, h, false); err != nil {
		return err
	}
	for _, ask := range []func() (waits bool, err error){
		func() (bool, error) { return a.askFactor(w, r, in, p, h) },
		func() (bool, error) { return false, a.thawed(ctx, in, p, h, true) },
		func() (bool, error) { return a.askJoin(w, r, in, h) },
	} {
		if waits, err := ask(); waits || err != nil {
			return cmp.Or(err, errAnswered)
		}
	}
	a.unlockPassword(ctx, in, h)
	r = r.WithContext(head.Loaded(head.Expect(ctx, h.Sec), h.Rights))
	how := a.deliveryOf(in.Return)
	in, how = a.askOffer(w, r, in, h, how)
	if how != byTokens { // that client is no browser
		a.noteUse(w, r, in.Identity.Provider)
	}
	if err := a.session.deliver(w, r, p, in, how); err != nil {
		a.dropUse(w)
		if errors.Is(err, session.ErrEnded) { // in the meantime
			return errChanged()
		}
		return err
	}
	if s, ok := a.session.users.(interface {
		TouchLastSignIn(ctx context.Context, userID string) error
	}); ok {
		_ = s.TouchLastSignIn(ctx, in.UserID) // best effort: the time of the last sign-in
	}
	return nil
}

// admits returns a user who may come in, and the head as it was before the user was read.
func (a *Auth) admits(ctx context.Context, userID string) (p Person, h head.Head, err error) {
	for range 2 {
		if h, err = head.Get(ctx, a.store, a.session.pool, userID); err != nil {
			return p, h, unavailable(err)
		}
		if sec, ok := head.Expected(ctx); ok && sec != h.Sec {
			return p, h, errChanged()
		}
		p, err = a.comesIn(ctx, userID, h)
		if err == nil || h.Gone != head.Disabled || p.ID == "" || p.Disabled {
			break
		}
		// The time for which the user was disabled has passed, and Users.Get has just enabled them: once more.
	}
	return p, h, err
}

// unlockPassword lets the password of a user work again after too many wrong ones, because the person has proved in
// another way who they are. Best effort: the password stays refused until the next such sign-in.
func (a *Auth) unlockPassword(ctx context.Context, in *SignIn, h head.Head) {
	if h.Lock != head.LockPassword || slices.Contains(in.Authentication.Methods, methodPassword) {
		return
	}
	h.Lock = ""
	if err := a.store.Write(ctx, h.Put()); err == nil {
		a.sessions.Emit(ctx, Event{Name: "password unlocked", UserID: in.UserID, Provider: in.Identity.Provider})
	}
}

// comesIn returns the user, or why the user may not come in. It is asked after proof alone.
func (a *Auth) comesIn(ctx context.Context, userID string, h head.Head) (Person, error) {
	if h.Gone == head.Deleted {
		return Person{}, errNoAccount()
	}
	p, err := a.session.users.Get(ctx, userID)
	switch {
	case errors.Is(err, ErrNoUser):
		return p, errNoAccount()
	case err != nil:
		return p, unavailable(fmt.Errorf("postern: Users.Get: %w", err))
	case p.Disabled || h.Gone != "":
		return p, Deny("account_disabled", "This account is disabled. Please ask the people who run this site.")
	}
	return p, nil
}

func errNoAccount() error {
	return Deny("no_account", "This account does not exist any more.")
}

func errChanged() *Error {
	return badRequest("expired_state", "The security of this account changed while you were signing in. Please start again.")
}

func errAddressTaken() *Error {
	return &Error{Status: http.StatusConflict, Code: "address_taken",
		Text: "There is an account with this address. Please sign in to it the way you did before."}
}

// deliveryOf returns how a sign-in that leads to ret delivers its session.
func (a *Auth) deliveryOf(ret session.Return) delivery {
	switch {
	case ret.Challenge() != "":
		return byCode
	case ret.ClientID() != "" && slices.Contains(a.tokenClients, ret.ClientID()):
		return byTokens
	}
	return byCookie
}

// mailIdentity is the identity of a mailbox.
func mailIdentity(address string) Identity {
	return Identity{Issuer: MailIssuer, Subject: address, Addresses: []Address{{Type: "email", Value: address, Verified: true}}}
}

// canonicalAddress returns the one form of a mail address that is stored and compared, and false for what is not one
// address.
func canonicalAddress(typed string) (string, bool) {
	a, err := mailaddr.ParseTyped(typed)
	if err != nil {
		return "", false
	}
	return a.String(), true
}

// EndUser ends everything that a user has: sessions, codes, and whatever is in flight. A program with a user table of
// its own calls it when it disables or deletes a user. users.Directory does it by itself. The error is
// session.ErrUnavailable or the store's: call it again.
func (a *Auth) EndUser(ctx context.Context, userID string) error {
	return a.sessions.RevokeSubject(ctx, userID)
}
