package users

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/store"
)

var (
	_ postern.AccountEditor  = (*Directory)(nil)
	_ postern.AddressChanger = (*Directory)(nil)
	_ postern.FormerLister   = (*Directory)(nil)
	_ postern.UserDeleter    = (*Directory)(nil)
	_ postern.Unlinker       = (*Directory)(nil)
)

// Profile returns the profile that a person has written, and nil for none.
func (d *Directory) Profile(ctx context.Context, userID string) (json.RawMessage, error) {
	u, err := d.User(ctx, userID)
	return u.Profile, err
}

// EditAccount is Update for the person: it cannot change Data.
func (d *Directory) EditAccount(ctx context.Context, userID string, e postern.AccountEdit) error {
	_, err := d.Update(ctx, userID, "", Fields{Name: e.Name, Locale: e.Locale, Picture: e.Picture, Profile: e.Profile})
	return err
}

// FormerAddresses returns the addresses that a user gave up in the last 7 days, for notices.
func (d *Directory) FormerAddresses(ctx context.Context, userID string) (all []string, err error) {
	r, _, _, err := d.load(ctx, userID)
	if err != nil {
		return nil, err
	}
	r.prune(d.now())
	for _, f := range r.Former {
		all = append(all, f.Value)
	}
	return all, nil
}

// ChangeAddress is AddAddress, RemoveAddress, ReplaceAddress or RestoreAddress for the person.
func (d *Directory) ChangeAddress(ctx context.Context, userID string, c postern.AddressChange) error {
	x := Extra{Also: c.Also, Ways: d.offered(c.Offered)}
	switch {
	case c.Undo:
		return d.restore(ctx, userID, c.New, x, true)
	case c.Old == "":
		return d.AddAddress(ctx, userID, c.New, x)
	case c.New == "":
		return d.RemoveAddress(ctx, userID, c.Old, x)
	}
	return d.ReplaceAddress(ctx, userID, c.Old, c.New, x)
}

// DeleteUser is Delete for the person. The last administrator stays.
func (d *Directory) DeleteUser(ctx context.Context, userID string) error {
	return d.Delete(ctx, userID, Extra{within: func(ctx context.Context, before, _ *record) ([]store.Change, error) {
		if !d.administers(before) {
			return nil, nil
		}
		last, err := d.another(ctx, userID)
		return []store.Change{last}, err
	}})
}

// UnlinkIdentity is Unlink for the person, who keeps one of the ways that are offered.
func (d *Directory) UnlinkIdentity(ctx context.Context, userID string, id postern.Identity, o postern.Offered) error {
	return d.UnlinkWith(ctx, userID, id, Extra{Ways: d.offered(o)})
}

// offered are the ways of a handler, and Config.Ways where the program has said which they are.
func (d *Directory) offered(o postern.Offered) *Ways {
	if d.ways != nil {
		return d.ways
	}
	return &Ways{Password: o.Password, Passkey: o.Passkey, Mail: o.Mail, Issuer: o.Issuer, provider: func(name string) bool { return slices.Contains(o.Providers, name) }}
}

// As makes the reason of a field the answer of an HTTP request.
func (e *FieldError) As(target any) bool {
	return shown(target, postern.Error{Status: http.StatusBadRequest, Code: "invalid_field", Text: e.Text})
}

// An answer is an error of this package that is the answer of an HTTP request.
type answer struct {
	text string // for logs
	http postern.Error
}

func (a *answer) Error() string { return a.text }

// As makes the error the answer of an HTTP request.
func (a *answer) As(target any) bool { return shown(target, a.http) }

func shown(target any, as postern.Error) bool {
	e, ok := target.(**postern.Error)
	if ok {
		*e = &as
	}
	return ok
}
