package foreign

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/posternauth/postern/password/hash"
)

// firebaseUser is a user of `firebase auth:export`. In CSV the file has no names of columns; firebaseColumns has those
// of the documentation.
//
//   - https://firebase.google.com/docs/cli/auth, "File format"
//   - https://github.com/firebase/firebase-tools/blob/main/src/accountExporter.ts
type firebaseUser struct {
	LocalID    str                `json:"localId"`
	Email      str                `json:"email"`
	Verified   flag               `json:"emailVerified"`
	Hash       str                `json:"passwordHash"`
	Salt       str                `json:"salt"`
	Name       str                `json:"displayName"`
	Photo      str                `json:"photoUrl"`
	Created    when               `json:"createdAt"`
	LastSignIn when               `json:"lastSignedInAt"`
	Phone      str                `json:"phoneNumber"`
	Disabled   flag               `json:"disabled"`
	Claims     objectText         `json:"customAttributes"`
	Providers  []firebaseProvider `json:"providerUserInfo"`
	// The columns of CSV have one provider each.
	Google   str `json:"google.com"`
	Facebook str `json:"facebook.com"`
	Twitter  str `json:"twitter.com"`
	GitHub   str `json:"github.com"`
}

type firebaseProvider struct {
	ProviderID str `json:"providerId"`
	RawID      str `json:"rawId"`
}

func firebaseColumns() []string {
	columns := []string{"localId", "email", "emailVerified", "passwordHash", "salt", "displayName", "photoUrl"}
	for _, p := range []string{"google.com", "facebook.com", "twitter.com", "github.com"} {
		columns = append(columns, p, p+" email", p+" displayName", p+" photoUrl")
	}
	return append(columns, "createdAt", "lastSignedInAt", "phoneNumber", "disabled", "customAttributes")
}

func readFirebase(c *conversion, raw []byte, r *Record) error {
	var u firebaseUser
	if err := decode(raw, &u); err != nil {
		return err
	}
	r.ID, r.Name, r.Picture = string(u.LocalID), string(u.Name), string(u.Photo)
	r.mail(u.Email, bool(u.Verified))
	r.phone(u.Phone, u.Phone != "") // Firebase keeps numbers that received a code
	r.Disabled, r.Created, r.LastSignIn = bool(u.Disabled), u.Created.time(), u.LastSignIn.time()
	r.Data = r.dataOf(u.Claims, "customAttributes") // only the Admin SDK writes them
	for _, p := range append(u.Providers, firebaseProvider{"google.com", u.Google}, firebaseProvider{"facebook.com", u.Facebook},
		firebaseProvider{"twitter.com", u.Twitter}, firebaseProvider{"github.com", u.GitHub}) {
		if p.RawID != "" && p.ProviderID != "password" && p.ProviderID != "phone" {
			c.identity(r, p.ProviderID, p.ProviderID, p.RawID)
		}
	}
	switch {
	case u.Hash == "":
		return nil
	case c.Firebase == nil:
		r.note("the password is not carried over: give the hash parameters of the project (Options.Firebase)")
		return nil
	}
	f := *c.Firebase
	f.PasswordHash, f.Salt = string(u.Hash), string(u.Salt)
	return r.password(hash.ImportFirebase(f))
}

// ParseFirebaseParameters reads the hash parameters of a project as the Firebase console shows them under
// Authentication, Users, "Password hash parameters":
//
//	hash_config {
//	  algorithm: SCRYPT,
//	  base64_signer_key: <...>,
//	  base64_salt_separator: <...>,
//	  rounds: 8,
//	  mem_cost: 14,
//	}
//
// The signer key is a secret: keep it in a file that only you can read. No error repeats it.
func ParseFirebaseParameters(s string) (*hash.Firebase, error) {
	values := map[string]string{}
	for line := range strings.SplitSeq(s, "\n") {
		name, value, ok := strings.Cut(strings.TrimSuffix(strings.TrimSpace(line), ","), ":")
		if name = strings.TrimSpace(name); !ok {
			continue
		}
		if values[name] != "" {
			return nil, fmt.Errorf("foreign: the hash parameters of Firebase have %.40q twice", name)
		}
		values[name] = strings.Trim(strings.TrimSpace(value), `"`)
	}
	if !strings.EqualFold(values["algorithm"], "SCRYPT") {
		return nil, fmt.Errorf("foreign: the hash parameters of Firebase do not have the line \"algorithm: SCRYPT\"")
	}
	f := &hash.Firebase{SignerKey: values["base64_signer_key"], SaltSeparator: values["base64_salt_separator"]}
	var err1, err2 error
	f.Rounds, err1 = strconv.Atoi(values["rounds"])
	f.MemCost, err2 = strconv.Atoi(values["mem_cost"])
	if f.SignerKey == "" || err1 != nil || err2 != nil || f.Rounds < 1 || f.Rounds > 8 || f.MemCost < 1 || f.MemCost > 14 {
		return nil, fmt.Errorf("foreign: the hash parameters of Firebase need base64_signer_key, rounds from 1 to 8 and mem_cost from 1 to 14")
	}
	return f, nil
}
