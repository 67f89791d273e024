package session

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/posternauth/postern/internal/form"
	"github.com/posternauth/postern/internal/httperr"
)

// serveToken is POST {base}/token for public clients: the authorization code grant of RFC 6749 section 4.1.3, with
// PKCE, and the refresh of section 6.
func (s *Sessions) serveToken(w http.ResponseWriter, r *http.Request) {
	form, ok := readForm(w, r)
	if !ok {
		return
	}
	// A grant that this server does not know is refused before anything else is checked.
	switch form.Get("grant_type") {
	case "authorization_code":
	case "refresh_token":
		s.serveRefreshGrant(w, r, form)
		return
	case "":
		httperr.Write(w, http.StatusBadRequest, "invalid_request", "grant_type is missing")
		return
	default:
		httperr.Write(w, http.StatusBadRequest, "unsupported_grant_type", "grant_type must be authorization_code or refresh_token")
		return
	}
	if err := s.canRedeem(); err != nil {
		httperr.Write(w, http.StatusBadRequest, "unsupported_grant_type", "this issuer issues no authorization codes")
		return
	}
	in := redemption{form.Get("code"), form.Get("code_verifier"), form.Get("redirect_uri"), form.Get("client_id")}
	if in.clientID == "" { // the same default as at authorize
		in.clientID = s.clientID
	}
	for _, f := range []struct {
		name string
		ok   bool
	}{{"code", in.code != ""}, {"redirect_uri", in.redirectURI != ""}, {"code_verifier", verifier(in.verifier)}} {
		if !f.ok {
			httperr.Write(w, http.StatusBadRequest, "invalid_request", f.name+" is missing or malformed")
			return
		}
	}
	t, err := s.redeem(s.withClient(r), in)
	if errors.Is(err, errForged) && answerLimit(w, s.countForged(r)) {
		return
	}
	s.answerGrant(w, r, t, err)
}

// serveRefreshGrant is grant_type=refresh_token. Scopes belong to the session, not to a token: a client may name some
// scopes of the session, but the new token has all of them, and the answer lists them (RFC 6749 sections 3.3 and 6).
func (s *Sessions) serveRefreshGrant(w http.ResponseWriter, r *http.Request, form url.Values) {
	if s.canKeep() != nil {
		httperr.Write(w, http.StatusBadRequest, "unsupported_grant_type", "this issuer refreshes no tokens")
		return
	}
	token, client := form.Get("refresh_token"), cmp.Or(form.Get("client_id"), s.clientID)
	if token == "" {
		httperr.Write(w, http.StatusBadRequest, "invalid_request", "refresh_token is missing")
		return
	}
	who := &tokenClient{client, strings.Fields(form.Get("scope"))}
	t, err := s.refresh(s.withClient(r), token, nil, who)
	if presented, ok := parseRefreshToken(token); ok { // invalid_grant makes a client forget the token
		err = s.unproven(r.Context(), presented, err)
	}
	if costly(err) && answerLimit(w, s.countForged(r)) {
		return
	}
	s.answerGrant(w, r, t, err)
}

func (s *Sessions) answerGrant(w http.ResponseWriter, r *http.Request, t Tokens, err error) {
	switch {
	case errors.Is(err, errScope):
		httperr.Write(w, http.StatusBadRequest, "invalid_scope", "the session does not have that scope; leave scope out to keep what it has")
	case errors.Is(err, ErrCode), errors.Is(err, ErrRefresh), errors.Is(err, ErrEnded), errors.Is(err, ErrKind):
		httperr.Write(w, http.StatusBadRequest, "invalid_grant", publicText(err))
	case errors.Is(err, ErrUnavailable):
		writeUnavailable(w, err, "no token could be made, try again")
	case err != nil:
		s.log.ErrorContext(r.Context(), "session: no token could be made", "error", err)
		httperr.Write(w, http.StatusInternalServerError, "server_error", "no token could be made")
	default:
		w.Header().Set("Pragma", "no-cache") // RFC 6749 section 5.1
		writeJSON(w, http.StatusOK, t)
	}
}

// readForm reads the body of a token request. It answers a bad request itself and then returns false. It ignores the
// query of the URL.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	bad := func(status int, text string) (url.Values, bool) {
		httperr.Write(w, status, "invalid_request", text)
		return nil, false
	}
	if httperr.MediaType(r) != "application/x-www-form-urlencoded" {
		return bad(http.StatusUnsupportedMediaType, "send application/x-www-form-urlencoded")
	}
	values, err := form.Read(w, r, nil)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return bad(http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB")
	case errors.Is(err, form.ErrTooMany), errors.Is(err, form.ErrEncoding), errors.Is(err, form.ErrTwice), errors.Is(err, form.ErrText):
		return bad(http.StatusBadRequest, err.Error())
	case err != nil:
		return bad(http.StatusBadRequest, "the body ended early")
	}
	return values, true
}

// verifier reports whether s has the form of a code verifier (RFC 7636 section 4.1).
func verifier(s string) bool {
	if len(s) < 43 || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !tokenByte(c) || c == '+' || c == '/' {
			return false
		}
	}
	return true
}
