package foreign

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/text"
)

// posternUser is a line of users.Directory.Export. What is not read is here too: a member with another name means that
// the file comes from another system.
type posternUser struct {
	ID         str               `json:"id"`
	Name       str               `json:"name"`
	Username   str               `json:"username"`
	Locale     str               `json:"locale"`
	Picture    str               `json:"picture"`
	Addresses  []posternAddress  `json:"addresses"`
	Former     json.RawMessage   `json:"formerAddresses"`
	Identities []posternIdentity `json:"identities"`
	Roles      []string          `json:"roles"`
	Disabled   *posternDisabled  `json:"disabled"`
	Data       json.RawMessage   `json:"data"`
	Profile    json.RawMessage   `json:"profile"`
	Created    when              `json:"created"`
	Updated    when              `json:"updated"`
	LastSignIn when              `json:"lastSignIn"`
}

type posternAddress struct {
	Type     str  `json:"type"`
	Value    str  `json:"value"`
	Verified flag `json:"verified"`
}

type posternIdentity struct {
	Issuer   str  `json:"issuer"`
	Subject  str  `json:"subject"`
	Provider str  `json:"provider"`
	Linked   when `json:"linked"`
}

type posternDisabled struct {
	At    json.RawMessage `json:"at"` // earlier exports have the year 1 for users who were imported
	Why   str             `json:"why"`
	Until when            `json:"until"`
}

func readPostern(c *conversion, raw []byte, r *Record) error {
	if !utf8.Valid(raw) {
		return fmt.Errorf("%w: it is not UTF-8", ErrRecord)
	}
	var u posternUser
	in := json.NewDecoder(bytes.NewReader(raw))
	in.DisallowUnknownFields()
	if err := in.Decode(&u); err != nil {
		return fmt.Errorf("%w: it is not a line of an export of Postern", ErrRecord)
	}
	r.ID, r.Name, r.Username, r.Locale, r.Picture = string(u.ID), string(u.Name), string(u.Username), string(u.Locale), string(u.Picture)
	for _, a := range u.Addresses {
		switch a.Type {
		case "email":
			r.mail(a.Value, bool(a.Verified))
		case "phone":
			r.phone(a.Value, bool(a.Verified))
		default:
			r.note("an address is not carried over: it is neither a mail address nor a telephone number")
		}
	}
	for _, id := range u.Identities {
		issuer, subject := string(id.Issuer), string(id.Subject)
		if set, ok := c.Issuers[issuer]; ok {
			issuer = set
		}
		switch {
		case issuer == "": // Options.Issuers leaves it out
		case len(issuer) > maxURL || len(subject) > maxID || subject == "" || text.HasControl(issuer+subject):
			r.note("an identity is not carried over: its issuer or subject cannot be one")
		case len(r.Identities) == maxIdentity:
			r.note("identities are not carried over: the user has more than %d", maxIdentity)
		default:
			r.Identities = append(r.Identities, Identity{issuer, subject, text.Line(string(id.Provider), 64)})
		}
	}
	if len(u.Former) > 0 {
		r.note("an address that was replaced is not kept from others")
	}
	r.Roles = u.Roles
	if u.Disabled != nil && (u.Disabled.Until.time().IsZero() || u.Disabled.Until.time().After(c.Now())) {
		r.Disabled, r.Until, r.Why = true, u.Disabled.Until.time(), text.Line(string(u.Disabled.Why), maxText)
	}
	r.Created, r.LastSignIn = u.Created.time(), u.LastSignIn.time()
	r.Data, r.Profile = r.jsonOf(u.Data, "data"), r.jsonOf(u.Profile, "profile")
	return nil
}

// jsonOf returns JSON of any kind for Data or Profile.
func (r *Record) jsonOf(raw json.RawMessage, what string) json.RawMessage {
	var compact bytes.Buffer
	if len(raw) == 0 || json.Compact(&compact, raw) != nil || compact.String() == "null" {
		return nil
	}
	if compact.Len() > maxData {
		r.note("%s is not carried over: it has more than %d bytes", what, maxData)
		return nil
	}
	return compact.Bytes()
}
