package users

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/posternauth/postern"
)

// The errors of this package that are answers. Match them with errors.Is. errors.As finds a [postern.Error] in each, so
// that the handlers of package postern answer with its status and code.
var (
	// ErrVersion is returned by Update if the user changed since the version was read.
	ErrVersion error = &answer{"users: the user has changed since it was read", postern.Error{Status: http.StatusConflict, Code: "user_changed",
		Text: "The user has changed in the meantime. Please load the user again."}}

	// ErrRole is returned for a role that Config.Roles does not have.
	ErrRole error = &answer{"users: there is no such role", postern.Error{Status: http.StatusBadRequest, Code: "unknown_role",
		Text: "There is no such role."}}

	// ErrLastWay is returned if after the deed the user would have no configured way to sign in.
	ErrLastWay error = &answer{"users: it is the last way to sign in", postern.Error{Status: http.StatusConflict, Code: "last_way",
		Text: "This is the last way to sign in to this account. Please add another one first."}}

	// ErrTooMany is returned if a user would have more addresses or identities than a user may have.
	ErrTooMany error = &answer{"users: the user has too many addresses or identities", postern.Error{Status: http.StatusConflict, Code: "too_many",
		Text: "There are too many of these already. Please remove one first."}}

	// ErrCursor is returned by Search for a cursor of another actor or query, and for one that was changed.
	ErrCursor error = &answer{"users: there is no such page", postern.Error{Status: http.StatusBadRequest, Code: "invalid_cursor",
		Text: "There is no such page. Please begin the list again."}}

	// ErrField is matched by every FieldError.
	ErrField = errors.New("users: a field is not valid")
)

// A FieldError is the reason why a field is refused.
type FieldError struct {
	Field string // as in JSON: "name", "username", "address", …
	Text  string // for the person who typed it, one sentence
}

func (e *FieldError) Error() string { return "users: " + e.Field + ": " + e.Text }

// Is makes every FieldError match ErrField.
func (e *FieldError) Is(target error) bool { return target == ErrField }

// A User is a user with everything the directory knows.
type User struct {
	ID         string // opaque; never used again for another user
	Name       string // to show; the person may have chosen it
	Username   string
	Locale     string
	Picture    string            // https URL
	Addresses  []postern.Address // verified ones, and notes, in the order in which they were added
	Former     []Former          // addresses that the user had until a few days ago
	Identities []Identity
	Roles      []string
	Scopes     []string        // of Roles, as they are configured now
	Data       json.RawMessage // the application's; the person cannot change it
	Profile    json.RawMessage // the person's; the application should not trust it
	Disabled   *Disabled       // nil: the user may sign in
	Frozen     bool            // a change of an address was undone: newer ways to sign in are refused, until Enable
	Passwords  int             // of these, and of passkeys, how many the user has
	Passkeys   int
	Factors    map[string]int // second factors, recovery codes among them, by their names in postern.Config
	Created    time.Time
	Updated    time.Time
	LastSignIn time.Time // to the minute; zero: unknown
	Version    string    // for Update
}

// Email returns the first verified mail address.
func (u User) Email() (string, bool) { return postern.Identity{Addresses: u.Addresses}.Email() }

// An Identity is an account at a provider with which a user signs in.
type Identity struct {
	Issuer   string
	Subject  string
	Provider string // its name in postern.Config.Providers when it was linked
	Linked   time.Time
}

// A Former is an address that a user had before it was replaced or removed. It signs nobody in, and nobody else can
// have it until it is free. Notices still go to it.
type Former struct {
	Address    string
	ReplacedBy string // empty: it was removed
	Until      time.Time
}

// Disabled is why and for how long a user may not sign in.
type Disabled struct {
	At    time.Time
	Why   string
	Until time.Time // zero: until Enable
}

// Person returns the user as sessions know them.
func (u User) Person() postern.Person {
	return postern.Person{
		ID: u.ID, Name: u.Name, Username: u.Username, Locale: u.Locale, Picture: u.Picture,
		Addresses: u.Addresses, Roles: u.Roles, Scopes: u.Scopes, Disabled: u.Disabled != nil, Data: u.Data,
	}
}
