package serve

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/oauth"
)

// profile reads the profile of an OAuth 2 service by the names of its members.
func profile(p Provider) func(context.Context, *http.Client, postern.Tokens) (postern.Identity, error) {
	return func(ctx context.Context, c *http.Client, t postern.Tokens) (postern.Identity, error) {
		raw, err := oauth.Get(ctx, c, p.UserInfoURL, t)
		if err != nil {
			return postern.Identity{}, err
		}
		return identify(p, raw)
	}
}

// identify makes an identity of a profile. An address is verified only by the boolean true.
func identify(p Provider, raw json.RawMessage) (postern.Identity, error) {
	subject, ok := member(raw, p.Subject)
	if !ok {
		return postern.Identity{}, errors.New("the profile has no member " + p.Subject + " that is text or a whole number")
	}
	id := postern.Identity{Subject: subject, Raw: raw}
	id.Name, _ = member(raw, p.FullName)
	id.Picture, _ = member(raw, p.Picture)
	if address, ok := member(raw, p.Email); ok {
		var verified bool
		at, found := find(raw, p.EmailVerified)
		if found && json.Unmarshal(at, &verified) != nil {
			verified = false
		}
		id.Addresses = []postern.Address{{Type: "email", Value: address, Verified: verified}}
	}
	return id, nil
}

// find returns a member of an object, or of an object in it: "user.id".
func find(raw json.RawMessage, path string) (json.RawMessage, bool) {
	if path == "" {
		return nil, false
	}
	for name := range strings.SplitSeq(path, ".") {
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil {
			return nil, false
		}
		var ok bool
		if raw, ok = object[name]; !ok {
			return nil, false
		}
	}
	return raw, true
}

// member returns a member that is text, or a whole number as it is written: an id of 20 digits is more than a float64
// holds.
func member(raw json.RawMessage, path string) (string, bool) {
	at, ok := find(raw, path)
	if !ok {
		return "", false
	}
	var text string
	if json.Unmarshal(at, &text) == nil {
		return text, text != ""
	}
	digits := strings.TrimPrefix(string(at), "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", false
	}
	return string(at), true
}
