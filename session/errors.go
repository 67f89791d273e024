package session

import (
	"errors"
)

// Why a token or a request was refused. Match with errors.Is; [Reason] gives the short code of each.
var (
	ErrMissing       = errors.New("session: no token in the request")
	ErrMalformed     = errors.New("session: token is malformed")
	ErrAlgorithm     = errors.New("session: token is signed with another algorithm than its key")
	ErrUnknownKey    = errors.New("session: token names an unknown key")
	ErrSignature     = errors.New("session: signature does not verify")
	ErrType          = errors.New("session: token is of another type (header typ)")
	ErrIssuer        = errors.New("session: token is of another issuer")
	ErrAudience      = errors.New("session: token is for another audience")
	ErrKind          = errors.New("session: token is of another kind of session")
	ErrExpired       = errors.New("session: token has expired")
	ErrNotYetValid   = errors.New("session: token is not valid yet")
	ErrTooOld        = errors.New("session: token was issued before Config.NotBefore")
	ErrClaims        = errors.New("session: a claim is missing or of the wrong type")
	ErrNeed          = errors.New("session: a need of the route is not met")
	ErrCrossOrigin   = errors.New("session: cross-origin request with a cookie")
	ErrDuplicate     = errors.New("session: more than one token of the same place in the request")
	ErrUnavailable   = errors.New("session: keys or store unavailable")
	ErrGrant         = errors.New("session: grant refused")
	ErrTooLarge      = errors.New("session: properties are too large for a cookie")
	ErrReturn        = errors.New("session: the Return leads nowhere")
	ErrRefresh       = errors.New("session: refresh token refused")
	ErrEnded         = errors.New("session: the session has ended")
	ErrReuse         = errors.New("session: a refresh token was used again")
	ErrCode          = errors.New("session: authorization code refused")
	ErrStoreRequired = errors.New("session: a store is required")
	ErrNoSigner      = errors.New("session: these keys can only verify")
)

// A refusal says why a token was refused. Its text is fixed when the program is written, so that no part of a token can
// get into it, and making one costs nothing to speak of.
type refusal struct {
	sentinel error
	detail   string
	cause    error // of keys or jose, which keep secrets out of theirs; may be nil
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

// Reason returns the stable code of an error of this package, for logs, metrics and the Reason of an [Event]:
// "missing", "malformed", "algorithm", "unknown_key", "signature", "typ", "issuer", "audience", "kind", "expired",
// "not_yet_valid", "too_old", "claims", "need", "cross_origin", "duplicate", "unavailable", "grant", "too_large",
// "return", "code", "refresh", "reuse", "ended", "store_required", "no_signer"; "other" for an error that is none of them and "" for nil.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	switch {
	case errors.Is(err, ErrMissing):
		return "missing"
	case errors.Is(err, ErrMalformed):
		return "malformed"
	case errors.Is(err, ErrAlgorithm):
		return "algorithm"
	case errors.Is(err, ErrUnknownKey):
		return "unknown_key"
	case errors.Is(err, ErrSignature):
		return "signature"
	case errors.Is(err, ErrType):
		return "typ"
	case errors.Is(err, ErrIssuer):
		return "issuer"
	case errors.Is(err, ErrAudience):
		return "audience"
	case errors.Is(err, ErrKind):
		return "kind"
	case errors.Is(err, ErrExpired):
		return "expired"
	case errors.Is(err, ErrNotYetValid):
		return "not_yet_valid"
	case errors.Is(err, ErrTooOld):
		return "too_old"
	case errors.Is(err, ErrClaims):
		return "claims"
	case errors.Is(err, ErrNeed):
		return "need"
	case errors.Is(err, ErrCrossOrigin):
		return "cross_origin"
	case errors.Is(err, ErrDuplicate):
		return "duplicate"
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
	case errors.Is(err, ErrStoreRequired):
		return "store_required"
	case errors.Is(err, ErrNoSigner):
		return "no_signer"
	}
	return "other"
}
