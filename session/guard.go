package session

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/jose"
)

// A Guard checks requests: a [Kind], a [Foreign], one of them with needs, or [AnyOf] several.
//
// Require calls next for a request with a valid session that meets all needs; next finds it with From. Any other request
// is answered with one JSON error: 401 with WWW-Authenticate (RFC 6750) without a valid token, or if a newer or stronger sign-in
// is needed (RFC 9470); 403 if needs are not met, with the list of them, or a page of another origin sent the cookie; 400 for a request with two
// tokens in one place; 503 with Retry-After if the keys, or the store where it is needed, could not be had.
//
// Optional lets the signed-out in as well: From then returns the public session. A token in the Authorization header that
// is not valid is refused all the same, since its sender must learn of it. A cookie that is not valid is passed over:
// people do not choose what their browser sends, and a stale one must not lock them out of public pages. Needs hold for
// the signed-in only.
type Guard interface {
	Require(next http.Handler, needs ...Need) http.Handler
	Optional(next http.Handler, needs ...Need) http.Handler
	gates() guard
}

// A gate is one kind of token that a guard lets in.
type gate struct {
	issuer, audience string

	policy *policy // of a Kind: its cookie, its name; nil: only Authorization is read
	needs  []need
	claims []ClaimNeed
	stored bool // the store is asked, too
	empty  any  // a nil *Session[T], for its type
	now    func() time.Time
	log    *slog.Logger
	recall func(ctx context.Context, token string) (f facts, known bool) // of a token verified before; known, it is good
	verify func(ctx context.Context, token string) (facts, error)
	enter  func(context.Context, facts) context.Context

	told   func(*http.Request) (claims []byte, cookie bool, err error) // of Behind; nil: the request is asked for its token
	accept func(ctx context.Context, claims []byte) (facts, error)
}

// guard is any one of several gates.
type guard []*gate

func (g guard) gates() guard { return g }

// AnyOf is a guard for requests with a token of any of several guards. Which of them a token is for is read from the token
// (issuer and kind); then it must pass that guard, with the needs it was given by With, and those of the route.
func AnyOf(guards ...Guard) Guard {
	var all guard
	for _, g := range guards {
		if g == nil {
			panic("session: AnyOf of a nil guard")
		}
		all = append(all, g.gates()...)
	}
	if len(all) == 0 {
		panic("session: AnyOf needs a guard")
	}
	for _, gate := range all {
		if (gate.told == nil) != (all[0].told == nil) {
			panic("session: AnyOf of a guard that believes what is in front of it and one that checks tokens; give each its own routes")
		}
	}
	return all
}

func (g guard) Require(next http.Handler, needs ...Need) http.Handler {
	return g.with(needs).handler(next, false)
}

func (g guard) Optional(next http.Handler, needs ...Need) http.Handler {
	return g.with(needs).handler(next, true)
}

// with returns the guard with more needs.
func (g guard) with(needs []Need) guard {
	out := make(guard, len(g))
	for i, old := range g {
		more := *old
		more.needs = old.needs[:len(old.needs):len(old.needs)]
		for _, n := range needs {
			more.add(n)
		}
		out[i] = &more
	}
	return out
}

// Where a token was found, as far as it matters to what follows.
type source uint8

const (
	fromHeader source = iota // set by who makes the request: Authorization, or a subprotocol
	fromCookie               // sent by the browser
)

func (g guard) handler(next http.Handler, optional bool) http.Handler {
	if next == nil {
		panic("session: a guard of a nil handler")
	}
	cookies := false
	for _, gate := range g {
		cookies = cookies || gate.policy != nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		set := len(w.Header()["Set-Cookie"])
		if cookies { // no cache may give one person's page to another (RFC 9111 section 4.1; Authorization has section 3.5)
			w.Header().Add("Vary", "Cookie")
		}
		in, src, err := g.pass(w, r)
		if len(w.Header()["Set-Cookie"]) > set {
			w = private{w}
			defer httperr.NoStore(w.Header()) // of a handler that writes nothing, the server sends the header after it
		}
		switch {
		case err == nil:
			next.ServeHTTP(w, in)
		case optional && passable(src, err):
			next.ServeHTTP(w, in)
		default:
			g.answer(w, r, err)
		}
	})
}

// passable reports whether a request that was not let in may go on as a signed-out person's.
func passable(src source, err error) bool {
	if errors.Is(err, ErrMissing) {
		return true
	}
	for _, other := range []error{ErrUnavailable, ErrCrossOrigin, ErrDuplicate, ErrNeed} {
		if errors.Is(err, other) {
			return false
		}
	}
	return src == fromCookie
}

// pass returns the request with its session. The places a token may be in are looked at in order, the first that holds
// one decides. Also with an error, the request is as a handler may see it.
func (g guard) pass(w http.ResponseWriter, r *http.Request) (*http.Request, source, error) {
	if g[0].told != nil {
		return g.passTold(r)
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
	if found {
		if err != nil {
			return r, fromHeader, err
		}
		ctx, err := gates.passToken(r.Context(), token, nil)
		if err != nil {
			return r, fromHeader, err
		}
		return r.WithContext(ctx), fromHeader, nil
	}
	ctx, err := g.passCookie(w, r)
	if err != nil {
		return r, fromCookie, err
	}
	return r.WithContext(ctx), fromCookie, nil
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

// passToken tries the gates that the token says it is for. give hands a new access token to the client; nil: it cannot be done.
func (g guard) passToken(ctx context.Context, token string, give func(Tokens)) (context.Context, error) {
	if in, known, err := g.passKnown(ctx, token, give); known {
		return in, err
	}
	if len(g) == 1 {
		return g[0].pass(ctx, token, give)
	}
	tok, err := jose.Parse(token)
	if err != nil {
		return nil, refuseFor(ErrMalformed, err)
	}
	issuer, kind, err := peek(tok.Payload)
	if err != nil {
		return nil, err
	}
	err = ErrIssuer
	for _, gate := range g {
		switch {
		case gate.issuer != issuer:
		case gate.policy != nil && gate.policy.name != kind:
			if errors.Is(err, ErrIssuer) {
				err = ErrKind
			}
		default:
			in, why := gate.pass(ctx, token, give)
			if why == nil {
				return in, nil
			}
			err = better(err, why)
		}
	}
	return nil, err
}

// passCookie tries the gates whose cookies the request carries, and refreshes a session whose access token is no good.
func (g guard) passCookie(w http.ResponseWriter, r *http.Request) (context.Context, error) {
	err := error(ErrMissing)
	for _, gate := range g {
		if gate.policy == nil {
			continue
		}
		token, why := cookie(r.Header, gate.policy.cookie)
		if why != nil {
			return nil, why
		}
		if token == "" && !gate.policy.carriesRefresh(r) {
			continue
		}
		if why := gate.policy.sessions.checkOrigin(r); why != nil {
			return nil, why
		}
		give := gate.policy.giver(w, r)
		var ctx context.Context
		if why = ErrMissing; token != "" {
			ctx, why = guard{gate}.passToken(r.Context(), token, give)
		}
		if why != nil && renewable(why) {
			if t, found, failed := gate.policy.renewCookie(w, r); failed != nil {
				why = failed
			} else if found {
				ctx, why = gate.passRenewed(r.Context(), t, give)
			}
		}
		if why == nil {
			return ctx, nil
		}
		err = better(err, why)
	}
	return nil, err
}

// passKnown tries the gates that remember the token. known tells whether one does; its word is then the last, for a token
// is of one kind.
func (g guard) passKnown(ctx context.Context, token string, give func(Tokens)) (in context.Context, known bool, err error) {
	for _, gate := range g {
		f, ok := gate.recall(ctx, token)
		if !ok {
			continue
		}
		in, why := gate.enterWith(ctx, f, give)
		if why == nil {
			return in, true, nil
		}
		known, err = true, better(err, why)
	}
	return nil, known, err
}

func (g *gate) pass(ctx context.Context, token string, give func(Tokens)) (context.Context, error) {
	f, err := g.verify(ctx, token)
	if err != nil {
		return nil, err
	}
	return g.enterWith(ctx, f, give)
}

// enterWith asks the store, where it is to be asked, and then the needs of the gate.
func (g *gate) enterWith(ctx context.Context, f facts, give func(Tokens)) (context.Context, error) {
	if g.stored {
		if err := g.askStore(ctx, f); err != nil {
			return nil, err
		}
	}
	if err := g.meet(ctx, f, give); err != nil {
		return nil, err
	}
	return g.enter(ctx, f), nil
}

// askStore tells whether a session lives, and lets it say of its claims what the store says: what was taken back must not
// pass because a token has not heard of it.
func (g *gate) askStore(ctx context.Context, f facts) error {
	claims, err := g.policy.checkStore(ctx, f.id)
	if holder, ok := f.session.(claimHolder); ok && err == nil {
		holder.carry(claims)
	}
	return err
}

// meet holds a session to the needs of the gate, but for the store.
func (g *gate) meet(ctx context.Context, f facts, give func(Tokens)) error {
	missing := check(g.needs, f, g.now())
	if len(g.claims) > 0 {
		failed, err := g.checkClaims(ctx, f, give, missing != nil)
		if err != nil {
			return err
		}
		missing = append(missing, failed...)
	}
	if missing != nil {
		return missing
	}
	return nil
}

// better chooses which of two reasons to give: that a need is not met says most, that nothing could be found out comes next, and
// any is better than that there is no token for any gate.
func better(a, b error) error {
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

// peek reads which gate a token is for. Nothing is believed: the gate checks both again.
func peek(payload string) (issuer, kind string, err error) {
	err = jose.Object(payload, func(name, value string) (err error) {
		switch name {
		case "iss":
			issuer, err = jose.String(value)
		case "type":
			// A token of somebody else may mean anything by it.
			kind, _ = jose.String(value)
		}
		return err
	})
	if err != nil {
		return "", "", refuseFor(ErrMalformed, err)
	}
	return issuer, kind, nil
}
