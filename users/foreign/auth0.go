package foreign

import (
	"encoding/json"

	"github.com/posternauth/postern/password/hash"
)

// auth0User is a user of the export job (NDJSON) and of GET /api/v2/users, and a line of the password hashes.
//
//   - https://auth0.com/docs/manage-users/user-migration/bulk-user-exports
//   - https://auth0.com/docs/manage-users/user-accounts/user-profiles/user-profile-structure
//   - https://support.auth0.com/center/s/article/How-to-Use-the-Password-Hashes-Export-from-Auth0
type auth0User struct {
	UserID     str          `json:"user_id"`
	Email      str          `json:"email"`
	Verified   flag         `json:"email_verified"`
	Username   str          `json:"username"`
	Phone      str          `json:"phone_number"`
	PhoneOK    flag         `json:"phone_verified"`
	Name       str          `json:"name"`
	Given      str          `json:"given_name"`
	Family     str          `json:"family_name"`
	Picture    str          `json:"picture"`
	Locale     str          `json:"locale"`
	Blocked    flag         `json:"blocked"`
	Created    when         `json:"created_at"`
	LastLogin  when         `json:"last_login"`
	App        objectText   `json:"app_metadata"`
	Profile    objectText   `json:"user_metadata"`
	Factors    rows         `json:"multifactor"`
	Identities []auth0Login `json:"identities"`
	auth0Hash
}

type auth0Login struct {
	Connection str `json:"connection"`
	Provider   str `json:"provider"`
	UserID     str `json:"user_id"`
}

// auth0Hash are the members that the file of password hashes alone has.
type auth0Hash struct {
	MongoID struct {
		OID str `json:"$oid"`
	} `json:"_id"`
	AltID       str `json:"alt_id"`
	Hash        str `json:"passwordHash"`
	Identifiers []struct {
		Type     str  `json:"type"`
		Value    str  `json:"value"`
		Verified flag `json:"verified"`
	} `json:"identifiers"`
}

// id is the user_id of a line of password hashes.
func (h auth0Hash) id() str {
	switch {
	case h.AltID != "":
		return "auth0|" + h.AltID
	case h.MongoID.OID != "":
		return "auth0|" + h.MongoID.OID
	}
	return ""
}

func readAuth0(c *conversion, raw []byte, r *Record) error {
	var u auth0User
	if err := decode(raw, &u); err != nil {
		return err
	}
	id := u.UserID
	if id == "" {
		id, r.Partial = u.id(), true
	}
	r.ID, r.Username, r.Locale, r.Picture = string(id), string(u.Username), string(u.Locale), string(u.Picture)
	if r.Name = string(u.Name); r.Name == "" {
		r.Name = string(join(u.Given, u.Family))
	}
	r.mail(u.Email, bool(u.Verified))
	r.phone(u.Phone, bool(u.PhoneOK))
	for _, i := range u.Identifiers {
		if i.Type == "email" {
			r.mail(i.Value, bool(i.Verified))
		}
	}
	r.Disabled, r.Created, r.LastSignIn = bool(u.Blocked), u.Created.time(), u.LastLogin.time()
	r.Data, r.Profile = r.dataOf(u.App, "app_metadata"), r.dataOf(u.Profile, "user_metadata")
	for _, i := range u.Identities {
		switch i.Provider {
		case "auth0", "email", "sms": // a database and the two passwordless ways: not accounts elsewhere
		default:
			c.identity(r, i.Provider, i.Connection, i.UserID)
		}
	}
	if len(u.Factors) > 0 {
		r.note("the second factor is not carried over: the person sets one up anew")
	}
	hashed := u.Hash
	for _, row := range c.accounts[r.ID] {
		var h auth0Hash
		if err := json.Unmarshal(row, &h); err == nil { // ownerAuth0 has decoded it before
			hashed = h.Hash
		}
	}
	if hashed != "" {
		return r.password(hash.ImportBcrypt(string(hashed)))
	}
	return nil
}

func ownerAuth0(raw []byte) (string, error) {
	var h auth0Hash
	err := decode(raw, &h)
	return string(h.id()), err
}
