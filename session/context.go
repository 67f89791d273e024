package session

import "context"

type contextKey struct{ *policy }

// From returns the session that Require, Optional or NewContext put into ctx. It never returns nil: without a session it
// is that of a signed-out person, of the Kind "public" and otherwise empty, and ok is false. Sessions of several kinds
// can live in one context.
func (k *Kind[T]) From(ctx context.Context) (s *Session[T], ok bool) {
	return from[T](ctx, contextKey{k.policy})
}

// NewContext returns a context that carries s, as Require makes one. It is for tests, and for functions behind a gateway
// that has checked the token. A nil s signs out. Nothing is verified here: s is believed.
func (k *Kind[T]) NewContext(ctx context.Context, s *Session[T]) context.Context {
	if s != nil && s.Kind == "" {
		named := *s
		named.Kind = k.name
		s = &named
	}
	return context.WithValue(ctx, contextKey{k.policy}, s)
}

func from[T any](ctx context.Context, key any) (*Session[T], bool) {
	s, _ := ctx.Value(key).(*Session[T])
	if s == nil {
		return &Session[T]{Kind: public}, false
	}
	return s, s.Kind != public
}
