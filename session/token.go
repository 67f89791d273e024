package session

import (
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
)

const (
	maxBody   = 64 << 10
	maxFields = 100
)

// serveToken is POST {base}/token for public clients: the authorization code grant of RFC 6749 section 4.1.3, with PKCE,
// and the refresh of section 6.
func (s *Sessions) serveToken(w http.ResponseWriter, r *http.Request) {
	form, ok := readForm(w, r)
	if !ok {
		return
	}
	// A grant this server does not know is told so before anything else is asked of the request.
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
		httperr.Write(w, http.StatusBadRequest, "unsupported_grant_type", "this issuer gives no codes")
		return
	}
	in := redemption{form.Get("code"), form.Get("code_verifier"), form.Get("redirect_uri"), form.Get("client_id")}
	if in.clientID == "" { // as at authorize
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
	t, scopes, err := s.redeem(r.Context(), in)
	s.answerGrant(w, r, t, scopes, err)
}

// serveRefreshGrant is grant_type=refresh_token. A client may name scopes the session has, and gets all of them, as the
// answer says (RFC 6749 sections 3.3 and 6): scopes belong to the session.
func (s *Sessions) serveRefreshGrant(w http.ResponseWriter, r *http.Request, form url.Values) {
	if s.canKeep() != nil {
		httperr.Write(w, http.StatusBadRequest, "unsupported_grant_type", "this issuer refreshes nothing")
		return
	}
	token, client := form.Get("refresh_token"), cmp.Or(form.Get("client_id"), s.clientID)
	if token == "" {
		httperr.Write(w, http.StatusBadRequest, "invalid_request", "refresh_token is missing")
		return
	}
	who := &applicant{client, strings.Fields(form.Get("scope"))}
	t, scopes, err := s.refresh(r.Context(), token, nil, who)
	s.answerGrant(w, r, t, scopes, err)
}

func (s *Sessions) answerGrant(w http.ResponseWriter, r *http.Request, t Tokens, scopes []string, err error) {
	switch {
	case errors.Is(err, errScope):
		httperr.Write(w, http.StatusBadRequest, "invalid_scope", "the session does not have that scope; leave scope out to keep what it has")
	case errors.Is(err, ErrCode), errors.Is(err, ErrRefresh), errors.Is(err, ErrEnded), errors.Is(err, ErrKind):
		httperr.Write(w, http.StatusBadRequest, "invalid_grant", publicText(err))
	case errors.Is(err, ErrUnavailable):
		httperr.Unavailable(w, retryAfter, "no token could be made, try again")
	case err != nil:
		s.log.ErrorContext(r.Context(), "session: no token could be made", "error", err)
		httperr.Write(w, http.StatusInternalServerError, "server_error", "no token could be made")
	default:
		answerToken(w, t, scopes, t.Expires.Sub(s.now()))
	}
}

// answerToken is the answer of RFC 6749 section 5.1.
func answerToken(w http.ResponseWriter, t Tokens, scopes []string, life time.Duration) {
	// Strings and a number cannot fail to encode.
	body, _ := json.Marshal(struct {
		Access  string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int64  `json:"expires_in"`
		Refresh string `json:"refresh_token,omitempty"`
		Scope   string `json:"scope,omitempty"`
	}{t.Access, "Bearer", max(0, int64(life/time.Second)), t.Refresh, strings.Join(scopes, " ")})
	h := w.Header()
	h.Set("Content-Type", "application/json")
	httperr.NoStore(h)
	h.Set("Pragma", "no-cache")
	_, _ = w.Write(append(body, '\n')) // a client that has gone may ask again, and be refused
}

// readForm reads the body of a token request, or answers what is wrong with it. Parameters of the URL are not looked at.
func readForm(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	bad := func(status int, text string) (url.Values, bool) {
		httperr.Write(w, status, "invalid_request", text)
		return nil, false
	}
	if httperr.MediaType(r) != "application/x-www-form-urlencoded" {
		return bad(http.StatusUnsupportedMediaType, "send application/x-www-form-urlencoded")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return bad(http.StatusRequestEntityTooLarge, "the body is larger than 64 KiB")
	case err != nil:
		return bad(http.StatusBadRequest, "the body ended early")
	case strings.Count(string(body), "&") >= maxFields:
		return bad(http.StatusBadRequest, "more than 100 parameters")
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return bad(http.StatusBadRequest, "the body is not form-encoded")
	}
	for _, values := range form {
		if len(values) > 1 { // RFC 6749 section 3.2
			return bad(http.StatusBadRequest, "a parameter is given more than once")
		}
	}
	return form, true
}

// verifier is the form of a code verifier (RFC 7636 section 4.1).
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
