// Package users is a directory of users on any store: who they are, by what they are found, what they may do.
//
//	dir, err := users.New(users.Config{
//		Sessions: sessions,
//		Roles:    users.Roles{"editor": {"posts:read", "posts:write"}},
//	})
//
// A [Directory] is a postern.Users, which postern.NewKind takes. A program that has a table of users needs no
// Directory: it implements the three methods of postern.Users.
//
// # What is unique
//
// A verified mail address, a username and an identity of a provider each belong to one user. The row that holds this
// claim is written in one write with the user. An address that is not verified is a note: nobody is found by it, and
// it keeps nobody else from proving it.
//
// # What users may do
//
// A role is a name for some scopes. The directory stores roles, and derives the scopes at each read. A changed role
// has its effect at the next refresh of a session, and at once where a guard asks the store.
//
// # What ends sessions
//
// [Directory.Disable], [Directory.Delete], and each removal or replacement of a way to sign in move the number "sec" of
// the user, in the same write. What was issued before is refused from then on.
//
// # Errors
//
// postern.ErrNoUser, postern.ErrTaken and the errors of this package are answers. Any other error means that the store
// was unavailable. Every method can be called again after such an error, with the same arguments: what was done is done
// once.
package users
