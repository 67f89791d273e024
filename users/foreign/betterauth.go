package foreign

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/posternauth/postern/password/hash"
)

// betterAuthUser is a row of the table user, with the fields of the plugins for usernames, administration and a second
// factor. The names of columns are compared without "_" and letter case, since adapters write email_verified or
// emailVerified.
//
//   - https://www.better-auth.com/docs/concepts/database, "Core Schema"
//   - https://www.better-auth.com/docs/plugins/admin, https://www.better-auth.com/docs/plugins/username
type betterAuthUser struct {
	ID              str  `json:"id"`
	Name            str  `json:"name"`
	Email           str  `json:"email"`
	Verified        flag `json:"emailverified"`
	Image           str  `json:"image"`
	Created         when `json:"createdat"`
	Username        str  `json:"username"`
	DisplayUsername str  `json:"displayusername"`
	Phone           str  `json:"phonenumber"`
	PhoneVerified   flag `json:"phonenumberverified"`
	Role            str  `json:"role"`
	Banned          flag `json:"banned"`
	BanExpires      when `json:"banexpires"`
	TwoFactor       flag `json:"twofactorenabled"`
	Anonymous       flag `json:"isanonymous"`
	Accounts        rows `json:"accounts"`
}

// betterAuthAccount is a row of the table account.
type betterAuthAccount struct {
	UserID     str `json:"userid"`
	ProviderID str `json:"providerid"`
	AccountID  str `json:"accountid"`
	Password   str `json:"password"`
}

// decodeColumns decodes an object after its names lost "_" and upper case.
func decodeColumns(raw []byte, v any) error {
	var m map[string]json.RawMessage
	if err := decode(raw, &m); err != nil {
		return err
	}
	plain := make(map[string]json.RawMessage, len(m))
	for name, value := range m {
		name = strings.ToLower(strings.ReplaceAll(name, "_", ""))
		if _, twice := plain[name]; twice {
			return fmt.Errorf("%w: it has a column twice", ErrRecord)
		}
		plain[name] = value
	}
	same, _ := json.Marshal(plain) // what was decoded encodes
	return decode(same, v)
}

func readBetterAuth(c *conversion, raw []byte, r *Record) error {
	var u betterAuthUser
	if err := decodeColumns(raw, &u); err != nil {
		return err
	}
	r.ID, r.Name, r.Username, r.Picture = string(u.ID), string(u.Name), string(u.Username), string(u.Image)
	if u.Anonymous {
		return fmt.Errorf("%w: it is an anonymous user", ErrRecord)
	}
	r.mail(u.Email, bool(u.Verified))
	r.phone(u.Phone, bool(u.PhoneVerified))
	r.Created = u.Created.time()
	for role := range strings.SplitSeq(string(u.Role), ",") {
		if role = strings.TrimSpace(role); role != "" && role != "user" { // every user is a user
			r.Roles = append(r.Roles, role)
		}
	}
	if until := u.BanExpires.time(); bool(u.Banned) && (until.IsZero() || until.After(c.Now())) {
		r.Disabled, r.Until = true, until
	}
	if u.TwoFactor {
		r.note("the second factor is not carried over: the person sets one up anew")
	}
	for _, row := range append(u.Accounts, c.accounts[r.ID]...) {
		var a betterAuthAccount
		if err := decodeColumns(row, &a); err != nil {
			return err
		}
		if a.UserID != "" && string(a.UserID) != r.ID {
			return fmt.Errorf("%w: it has the account of another user", ErrRecord)
		}
		if a.ProviderID != "credential" {
			c.identity(r, a.ProviderID, a.ProviderID, a.AccountID)
		} else if a.Password != "" {
			if err := r.password(hash.ImportBetterAuth(string(a.Password))); err != nil {
				return err
			}
		}
	}
	return nil
}

func ownerBetterAuth(raw []byte) (string, error) {
	var a betterAuthAccount
	err := decodeColumns(raw, &a)
	return string(a.UserID), err
}
