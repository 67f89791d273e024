package foreign

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/posternauth/postern/password/hash"
)

// clerkUser is a row of the dashboard's CSV, or a user of the Backend API.
//
//   - https://clerk.com/docs/guides/development/migrating/overview, "Export your users data from the Clerk Dashboard"
//   - https://github.com/clerk/migration-tool/tree/main/samples
type clerkUser struct {
	ID           str        `json:"id"`
	First        str        `json:"first_name"`
	Last         str        `json:"last_name"`
	Username     str        `json:"username"`
	Primary      str        `json:"primary_email_address"`
	Verified     clerkList  `json:"verified_email_addresses"`
	Unverified   clerkList  `json:"unverified_email_addresses"`
	Addresses    clerkList  `json:"email_addresses"`
	PrimaryPhone str        `json:"primary_phone_number"`
	Phones       clerkList  `json:"verified_phone_numbers"`
	Digest       str        `json:"password_digest"`
	Hasher       str        `json:"password_hasher"`
	TOTP         str        `json:"totp_secret"`
	TOTPEnabled  flag       `json:"totp_enabled"`
	Public       objectText `json:"public_metadata"`
	Private      objectText `json:"private_metadata"`
	Unsafe       objectText `json:"unsafe_metadata"`
	Image        str        `json:"image_url"`
	HasImage     flag       `json:"has_image"`
	Banned       flag       `json:"banned"`
	Created      when       `json:"created_at"`
	LastSignIn   when       `json:"last_sign_in_at"`
	PrimaryID    str        `json:"primary_email_address_id"`
	Accounts     rows       `json:"external_accounts"`
}

// clerkAddress is a member of email_addresses: an object of the Backend API, or a text.
type clerkAddress struct {
	ID           str `json:"id"`
	Address      str `json:"email_address"`
	Verification struct {
		Status str `json:"status"`
	} `json:"verification"`
}

// clerkList is a list of addresses: an array, or a text with "|" or "," between them.
type clerkList []clerkAddress

// UnmarshalJSON implements json.Unmarshaler.
func (l *clerkList) UnmarshalJSON(b []byte) error {
	if b[0] == '[' {
		var list []json.RawMessage
		if err := json.Unmarshal(b, &list); err != nil {
			return err
		}
		for _, raw := range list {
			var a clerkAddress
			err := json.Unmarshal(raw, &a)
			if raw[0] == '"' {
				a = clerkAddress{}
				err = json.Unmarshal(raw, &a.Address)
			}
			if err != nil {
				return err
			}
			*l = append(*l, a)
		}
		return nil
	}
	var s str
	if err := s.UnmarshalJSON(b); err != nil {
		return err
	}
	for part := range strings.FieldsFuncSeq(string(s), func(r rune) bool { return r == '|' || r == ',' || r == ' ' }) {
		*l = append(*l, clerkAddress{Address: str(part)})
	}
	return nil
}

func readClerk(c *conversion, raw []byte, r *Record) error {
	var u clerkUser
	if err := decode(raw, &u); err != nil {
		return err
	}
	r.ID, r.Name, r.Username = string(u.ID), string(join(u.First, u.Last)), string(u.Username)
	r.mail(u.Primary, false) // first; one of the lists can verify it
	slices.SortStableFunc(u.Addresses, func(a, b clerkAddress) int {
		return ranked(u.PrimaryID != "" && b.ID == u.PrimaryID) - ranked(u.PrimaryID != "" && a.ID == u.PrimaryID)
	})
	for _, a := range u.Addresses {
		r.mail(a.Address, a.Verification.Status == "verified")
	}
	for _, a := range u.Verified {
		r.mail(a.Address, true)
	}
	for _, a := range u.Unverified {
		r.mail(a.Address, false)
	}
	r.phone(u.PrimaryPhone, false)
	for _, a := range u.Phones {
		r.phone(a.Address, true)
	}
	if u.HasImage {
		r.Picture = string(u.Image)
	}
	r.Disabled, r.Created, r.LastSignIn = bool(u.Banned), u.Created.time(), u.LastSignIn.time()
	r.Profile = r.dataOf(u.Unsafe, "unsafe_metadata")
	if len(u.Public) > 0 || len(u.Private) > 0 { // both are the application's
		both := map[string]json.RawMessage{}
		for name, o := range map[string]objectText{"public_metadata": u.Public, "private_metadata": u.Private} {
			if v := r.dataOf(o, name); v != nil {
				both[name] = v
			}
		}
		data, _ := json.Marshal(both) // dataOf returns JSON
		r.Data = r.dataOf(data, "public_metadata and private_metadata")
	}
	for _, row := range u.Accounts {
		var a struct {
			Provider str `json:"provider"`
			UserID   str `json:"provider_user_id"`
		}
		if err := decode(row, &a); err != nil {
			return err
		}
		name := str(strings.TrimPrefix(string(a.Provider), "oauth_"))
		c.identity(r, name, name, a.UserID)
	}
	if u.TOTP != "" || bool(u.TOTPEnabled) {
		r.note("the second factor is not carried over: the person sets one up anew")
	}
	return c.clerkPassword(r, string(u.Hasher), string(u.Digest))
}

func (c *conversion) clerkPassword(r *Record, hasher, digest string) error {
	switch {
	case digest == "":
		return nil
	case hasher == "bcrypt":
		return r.password(hash.ImportBcrypt(digest))
	case hasher == "argon2i" || hasher == "argon2id":
		return r.password(hash.ImportArgon2(digest))
	case c.Hasher == nil:
		r.note("the password is not carried over: give Options.Hasher for passwords that are not bcrypt or argon2")
		return nil
	}
	return r.password(c.Hasher.ImportClerk(c.ctx, hasher, digest))
}

func ranked(b bool) int {
	if b {
		return 1
	}
	return 0
}
