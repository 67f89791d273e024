package users

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/strictjson"
	"github.com/posternauth/postern/store"
)

const maxBatch = 200 // users in one request

// An adminImport is one user of a batch.
type adminImport struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Username   string            `json:"username"`
	Locale     string            `json:"locale"`
	Picture    string            `json:"picture"`
	Addresses  []json.RawMessage `json:"addresses"`  // adminAddress
	Identities []json.RawMessage `json:"identities"` // adminIdentity
	Roles      []string          `json:"roles"`
	Data       json.RawMessage   `json:"data"`
	Profile    json.RawMessage   `json:"profile"`
	Password   string            `json:"password_hash"`

	addresses  []adminAddress
	identities []adminIdentity
}

// read reads one user of a batch, as strictly as a body: encoding/json takes other letter cases inside of it.
func (u *adminImport) read(raw json.RawMessage) error {
	if err := strictjson.Decode(raw, u); err != nil {
		return err
	}
	u.addresses, u.identities = make([]adminAddress, len(u.Addresses)), make([]adminIdentity, len(u.Identities))
	for i, raw := range u.Addresses {
		if err := strictjson.Decode(raw, &u.addresses[i]); err != nil {
			return err
		}
	}
	for i, raw := range u.Identities {
		if err := strictjson.Decode(raw, &u.identities[i]); err != nil {
			return err
		}
	}
	return nil
}

type adminAddress struct {
	Type     string `json:"type"`
	Value    string `json:"value"`
	Verified bool   `json:"verified"`
}

type adminIdentity struct {
	Issuer   string `json:"issuer"`
	Subject  string `json:"subject"`
	Provider string `json:"provider"`
}

// imports takes over a batch of users of another system. What a user brings is as good as a proof, so it needs the
// scopes for credentials and, for roles, for roles.
func (c *adminCall) imports() error {
	var body struct {
		From   string            `json:"from"`
		DryRun bool              `json:"dry_run"`
		Users  []json.RawMessage `json:"users"`
	}
	if err := c.flow.ReadJSON(c.w, c.r, &body); err != nil {
		return err
	}
	switch {
	case !slices.Contains(c.actor.Scopes, ScopeCredentials):
		return &postern.Error{Status: http.StatusForbidden, Code: "insufficient_scope", Text: "You may not do this. It needs the scope {scope}.",
			Args: map[string]any{"scope": ScopeCredentials}}
	case body.From == "" || len(body.From) > maxName:
		return &postern.Error{Status: http.StatusBadRequest, Code: "missing_field", Text: "Please name the system that the users come from."}
	case len(body.Users) > maxBatch:
		return &postern.Error{Status: http.StatusBadRequest, Code: "too_many_users", Text: "A batch has at most 200 users."}
	}
	batch, seen := make([]adminImport, len(body.Users)), map[string]bool{}
	for i, raw := range body.Users {
		u := &batch[i]
		if err := u.read(raw); err != nil {
			return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_request", Text: "The user at place {place} of the batch cannot be read: {cause}.",
				Args: map[string]any{"place": i + 1, "cause": err.Error()}}
		}
		if seen[u.ID] {
			return &postern.Error{Status: http.StatusBadRequest, Code: "invalid_request", Text: "Two users of the batch have the same id."}
		}
		seen[u.ID] = true
	}
	type row struct {
		ID      string  `json:"id"`
		UserID  string  `json:"user_id,omitempty"`
		Outcome Outcome `json:"outcome"`
		Reason  string  `json:"reason,omitempty"`
	}
	out := struct {
		Users []row `json:"users"`
	}{[]row{}}
	passwords := c.flow.PasswordAdmin()
	records := func(yield func(Imported, error) bool) {
		for _, u := range batch {
			in, err := u.imported(passwords)
			if err == nil && len(u.Roles) > 0 && !slices.Contains(c.actor.Scopes, ScopeRoles) {
				err = errBeyond
			}
			if err != nil {
				out.Users = append(out.Users, row{ID: u.ID, Outcome: Refused, Reason: reason(err)})
				continue
			}
			if !yield(in, nil) {
				return
			}
		}
	}
	done := map[string]ImportResult{}
	_, err := c.dir.Import(c.r.Context(), body.From, records, ImportOptions{DryRun: body.DryRun, Workers: 1, within: c.importWithin,
		Each: func(r ImportResult) { done[r.ID] = r }})
	if err != nil {
		return err
	}
	for _, u := range batch { // in the order of the request
		if r, ok := done[u.ID]; ok {
			out.Users = append(out.Users, row(r))
			delete(done, u.ID)
			if r.Outcome == Created && !body.DryRun {
				c.target = r.UserID
				c.emit("user imported", "")
			}
		}
	}
	c.flow.JSON(c.w, c.r, http.StatusOK, out)
	return nil
}

// importWithin is deedOf for a user of a batch. before is nil for a new one.
func (c *adminCall) importWithin(ctx context.Context, userID string, before, after *record) ([]store.Change, error) {
	switch {
	case userID == c.actor.UserID && c.actor.Pool == c.dir.pool:
		return nil, errSelf
	case before != nil:
		return c.importAgain(ctx, userID, before, after)
	case !c.dir.within(c.actor, after.Roles):
		return nil, errBeyond
	}
	acting, err := c.dir.actorStays(ctx, c.actor)
	return []store.Change{acting}, err
}

var errImportedWays = &FieldError{"addresses", "A batch does not change how a user who was imported before signs in."}

// importAgain is importWithin for a user who was imported before. Ways to sign in change one by one, with a notice to
// the user, and a rule of two administrators.
func (c *adminCall) importAgain(ctx context.Context, userID string, before, after *record) ([]store.Change, error) {
	keys := func(r *record) (all []string) {
		for _, w := range c.dir.claims(r) {
			all = append(all, w.key.Part+" "+w.key.ID)
		}
		return slices.Sorted(slices.Values(all))
	}
	switch {
	case !slices.Equal(keys(before), keys(after)):
		return nil, errImportedWays
	case !slices.Equal(before.Roles, after.Roles) && !slices.Contains(c.actor.Scopes, ScopeRoles):
		return nil, errBeyond
	}
	return c.dir.deedOf(c.actor, userID).within(ctx, before, after)
}

// imported returns the user for Import. A hash that cannot be imported refuses the user.
func (u adminImport) imported(passwords postern.PasswordAdmin) (Imported, error) {
	in := Imported{ID: u.ID, Name: u.Name, Username: u.Username, Locale: u.Locale, Picture: u.Picture, Roles: u.Roles, Data: u.Data, Profile: u.Profile}
	for _, a := range u.addresses {
		in.Addresses = append(in.Addresses, postern.Address(a))
	}
	for _, i := range u.identities {
		in.Identities = append(in.Identities, postern.Identity{Issuer: i.Issuer, Subject: i.Subject, Provider: i.Provider})
	}
	if u.Password == "" {
		return in, nil
	}
	if passwords == nil {
		return in, &FieldError{"password_hash", "There is no provider of passwords here."}
	}
	if _, err := passwords.Imported("x", u.Password); err != nil {
		return in, &FieldError{"password_hash", "This is not a hash of a password that can be imported."}
	}
	in.Passwords = 1
	in.Changes = func(userID string) []store.Change {
		change, err := passwords.Imported(userID, u.Password)
		if err != nil { // checked above
			return nil
		}
		return []store.Change{change}
	}
	return in, nil
}
