// Package hash hashes passwords and verifies them: with argon2id for new ones, and with the formats of other systems
// for imported ones. It needs no other package of Postern, no store and no network; an application can use it on a
// user table that it has already.
//
//	hasher, err := hash.New(hash.Config{MemoryMiB: 256})
//	encoded, err := hasher.Hash(ctx, password)           // a string to keep
//	result, err := hasher.Verify(ctx, encoded, password) // OK, and Rehash where the string should be replaced
//	err = hasher.VerifyNone(ctx, identifier, password)   // for a name that nobody has: takes the same time
//
// A [Hasher] runs few hashes at a time and lets few calls wait, so that its memory stays within what the process has.
// The other calls get a [BusyError], which a server answers with 503 and Retry-After. [WithShare] names the network
// that a call comes from: networks share the hashes evenly. [WithKnown] marks calls from a browser that has signed in
// before: these have a queue apart.
//
// Hash and Verify bring the password into Unicode form NFC. Nothing is cut off: passwords have 1 to 1,024 bytes, and
// longer ones are refused. Rules for new passwords are in package policy.
package hash
