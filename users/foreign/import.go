package foreign

import (
	"cmp"
	"errors"
	"iter"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// An Importer turns records into what users.Directory.Import takes. The zero value imports users without roles,
// usernames and passwords, and ends at a record that cannot be read.
type Importer struct {
	// Roles names the role here for a role at the other system. A role that is not in it is left out: the name "admin"
	// may mean something else there.
	//
	// Defaults to none: no user has a role.
	Roles map[string]string

	// Usernames takes usernames over. The directory needs users.Config.AllowUsernames, and refuses a user whose
	// username cannot be one.
	//
	// Defaults to false.
	Usernames bool

	// KeepIDs gives users the id that they have at the other system, for an application whose tables refer to it.
	//
	// Defaults to false: the directory chooses ids.
	KeepIDs bool

	// Password returns the change of the store that keeps a password, which is written together with the user. encoded
	// is what package password/hash verifies.
	//
	// Defaults to nil: passwords are not taken over.
	Password func(userID, encoded string) store.Change

	// Each is called for each record before it is imported, with its notes, and for each record that cannot be read.
	// The Record then has only Number, Line and ID.
	//
	// Defaults to nil: a record that cannot be read ends the import.
	Each func(r Record, err *RecordError)
}

// Users returns the records for users.Directory.Import.
func (i Importer) Users(records iter.Seq2[Record, error]) iter.Seq2[users.Imported, error] {
	return func(yield func(users.Imported, error) bool) {
		for r, err := range records {
			bad := (*RecordError)(nil)
			if errors.As(err, &bad) && i.Each != nil {
				i.Each(Record{ID: bad.ID, Number: bad.Number, Line: bad.Line}, bad)
				continue
			}
			if err != nil {
				yield(users.Imported{}, err)
				return
			}
			if i.Each != nil {
				i.Each(r, nil)
			}
			if !yield(i.User(r), nil) {
				return
			}
		}
	}
}

// User returns one record for users.Directory.Import. The same record always gives the same user, so that an import can
// be repeated.
func (i Importer) User(r Record) users.Imported {
	in := users.Imported{
		ID: r.ID, Name: r.Name, Locale: r.Locale, Picture: r.Picture, Addresses: r.Addresses,
		Data: r.Data, Profile: r.Profile, Created: r.Created, NewOnly: r.Partial,
	}
	if i.KeepIDs {
		in.UserID = r.ID
	}
	if i.Usernames {
		in.Username = r.Username
	}
	for _, id := range r.Identities {
		in.Identities = append(in.Identities, postern.Identity{Issuer: id.Issuer, Subject: id.Subject, Provider: id.Provider})
	}
	for _, role := range r.Roles {
		if here := i.Roles[role]; here != "" {
			in.Roles = append(in.Roles, here)
		}
	}
	if r.Disabled { // since when, no export says
		in.Disabled = &users.Disabled{Why: cmp.Or(r.Why, "disabled before the import"), Until: r.Until}
	}
	if r.Password != "" && i.Password != nil {
		in.Passwords = 1
		in.Changes = func(userID string) []store.Change { return []store.Change{i.Password(userID, r.Password)} }
	}
	return in
}
