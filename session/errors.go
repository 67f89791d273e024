package session

import (
	"errors"

	"github.com/posternauth/postern/keys"
)

// The errors of this package. Match them with errors.Is; [Reason] returns the short code of each.
//
// Every error for a bad token matches [ErrInvalidToken], also [ErrExpired] and [ErrKind]. The other faults of a token
// have no separate errors, because callers treat them all alike; [Reason] returns the fault.
var (
	ErrMissing             = errors.New("session: no token in the request")
	ErrInvalidToken        = errors.New("session: token is not valid")
	ErrExpired       error = &tokenFault{"expired", "token has expired"}
	ErrKind          error = &tokenFault{"kind", "token or session is of another kind"}
	ErrNeed                = errors.New("session: a need of the route is not met")
	ErrCrossOrigin         = errors.New("session: cross-origin request with a cookie")
	ErrDuplicate           = errors.New("session: the request carries two tokens in one place")
	ErrUnavailable         = errors.New("session: keys or store unavailable")
	ErrGrant               = errors.New("session: grant refused")
	ErrTooLarge            = errors.New("session: properties are too large for a cookie")
	ErrReturn              = errors.New("session: the Return has no target")
	ErrRefresh             = errors.New("session: refresh token refused")
	ErrEnded               = errors.New("session: the session has ended")
	ErrReuse               = errors.New("session: a refresh token was used again")
	ErrCode                = errors.New("session: authorization code refused")
	ErrImpersonated        = errors.New("session: the session is an impersonation: only its subject may do this")
	ErrPage                = errors.New("session: there is no such page of the list")
	ErrStoreRequired       = errors.New("session: a store is required")
	ErrNoSigner            = errors.New("session: these keys can only verify")
)

// The ways a token can be bad that only Reason distinguishes.
var (
	errMalformed   = &tokenFault{"malformed", "token is malformed"}
	errAlgorithm   = &tokenFault{"algorithm", "token is not signed with the algorithm of its key"}
	errUnknownKey  = &tokenFault{"unknown_key", "token names an unknown key"}
	errSignature   = &tokenFault{"signature", "signature does not verify"}
	errType        = &tokenFault{"typ", "token is of another type (header typ)"}
	errIssuer      = &tokenFault{"issuer", "token is of another issuer"}
	errAudience    = &tokenFault{"audience", "token is for another audience"}
	errNotYetValid = &tokenFault{"not_yet_valid", "token is not valid yet"}
	errTooOld      = &tokenFault{"too_old", "token was issued before Config.NotBefore"}
	errTooLate     = &tokenFault{"too_old", "token is not accepted any more"}
	errClaims      = &tokenFault{"claims", "a claim is missing or of the wrong type"}
)

// errRetiredKey is errUnknownKey for a key that is known to have ended.
var errRetiredKey = refuseFor(errUnknownKey, keys.ErrRetired)

// A tokenFault is one way a token can be bad.
type tokenFault struct{ code, text string }

func (f *tokenFault) Error() string { return "session: " + f.text }
func (f *tokenFault) Unwrap() error { return ErrInvalidToken }

// A refusal is the reason why a token was refused. Its text is fixed at compile time, so no part of a token can get
// into it, and it is cheap to make.
type refusal struct {
	sentinel error
	detail   string
	cause    error // of package keys or jose, whose errors carry no secret; may be nil
}

func refuse(sentinel error, detail string) error {
	return &refusal{sentinel: sentinel, detail: detail}
}

func refuseFor(sentinel, cause error) error {
	return &refusal{sentinel: sentinel, cause: cause}
}

func (e *refusal) Error() string {
	s := e.sentinel.Error()
	if e.detail != "" {
		s += ": " + e.detail
	}
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

func (e *refusal) Unwrap() []error {
	if e.cause == nil {
		return []error{e.sentinel}
	}
	return []error{e.sentinel, e.cause}
}

// Reason returns the stable code of an error of this package, for logs, metrics and the Reason of an [Event]. An
// error that matches ErrInvalidToken has one of "malformed", "algorithm", "unknown_key", "signature", "typ",
// "issuer", "audience", "kind", "expired", "not_yet_valid", "too_old" and "claims". The others have "missing",
// "need", "cross_origin", "duplicate", "ambiguous_path", "missing_path", "header_too_large", "unavailable", "grant",
// "too_large", "return", "code", "refresh", "reuse", "ended", "impersonated", "page", "store_required" and "no_signer".
// Any other error has "other", and nil has "".
func Reason(err error) string {
	if err == nil {
		return ""
	}
	var fault *tokenFault
	if errors.As(err, &fault) {
		return fault.code
	}
	switch {
	case errors.Is(err, ErrMissing):
		return "missing"
	case errors.Is(err, ErrNeed):
		return "need"
	case errors.Is(err, ErrCrossOrigin):
		return "cross_origin"
	case errors.Is(err, ErrDuplicate):
		return "duplicate"
	case errors.Is(err, errAmbiguousPath):
		return "ambiguous_path"
	case errors.Is(err, errMissingPath):
		return "missing_path"
	case errors.Is(err, errHeaderTooLarge):
		return "header_too_large"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	case errors.Is(err, ErrGrant):
		return "grant"
	case errors.Is(err, ErrTooLarge):
		return "too_large"
	case errors.Is(err, ErrReturn):
		return "return"
	case errors.Is(err, ErrCode):
		return "code"
	case errors.Is(err, ErrRefresh):
		return "refresh"
	case errors.Is(err, ErrReuse):
		return "reuse"
	case errors.Is(err, ErrEnded):
		return "ended"
	case errors.Is(err, ErrImpersonated):
		return "impersonated"
	case errors.Is(err, ErrPage):
		return "page"
	case errors.Is(err, ErrStoreRequired):
		return "store_required"
	case errors.Is(err, ErrNoSigner):
		return "no_signer"
	}
	return "other"
}
