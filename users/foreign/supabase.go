package foreign

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/posternauth/postern/password/hash"
)

// supabaseUser is a row of the table auth.users.
//
//   - https://supabase.com/docs/guides/auth/users
//   - https://github.com/supabase/auth/blob/master/internal/models/user.go
type supabaseUser struct {
	ID             str        `json:"id"`
	Email          str        `json:"email"`
	Hash           str        `json:"encrypted_password"`
	EmailConfirmed when       `json:"email_confirmed_at"`
	Phone          str        `json:"phone"`
	PhoneConfirmed when       `json:"phone_confirmed_at"`
	Created        when       `json:"created_at"`
	LastSignIn     when       `json:"last_sign_in_at"`
	Banned         when       `json:"banned_until"`
	Deleted        when       `json:"deleted_at"`
	Anonymous      flag       `json:"is_anonymous"`
	App            objectText `json:"raw_app_meta_data"`
	Profile        objectText `json:"raw_user_meta_data"`
	Identities     rows       `json:"identities"`
}

// supabaseIdentity is a row of the table auth.identities.
type supabaseIdentity struct {
	UserID     str        `json:"user_id"`
	Provider   str        `json:"provider"`
	ProviderID str        `json:"provider_id"`
	Data       objectText `json:"identity_data"`
}

func readSupabase(c *conversion, raw []byte, r *Record) error {
	var u supabaseUser
	if err := decode(raw, &u); err != nil {
		return err
	}
	r.ID = string(u.ID)
	switch {
	case !u.Deleted.time().IsZero():
		return fmt.Errorf("%w: it is a deleted user", ErrRecord)
	case bool(u.Anonymous):
		return fmt.Errorf("%w: it is an anonymous user", ErrRecord)
	}
	r.mail(u.Email, !u.EmailConfirmed.time().IsZero())
	r.phone(u.Phone, !u.PhoneConfirmed.time().IsZero())
	r.Created, r.LastSignIn = u.Created.time(), u.LastSignIn.time()
	if until := u.Banned.time(); until.After(c.Now()) {
		r.Disabled, r.Until = true, until
	}
	var shown struct {
		FullName str `json:"full_name"`
		Name     str `json:"name"`
		Avatar   str `json:"avatar_url"`
	}
	if len(u.Profile) > 0 && json.Unmarshal(u.Profile, &shown) == nil { // the person could write anything there
		if r.Name = string(shown.FullName); r.Name == "" {
			r.Name = string(shown.Name)
		}
		r.Picture = string(shown.Avatar)
	}
	r.Data, r.Profile = r.dataOf(u.App, "raw_app_meta_data"), r.dataOf(u.Profile, "raw_user_meta_data")
	if err := c.supabaseIdentities(r, append(u.Identities, c.accounts[r.ID]...), u.App); err != nil {
		return err
	}
	if u.Hash == "" {
		return nil
	}
	return r.password(hash.ImportSupabase(string(u.Hash)))
}

func (c *conversion) supabaseIdentities(r *Record, list []json.RawMessage, app objectText) error {
	for _, row := range list {
		var i supabaseIdentity
		if err := decode(row, &i); err != nil {
			return err
		}
		if i.UserID != "" && string(i.UserID) != r.ID {
			return fmt.Errorf("%w: it has the identity of another user", ErrRecord)
		}
		if i.Provider != "email" && i.Provider != "phone" {
			c.identity(r, i.Provider, i.Provider, i.ProviderID)
		}
	}
	var meta struct {
		Providers []string `json:"providers"`
	}
	if len(list) > 0 || len(app) == 0 || json.Unmarshal(app, &meta) != nil {
		return nil
	}
	if slices.ContainsFunc(meta.Providers, func(p string) bool { return p != "email" && p != "phone" }) {
		r.note("identities are not carried over: give the table auth.identities too")
	}
	return nil
}

func ownerSupabase(raw []byte) (string, error) {
	var i supabaseIdentity
	err := decode(raw, &i)
	return string(i.UserID), err
}
