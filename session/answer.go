package session

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/internal/httperr"
	"github.com/posternauth/postern/internal/shortcookie"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/store"
)

// retryAfter is the Retry-After of an answer when keys or store are unavailable.
const retryAfter = 5 * time.Second

// writeUnavailable answers a fault of keys or store. If they belong to one process, the answer names that and does not
// invite to try again: no later request does better.
func writeUnavailable(w http.ResponseWriter, err error, text string) {
	switch {
	case errors.Is(err, keys.ErrLocal):
		httperr.Write(w, http.StatusServiceUnavailable, "temporarily_unavailable", "the keys of this program are kept in one process, "+
			"and this platform starts many: the program needs keys that all of them share")
	case errors.Is(err, store.ErrLocal):
		httperr.Write(w, http.StatusServiceUnavailable, "temporarily_unavailable", "the data of this program are kept in one process, "+
			"and this platform starts many: the program needs a store that all of them share")
	default:
		httperr.Unavailable(w, retryAfter, text)
	}
}

// answer refuses a request. The texts are fixed: no part of the request is in the answer.
func (g guard) answer(w http.ResponseWriter, r *http.Request, err error) {
	refreshable := false
	for _, gate := range g {
		refreshable = refreshable || gate.policy != nil && !gate.policy.stateless
	}
	if errors.Is(err, errHeaderTooLarge) && length(r.Header["Cookie"]) > maxHeader {
		g.makeRoom(w, r)
	}
	answer(w, r, g[0].issuer, g[0].log, refreshable, err)
}

// refuse is answer for the routes of [Sessions.Handler].
func (s *Sessions) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, ErrStoreRequired) || errors.Is(err, ErrNoSigner) {
		httperr.Write(w, http.StatusNotFound, "not_found", "this program keeps no sessions")
		return
	}
	if errors.Is(err, errHeaderTooLarge) && length(r.Header["Cookie"]) > maxHeader {
		shortcookie.Clear(w, r, s.issuer, s.secure, maxCleared)
	}
	answer(w, r, s.issuer, s.log, true, err)
}

// maxCleared is how many cookies one answer removes: proxies allow 4 KiB for the headers of an answer.
const maxCleared = 32

// makeRoom removes cookies of attempts from a browser that sends too many cookies. Any page can make it begin attempts,
// and a person who only opens guarded pages would be locked out until they expire.
func (g guard) makeRoom(w http.ResponseWriter, r *http.Request) {
	var done []*Sessions
	for _, gate := range g {
		if gate.policy == nil || slices.Contains(done, gate.policy.sessions) {
			continue
		}
		done = append(done, gate.policy.sessions)
		shortcookie.Clear(w, r, gate.policy.sessions.issuer, gate.policy.sessions.secure, maxCleared)
	}
}

func answer(w http.ResponseWriter, r *http.Request, issuer string, log *slog.Logger, refreshable bool, err error) {
	level := slog.LevelDebug
	if Reason(err) == "other" || errors.Is(err, ErrUnavailable) && !errors.Is(err, errOtherSecret) {
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
		writeUnmet(w, http.StatusUnauthorized, "try_refresh", text, old.unmet, "")
	case errors.As(err, &missing):
		missing.answer(w, with)
	case errors.Is(err, ErrUnavailable):
		writeUnavailable(w, err, "the token could not be checked, try again")
	case errors.Is(err, ErrCrossOrigin):
		httperr.Write(w, http.StatusForbidden, "cross_origin", publicText(err))
	case errors.Is(err, ErrImpersonated):
		httperr.Write(w, http.StatusForbidden, "impersonated", publicText(err))
	case errors.Is(err, ErrDuplicate):
		w.Header().Set("WWW-Authenticate", with("invalid_request", publicText(err)))
		httperr.Write(w, http.StatusBadRequest, "invalid_request", publicText(err))
	case errors.Is(err, errAmbiguousPath):
		httperr.Write(w, http.StatusForbidden, "ambiguous_path", publicText(err))
	case errors.Is(err, errMissingPath):
		httperr.Write(w, http.StatusForbidden, "missing_path", publicText(err))
	case errors.Is(err, errHeaderTooLarge): // in most cases a browser with too many cookies (RFC 6585 section 5)
		httperr.Write(w, http.StatusRequestHeaderFieldsTooLarge, "request_too_large", "the request carries too many cookies or other headers; try again, and if that fails clear the cookies of this site")
	case errors.Is(err, ErrMissing):
		// RFC 6750 section 3.1: without a token in the request the challenge has no error.
		w.Header().Set("WWW-Authenticate", challenge)
		httperr.Write(w, http.StatusUnauthorized, "unauthorized", publicText(err))
	case Reason(err) == "other": // an error of the read of GuardVerifiedClaims: not about the token
		httperr.Write(w, http.StatusInternalServerError, "server_error", "the session could not be read")
	default:
		w.Header().Set("WWW-Authenticate", with("invalid_token", publicText(err)))
		httperr.Write(w, http.StatusUnauthorized, unauthorized(err, refreshable), publicText(err))
	}
}

// unauthorized returns the error in the body of a 401, by which a client decides: "try_refresh" means refresh and try
// again, "session_ended" sign in again, "invalid_token" do not send this token. The header has "invalid_token" for all
// three (RFC 6750 section 3.1). An unknown key is not the end of a session: another process may have it.
func unauthorized(err error, refreshable bool) string {
	switch {
	case refreshable && (errors.Is(err, ErrExpired) || errors.Is(err, errUnknownKey)):
		return "try_refresh"
	case errors.Is(err, ErrEnded), errors.Is(err, ErrRefresh):
		return "session_ended"
	}
	return "invalid_token"
}

func (u unmet) answer(w http.ResponseWriter, with func(code, text string) string) {
	text := strings.TrimPrefix(u.Error(), "session: ")
	var scopes, classes []string
	within := time.Duration(0)
	signIn, claims := true, true
	for _, n := range u {
		scopes, classes = append(scopes, n.scopes...), append(classes, n.acr...)
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
		if claims { // the header has no code for it (RFC 6750 section 3.1)
			code = "invalid_claims"
		}
		writeUnmet(w, http.StatusForbidden, code, text, u, "")
		return
	}
	value := with("insufficient_user_authentication", text)
	if within > 0 {
		value += `, max_age="` + strconv.FormatInt(int64(within/time.Second), 10) + `"`
	}
	if len(classes) > 0 {
		value += ", acr_values=" + httperr.Quote(strings.Join(classes, " "))
	}
	w.Header().Set("WWW-Authenticate", value)
	writeUnmet(w, http.StatusUnauthorized, "insufficient_user_authentication", text, u, u.stepUpURL(within, classes))
}

// writeUnmet is httperr.Write with the list of unmet needs, and where the person can meet them; empty: nowhere.
func writeUnmet(w http.ResponseWriter, status int, code, text string, u unmet, stepUp string) {
	failed := make([]failure, len(u))
	for i, n := range u {
		failed[i] = n.told
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	writeJSON(w, status, struct {
		Error       string    `json:"error"`
		Description string    `json:"error_description"`
		Failed      []failure `json:"failed"`
		StepUp      string    `json:"step_up,omitempty"`
	}{code, httperr.Description(text), failed, stepUp})
}

// publicText returns the text of an error for the client: the fixed part, without its cause.
func publicText(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		err = &refusal{sentinel: r.sentinel, detail: r.detail}
	}
	return strings.TrimPrefix(err.Error(), "session: ")
}

// writeJSON answers with a value that cannot fail to encode. The answer is not cached.
func writeJSON(w http.ResponseWriter, status int, v any) {
	body, _ := json.Marshal(v)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	httperr.NoStore(h)
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a client that has gone needs no answer
}
