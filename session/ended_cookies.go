package session

import (
	"context"
	"errors"
	"net/http"

	"github.com/posternauth/postern/store"
)

// ClearEnded clears the cookies of a request whose sessions have ended, for a page on which people sign in. It asks the
// store about each session that the request has cookies of, and ends and refreshes none. Cookies of a session that
// lives stay, and so do those of which it cannot find out: the store is away, or another process knows the secret.
func (s *Sessions) ClearEnded(w http.ResponseWriter, r *http.Request) {
	if s.canEnd() != nil {
		return
	}
	for _, p := range s.policies() {
		if !p.stateless && p.onlyEnded(r) {
			p.clearCookies(w)
		}
	}
}

// onlyEnded reports whether a request has cookies of the kind, and none of a session that lives.
func (p *policy) onlyEnded(r *http.Request) bool {
	s, ctx := p.sessions, r.Context()
	found := false
	for name, find := range map[string]func(context.Context, string) (presented, bool, error){p.cookie: s.accessOf, p.cookie + refreshSuffix: s.owner} {
		tokens, err := cookies(r.Header, name)
		if err != nil || len(tokens) > 1 { // not by this program alone
			return false
		}
		for _, token := range tokens {
			found = true
			c, ok, err := find(ctx, token)
			if name != p.cookie && err == nil && !ok && s.looksReal(ctx, token) {
				if s.countForged(r) != nil {
					return false
				}
			}
			if err == nil && ok && c.kind == p.name {
				_, _, err = s.living(ctx, c.id, store.Key{}, p)
				if err == nil {
					return false
				}
			}
			if err != nil && !errors.Is(err, ErrEnded) {
				return false
			}
		}
	}
	return found
}
