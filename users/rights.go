package users

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/internal/head"
	"github.com/posternauth/postern/store"
)

// The scopes of the administration. Give them to roles in Config.Roles.
const (
	ScopeRead          = "users:read"        // list, search and show users
	ScopeWrite         = "users:write"       // change, invite, disable and enable users
	ScopeRoles         = "users:roles"       // give and take roles; a user who has it is an administrator
	ScopeExport        = "users:export"      // export what is kept of a user
	ScopeDelete        = "users:delete"      // delete users
	ScopeCredentials   = "users:credentials" // send resets, unlock, and remove passwords, factors and identities
	ScopeImpersonate   = "users:impersonate" // act as a user
	ScopeSessionsRead  = "sessions:read"     // list the sessions of a user
	ScopeEvents        = "events:read"       // see the history of users
	ScopeKeys          = "keys:rotate"       // add a signing key
	ScopeMail          = "mail:test"         // send a test mail to one's own address
	ScopeSessionsWrite = "sessions:write"    // end them
)

var (
	errBeyond error = &answer{"users: beyond the rights of the actor", postern.Error{Status: http.StatusForbidden, Code: "beyond_rights",
		Text: "This user has, or would have, a role or a right that you do not have."}}
	errSelf error = &answer{"users: the actor is the user", postern.Error{Status: http.StatusForbidden, Code: "not_yourself",
		Text: "Nobody changes their own account here. Please ask another administrator."}}
	errLastAdmin error = &answer{"users: it is the last administrator", postern.Error{Status: http.StatusConflict, Code: "last_administrator",
		Text: "This is the last administrator. Please make another one first."}}
	errActorChanged error = &answer{"users: the rights of the actor have changed", postern.Error{Status: http.StatusForbidden, Code: "rights_changed",
		Text: "Your rights have changed in the meantime. Please load the page again."}}
)

// within reports whether an actor has all scopes of some roles. A role without scopes may open a guard by its name, so
// only an actor who has it reaches it.
func (d *Directory) within(actor postern.Actor, roles []string) bool {
	for _, role := range roles {
		if len(d.roles[role]) == 0 && !slices.Contains(actor.Roles, role) {
			return false
		}
	}
	for _, s := range d.Scopes(roles) {
		if !slices.Contains(actor.Scopes, s) {
			return false
		}
	}
	return true
}

// deedOf is the Extra of a deed of an administrator at a user. What the user has before and after must be within the
// actor's scopes, the actor's rights must be those of the request at the moment of the write, and one administrator
// stays.
func (d *Directory) deedOf(actor postern.Actor, target string) Extra {
	return Extra{within: func(ctx context.Context, before, after *record) ([]store.Change, error) {
		if !d.within(actor, before.Roles) || after != nil && !d.within(actor, after.Roles) {
			return nil, errBeyond
		}
		acting, err := d.actorStays(ctx, actor)
		if err != nil {
			return nil, err
		}
		if !d.administers(before) || after != nil && d.administers(after) {
			return []store.Change{acting}, nil
		}
		var actors []string
		if actor.Pool == d.pool { // almost always: who lowers an administrator is one, and stays
			actors = append(actors, actor.UserID)
		}
		last, err := d.another(ctx, target, actors...)
		if err != nil {
			return nil, err
		}
		return []store.Change{acting, last}, nil
	}}
}

// actorStays returns the check that the actor has the rights of the request when the deed is written.
func (d *Directory) actorStays(ctx context.Context, actor postern.Actor) (store.Change, error) {
	items, err := d.get(ctx, head.Key(actor.Pool, actor.UserID))
	if err != nil {
		return store.Change{}, err
	}
	h, err := head.Find(items, head.Key(actor.Pool, actor.UserID))
	switch {
	case err != nil:
		return store.Change{}, fmt.Errorf("users: %w", err)
	case h.Gone != "" || h.Sec != actor.Sec || h.Rights != actor.Rights:
		return store.Change{}, errActorChanged
	}
	return h.Check(), nil
}

func (d *Directory) administers(r *record) bool {
	return r.Disabled == nil && slices.Contains(d.Scopes(r.Roles), ScopeRoles)
}

// An adminRow is the row on which removals of administrators race. Known are some of them, so that the next removal
// need not look at all users.
type adminRow struct {
	Known []string `json:"known,omitempty"`
	Count int64    `json:"n"` // of removals: each writes the row anew
}

const maxKnownAdmins = 8

// another finds an administrator other than the target, and returns the change of the row that orders all removals. Of
// two at once, one is written first, and the other looks again. The users who are likely are looked at first: to look
// at all users can take longer than a request may.
func (d *Directory) another(ctx context.Context, target string, likely ...string) (store.Change, error) {
	key := store.Key{Part: "users-admins:" + head.Hash(d.pool), ID: "admins"}
	items, err := d.get(ctx, key)
	if err != nil {
		return store.Change{}, err
	}
	item, row := store.Item{Key: key}, adminRow{}
	for _, item = range items {
		if err := json.Unmarshal(item.Value, &row); err != nil {
			return store.Change{}, fmt.Errorf("users: the row of the administrators does not decode: %w", err)
		}
	}
	known, err := d.administrators(ctx, row.Known, target)
	if err != nil {
		return store.Change{}, err
	}
	if len(known) == 0 {
		if known, err = d.administrators(ctx, likely, target); err != nil {
			return store.Change{}, err
		}
	}
	if len(known) == 0 {
		if known, err = d.findAdministrators(ctx, target); err != nil {
			return store.Change{}, err
		}
	}
	if len(known) == 0 {
		return store.Change{}, errLastAdmin
	}
	item.Value, _ = json.Marshal(adminRow{known, row.Count + 1}) // texts and a number always encode
	return store.Put(item), nil
}

// administrators returns those of some users who are administrators now.
func (d *Directory) administrators(ctx context.Context, ids []string, except string) (out []string, err error) {
	for _, id := range ids {
		r, _, _, err := d.load(ctx, id)
		switch {
		case err == nil && id != except && d.administers(r):
			out = append(out, id)
		case err != nil && !isNoUser(err):
			return nil, err
		}
	}
	return out, nil
}

func (d *Directory) findAdministrators(ctx context.Context, except string) (out []string, err error) {
	for l := d.newLister(""); len(out) < maxKnownAdmins; {
		ids, err := l.next(ctx, maxPage)
		if err != nil || len(ids) == 0 {
			return out, err
		}
		users := make([]string, len(ids))
		for i, id := range ids {
			users[i] = listUserID(id)
		}
		found, err := d.administrators(ctx, users, except)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out[:maxKnownAdmins], nil
}
