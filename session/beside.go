package session

import (
	"context"
	"fmt"
	"net/http"

	"github.com/posternauth/postern/store"
)

// CodeBeside is [Kind.Code] for another session of the person who is signed in in this browser: an application has
// asked for it, and the person gives no new proof. sessionID is the session in the cookies of the request, and g has
// its Subject and its Authentication. The refresh cookie must be there: an access token, which other services see as
// well, is not enough for a session more.
//
// The session of the cookies goes on, with the cookies that the browser has, so a lost answer signs nobody out. A
// sign-out with them ends the new session too, and so does a copied token of that session (see [Sessions.Refresh]): a
// thief of the cookies could have asked for the code. The new session ends when that of the cookies would end by its
// age, KindConfig.Absolute. If that session has no pair yet (see [Kind.CodeAndCookies]), the two become one when the
// code is redeemed. Otherwise the new session counts as one.
//
// The errors are those of [Kind.Holds] and of Code, ErrRefresh for the cookies of a session that an application got by
// a code in a browser, ErrImpersonated for a session in which somebody acts as the person, and ErrGrant for another
// Subject. After an error nothing was written to w.
func (k *Kind[T]) CodeBeside(w http.ResponseWriter, r *http.Request, sessionID string, g Grant[T], ret Return) error {
	b, err := encodeGrant(g)
	if err != nil {
		return err
	}
	s, ctx := k.sessions, k.sessions.withClient(r)
	if err := s.canRedeem(); err != nil {
		return err
	}
	if err := canCode(ret); err != nil {
		return err
	}
	if err := k.Holds(r, sessionID); err != nil {
		return err
	}
	home, err := s.load(ctx, sessionID)
	switch {
	case err != nil:
		return err
	case home.Act != nil:
		return ErrImpersonated
	case home.Subject != b.subject:
		return fmt.Errorf("%w: the new session must have the Subject of the session in the cookies", ErrGrant)
	case !home.Home && home.browser() != "": // a copied token of it would not end the new session
		return refuse(ErrRefresh, "it belongs to the session of an application")
	}
	b = b.over(&home.row)
	b.ends = home.Absolute // whatever the grant says of its proof
	code, err := k.code(ctx, b.from(r, ret), ret, codePair{Home: home.item.Key.ID, Beside: true})
	if err != nil {
		return err
	}
	return redirect(w, r, ret, "code", code, "iss", s.issuer)
}

// AuthenticationOf returns when and how the person of a session signed in, as the store knows it: with the Factors and
// Remembered that no token has. The errors are ErrEnded, ErrKind, ErrUnavailable and ErrStoreRequired.
func (k *Kind[T]) AuthenticationOf(ctx context.Context, sessionID string) (Authentication, error) {
	if err := k.sessions.canEnd(); err != nil {
		return Authentication{}, err
	}
	found, _, err := k.sessions.living(ctx, sessionID, store.Key{}, k.policy)
	if err != nil {
		return Authentication{}, err
	}
	return found.Grant.encoded(&found.row).auth, nil
}
