package session

import (
	"cmp"
	"errors"
	"net/http"
	"strings"

	"github.com/posternauth/postern/internal/httperr"
)

// SignOut signs this browser out. It ends the sessions that the cookies and the Bearer token of the request belong to,
// and clears the cookies of every kind. Any token of a session can end it: also one that has expired, and also a
// refresh token sent as Bearer. A copy of an access token works until it expires, except on routes with [CheckStore].
//
// The error is ErrCrossOrigin if a page of an untrusted origin sent the request, ErrUnavailable if keys or store are
// unavailable or this client address sent too many forged refresh tokens, and ErrStoreRequired or ErrNoSigner if this
// program is not configured to end a session of the request. It is ErrUnavailable, too, if the session of a refresh
// token lives and this program does not know the secret of the token; another process may. After an error no cookie is
// cleared: the person may still be signed in, and must be able to try again.
func (s *Sessions) SignOut(w http.ResponseWriter, r *http.Request) error {
	forged, err := s.endCarried(r)
	if denied := s.countAllForged(r, forged); denied != nil {
		return denied
	}
	if err != nil {
		return err
	}
	s.clearAll(w)
	return nil
}

// countAllForged counts the forged tokens of one request. The error matches ErrUnavailable.
func (s *Sessions) countAllForged(r *http.Request, forged int) error {
	for range forged {
		if err := s.countForged(r); err != nil {
			return refuseFor(ErrUnavailable, err)
		}
	}
	return nil
}

// endCarried ends the sessions of SignOut. It returns the number of forged refresh tokens.
func (s *Sessions) endCarried(r *http.Request) (forged int, err error) {
	if s.cross.Check(r) != nil {
		return 0, ErrCrossOrigin
	}
	var other error
	// Cookies come first: the session of a browser ends more than that of an application, see endsWith.
	for _, p := range s.policies() {
		n, _, err := p.endPresented(r, endSignOut)
		forged += n
		switch {
		case errors.Is(err, errOtherSecret): // the sessions that can be ended still end
			other = err
		case err != nil:
			return forged, err
		}
	}
	if token, found, err := bearer(r.Header); found && err == nil {
		c, ok, err := s.presentedBy(s.withClient(r), token)
		if err == nil && ok {
			_, err = s.endOf(s.withClient(r), c, endSignOut)
		}
		switch {
		case errors.Is(err, errOtherSecret):
			forged++
			other = err
		case err != nil:
			return forged, err
		case !ok && s.looksReal(r.Context(), token):
			forged++
		}
	}
	return forged, other
}

// clearAll clears the cookies of every kind.
func (s *Sessions) clearAll(w http.ResponseWriter) {
	for _, p := range s.policies() {
		p.clearCookies(w)
	}
}

// SignOutEverywhere ends all sessions of a person, on all devices. The request must carry a live session.
//
// With cookies it ends the person's sessions of every kind that this browser is signed in to, and the other sessions
// that the cookies belong to. Then it clears the cookies of every kind. With a Bearer token, that token alone counts:
// the sessions of its kind end, and only cookies of that kind are cleared. For a kind with a Pool, the sessions of all
// kinds of the pool end, see [Sessions.RevokeSubject].
//
// The errors are those of SignOut. If the request carries no live session, the error is the reason, as for a guard. If
// the store fails, the sessions of some kinds may have ended already; another call ends the rest.
func (s *Sessions) SignOutEverywhere(w http.ResponseWriter, r *http.Request) error {
	err := s.endEverywhere(w, r)
	if denied := limitOf(err); denied != nil {
		return refuseFor(ErrUnavailable, denied)
	}
	return err
}

// endEverywhere is SignOutEverywhere, except that its error may be a countedError.
func (s *Sessions) endEverywhere(w http.ResponseWriter, r *http.Request) error {
	found, err := s.callers(w, r)
	if err != nil {
		return err
	}
	asked, moved := map[*policy]bool{}, headMoves{}
	for _, who := range found.all {
		if err := who.kind.revokeSubject(s.withClient(r), who.subject, moved); err != nil {
			return err
		}
		asked[who.kind] = true
	}
	var cleared []*policy
	var other error
	for _, p := range s.policies() {
		if found.byCookie && !asked[p] { // no live session of this kind, but its cookies are cleared: end their session too
			forged, _, err := p.endPresented(r, endSignOut)
			if !found.forged[p] {
				_ = s.countAllForged(r, forged) // the person has proved another session, so the limit does not refuse them
			}
			switch {
			case errors.Is(err, errOtherSecret):
				other = err
			case err != nil:
				return err
			}
		}
		if found.byCookie || asked[p] {
			cleared = append(cleared, p)
		}
	}
	if other != nil {
		return other
	}
	for _, p := range cleared {
		p.clearCookies(w)
	}
	return nil
}

// serveSignOut is POST {base}/signout. It answers 204 to scripts, and redirects people who sent a form to "/".
func (s *Sessions) serveSignOut(w http.ResponseWriter, r *http.Request) {
	if !plainPost(w, r) {
		return
	}
	forged, err := s.endCarried(r)
	for range forged {
		if answerLimit(w, s.countForged(r)) {
			return
		}
	}
	if err == nil {
		s.clearAll(w)
	}
	s.answerSignOut(w, r, err)
}

// serveSignOutEverywhere is POST {base}/signout/everywhere.
func (s *Sessions) serveSignOutEverywhere(w http.ResponseWriter, r *http.Request) {
	if !plainPost(w, r) {
		return
	}
	err := s.endEverywhere(w, r)
	if answerLimit(w, limitOf(err)) {
		return
	}
	s.answerSignOut(w, r, err)
}

func (s *Sessions) answerSignOut(w http.ResponseWriter, r *http.Request, err error) {
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if httperr.MediaType(r) == "application/x-www-form-urlencoded" && strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Location", s.origin+"/")
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// plainPost checks the media type of a POST whose body is not read. It refuses text/plain, which a page of any origin
// can send without a preflight request. It answers a bad request itself and then returns false.
func plainPost(w http.ResponseWriter, r *http.Request) bool {
	switch media := httperr.MediaType(r); {
	case media == "application/json" || media == "application/x-www-form-urlencoded":
	case r.Header.Get("Content-Type") == "" && r.ContentLength == 0:
	default:
		httperr.Write(w, http.StatusUnsupportedMediaType, "invalid_request", "send application/json, a form or no body")
		return false
	}
	return true
}

// serveRevoke is POST {base}/revoke for public clients (RFC 7009). It ends the session of an access or refresh token,
// and ignores token_type_hint. The token alone authorizes the request, so cookies are ignored.
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
	ctx := s.withClient(r)
	c, found, err := s.presentedBy(ctx, token)
	forged := errors.Is(err, errOtherSecret) || err == nil && !found && s.looksReal(r.Context(), token)
	if forged && answerLimit(w, s.countForged(r)) {
		return
	}
	if err == nil && found && c.clientID != "" {
		p := s.kind(c.kind)
		switch {
		case c.clientID != cmp.Or(form.Get("client_id"), s.clientID): // RFC 7009 section 2.1
			httperr.Write(w, http.StatusBadRequest, "invalid_client", "the token was given to another client_id")
			return
		case p != nil && p.stateless && c.live: // section 2.2.1
			httperr.Write(w, http.StatusBadRequest, "unsupported_token_type", "a token of this kind cannot be revoked; it works until it expires")
			return
		case p == nil || !p.stateless:
			err = s.revoke(ctx, c.id, endSignOut)
		}
	}
	switch {
	case errors.Is(err, ErrUnavailable):
		writeUnavailable(w, err, "the session could not be ended, try again")
	case err != nil:
		s.log.ErrorContext(ctx, "session: a token could not be revoked", "error", err)
		httperr.Write(w, http.StatusInternalServerError, "server_error", "the session could not be ended")
	default: // also for a text that is not a token, or a token that no longer works (section 2.2)
		httperr.NoStore(w.Header())
		w.WriteHeader(http.StatusOK)
	}
}
