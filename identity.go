package postern

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/posternauth/postern/internal/mailaddr"
	"github.com/posternauth/postern/session"
)

// An Identity is a person as a provider knows them.
//
// Issuer and Subject together identify the person, and nothing else does: two identities with the same address are
// two people until the person proves otherwise, and the same Subject at another Issuer is another person. Use
// [Identity.Key] as the id in your own tables and sessions. Link accounts by address only if the address is Verified
// here and you have proven it yourself as well (see [Identity.Email]).
//
// [Flow.Done] makes the texts of people safe to show, for every provider: Name is one line without control characters
// and without characters that turn the direction of text around, at most 255 bytes; Picture is an absolute http or
// https URL without quotes or spaces, or empty; an address with such characters is left out. Raw and UserInfo stay as
// they came.
type Identity struct {
	Provider  string            // name in Config.Providers; set by Flow.Done
	Issuer    string            // who vouches: an OpenID issuer, "https://github.com", ...; never empty
	Subject   string            // the person's stable id at the issuer; never empty, never reused
	AuthTime  time.Time         // when the person proved to the issuer who they are; zero: now
	Name      string            // to show; the person may have chosen it
	Picture   string            // URL to show; the person may have chosen it
	Addresses []Address         // with what is known of their proof
	Params    map[string]string // carried by a link or code; anybody can write them, so they grant nothing
	Raw       json.RawMessage   // ID token claims, or the profile, as the provider sent them
	UserInfo  json.RawMessage   // answer of the UserInfo endpoint, if it was asked
	Tokens    *Tokens           // of the provider; nil for mail
}

// Key identifies the person in your own tables and as session.Grant.Subject: 43 characters of base64url that stand for
// Issuer and Subject together. Two people have two keys, whatever their providers call them, and a person has the same
// key at each sign-in with the same provider account. It is empty if Issuer or Subject is.
//
// It is the SHA-256 of the length of Issuer in bytes (8 bytes, big endian), Issuer and Subject. This will not change.
// A hash has a fixed length and needs no escaping, and tokens and logs then hold no mail address where that is the
// Subject.
func (i Identity) Key() string {
	if i.Issuer == "" || i.Subject == "" {
		return ""
	}
	text := binary.BigEndian.AppendUint64(nil, uint64(len(i.Issuer)))
	text = append(text, i.Issuer...)
	text = append(text, i.Subject...)
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// An Address is a mail address or telephone number of a person.
type Address struct {
	Type  string // "email" or "phone"
	Value string // canonical

	// Verified reports that the provider itself proved the address: its answer has the boolean true for it. A claim
	// that is absent, false, or the text "true" proves nothing, since OpenID Connect Core section 5.1 makes
	// email_verified a boolean. The exceptions are a few services that write the text; their presets say so.
	Verified bool
}

// Tokens are the provider's, to call its API with. They are as secret as a password: Postern neither stores nor logs
// them.
type Tokens struct {
	Access, Refresh, ID, Type string
	Scope                     string
	Expires                   time.Time // of Access; zero: unknown
}

// Email returns the first mail address that the provider has proven, in canonical form if it has one. Without one it
// returns false, whatever unproven addresses there are.
func (i Identity) Email() (string, bool) {
	for _, a := range i.Addresses {
		if a.Type == "email" && a.Verified && a.Value != "" {
			if m, err := mailaddr.Parse(a.Value); err == nil {
				return m.String(), true // a table of the program may keep it as a person wrote it
			}
			return a.Value, true
		}
	}
	return "", false
}

// A SignIn is a finished sign-in, handed to Config.OnSuccess.
type SignIn struct {
	Identity       Identity               // empty for a password or a passkey: they prove the user
	UserID         string                 // with Config.Session
	New            bool                   // the user began with this sign-in
	Authentication session.Authentication // for session.Grant: when and by what methods
	Tokens         *Tokens                // of the provider: Identity.Tokens

	// Return is where the sign-in leads, checked against Config.Redirects. Pass it to Kind.Cookie, Code or Parameter.
	Return session.Return
}
