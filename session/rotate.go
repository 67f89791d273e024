package session

import (
	"context"
	"errors"
	"time"
)

// rotate trades the token with a number for the next one.
func (p *policy) rotate(ctx context.Context, k *record, number int64, now time.Time) (Tokens, bool, error) {
	secret, err := p.sessions.secrets.Secret(ctx, "")
	if err != nil {
		return Tokens{}, false, p.sessions.unavailable(ctx, "secret", err)
	}
	e := Event{Name: "session refreshed"}
	if number != k.Number {
		e.Name = "lost answer"
	}
	return p.renew(ctx, k, e, func(next *row) {
		next.Number, next.Prev, next.Kid, next.At, next.Seen = k.Number+1, number, secret.ID, now.UnixMilli(), 0
	})
}

// reload calls OnRefresh between two rotations, because the rights of the user have changed. The refresh token stays:
// rights may change several times within the grace, and each further rotation would make a copy of a token that another
// tab still sends.
func (p *policy) reload(ctx context.Context, k *record) (Tokens, bool, error) {
	return p.renew(ctx, k, Event{Name: "session refreshed", Reason: "rights"}, func(*row) {})
}

// renew calls OnRefresh, changes the row by step and writes it, and returns its tokens. The tokens are made before the
// write, so that a signer that fails does not leave a rotation without an answer.
func (p *policy) renew(ctx context.Context, k *record, e Event, step func(*row)) (Tokens, bool, error) {
	s := p.sessions
	fail := func(err error) (Tokens, bool, error) { return Tokens{}, false, err }
	next := k.row
	if p.onRefresh != nil {
		var err error
		next, err = p.onRefresh(ctx, k)
		switch {
		case errors.Is(err, ErrEnded):
			done, err := s.end(ctx, p, k, endRenew)
			if err == nil && done {
				err = refuse(ErrEnded, "")
			}
			return Tokens{}, done, err
		case err != nil:
			return fail(s.unavailable(ctx, "KindConfig.OnRefresh", err))
		}
	}
	if p.rightsMoved(k) {
		next.Rights = k.head.Rights // read before OnRefresh loaded the roles, so never newer than they are
	}
	step(&next)
	before := next.Grant
	grant := *before
	grant.Claims = p.freshen(ctx, k.id, grant.ClientID, grant.encoded(&next))
	next.Grant = &grant
	t, err := p.answer(ctx, k.id, &next)
	if errors.Is(err, ErrTooLarge) { // a claim has grown too large: keep the old claims rather than end the session
		next.Grant = before
		t, err = p.answer(ctx, k.id, &next)
	}
	if err != nil {
		return fail(err)
	}
	put, err := k.put(next, p.idle)
	if err != nil {
		return fail(err)
	}
	won, err := s.commit(ctx, put)
	if err != nil || !won {
		return fail(err)
	}
	t.RefreshExpires = later(t.RefreshExpires, put.Item.Expires)
	e.Kind, e.Subject, e.SessionID, e.Actor = p.name, k.Subject, k.id, k.actor()
	s.Emit(ctx, e)
	return t, true, nil
}
