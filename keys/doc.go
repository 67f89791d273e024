// Package keys has the keys that sign and check tokens, and the secrets that protect other values.
//
// # A ring of your own
//
// [Open] opens a ring of signing keys and master secrets in a [Vault]: in the database of the sessions ([StoreVault])
// or in a file ([FileVault]), both encrypted with your key; in memory for tests ([MemoryVault]); or in your own type
// with two methods. The first Open makes the first key, also if fifty processes start at once. [Ring.Rotate] adds a
// key, and [Ring.Revoke] ends one. Everything else follows from the age of the keys, without coordination and without
// an outage.
//
//	ring, err := keys.Open(ctx, keys.RingConfig{
//		Vault: keys.FileVault{Path: "/var/lib/app/keys", Sealer: keys.MasterKey(key)},
//	})
//	jwks, err := ring.PublicKeys(ctx) // then keys.JWKS publishes them
//
// # Keys of others
//
// [Remote] reads the JWK Set of another issuer, from a URL or from the URL in the issuer's metadata, with limits on
// time and size. [Static] checks with the caller's keys: from [ParsePublicPEM] (public key or certificate),
// [ParseJWK], [ParseJWKS] or [NewHMAC]. [StaticSigner] signs with such a key.
//
// # What is refused
//
// A key is parsed and bound to one [Algorithm] when it is loaded; no token can change that. Keys that are short,
// malformed, known to be broken or published with their private part are refused with [ErrWeakKey] (RFC 8725 sections
// 3.1, 3.4 and 3.5). [ErrUnknownKey] is the fault of a token: answer it with 401. [ErrUnavailable] is not: answer it
// with 503.
//
// No value of this package shows a secret when printed.
package keys
