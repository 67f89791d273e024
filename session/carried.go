package session

import (
	"context"
	"errors"
	"net/http"
)

// presented describes the session of a presented token. The token may be an access or a refresh token, and may have
// expired: any token of a session can end the session.
type presented struct {
	id, subject, kind string
	clientID          string // empty: the session has ended
	live              bool   // an access token that has not expired
}

// presentedBy returns the session of a token that this issuer made, and false for any other text.
func (s *Sessions) presentedBy(ctx context.Context, token string) (presented, bool, error) {
	if _, is := parseRefreshToken(token); is {
		return s.owner(ctx, token)
	}
	return s.accessOf(ctx, token)
}

// accessOf is presentedBy for an access token. The token may have expired; presented.live reports that.
func (s *Sessions) accessOf(ctx context.Context, token string) (presented, bool, error) {
	tok, _, err := open(ctx, token, tokenType, s.keys, nil)
	if err != nil {
		if !errors.Is(err, ErrUnavailable) {
			err = nil
		}
		return presented{}, false, err
	}
	c := claims{issuer: s.issuer, audience: s.audience}
	if c.read(tok.Payload, true) != nil || !c.rightIssuer || !c.rightAudience || c.id == "" || c.subject == "" || c.clientID == "" {
		return presented{}, false, nil
	}
	live := c.times.check(s.now(), s.leeway) == nil && !c.times.tooOld(s.notBefore)
	return presented{c.id, c.subject, c.kind, c.clientID, live}, s.kind(c.kind) != nil, nil
}

// owner is presentedBy for a refresh token, new or old.
func (s *Sessions) owner(ctx context.Context, token string) (presented, bool, error) {
	none := func(err error) (presented, bool, error) { return presented{}, false, err }
	t, ok := parseRefreshToken(token)
	if !ok {
		return none(nil)
	}
	if err := s.canEnd(); err != nil {
		return none(err)
	}
	if s.secrets == nil {
		return none(errNoSecrets)
	}
	switch err := s.known(ctx, t); {
	case errors.Is(err, errUnknownSecret):
		if err = s.unproven(ctx, t, err); errors.Is(err, ErrEnded) {
			err = nil
		}
		return none(err)
	case errors.Is(err, ErrRefresh):
		return none(nil)
	case err != nil:
		return none(err)
	}
	k, err := s.loadBy(ctx, t, false)
	switch {
	case errors.Is(err, errForged):
		return none(nil)
	case err != nil:
		return none(err)
	}
	c := presented{id: k.id, subject: k.Subject, kind: k.Kind}
	if k.Grant != nil {
		c.clientID = k.Grant.ClientID
	}
	return c, true, nil
}

// errOtherSecret is the error for a refresh token of a session that lives, whose secret this program does not know: it
// neither proves that the token belongs to the session nor that it does not. A process that has the secret can. It is
// not logged as a fault, because anybody can write such a token; see warnUnknownKey.
var errOtherSecret = refuseFor(ErrUnavailable, errUnknownKey)

// unproven replaces the error errUnknownSecret for a refresh token by what the store has of its session: errOtherSecret
// if the session lives, and ErrEnded with errForged if it does not, since no process could refresh it then. It returns
// other errors as they are.
func (s *Sessions) unproven(ctx context.Context, t refreshToken, err error) error {
	if !errors.Is(err, errUnknownSecret) {
		return err
	}
	k, err := s.loadHeaded(ctx, t.id, t.head())
	if err != nil {
		return err
	}
	ended := !k.found() || k.Ended != "" || k.Epoch != k.epoch.number
	if p := s.kind(k.Kind); !ended && p != nil {
		ended = k.verdict(p, s.now()) != nil
	}
	if ended {
		return refuseFor(ErrEnded, errForged)
	}
	return errOtherSecret
}

// costly reports whether an error is about a token that cost a read of the store and did not prove itself.
func costly(err error) bool { return errors.Is(err, errForged) || errors.Is(err, errOtherSecret) }

// endPresented ends the sessions of a kind that the cookies of a request belong to. A request may have several cookies
// of one name. Guards refuse such a request, but endPresented ends the session of each. It returns the number of forged
// refresh tokens, and the sessions as it found them. The error is errOtherSecret if it ended all sessions, except of a
// token that no secret of this program proves.
func (p *policy) endPresented(r *http.Request, why string) (forged int, found []record, err error) {
	s, ctx := p.sessions, p.sessions.withClient(r)
	done := map[string]bool{}
	var other error
	end := func(name string, find func(context.Context, string) (presented, bool, error)) error {
		tokens, err := cookies(r.Header, name)
		if err != nil {
			return err // cookies that were not read may belong to a live session
		}
		for _, token := range tokens {
			c, ok, err := find(ctx, token)
			if errors.Is(err, errOtherSecret) {
				forged++
				other = err
				continue
			}
			if name != p.cookie && err == nil && !ok && s.looksReal(ctx, token) {
				forged++
			}
			if err == nil && ok && c.kind == p.name && !done[c.id] {
				done[c.id] = true
				var k record
				if k, err = s.endOf(ctx, c, why); k.found() {
					found = append(found, k)
				}
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := end(p.cookie, s.accessOf); err != nil || p.stateless {
		return 0, nil, err
	}
	if err = end(p.cookie+refreshSuffix, s.owner); err == nil {
		err = other
	}
	return forged, found, err
}

// looksReal reports whether a refresh token has the form of one, and does not name a secret that has ended. Only such a
// token is counted when it is forged, since the others cost less than to count them.
func (s *Sessions) looksReal(ctx context.Context, token string) bool {
	t, ok := parseRefreshToken(token)
	if !ok || s.secrets == nil {
		return false
	}
	err := s.known(ctx, t)
	return err == nil || errors.Is(err, errUnknownSecret)
}

// endOf ends the session of a token, and returns it as it was found. A stateless session cannot be ended; for it, endOf
// emits the event only.
func (s *Sessions) endOf(ctx context.Context, c presented, why string) (record, error) {
	if p := s.kind(c.kind); p != nil && p.stateless {
		if c.live {
			s.Emit(ctx, Event{Name: "session ended", Reason: why, Kind: c.kind, Subject: c.subject, SessionID: c.id})
		}
		return record{}, nil
	}
	return s.revokeFound(ctx, c.id, why)
}
