package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// Verify checks an access token of this kind and returns its session. It checks form, header, algorithm and signature,
// then the claims iss, aud, type, exp, nbf, iat and the others, in this order.
//
// The error for a bad token matches ErrInvalidToken, and [Reason] returns why it is bad; for an expired token it
// matches ErrExpired as well, for one of another kind ErrKind. No part of the token is in an error. ErrUnavailable
// means that keys or store are unavailable; the token may be good.
//
// The needs are those of a route. With [CheckStore], or KindConfig.CheckStore, the session must be alive in the store
// (ErrEnded), and its claims are the store's. An unmet need is an ErrNeed. Claims are renewed as at a guard, see
// [ClaimNeed]. A need that does not fit the kind panics.
//
// For a token that was verified before, only what can have changed is checked again: see KindConfig.Cache. Either way
// the caller gets a session that is shared with nobody.
func (k *Kind[T]) Verify(ctx context.Context, token string, needs ...Need) (*Session[T], error) {
	s := k.recallSession(ctx, token)
	if s == nil {
		var err error
		if s, err = k.verify(ctx, token); err != nil {
			return nil, err
		}
	}
	if len(needs) == 1 && needs[0] == Need(CheckStore) && !k.stateless && k.sessions.store != nil { // the usual need, without a guard
		if err := k.alive(ctx, s); err != nil {
			return nil, err
		}
	} else if len(needs) > 0 {
		g := k.gates().with(needs)[0]
		if err := g.admit(ctx, s, nil); err != nil {
			return nil, err
		}
	} else if k.always {
		if err := k.alive(ctx, s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// alive checks in the store that a session lives, and gives it the claims of the store.
func (k *Kind[T]) alive(ctx context.Context, s *Session[T]) (err error) {
	s.claims, err = k.checkStore(ctx, s.common())
	return err
}

// verify checks a token from first to last.
func (k *Kind[T]) verify(ctx context.Context, token string) (*Session[T], error) {
	s := k.sessions
	tok, key, err := open(ctx, token, tokenType, s.keys, nil)
	if err != nil {
		if err == errUnknownKey {
			if issuer, _, failed := peek(tok.Payload); failed == nil && issuer == s.issuer {
				s.warnUnknownKey(ctx)
			}
		}
		return nil, err
	}
	now := s.now()
	var c claims
	out, err := k.read(tok.Payload, &c, now)
	if err != nil {
		return nil, err
	}
	k.remember(token, tok.Kid, key, &c, &out.Session, now)
	return &out.Session, nil
}

// unknownKeyEvery is the time between two warnings of unknown keys. Anybody can write a token with an unknown key, so
// the warning must not come with each of them.
const unknownKeyEvery = 10 * time.Minute

// warnUnknownKey logs that a token of this issuer names a key which this program does not have, at most once in
// unknownKeyEvery. In most cases the program runs in several processes, and each has other keys.
func (s *Sessions) warnUnknownKey(ctx context.Context) {
	now := s.now().UnixNano()
	last := s.warned.Load()
	if last != 0 && now-last < int64(unknownKeyEvery) && now >= last || !s.warned.CompareAndSwap(last, now) {
		return
	}
	s.log.WarnContext(ctx, "session: a token of this issuer names a key that this program does not have; if this goes on, its processes have different keys: open their rings in one vault that they share, such as keys.StoreVault",
		"issuer", s.issuer, "next_warning_after", unknownKeyEvery)
}

// accept is verify for the claims of a token that another program has verified.
func (k *Kind[T]) accept(payload string) (*Session[T], error) {
	var c claims
	out, err := k.read(payload, &c, k.sessions.now())
	if err != nil {
		return nil, err
	}
	return &out.Session, nil
}

// read reads the claims of a token into c, checks them, and makes a session of them.
func (k *Kind[T]) read(payload string, c *claims, now time.Time) (*held[T], error) {
	s := k.sessions
	c.issuer, c.audience = s.issuer, s.audience
	if err := c.read(payload, true); err != nil {
		return nil, err
	}
	if err := c.check(now, s.leeway); err != nil {
		return nil, err
	}
	if err := k.check(c, s.notBefore); err != nil {
		return nil, err
	}
	out := new(held[T])
	if err := decodeProperties(k.layout, c.properties, &out.Properties); err != nil {
		return nil, refuse(errClaims, "properties are not those of the kind")
	}
	if err := fill(&out.Session, c, out.names[:0]); err != nil {
		return nil, err
	}
	out.Kind, out.claims, out.rights = k.name, c.facts, c.rights
	return out, nil
}

// check refuses claims that Create would not write.
func (p *policy) check(c *claims, notBefore time.Time) error {
	switch {
	case c.kind != p.name:
		return ErrKind
	case c.issued.IsZero():
		return refuse(errClaims, "iat is missing")
	case !c.issued.Before(c.expires):
		return refuse(errClaims, "exp is not after iat")
	case c.subject == "" || c.tokenID == "" || c.id == "" || c.clientID == "":
		return refuse(errClaims, "sub, jti, sid and client_id are required")
	case c.properties == "":
		return refuse(errClaims, "properties are missing")
	case c.expires.Sub(c.issued) > p.access+backdate+time.Second:
		return refuse(errClaims, "the token lives longer than KindConfig.Access allows")
	case c.times.tooOld(notBefore):
		return errTooOld
	}
	return nil
}

// stackToken is the length up to which a token is checked without an allocation for its bytes.
const stackToken = 1280

// open takes a token apart, finds the key it names and checks its signature. The header typ must be typ unless that is
// empty. The algorithm is that of the key (RFC 8725 section 3.1), and one of pinned if that is not nil.
func open(ctx context.Context, token, typ string, from keys.Verifier, pinned []keys.Algorithm) (jose.Text, *keys.PublicKey, error) {
	var room [stackToken]byte
	tok, input, signature, err := jose.ParseIn(room[:0], token)
	switch {
	case err != nil:
		return tok, nil, refuseFor(errMalformed, err)
	case typ != "" && !jose.HasType(tok.Typ, typ):
		return tok, nil, errType
	case pinned != nil && !slices.Contains(pinned, keys.Algorithm(tok.Alg)):
		return tok, nil, errAlgorithm
	}
	key, err := keys.Verify(ctx, from, tok.Kid, keys.Algorithm(tok.Alg), input, signature)
	switch {
	case errors.Is(err, keys.ErrRetired):
		return tok, nil, errRetiredKey
	case errors.Is(err, keys.ErrUnknownKey):
		return tok, nil, errUnknownKey
	case errors.Is(err, keys.ErrAlgorithm):
		return tok, nil, errAlgorithm
	case errors.Is(err, keys.ErrSignature):
		return tok, nil, errSignature
	case err != nil:
		return tok, nil, refuseFor(ErrUnavailable, err)
	}
	return tok, key, nil
}
