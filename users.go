package postern

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/posternauth/postern/store"
)

// The issuers of identities that Postern itself verifies. No provider that is found by URL can have one of them.
const (
	MailIssuer = "mailto:"   // Subject is a canonical mail address
	NameIssuer = "username:" // Subject is a username
)

var (
	// ErrNoUser is returned by Users if there is no such user. A deleted user does not exist.
	ErrNoUser = errors.New("postern: there is no such user")

	// ErrTaken is returned by Users.Create and Linker.Link if the identity or the address belongs to another user.
	ErrTaken = errors.New("postern: the identity belongs to another user")
)

// Users is where the users of an application are. users.Directory is one. A table of the application is another: three
// methods, see docs/users-table.md. All methods are safe for concurrent use.
//
// Any error except ErrNoUser and ErrTaken means that the users are unavailable, and is answered with 503.
type Users interface {
	// Find returns the id of the user with an identity, by Issuer and Subject alone. An identity with MailIssuer is
	// found by an address that is verified now, and one with NameIssuer by the username. Find creates nothing. The
	// error is ErrNoUser if there is no user.
	Find(ctx context.Context, id Identity) (userID string, err error)

	// Get returns a user. The error is ErrNoUser if there is none or if the user was deleted. An id is never given to
	// another person later: the password and the passkeys lie under it.
	Get(ctx context.Context, userID string) (Person, error)

	// Create makes a user with a verified identity. The same SignUp.ID gives the same user, so that a lost answer does
	// not make two. The error is ErrTaken if the identity, or an address of it that is verified, belongs to another
	// user. Create checks this in the same write or transaction, not before it.
	Create(ctx context.Context, s SignUp) (userID string, err error)
}

// A Linker is a Users that keeps several identities for a user.
type Linker interface {
	// Link adds a verified identity to a user. It returns nil if the user has the identity already, and ErrTaken if
	// another user has it. An identity is never moved.
	Link(ctx context.Context, userID string, id Identity) error

	// Unlink removes an identity from a user. It returns nil if the user does not have it.
	Unlink(ctx context.Context, userID string, id Identity) error
}

// A Creator is a Users that writes changes of the store together with the new user, all or nothing. With a Creator, a
// user and the password of the sign-up begin to exist in one write.
type Creator interface {
	CreateWith(ctx context.Context, s SignUp, changes func(userID string) []store.Change) (userID string, err error)
}

// A Person is a user, as sessions need to know them.
type Person struct {
	ID        string
	Name      string // to show; the person may have chosen it
	Username  string // empty: none
	Locale    string // a language tag such as "de-CH"; empty if unknown
	Picture   string // https URL; empty: none
	Addresses []Address
	Roles     []string // what the user is
	Scopes    []string // what the user may do; for a Directory the scopes of the roles
	Disabled  bool     // may not sign in; sessions end
	Data      json.RawMessage
}

// Email returns the first verified mail address.
func (p Person) Email() (string, bool) { return Identity{Addresses: p.Addresses}.Email() }

// A SignUp is a new user, after proof.
type SignUp struct {
	ID       string            // of this sign-up: 128 random bits or more. The same ID gives the same user
	Identity Identity          // verified; its Addresses with Verified are verified as well
	Name     string            // to show; empty if unknown
	Locale   string            // the browser's first language; empty if unknown
	Roles    []string          // of an invitation
	Fields   map[string]string // what the application asked for beside the address, such as accepted terms
	Time     time.Time

	// Passwords and Passkeys are how many of these credentials the changes of CreateWith write. A Directory counts them
	// in the row that it keeps of the ways in, in the same write.
	Passwords, Passkeys int
}
