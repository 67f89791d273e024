// Package passkey signs people in by passkey (W3C Web Authentication Level 3).
//
//	postern.Config{
//		Session:   postern.NewKind(sessions, directory, ...),
//		Providers: map[string]postern.Provider{"passkey": passkey.New(passkey.Config{})},
//	}
//
// A passkey is a provider and a factor in one. As a provider it needs no name: the person chooses a passkey, and the
// authenticator verifies the person by a finger, a face or a PIN. That is two factors, so no other one is asked for. As
// a factor it answers after a password or a provider.
//
// Passkeys lie in the store of Postern, not in the table of users, so it works with any postern.Users.
package passkey
