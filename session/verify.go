package session

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// Verify checks an access token of this kind: form, header, algorithm, signature, then the claims iss, aud, type, exp, nbf, iat
// and the rest, in that order, and returns the session it speaks of.
//
// The error says why a token is refused and matches one of the errors of this package; it never holds a part of the
// token. ErrUnavailable says nothing about the token: the keys, or the store, could not be had.
//
// Needs are those of a route: with [CheckStore], or KindConfig.CheckStore, the session must be alive in the store
// (ErrEnded), and its claims are the store's; the others are an ErrNeed. Claims are renewed as at a guard, see [ClaimNeed]. A need that does not fit the kind is a panic.
//
// A token that was verified before is recognised, and only what can have changed is checked again: see KindConfig.Cache.
// The session is the caller's own either way.
func (k *Kind[T]) Verify(ctx context.Context, token string, needs ...Need) (*Session[T], error) {
	s := k.recallSession(ctx, token)
	if s == nil {
		var err error
		if s, err = k.verify(ctx, token); err != nil {
			return nil, err
		}
	}
	if len(needs) == 1 && needs[0] == Need(CheckStore) && !k.stateless && k.sessions.store != nil { // the common one, without building a guard
		if err := k.alive(ctx, s); err != nil {
			return nil, err
		}
	} else if len(needs) > 0 {
		g := k.gates().with(needs)[0]
		if _, err := g.enterWith(ctx, factsOf(s), nil); err != nil {
			return nil, err
		}
	} else if k.always {
		if err := k.alive(ctx, s); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// VerifyInto is Verify into a session of the caller's, whose lists are overwritten too if they are long enough. What
// checks tokens in a loop, such as a proxy, allocates nothing by it for a token that is recognised and a type T without
// slices, maps and pointers. With an error s is empty.
func (k *Kind[T]) VerifyInto(ctx context.Context, token string, s *Session[T]) error {
	if e := k.recall(ctx, token); e != nil && k.copies {
		scopes, roles, methods := s.Scopes, s.Roles, s.Auth.Methods
		*s = e.session.Session
		s.Scopes, s.Roles, s.Auth.Methods = reuse(scopes, s.Scopes), reuse(roles, s.Roles), reuse(methods, s.Auth.Methods)
		if k.always {
			if err := k.alive(ctx, s); err != nil {
				*s = Session[T]{}
				return err
			}
		}
		return nil
	}
	full, err := k.Verify(ctx, token)
	if err != nil {
		*s = Session[T]{}
		return err
	}
	*s = *full
	return nil
}

// alive asks the store for a session, and takes over what the store knows better.
func (k *Kind[T]) alive(ctx context.Context, s *Session[T]) (err error) {
	s.claims, err = k.checkStore(ctx, s.ID)
	return err
}

// verify checks a token from first to last.
func (k *Kind[T]) verify(ctx context.Context, token string) (*Session[T], error) {
	s := k.sessions
	tok, key, err := open(ctx, token, tokenType, s.keys, nil)
	if err != nil {
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

// accept is verify for the claims of a token that somebody else has verified.
func (k *Kind[T]) accept(payload string) (*Session[T], error) {
	var c claims
	out, err := k.read(payload, &c, k.sessions.now())
	if err != nil {
		return nil, err
	}
	return &out.Session, nil
}

// read reads the claims of a token of the kind into c, checks them, and makes a session of them.
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
		return nil, refuse(ErrClaims, "properties are not those of the kind")
	}
	if err := fill(&out.Session, c, out.names[:0]); err != nil {
		return nil, err
	}
	out.Kind, out.claims = k.name, c.facts
	return out, nil
}

// check holds claims to what Create writes.
func (p *policy) check(c *claims, notBefore time.Time) error {
	switch {
	case c.kind != p.name:
		return ErrKind
	case c.issued.IsZero():
		return refuse(ErrClaims, "iat is missing")
	case !c.issued.Before(c.expires):
		return refuse(ErrClaims, "the token ends before it begins")
	case c.subject == "" || c.tokenID == "" || c.id == "" || c.clientID == "":
		return refuse(ErrClaims, "sub, jti, sid and client_id are required")
	case c.properties == "":
		return refuse(ErrClaims, "properties are missing")
	case c.expires.Sub(c.issued) > p.access+backdate+time.Second:
		return refuse(ErrClaims, "the token lives longer than KindConfig.Access allows")
	case c.times.tooOld(notBefore):
		return ErrTooOld
	}
	return nil
}

// hasType compares a header's typ with the one wanted as RFC 7515 section 4.1.9 has it: a media type, so without
// regard to case, and "application/" may be left out.
func hasType(typ, want string) bool {
	const prefix = "application/"
	if typ == want {
		return true
	}
	if len(typ) == len(prefix)+len(want) && strings.EqualFold(typ[:len(prefix)], prefix) {
		typ = typ[len(prefix):]
	}
	return strings.EqualFold(typ, want)
}

// stackToken is how long a token may be to be checked without an allocation for its bytes.
const stackToken = 1280

// open takes a token apart, finds the key it names and checks its signature. The header typ must be typ unless that is
// empty. The algorithm is that of the key (RFC 8725 section 3.1), and one of pinned if that is not nil.
func open(ctx context.Context, token, typ string, from keys.Verifier, pinned []keys.Algorithm) (jose.Text, *keys.PublicKey, error) {
	var room [stackToken]byte
	tok, input, signature, err := jose.ParseIn(room[:0], token)
	switch {
	case err != nil:
		return tok, nil, refuseFor(ErrMalformed, err)
	case typ != "" && !hasType(tok.Typ, typ):
		return tok, nil, ErrType
	case pinned != nil && !contains(pinned, keys.Algorithm(tok.Alg)):
		return tok, nil, ErrAlgorithm
	}
	key, err := from.PublicKey(ctx, tok.Kid)
	switch {
	case errors.Is(err, keys.ErrUnknownKey):
		return tok, nil, ErrUnknownKey
	case err != nil:
		return tok, nil, refuseFor(ErrUnavailable, err)
	case string(key.Algorithm()) != tok.Alg:
		return tok, nil, ErrAlgorithm
	}
	if err := key.Verify(input, signature); err != nil {
		return tok, nil, ErrSignature
	}
	return tok, key, nil
}

func contains(list []keys.Algorithm, a keys.Algorithm) bool {
	for _, v := range list {
		if v == a {
			return true
		}
	}
	return false
}
