package session

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
)

// retryAfter is what a client is told to wait when keys or store cannot be had.
const retryAfter = 5 * time.Second

// answer refuses a request. The texts are ours: nothing of the request comes back.
func (g guard) answer(w http.ResponseWriter, r *http.Request, err error) {
	refreshable := false
	for _, gate := range g {
		refreshable = refreshable || gate.policy != nil && !gate.policy.stateless
	}
	answer(w, r, g[0].issuer, g[0].log, refreshable, err)
}

// refuse is answer for what s serves itself.
func (s *Sessions) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrStoreRequired) || errors.Is(err, ErrNoSigner) {
		httperr.Write(w, http.StatusNotFound, "not_found", "this program keeps no sessions")
		return
	}
	answer(w, r, s.issuer, s.log, true, err)
}

func answer(w http.ResponseWriter, r *http.Request, issuer string, log *slog.Logger, refreshable bool, err error) {
	level := slog.LevelDebug
	if Reason(err) == "other" || errors.Is(err, ErrUnavailable) {
		level = slog.LevelError
	}
	log.Log(r.Context(), level, "session: request refused", "reason", Reason(err), "error", err)
	challenge := "Bearer realm=" + httperr.Quote(issuer)
	with := func(code, text string) string {
		return challenge + ", error=" + httperr.Quote(code) + ", error_description=" + httperr.Quote(text)
	}
	var missing unmet
	var old stale
	switch {
	case errors.As(err, &old):
		text := strings.TrimPrefix(old.Error(), "session: ")
		w.Header().Set("WWW-Authenticate", with("invalid_token", text))
		writeUnmet(w, http.StatusUnauthorized, "try_refresh", text, old.unmet)
	case errors.As(err, &missing):
		missing.answer(w, with)
	case errors.Is(err, ErrUnavailable):
		httperr.Unavailable(w, retryAfter, "the token could not be checked, try again")
	case errors.Is(err, ErrCrossOrigin):
		httperr.Write(w, http.StatusForbidden, "cross_origin", publicText(err))
	case errors.Is(err, ErrDuplicate):
		w.Header().Set("WWW-Authenticate", with("invalid_request", publicText(err)))
		httperr.Write(w, http.StatusBadRequest, "invalid_request", publicText(err))
	case errors.Is(err, ErrMissing):
		// RFC 6750 section 3.1: who sent no token is told no error.
		w.Header().Set("WWW-Authenticate", challenge)
		httperr.Write(w, http.StatusUnauthorized, "unauthorized", publicText(err))
	case Reason(err) == "other": // of what Behind was given; it says nothing about the token
		httperr.Write(w, http.StatusInternalServerError, "server_error", "the session could not be read")
	default:
		w.Header().Set("WWW-Authenticate", with("invalid_token", publicText(err)))
		httperr.Write(w, http.StatusUnauthorized, unauthorized(err, refreshable), publicText(err))
	}
}

// unauthorized is the error of a 401 in its body, which tells a client what to do: "try_refresh", and try again;
// "session_ended", and sign in again; "invalid_token", which should not have been sent. The header knows but the last
// (RFC 6750 section 3.1). A person without a session is "unauthorized"; one whose claims could be newer is told "try_refresh", too.
func unauthorized(err error, refreshable bool) string {
	switch {
	case errors.Is(err, ErrEnded), errors.Is(err, ErrRefresh):
		return "session_ended"
	case refreshable && (errors.Is(err, ErrExpired) || errors.Is(err, ErrUnknownKey)):
		return "try_refresh"
	}
	return "invalid_token"
}

func (u unmet) answer(w http.ResponseWriter, with func(code, text string) string) {
	text := strings.TrimPrefix(u.Error(), "session: ")
	var scopes []string
	within := time.Duration(0)
	signIn, claims := true, true
	for _, n := range u {
		scopes = append(scopes, n.scopes...)
		signIn, claims = signIn && n.signIn, claims && n.claim
		if n.within > 0 && (within == 0 || n.within < within) {
			within = n.within
		}
	}
	if !signIn { // a new sign-in alone would not help
		value := with("insufficient_scope", text)
		if len(scopes) > 0 {
			value += ", scope=" + httperr.Quote(strings.Join(scopes, " "))
		}
		w.Header().Set("WWW-Authenticate", value)
		code := "insufficient_scope"
		if claims { // the header has no word for it (RFC 6750 section 3.1)
			code = "invalid_claims"
		}
		writeUnmet(w, http.StatusForbidden, code, text, u)
		return
	}
	value := with("insufficient_user_authentication", text)
	if within > 0 {
		value += `, max_age="` + strconv.FormatInt(int64(within/time.Second), 10) + `"`
	}
	w.Header().Set("WWW-Authenticate", value)
	writeUnmet(w, http.StatusUnauthorized, "insufficient_user_authentication", text, u)
}

// writeUnmet is httperr.Write with the list of the needs that are not met.
func writeUnmet(w http.ResponseWriter, status int, code, text string, u unmet) {
	failed := make([]failure, len(u))
	for i, n := range u {
		failed[i] = n.told
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	writeJSON(w, status, struct {
		Error       string    `json:"error"`
		Description string    `json:"error_description"`
		Failed      []failure `json:"failed"`
	}{code, httperr.Description(text), failed})
}

// publicText is what of an error the client is told: our own fixed text, no cause.
func publicText(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		err = &refusal{sentinel: r.sentinel, detail: r.detail}
	}
	return strings.TrimPrefix(err.Error(), "session: ")
}
