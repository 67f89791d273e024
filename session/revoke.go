package session

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/posternauth/postern/internal/httperr"
)

// serveRevoke is POST {base}/revoke for public clients (RFC 7009): it ends the session that a token was given to, an
// access or a refresh token, whatever token_type_hint says. Who has the token may do it: no cookie is looked at.
func (s *Sessions) serveRevoke(w http.ResponseWriter, r *http.Request) {
	if s.canKeep() != nil {
		httperr.Write(w, http.StatusNotFound, "not_found", "this program keeps no sessions")
		return
	}
	form, ok := readForm(w, r)
	if !ok {
		return
	}
	token := form.Get("token")
	if token == "" {
		httperr.Write(w, http.StatusBadRequest, "invalid_request", "token is missing")
		return
	}
	ctx := r.Context()
	c, found, err := s.carriedBy(ctx, token)
	if err == nil && found && c.clientID != "" {
		p := s.kind(c.kind)
		switch {
		case c.clientID != cmp.Or(form.Get("client_id"), s.clientID): // RFC 7009 section 2.1
			httperr.Write(w, http.StatusBadRequest, "invalid_client", "the token was given to another client_id")
			return
		case p != nil && p.stateless && c.live: // section 2.2.1
			httperr.Write(w, http.StatusBadRequest, "unsupported_token_type", "a token of this kind is good until it expires")
			return
		case p == nil || !p.stateless:
			err = s.revoke(ctx, c.id, endSignOut)
		}
	}
	switch {
	case errors.Is(err, ErrUnavailable):
		httperr.Unavailable(w, retryAfter, "the session could not be ended, try again")
	case err != nil:
		s.log.ErrorContext(ctx, "session: a token could not be revoked", "error", err)
		httperr.Write(w, http.StatusInternalServerError, "server_error", "the session could not be ended")
	default: // also for what is no token, or dead (section 2.2)
		httperr.NoStore(w.Header())
		w.WriteHeader(http.StatusOK)
	}
}
