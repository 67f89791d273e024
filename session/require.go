package session

import (
	"context"
	"net/http"
)

// Require lets requests with a session of the kind through to next; see [Guard].
//
// A token is looked for in the Authorization header (Bearer; then nowhere else), in the subprotocols of a WebSocket if
// KindConfig.WebSocketProtocol says so, and in the cookie of the kind. A cookie is taken for requests that change
// something only from pages of the issuer's own origin and Config.Origins, and for a WebSocket only if the browser names one
// of these. The query of a URL is never looked at.
//
// A session that came by cookie and whose access token has run out is refreshed before next is called, where this
// program has a store and keys that sign; both cookies are then set, and the answer is not cached. Elsewhere the answer is
// a 401 that says "try_refresh": POST {base}/refresh, and try again.
func (k *Kind[T]) Require(next http.Handler, needs ...Need) http.Handler {
	return k.gates().Require(next, needs...)
}

// Optional lets the signed-out through as well; see [Guard].
func (k *Kind[T]) Optional(next http.Handler, needs ...Need) http.Handler {
	return k.gates().Optional(next, needs...)
}

// With is the kind as a guard of AnyOf with needs of its own.
func (k *Kind[T]) With(needs ...Need) Guard { return k.gates().with(needs) }

func (k *Kind[T]) gates() guard {
	s := k.sessions
	return guard{{
		issuer: s.issuer, audience: s.audience, policy: k.policy, stored: k.always, empty: (*Session[T])(nil), now: s.now, log: s.log,
		recall: func(ctx context.Context, token string) (facts, bool) {
			session := k.recallSession(ctx, token)
			if session == nil {
				return facts{}, false
			}
			return factsOf(session), true
		},
		verify: func(ctx context.Context, token string) (facts, error) {
			session, err := k.verify(ctx, token)
			if err != nil {
				return facts{}, err
			}
			return factsOf(session), nil
		},
		enter: func(ctx context.Context, f facts) context.Context {
			return context.WithValue(ctx, contextKey{k.policy}, f.session)
		},
	}}
}
