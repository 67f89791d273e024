package session

import (
	"errors"
	"net/http"
)

// Holds checks that the refresh cookie of a request belongs to the session with the given id, which lives. Ask it
// before a session gives its owner another one: an access token alone, which other services see as well, must not be
// enough for that. It changes nothing, and the refresh token stays as it is.
//
// The error is ErrMissing if the request has no refresh cookie, ErrDuplicate if it has two, ErrRefresh if the cookie
// belongs to no session or to another one, ErrReuse if its token was replaced before, and ErrEnded, ErrKind and
// ErrUnavailable as for [Kind.Replace].
func (k *Kind[T]) Holds(r *http.Request, sessionID string) error {
	s, ctx := k.sessions, k.sessions.withClient(r)
	if err := s.canKeep(); err != nil {
		return err
	}
	refresh, err := cookie(r.Header, k.cookie+refreshSuffix)
	switch {
	case err != nil:
		return err
	case refresh == "":
		return ErrMissing
	}
	token, err := s.parse(ctx, refresh)
	if err != nil {
		return err
	}
	found, _, err := s.proven(ctx, token, k.policy)
	if errors.Is(err, errForged) {
		if denied := s.countAllForged(r, 1); denied != nil {
			return denied
		}
	}
	switch {
	case err != nil:
		return err
	case found.id != sessionID:
		return refuse(ErrRefresh, "it belongs to another session")
	case found.useOf(token.number, s.now()).copied():
		return ErrReuse
	}
	return nil
}
