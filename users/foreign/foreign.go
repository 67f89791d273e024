package foreign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/password/hash"
)

// A Format is a system whose exports are read.
type Format string

// The formats. Each reads the JSON and the CSV that its system writes; which of the two it is shows in the first byte.
const (
	Auth0      Format = "auth0"       // the export job (NDJSON), a JSON array of users, and the password hashes from support
	Cognito    Format = "cognito"     // aws cognito-idp list-users, and CSV with the columns of get-csv-header
	Firebase   Format = "firebase"    // firebase auth:export, JSON and CSV
	Supabase   Format = "supabase"    // the table auth.users, JSON and CSV
	Clerk      Format = "clerk"       // the dashboard's CSV, and JSON of the same columns or of the Backend API
	BetterAuth Format = "better-auth" // the table user, with the table account in Options.Accounts
	Keycloak   Format = "keycloak"    // a realm's export, or its file of users
	Postern    Format = "postern"     // users.Directory.ExportAll, from another store or pool
)

// Formats returns all formats.
func Formats() []Format {
	return []Format{Auth0, BetterAuth, Clerk, Cognito, Firebase, Keycloak, Supabase, Postern}
}

// A Record is a user of another system.
type Record struct {
	ID         string // at that system
	Name       string
	Username   string
	Locale     string
	Picture    string
	Addresses  []postern.Address // mail addresses in canonical form, and telephone numbers. Verified is what the system says
	Identities []Identity
	Roles      []string
	Disabled   bool
	Until      time.Time       // when Disabled ends; zero: never
	Why        string          // of Disabled, for administrators; empty if unknown
	Created    time.Time       // zero if unknown
	LastSignIn time.Time       // zero if unknown
	Data       json.RawMessage // a JSON object that only the application could write there; nil if empty. Of Postern: any JSON
	Profile    json.RawMessage // a JSON object that the person could write there; nil if empty. Of Postern: any JSON
	Password   string          // in the form of package password/hash; empty if there is none, or if it cannot be carried over
	Notes      []string        // what is not carried over, in plain words and without personal data

	// Partial reports that the file has less of the user than another one of the same system, such as the password
	// hashes of Auth0 without the export job. A user who was imported before stays as they are.
	Partial bool

	Number int // of the record in the file, from 1
	Line   int // where it begins, from 1
}

// An Identity is an account at a provider, by the issuer and subject that a provider of Postern has for it.
type Identity struct {
	Issuer, Subject string
	Provider        string // its name in postern.Config.Providers; empty if the system does not know it
}

// Options of Read. The zero value reads everything that needs no setting.
type Options struct {
	// Issuers names the issuer for names of providers at the other system, such as {"acme-oidc":
	// "https://id.acme.example"}. It comes before the names that this package knows. An empty issuer leaves the
	// provider out. The subjects must be the ones that this issuer gives to your application.
	//
	// Defaults to the providers of docs/coming-from.md. Identities of other providers are listed in Notes.
	Issuers map[string]string

	// Firebase has the hash parameters of the project. Only SignerKey, SaltSeparator, Rounds and MemCost are used.
	//
	// Defaults to none: passwords of Firebase are not carried over.
	Firebase *hash.Firebase

	// Hasher reads the hashes of Clerk that are not bcrypt and argon2. It wraps fast ones, which takes the time of one
	// password for each.
	//
	// Defaults to nil: these passwords are not carried over.
	Hasher *hash.Hasher

	// Accounts is a second file, whose rows belong to the users of the first: the table account of better-auth, the
	// table auth.identities of Supabase, or the password hashes that the support of Auth0 sends. It is read first and
	// kept in memory. The rows of a table can instead be a member of each user, which takes no memory: see
	// docs/coming-from.md.
	Accounts io.Reader

	// MaxAccounts is how many rows Accounts can have.
	//
	// Defaults to 1,000,000.
	MaxAccounts int

	// AllUnverified reads each address as not verified, for a system that did not check addresses: Supabase with
	// "Confirm email" turned off, for example.
	AllUnverified bool

	// MaxRecord is the largest record, in bytes.
	//
	// Defaults to 1 MiB.
	MaxRecord int

	// Now is the clock, for bans that have an end.
	//
	// Defaults to time.Now.
	Now func() time.Time
}

// A RecordError is the reason why one record cannot be read. The next record follows.
type RecordError struct {
	Number int    // of the record, from 1
	Line   int    // where it begins, from 1
	ID     string // of the user at the other system; empty if it could not be read
	Err    error  // without the values of the record
}

func (e *RecordError) Error() string {
	return fmt.Sprintf("record %d, line %d: %v", e.Number, e.Line, e.Err)
}

// Unwrap returns e.Err.
func (e *RecordError) Unwrap() error { return e.Err }

var (
	// ErrFormat means that the input is not an export of the format, or ends in the middle.
	ErrFormat = errors.New("foreign: not an export of this format")
	// ErrTooLarge is in a RecordError for a record of more than Options.MaxRecord bytes.
	ErrTooLarge = errors.New("foreign: the record is too large")
	// ErrRecord is in a RecordError for a record that does not have the form of its format.
	ErrRecord = errors.New("foreign: the record cannot be read")
)

// shape is how the records of a format stand in a file, and how one is read.
type shape struct {
	member  string   // of a JSON object that has the array of records; empty: a JSON object is a line of NDJSON
	columns []string // of a CSV file without a line of names
	need    string   // a column that a CSV file of this format has
	read    func(c *conversion, raw []byte, rec *Record) error
}

func shapeOf(f Format) (shape, bool) {
	switch f {
	case Auth0:
		return shape{need: "user_id", read: readAuth0}, true
	case Cognito:
		return shape{member: "Users", need: "cognito:username", read: readCognito}, true
	case Firebase:
		return shape{member: "users", columns: firebaseColumns(), read: readFirebase}, true
	case Supabase:
		return shape{need: "email", read: readSupabase}, true
	case Clerk:
		return shape{need: "primary_email_address", read: readClerk}, true
	case BetterAuth:
		return shape{need: "email", read: readBetterAuth}, true
	case Keycloak:
		return shape{member: "users", read: readKeycloak}, true
	case Postern:
		return shape{read: readPostern}, true
	}
	return shape{}, false
}

// conversion is what the reader of a format needs beside the record.
type conversion struct {
	Options
	ctx      context.Context
	accounts map[string][]json.RawMessage // by the id of the user
}

// Read yields the users of an export. An error is a *RecordError, after which the next record follows, or another error
// that ends the sequence. A caller that stops early leaves the rest of r unread.
func Read(ctx context.Context, f Format, r io.Reader, o Options) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s, ok := shapeOf(f)
		if !ok {
			yield(Record{}, fmt.Errorf("foreign: there is no format %q: use one of %v", string(f), Formats()))
			return
		}
		if o.MaxRecord <= 0 {
			o.MaxRecord = 1 << 20
		}
		if o.Now == nil {
			o.Now = time.Now
		}
		c := &conversion{Options: o, ctx: ctx}
		if err := c.loadAccounts(f); err != nil {
			yield(Record{}, err)
			return
		}
		for it, err := range newSource(r, o.MaxRecord).records(s) {
			if ctx.Err() != nil {
				yield(Record{}, ctx.Err())
				return
			}
			rec := Record{Number: it.number, Line: it.line}
			if err == nil {
				err = s.read(c, it.raw, &rec)
			}
			if err == nil {
				err = c.finish(&rec)
			}
			if errors.Is(err, ErrFormat) || ctx.Err() != nil {
				yield(Record{}, err)
				return
			}
			if err != nil {
				err = &RecordError{Number: it.number, Line: it.line, ID: rec.ID, Err: err}
				rec = Record{}
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}
