package session

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// maxData is the largest size of a session's data on the server, in bytes.
const maxData = 64 << 10

// Edit changes the stored state of a session: Properties, Scopes, Roles, Authentication, Device, Address and claims.
// Tokens have the new state from the next refresh on. For the session of the present request use [Kind.Merge].
//
// change may be called several times, each time with the present state in the store. If the store's answer is lost
// while another program writes the session too, change may be applied twice. So change should set values and not add to
// them. Edit returns an error of change unchanged. In an impersonation (Grant.ActorSession) it adds no scope and no
// role, and leaves Authentication empty.
//
// The other errors are ErrEnded, ErrKind if the session is of another kind, and those of [Kind.Create].
func (k *Kind[T]) Edit(ctx context.Context, sessionID string, change func(*Grant[T]) error) error {
	_, err := k.edit(ctx, sessionID, store.Key{}, time.Time{}, change)
	return err
}

// Merge is Edit for the session of a request. It returns an access token with the new state, which expires when the
// token of s expires. It returns no refresh token: the client's refresh token still works, and an access token alone
// must not be enough to get one. Send the new access token to the client in the way the old one came: by
// [Kind.SetCookies], which does not change the refresh cookie, or in the answer. For a step up, such as a second
// factor, use [Kind.Replace]. change and the errors are those of Edit.
func (k *Kind[T]) Merge(ctx context.Context, s *Session[T], change func(*Grant[T]) error) (Tokens, error) {
	return k.edit(ctx, s.ID, k.userOf(s.Subject), s.Expires, change)
}

func (k *Kind[T]) edit(ctx context.Context, id string, user store.Key, expires time.Time, change func(*Grant[T]) error) (t Tokens, err error) {
	s := k.sessions
	if err := s.canKeep(); err != nil {
		return t, err
	}
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		old, _, err := s.living(ctx, id, user, k.policy)
		if err != nil {
			return false, err
		}
		next, err := k.change(&old.row, change)
		if err != nil {
			return false, err
		}
		until := expires
		if until.IsZero() {
			until = s.now().Add(k.access).Truncate(time.Second)
		}
		// Edit does not return the token, but a session that does not fit into a token must not be written.
		if t, err = k.sign(ctx, next.Grant.encoded(&next), id, next.Grant.ClientID, until); err != nil {
			return false, err
		}
		put, err := old.put(next, k.idle)
		if err != nil {
			return false, err
		}
		return s.commit(ctx, put)
	})
	if err != nil {
		return Tokens{}, err
	}
	return t, nil
}

// change returns the row with its grant changed by fn.
func (k *Kind[T]) change(r *row, fn func(*Grant[T]) error) (row, error) {
	g, err := k.grant(r)
	if err != nil {
		return row{}, err
	}
	if err := fn(&g); err != nil {
		return row{}, err
	}
	if g.Subject != r.Subject {
		return row{}, fmt.Errorf("%w: the Subject of a session does not change", ErrGrant)
	}
	b, err := encodeGrant(g)
	if err != nil {
		return row{}, err
	}
	if b.acting.Session != r.actorSession() {
		return row{}, fmt.Errorf("%w: the ActorSession of a session does not change", ErrGrant)
	}
	if r.Act != nil {
		b = b.within(r)
	}
	next := *r
	next.Grant, next.Device, next.Address = b.saved(r.Grant.ClientID), b.device, b.address
	return next, nil
}

// Replace trades a refresh token for a new session of the same subject. One write creates the new session and ends the
// old one. Use it for a step up, such as a second factor: a copied token of the old session gives no access to the new
// session (OWASP ASVS 7.2.4). The new session keeps the server's data of the old one (see [Sessions.Data]), the Device
// and Address if g has none, the Factors and Remembered of its Authentication beside those of g, and the claims that g
// neither sets nor clears (see [Claim]). It lives for KindConfig.Absolute from now on if the Authentication.Time of g
// is later than that of the old session, and else ends when the old one would have ended. For a browser with cookies
// use [Kind.ReplaceCookies].
//
// Replace takes the refresh token and not the session of the request, because an access token alone must not be enough
// to get a new session. The errors are those of [Sessions.Refresh] for the token, those of [Kind.Create] for g, ErrKind
// if the session is of another kind, and ErrImpersonated if it is an impersonation.
func (k *Kind[T]) Replace(ctx context.Context, refresh string, g Grant[T]) (Tokens, error) {
	n, err := k.replace(ctx, refresh, g, false)
	return n.tokens, err
}

// replace is Replace. With pairs, the new session is that of a browser, and has a pair in any case.
func (k *Kind[T]) replace(ctx context.Context, refresh string, g Grant[T], pairs bool) (n newborn, err error) {
	s := k.sessions
	b, err := encodeGrant(g)
	if err != nil {
		return n, err
	}
	if b.acting.Session != "" {
		return n, errActingHere
	}
	if err := s.canKeep(); err != nil {
		return n, err
	}
	token, err := s.parse(ctx, refresh)
	if err != nil {
		return n, err
	}
	var crowded []record
	begins := k.birth(ctx)
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		old, _, err := s.proven(ctx, token, k.policy)
		switch {
		case errors.Is(err, errMoved) && head.Carries(ctx, old.Sec, old.head.Sec): // by this request
		case headReason(err) != "":
			return s.endByHead(ctx, k.policy, &old, err)
		case err != nil:
			return false, err
		default:
			if err := begins.check(old.head); err != nil {
				return false, err
			}
		}
		if use := old.useOf(token.number, s.now()); use.copied() {
			return s.endFor(ctx, k.policy, &old, use)
		}
		if old.Act != nil {
			return false, ErrImpersonated
		}
		if old.Subject != b.subject {
			return false, fmt.Errorf("%w: a new session must have the Subject of the session that it replaces", ErrGrant)
		}
		u, err := k.loadSubject(ctx, b.subject)
		if err != nil {
			return false, err
		}
		u.epoch, u.head = old.epoch, old.head // those that the check of the old session used
		rights, known := k.loadedRights(ctx)
		if !known {
			rights = old.Rights
		}
		next := b.over(&old.row)
		if n, err = k.newRecord(ctx, next, old.Grant.ClientID, old.Data, rights); err != nil {
			return false, err
		}
		n.row.Pair, n.row.Home, n.row.Browser = old.Pair, old.Home, old.Browser
		n.row.Beside = old.Beside && next.ends != 0
		if pairs && n.row.Pair == "" {
			n.row.Pair, n.row.Home = n.record.item.Key.ID, true
		}
		var changes []store.Change
		if changes, crowded, err = k.insert(ctx, n, u, old.item.Key.ID); err != nil {
			return false, err
		}
		put, err := old.put(old.ended(endReplaced), k.idle)
		if err != nil {
			return false, err
		}
		return s.commit(ctx, append(changes, put)...)
	})
	if err != nil {
		return newborn{}, err
	}
	s.created(ctx, k.policy, &n.row, n.tokens.SessionID)
	s.Emit(ctx, Event{Name: "session ended", Reason: endReplaced, Kind: k.name, Subject: b.subject, SessionID: token.id})
	k.crowdedOut(ctx, crowded)
	return n, nil
}

// over returns the grant, with its missing parts taken from the row of the old session. Without a later proof it ends
// when that session does, or sessions that follow one another would never reach the age of KindConfig.Absolute.
func (b encodedGrant) over(old *row) encodedGrant {
	b.device, b.address = cmp.Or(b.device, old.Device), cmp.Or(b.address, old.Address)
	b.claims = old.Grant.Claims.with(b.claims, false)
	if b.auth.Time.IsZero() || b.auth.Time.Unix() <= old.Grant.AuthTime { // the row has seconds
		b.ends = old.Absolute
	}
	b.auth.Remembered = b.auth.Remembered || old.Grant.Remembered
	for _, name := range old.Grant.Factors {
		if !slices.Contains(b.auth.Factors, name) {
			b.auth.Factors = append(slices.Clip(b.auth.Factors), name)
		}
	}
	return b
}

// ReplaceCookies is [Kind.Replace] with the refresh cookie of the request. It sets the cookies of the new session. Call
// it before you write the body. The errors are those of Replace, ErrMissing if the request has no refresh cookie,
// ErrDuplicate if it has two, ErrCrossOrigin if a page of an untrusted origin sent the request, and ErrUnavailable if
// this client address sent too many forged refresh tokens. With ErrReuse the cookies are cleared.
//
//	g := session.Grant[User]{Subject: s.Subject, Properties: s.Properties, Scopes: s.Scopes, Roles: s.Roles}
//	g.Authentication = session.Authentication{Time: time.Now(), Methods: append(s.Authentication.Methods, "otp")}
//	err := user.ReplaceCookies(w, r, g)
func (k *Kind[T]) ReplaceCookies(w http.ResponseWriter, r *http.Request, g Grant[T]) error {
	_, err := k.replaceCookies(w, r, g, false)
	return err
}

func (k *Kind[T]) replaceCookies(w http.ResponseWriter, r *http.Request, g Grant[T], pairs bool) (n newborn, err error) {
	if err := k.sessions.checkOrigin(r); err != nil {
		return n, err
	}
	refresh, err := cookie(r.Header, k.cookie+refreshSuffix)
	if err == nil && refresh == "" {
		err = ErrMissing
	}
	if err != nil {
		return n, err
	}
	n, err = k.replace(k.sessions.withClient(r), refresh, g, pairs)
	switch {
	case errors.Is(err, errForged):
		if denied := k.sessions.countAllForged(r, 1); denied != nil {
			return n, denied
		}
	case errors.Is(err, ErrReuse):
		k.clearCookies(w)
	case err == nil:
		k.setCookies(w, n.tokens)
	}
	return n, err
}

// Data returns the server's data of a session, in JSON, or nil if there is none. The data is never sent to a client.
// The error is ErrEnded if the session has ended, ErrUnavailable or ErrStoreRequired.
func (s *Sessions) Data(ctx context.Context, sessionID string) (json.RawMessage, error) {
	if err := s.canEnd(); err != nil {
		return nil, err
	}
	k, _, err := s.living(ctx, sessionID, store.Key{}, nil)
	return slices.Clone(k.Data), err
}

// EditData changes the server's data of a session: JSON of at most 64 KiB. change receives the present data, and nil if
// there is none. It may be called several times and in rare cases be applied twice, as in [Kind.Edit]. Keep the data
// small, because every refresh writes it again.
//
// An error of change is returned unchanged. The other errors are ErrTooLarge, ErrGrant if the result of change is not
// valid JSON, and those of Data.
func (s *Sessions) EditData(ctx context.Context, sessionID string, change func(json.RawMessage) (json.RawMessage, error)) error {
	if err := s.canEnd(); err != nil {
		return err
	}
	return s.retry(ctx, func(ctx context.Context) (bool, error) {
		k, p, err := s.living(ctx, sessionID, store.Key{}, nil)
		if err != nil {
			return false, err
		}
		next := k.row
		if next.Data, err = change(slices.Clone(k.Data)); err != nil {
			return false, err
		}
		switch {
		case len(next.Data) > maxData:
			return false, fmt.Errorf("%w: the data has %d bytes, at most %d are allowed", ErrTooLarge, len(next.Data), maxData)
		case len(next.Data) > 0:
			if err := readable("data", next.Data); err != nil {
				return false, err
			}
		}
		put, err := k.put(next, p.idle)
		if err != nil {
			return false, err
		}
		return s.commit(ctx, put)
	})
}
