package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/password"
	"github.com/posternauth/postern/password/hash"
	"github.com/posternauth/postern/store"
	"github.com/posternauth/postern/users"
)

// scopeDemo is a right of the application. An administrator has it too, and so changes those who have only it.
const scopeDemo = "demo:read"

// roles are those of the demo. An administrator may do everything.
var roles = users.Roles{
	"reader": {scopeDemo},
	"admin": {scopeDemo, users.ScopeRead, users.ScopeWrite, users.ScopeRoles, users.ScopeExport, users.ScopeDelete, users.ScopeCredentials, users.ScopeImpersonate,
		users.ScopeSessionsRead, users.ScopeSessionsWrite, users.ScopeEvents, users.ScopeKeys, users.ScopeMail},
}

// readyPassword is the password of the people that are there from the beginning. It protects nothing: everybody who
// reaches `dev` reads the inbox, and is anybody by it.
const readyPassword = "only-for-development"

// A resident is one of the people that are there from the beginning.
type resident struct {
	Name, Address, Role string
	What                string // in the list of people
}

var residents = []resident{
	{"Kim Reader", "kim@example.com", "reader", "an ordinary person"},
	{"Robin Keeper", "robin@example.com", "admin", "an administrator"},
}

// settle makes the people that are missing, and returns those who are there. Who was deleted stays deleted.
func settle(ctx context.Context, dir *users.Directory, hasher *hash.Hasher, now time.Time) (there []resident, err error) {
	encoded := ""
	for _, one := range residents {
		who := postern.Identity{Provider: "password", Issuer: postern.MailIssuer, Subject: one.Address,
			Addresses: []postern.Address{{Type: "email", Value: one.Address, Verified: true}}}
		switch _, err := dir.Find(ctx, who); {
		case err == nil:
			there = append(there, one)
			continue
		case !errors.Is(err, postern.ErrNoUser):
			return nil, fmt.Errorf("looking for %s: %w", one.Address, err)
		}
		if encoded == "" {
			if encoded, err = hasher.Hash(ctx, readyPassword); err != nil {
				return nil, err
			}
		}
		_, err = dir.CreateWith(ctx, postern.SignUp{
			ID: "postern dev: " + one.Address, Identity: who, Name: one.Name, Roles: []string{one.Role}, Time: now, Passwords: 1,
		}, func(userID string) []store.Change {
			row, _ := password.Row(dir.Pool(), userID, encoded) // fails for a hash that is none
			return []store.Change{row}
		})
		switch {
		case errors.Is(err, postern.ErrTaken): // deleted, or the address is somebody else's by now
		case err != nil:
			return nil, fmt.Errorf("making %s: %w", one.Address, err)
		default:
			there = append(there, one)
		}
	}
	return there, nil
}

// introduce prints who is there.
func (d *devHouse) introduce(w world) {
	if len(d.people) == 0 {
		return
	}
	fmt.Fprintf(w.out, "\n  People to sign in as, with the password %s (for development alone, and until you change it):\n", readyPassword)
	for _, one := range d.people {
		fmt.Fprintf(w.out, "    %-18s  %s, %s\n", one.Address, one.Name, one.What)
	}
	fmt.Fprintln(w.out)
}
