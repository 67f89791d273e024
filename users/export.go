package users

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// exported is what leaves with a user, field by field. Whatever else is stored in the part of a user (hashes of
// passwords, seeds, sessions) is not here, and a row that is added later is not either.
type exported struct {
	ID         string             `json:"id"`
	Name       string             `json:"name,omitempty"`
	Username   string             `json:"username,omitempty"`
	Locale     string             `json:"locale,omitempty"`
	Picture    string             `json:"picture,omitempty"`
	Addresses  []exportedAddress  `json:"addresses,omitempty"`
	Former     []exportedFormer   `json:"formerAddresses,omitempty"`
	Identities []exportedIdentity `json:"identities,omitempty"`
	Roles      []string           `json:"roles,omitempty"`
	Disabled   *exportedDisabled  `json:"disabled,omitempty"`
	Frozen     bool               `json:"frozen,omitempty"`
	Data       json.RawMessage    `json:"data,omitempty"`
	Profile    json.RawMessage    `json:"profile,omitempty"`
	Created    time.Time          `json:"created"`
	Updated    time.Time          `json:"updated"`
	LastSignIn time.Time          `json:"lastSignIn,omitzero"`
}

type exportedAddress struct {
	Type     string `json:"type"`
	Value    string `json:"value"`
	Verified bool   `json:"verified"`
}

type exportedFormer struct {
	Address    string    `json:"address"`
	ReplacedBy string    `json:"replacedBy"`
	Until      time.Time `json:"until"`
}

type exportedIdentity struct {
	Issuer   string    `json:"issuer"`
	Subject  string    `json:"subject"`
	Provider string    `json:"provider,omitempty"`
	Linked   time.Time `json:"linked"`
}

type exportedDisabled struct {
	At    time.Time `json:"at"`
	Why   string    `json:"why,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// Export writes a user as one line of JSON. It contains what the directory knows of the person, and no credential. The
// error is postern.ErrNoUser if there is no such user.
func (d *Directory) Export(ctx context.Context, w io.Writer, userID string) error {
	u, err := d.User(ctx, userID)
	if err != nil {
		return err
	}
	return writeLine(w, u)
}

// ExportAll writes all users as lines of JSON, newest first. Who is created meanwhile may be missing.
func (d *Directory) ExportAll(ctx context.Context, w io.Writer) error {
	for u, err := range d.All(ctx) {
		if err != nil {
			return err
		}
		if err := writeLine(w, u); err != nil {
			return err
		}
	}
	return nil
}

// export returns what leaves with a user.
func export(u User) exported {
	out := exported{
		ID: u.ID, Name: u.Name, Username: u.Username, Locale: u.Locale, Picture: u.Picture, Roles: u.Roles, Data: u.Data,
		Profile: u.Profile, Frozen: u.Frozen, Created: u.Created, Updated: u.Updated, LastSignIn: u.LastSignIn,
	}
	for _, a := range u.Addresses {
		out.Addresses = append(out.Addresses, exportedAddress(a))
	}
	for _, f := range u.Former {
		out.Former = append(out.Former, exportedFormer(f))
	}
	for _, i := range u.Identities {
		out.Identities = append(out.Identities, exportedIdentity(i))
	}
	if u.Disabled != nil {
		x := exportedDisabled(*u.Disabled)
		out.Disabled = &x
	}
	return out
}

func writeLine(w io.Writer, u User) error {
	line, err := json.Marshal(export(u))
	if err != nil {
		return fmt.Errorf("users: encoding a user: %w", err)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("users: writing the export: %w", err)
	}
	return nil
}
