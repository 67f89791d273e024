package session

import (
	"context"
	"errors"
	"net/http"
)

// carried is the session that a token was given to, be it an access or a refresh token, good or long past its time: to
// end a session takes no more than a token of it.
type carried struct {
	id, subject, kind string
	clientID          string // empty: the session is over
	live              bool   // an access token that has not expired
}

// carriedBy finds the session of a token that this issuer signed; false for anything else.
func (s *Sessions) carriedBy(ctx context.Context, token string) (carried, bool, error) {
	if _, is := parseTicket(token); is {
		return s.owner(ctx, token)
	}
	return s.accessOf(ctx, token)
}

// accessOf is carriedBy for an access token, whatever its times.
func (s *Sessions) accessOf(ctx context.Context, token string) (carried, bool, error) {
	tok, _, err := open(ctx, token, tokenType, s.keys, nil)
	if err != nil {
		if !errors.Is(err, ErrUnavailable) {
			err = nil
		}
		return carried{}, false, err
	}
	c := claims{issuer: s.issuer, audience: s.audience}
	if c.read(tok.Payload, true) != nil || !c.rightIssuer || !c.rightAudience || c.id == "" || c.subject == "" || c.clientID == "" {
		return carried{}, false, nil
	}
	live := c.times.check(s.now(), s.leeway) == nil && !c.times.tooOld(s.notBefore)
	return carried{c.id, c.subject, c.kind, c.clientID, live}, s.kind(c.kind) != nil, nil
}

// owner is carriedBy for a refresh token, new or old.
func (s *Sessions) owner(ctx context.Context, token string) (carried, bool, error) {
	none := func(err error) (carried, bool, error) { return carried{}, false, err }
	t, ok := parseTicket(token)
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
	case errors.Is(err, ErrRefresh):
		return none(nil)
	case err != nil:
		return none(err)
	}
	k, err := s.load(ctx, t.id)
	if err != nil || !k.found() {
		return none(err)
	}
	switch err := s.prove(ctx, t, k.Salt); {
	case errors.Is(err, ErrRefresh):
		return none(nil)
	case err != nil:
		return none(err)
	}
	c := carried{id: k.id, subject: k.Subject, kind: k.Kind}
	if k.Grant != nil {
		c.clientID = k.Grant.ClientID
	}
	return c, true, nil
}

// endCarried ends the sessions of a kind that the cookies of a request belong to. Of several cookies of a name, which
// guards refuse, each counts.
func (p *policy) endCarried(r *http.Request, why string) error {
	s, ctx := p.sessions, r.Context()
	done := map[string]bool{}
	end := func(name string, find func(context.Context, string) (carried, bool, error)) error {
		for _, token := range cookies(r.Header, name) {
			c, ok, err := find(ctx, token)
			if err == nil && ok && c.kind == p.name && !done[c.id] {
				done[c.id] = true
				err = s.endOf(ctx, c, why)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if err := end(p.cookie, s.accessOf); err != nil || p.stateless {
		return err
	}
	return end(p.cookie+refreshSuffix, s.owner)
}

// endOf ends the session of a token. Of a stateless one there is nothing to end, but somebody may want to know.
func (s *Sessions) endOf(ctx context.Context, c carried, why string) error {
	if p := s.kind(c.kind); p != nil && p.stateless {
		if c.live {
			s.Emit(ctx, Event{Name: "session ended", Reason: why, Kind: c.kind, Subject: c.subject, SessionID: c.id})
		}
		return nil
	}
	return s.revoke(ctx, c.id, why)
}
