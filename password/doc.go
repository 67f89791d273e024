// Package password signs people in by password.
//
//	postern.Config{
//		Session:   postern.NewKind(sessions, directory, ...),
//		Providers: map[string]postern.Provider{"password": password.New(password.Config{})},
//	}
//
// Passwords lie in the store of Postern, not in the table of users, so it works with any postern.Users. They are hashed
// by package password/hash, and checked by package password/policy when they are set.
package password
