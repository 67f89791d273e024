// Package jose reads compact JWS tokens (RFC 7515) and JSON (RFC 8259) the strict way, and checks signatures of the
// algorithms of RFC 7518 and RFC 8037 with the standard library's cryptography.
//
// Two rules shape it. Nothing is lenient: what two readers could understand differently (a member named twice,
// base64url with stray bits, invalid UTF-8) is refused, because a token that means one thing here and another thing
// elsewhere is how checks are walked around. And nothing is decided by a token: a header names an algorithm and a
// key, it never chooses or brings one.
//
// A token is cut up by [Parse], its claims are read member by member with [Object] and the readers [String], [Strings],
// [NumericDate] and [Bool]. All of them work on strings and return parts of their input where they can, so a claim
// costs no allocation.
//
//	tok, err := jose.Parse(token)
//	...  // find the key, compare tok.Alg with the key's algorithm, check tok.Signature over tok.Input
//	err = jose.Object(tok.Payload, func(name, value string) (err error) {
//		switch name {
//		case "sub":
//			sub, err = jose.String(value)
//		case "exp":
//			exp, err = jose.NumericDate(value)
//		}
//		return err
//	})
package jose

import "errors"

var (
	// ErrFormat is in every error about a token or JSON text that is not well formed.
	ErrFormat = errors.New("malformed")
	// ErrKey is in every error about a key that does not fit its algorithm or is too weak.
	ErrKey = errors.New("key does not fit")
)
