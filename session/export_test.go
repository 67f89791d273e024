package session

import "github.com/posternauth/postern/keys"

// CookieNameOf is the name of a kind's cookie.
func CookieNameOf[T any](k *Kind[T]) string { return k.cookie }

// Verifier are the keys of the sessions.
func (s *Sessions) Verifier() keys.Verifier { return s.keys }

// Unmarshal and Number are a second opinion on JSON, for fuzzing.
var (
	Unmarshal = unmarshal
	Number    = number
)
