// Package keys holds what tokens are signed and checked with.
//
// # A ring of one's own
//
// [Open] keeps a ring of signing keys and master secrets in a [Vault]: in a file under a key of yours ([FileVault]), in
// memory for tests ([MemoryVault]), or where you like by two methods. The first Open makes the first key, also if fifty
// processes start at once. [Ring.Rotate] adds a key, [Ring.Revoke] ends one; everything else follows from the age of
// the keys, without coordination and without an outage.
//
//	ring, err := keys.Open(ctx, keys.RingConfig{
//		Vault: keys.FileVault{Path: "/var/lib/app/keys", Key: key},
//	})
//	jwks, err := ring.PublicKeys(ctx) // then keys.JWKS publishes them
//
// # Keys of others
//
// [Remote] reads the JWK Set of another issuer, found by the issuer's metadata or a URL, within bounds. [Static] checks with
// keys handed in by the caller: from [ParsePublicPEM] (public key or certificate), [ParseJWK], [ParseJWKS] or [NewHMAC].
// [StaticSigner] signs with one.
//
// # What is refused
//
// A key is bound to one [Algorithm] when it is loaded, and parsed then; no token changes that later. Keys that are short,
// malformed, known to be broken or published with their private part are refused with [ErrWeakKey] (RFC 8725 sections
// 3.1, 3.4 and 3.5). [ErrUnknownKey] is about a token; [ErrUnavailable] never is: answer it with 503, not 401.
//
// No value of this package shows a secret when printed.
package keys
