package session

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/posternauth/postern/internal/jose"
)

// source is the place where a token was found, as far as later steps need it.
type source uint8

const (
	fromHeader source = iota // set by the client: Authorization, or a subprotocol
	fromCookie               // sent by the browser
)

// An admission is the outcome of checking a request. With an error, session and gate are nil.
type admission struct {
	request *http.Request // as a handler may see it
	from    source
	session checkedSession
	gate    *gate // the one that let the session in
}

// A giver hands new tokens to the client; nil: that is not possible.
type giver func(Tokens)

// pass checks a request. The places of a token are searched in order, and the first that holds one decides. Without w
// nothing is refreshed.
func (g guard) pass(w http.ResponseWriter, r *http.Request) (admission, error) {
	if g[0].verifiedClaims != nil {
		return g.passVerifiedClaims(r)
	}
	token, found, err := bearer(r.Header)
	gates := g
	if sub := g.protocols(); sub != nil && webSocket(r) {
		offered, rest, why := protocol(r.Header)
		r = withProtocols(r, rest)
		if !found && (offered != "" || why != nil) {
			token, found, err, gates = offered, true, why, sub
		}
	}
	in := admission{request: r}
	switch {
	case !found:
		in.from = fromCookie
		in.session, in.gate, err = g.passCookie(w, r)
	case err == nil:
		in.session, in.gate, err = gates.passToken(r.Context(), token, nil)
	}
	return in, err
}

// passable reports whether a request that was refused may go on as that of a signed-out person.
func passable(from source, err error) bool {
	if errors.Is(err, ErrMissing) {
		return true
	}
	for _, final := range []error{ErrUnavailable, ErrCrossOrigin, ErrDuplicate, ErrNeed, errHeaderTooLarge} {
		if errors.Is(err, final) {
			return false
		}
	}
	return from == fromCookie
}

// protocols returns the gates that take a token from the subprotocols of a WebSocket.
func (g guard) protocols() (sub guard) {
	for _, gate := range g {
		if gate.policy != nil && gate.policy.protocol {
			sub = append(sub, gate)
		}
	}
	return sub
}

// withProtocols returns the request as if its client had offered no token among the subprotocols, so that no handler
// can pick it and send it back.
func withProtocols(r *http.Request, rest string) *http.Request {
	r = r.Clone(r.Context())
	r.Header.Del("Sec-Websocket-Protocol")
	if rest != "" {
		r.Header.Set("Sec-Websocket-Protocol", rest)
	}
	return r
}

// passToken tries the gates that the token names.
func (g guard) passToken(ctx context.Context, token string, give giver) (checkedSession, *gate, error) {
	if s, gate, err := g.passKnown(ctx, token, give); s != nil || err != nil {
		return s, gate, err
	}
	if len(g) == 1 {
		return g[0].pass(ctx, token, give)
	}
	tok, err := jose.Parse(token)
	if err != nil {
		return nil, nil, refuseFor(errMalformed, err)
	}
	issuer, kind, err := peek(tok.Payload)
	if err != nil {
		return nil, nil, err
	}
	err = errIssuer
	for _, gate := range g {
		switch {
		case gate.issuer != issuer && gate.imported == nil, issuer != "" && gate.imported != nil:
		case gate.policy != nil && gate.policy.name != kind && gate.imported == nil:
			if errors.Is(err, errIssuer) {
				err = ErrKind
			}
		default:
			s, _, why := gate.pass(ctx, token, give)
			if why == nil {
				return s, gate, nil
			}
			err = moreTelling(err, why)
		}
	}
	return nil, nil, err
}

// passKnown tries the gates that remember the token. If one does, its verdict is final, since a token is of one kind.
// It returns neither a session nor an error for a token that no gate remembers.
func (g guard) passKnown(ctx context.Context, token string, give giver) (_ checkedSession, _ *gate, err error) {
	for _, gate := range g {
		s := gate.recall(ctx, token)
		if s == nil {
			continue
		}
		why := gate.admit(ctx, s, give)
		if why == nil {
			return s, gate, nil
		}
		err = moreTelling(err, why)
	}
	return nil, nil, err
}

// passCookie tries the gates whose cookies the request carries, and refreshes a session whose access token is not
// valid.
func (g guard) passCookie(w http.ResponseWriter, r *http.Request) (checkedSession, *gate, error) {
	err := error(ErrMissing)
	for _, gate := range g {
		if gate.policy == nil || g.decides(gate, r) {
			continue
		}
		s, why := gate.passCookie(w, r)
		if why == nil {
			return s, gate, nil
		}
		if errors.Is(why, ErrDuplicate) || errors.Is(why, ErrCrossOrigin) || errors.Is(why, errHeaderTooLarge) {
			return nil, nil, why // a fault of the request, whatever the other cookies are
		}
		if !errors.Is(why, ErrMissing) {
			err = moreTelling(err, why)
		}
	}
	return nil, nil, err
}

// decides reports whether the request has cookies of the kind of an Imported, which then decide alone. They are newer:
// a person who has signed in here would go on as the one of the old cookie when the access token expires, and nothing
// would refresh the session.
func (g guard) decides(of *gate, r *http.Request) bool {
	if of.imported == nil {
		return false
	}
	p := of.policy
	return slices.ContainsFunc(g, func(own *gate) bool { return own.policy == p && own.imported == nil }) &&
		(p.carriesRefresh(r) || p.cookie != of.imported.cookie && p.carriesAccess(r))
}

func (g *gate) passCookie(w http.ResponseWriter, r *http.Request) (s checkedSession, err error) {
	if g.imported != nil {
		return g.passImportedCookie(r)
	}
	token, err := cookie(r.Header, g.policy.cookie)
	if err != nil {
		return nil, err
	}
	if token == "" && !g.policy.carriesRefresh(r) {
		return nil, ErrMissing
	}
	if err := g.policy.sessions.checkOrigin(r); err != nil {
		return nil, err
	}
	give := g.policy.cookieSetter(w, r)
	if err = ErrMissing; token != "" {
		s, _, err = guard{g}.passToken(r.Context(), token, give)
	}
	if err != nil && renewable(err) {
		if t, found, failed := g.policy.renewCounted(w, r); failed != nil {
			return nil, failed
		} else if found {
			s, _, err = guard{g}.passToken(r.Context(), t.Access, give)
		}
	}
	return s, err
}

// pass verifies a token and admits its session.
func (g *gate) pass(ctx context.Context, token string, give giver) (checkedSession, *gate, error) {
	s, err := g.verify(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	if err := g.admit(ctx, s, give); err != nil {
		return nil, nil, err
	}
	return s, g, nil
}

// admit asks the store, where the gate does, and then checks the needs.
func (g *gate) admit(ctx context.Context, s checkedSession, give giver) error {
	if g.stored {
		if err := g.askStore(ctx, s); err != nil {
			return err
		}
	}
	return g.meet(ctx, s, give)
}

// askStore checks that a session is alive, and gives it the claims of the store: a claim that was taken back must not
// pass because the token is older.
func (g *gate) askStore(ctx context.Context, s checkedSession) error {
	claims, err := g.policy.checkStore(ctx, s.common())
	if err == nil {
		s.setClaims(claims)
	}
	return err
}

// meet checks a session against the needs of the gate, except CheckStore.
func (g *gate) meet(ctx context.Context, s checkedSession, give giver) error {
	missing := check(g.needs, s, g.now())
	if len(g.claims) > 0 {
		failed, err := g.checkClaims(ctx, s, give, missing != nil)
		if err != nil {
			return err
		}
		missing = append(missing, failed...)
	}
	if missing == nil {
		return nil
	}
	if g.policy != nil {
		for i := range missing {
			missing[i].stepUp = g.policy.stepUp
		}
	}
	return missing
}

// moreTelling returns the more informative error: ErrNeed, then ErrUnavailable, then b.
func moreTelling(a, b error) error {
	for _, best := range []error{ErrNeed, ErrUnavailable} {
		if errors.Is(a, best) {
			return a
		}
		if errors.Is(b, best) {
			return b
		}
	}
	return b
}

// peek reads the issuer and the kind that a token names. Nothing is trusted yet: the gate checks both again.
func peek(payload string) (issuer, kind string, err error) {
	err = jose.Object(payload, func(name, value string) (err error) {
		switch name {
		case "iss":
			issuer, err = jose.String(value)
		case "type":
			kind, _ = jose.String(value) // in a token of another issuer it may mean anything
		}
		return err
	})
	if err != nil {
		return "", "", refuseFor(errMalformed, err)
	}
	return issuer, kind, nil
}
