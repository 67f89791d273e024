package session

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/store"
)

// maxData is how much of its own data a session may keep on the server.
const maxData = 64 << 10

// Edit changes what a session knows: Properties, Scopes, Roles, Auth, Device, Place and claims. Tokens say so from the next
// refresh on; see [Kind.Merge] for the session of the request at hand. change may be called several times, each time with
// what the store holds at that moment, and its error is returned as it is. In the rare case that the store's answer is lost
// and others write as well, it may be applied twice: let it set values rather than add to them.
//
// Other errors are ErrEnded, ErrKind if the session is of another kind, ErrGrant and ErrTooLarge for what could not be
// put into a token, and those of [Kind.Create].
func (k *Kind[T]) Edit(ctx context.Context, sessionID string, change func(*Grant[T]) error) error {
	_, err := k.edit(ctx, sessionID, time.Time{}, change)
	return err
}

// Merge is Edit for the session of a request, and returns tokens that say the new things at once. The access token
// expires when that of s does; the refresh token is the one that is good now. Hand them on as the old ones were:
// by [Kind.SetCookies], or in the answer. For a step up, such as a second factor, use [Kind.Replace]. change is as for Edit,
// and so are the errors.
func (k *Kind[T]) Merge(ctx context.Context, s *Session[T], change func(*Grant[T]) error) (Tokens, error) {
	return k.edit(ctx, s.ID, s.Expires, change)
}

func (k *Kind[T]) edit(ctx context.Context, id string, expires time.Time, change func(*Grant[T]) error) (t Tokens, err error) {
	s := k.sessions
	if err := s.canKeep(); err != nil {
		return t, err
	}
	err = s.retry(ctx, func(ctx context.Context) (bool, error) {
		old, err := k.living(ctx, id)
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
		// Also where nobody asked for it: a session whose token cannot be made must not be written.
		if t, err = k.sign(ctx, next.Grant.blank(&next), id, next.Grant.ClientID, until); err != nil {
			return false, err
		}
		if t, err = k.withTicket(ctx, t, id, &next); err != nil {
			return false, err
		}
		put, err := old.put(next, k.idle)
		if err != nil {
			return false, err
		}
		t.RefreshExpires = later(t.RefreshExpires, put.Item.Expires)
		return s.commit(ctx, put)
	})
	if err != nil {
		return Tokens{}, err
	}
	return t, nil
}

// change is a row with what fn makes of its grant.
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
	b, err := erase(g)
	if err != nil {
		return row{}, err
	}
	next := *r
	next.Grant, next.Device, next.Place = b.saved(r.Grant.ClientID), b.device, b.place
	return next, nil
}

// living loads a session of the kind that must be alive.
func (k *Kind[T]) living(ctx context.Context, id string) (kept, error) {
	old, p, err := k.sessions.living(ctx, id)
	if err == nil && p != k.policy {
		err = ErrKind
	}
	return old, err
}

// Replace makes a new session in the place of s, of the same subject and with the server's data of the old one, which
// ends in the same write. It is for a step up: whoever had a copy of the old session does not have the new one
// (OWASP ASVS 7.2.4). Where g has no Device or Place, those of the old session stay, and so do claims that g neither
// sets nor clears (see [KindClaim]). Errors as [Kind.Create], and
// ErrEnded if s is over.
//
//	g := session.Grant[User]{Subject: s.Subject, Properties: s.Properties, Scopes: s.Scopes, Roles: s.Roles}
//	g.Auth = session.Auth{Time: time.Now(), Methods: append(s.Auth.Methods, "otp")}
//	tokens, err := user.Replace(ctx, s, g)
func (k *Kind[T]) Replace(ctx context.Context, s *Session[T], g Grant[T]) (t Tokens, err error) {
	b, err := erase(g)
	if err != nil {
		return t, err
	}
	if g.Subject != s.Subject {
		return t, fmt.Errorf("%w: a session is replaced by one of the same Subject", ErrGrant)
	}
	if err := k.sessions.canKeep(); err != nil {
		return t, err
	}
	err = k.sessions.retry(ctx, func(ctx context.Context) (bool, error) {
		old, err := k.living(ctx, s.ID)
		if err != nil {
			return false, err
		}
		named := b
		if named.device == "" {
			named.device = old.Device
		}
		if named.place == "" {
			named.place = old.Place
		}
		named.claims = old.Grant.Claims.with(b.claims, false)
		var changes []store.Change
		t, changes, err = k.birth(ctx, named, old.Grant.ClientID, old.epoch, old.Data)
		if err != nil {
			return false, err
		}
		put, err := old.put(old.ended(endReplaced), k.idle)
		if err != nil {
			return false, err
		}
		return k.sessions.commit(ctx, append(changes, put)...)
	})
	if err != nil {
		return Tokens{}, err
	}
	k.sessions.created(ctx, k.policy, g.Subject, t.SessionID)
	k.sessions.Emit(ctx, Event{Name: "session ended", Reason: endReplaced, Kind: k.name, Subject: s.Subject, SessionID: s.ID})
	return t, nil
}

// Data returns what the server keeps for a session, in JSON, and no client ever sees; nil if there is nothing. The error
// is ErrEnded if the session is over, ErrUnavailable or ErrStoreRequired.
func (s *Sessions) Data(ctx context.Context, sessionID string) (json.RawMessage, error) {
	if err := s.canEnd(); err != nil {
		return nil, err
	}
	k, _, err := s.living(ctx, sessionID)
	return slices.Clone(k.Data), err
}

// EditData changes what the server keeps for a session: JSON of at most 64 KiB (ErrTooLarge). change gets what is there,
// may be called several times and in rare cases be applied twice, as with [Kind.Edit], and its error is returned as it is.
// Other errors as Data. It is for little things; every refresh writes them anew.
func (s *Sessions) EditData(ctx context.Context, sessionID string, change func(json.RawMessage) (json.RawMessage, error)) error {
	if err := s.canEnd(); err != nil {
		return err
	}
	return s.retry(ctx, func(ctx context.Context) (bool, error) {
		k, p, err := s.living(ctx, sessionID)
		if err != nil {
			return false, err
		}
		next := k.row
		if next.Data, err = change(slices.Clone(k.Data)); err != nil {
			return false, err
		}
		switch {
		case len(next.Data) > maxData:
			return false, fmt.Errorf("%w: data of %d bytes, at most %d", ErrTooLarge, len(next.Data), maxData)
		case len(next.Data) > 0 && jose.Valid(string(next.Data)) != nil:
			return false, fmt.Errorf("%w: data is not JSON", ErrGrant)
		}
		put, err := k.put(next, p.idle)
		if err != nil {
			return false, err
		}
		return s.commit(ctx, put)
	})
}
