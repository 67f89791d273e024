package foreign

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/posternauth/postern/internal/text"
	"github.com/posternauth/postern/password/hash"
)

// issuerOf returns the issuer that the preset of Postern has for a provider, if its subjects are certainly the ids that
// the other system keeps. Microsoft, LinkedIn and Yahoo are not here: other systems keep other ids of theirs.
func issuerOf(provider string) string {
	switch provider {
	case "google", "google.com", "google-oauth2": // sub
		return "https://accounts.google.com"
	case "apple", "apple.com", "signinwithapple": // sub, one for a team
		return "https://appleid.apple.com"
	case "github", "github.com": // the numeric id
		return "https://github.com"
	case "facebook", "facebook.com": // the id, one for an app
		return "https://www.facebook.com"
	case "twitter", "twitter.com", "x": // the numeric id
		return "https://x.com"
	case "discord":
		return "https://discord.com"
	case "spotify":
		return "https://accounts.spotify.com"
	}
	return ""
}

// identity adds an account at a provider. kind is the name that this package may know, name the one that the
// administrator of the other system chose.
func (c *conversion) identity(r *Record, kind, name, subject str) {
	issuer, set := c.Issuers[string(name)]
	if !set {
		issuer = issuerOf(strings.ToLower(string(kind)))
	}
	switch {
	case set && issuer == "":
		return
	case issuer == "":
		r.note("the identity of the provider %q is not carried over: name its issuer in Options.Issuers, if the subjects are the same", text.Line(string(name), 64))
	case subject == "" || len(subject) > maxID || !utf8.ValidString(string(subject)) || text.HasControl(string(subject)):
		r.note("the identity of the provider %q is not carried over: its subject is missing or cannot be one", text.Line(string(name), 64))
	case len(r.Identities) == maxIdentity:
		r.note("identities are not carried over: the user has more than %d", maxIdentity)
	default:
		if id := (Identity{Issuer: issuer, Subject: string(subject)}); !slices.Contains(r.Identities, id) {
			r.Identities = append(r.Identities, id)
		}
	}
}

// password takes over what a function of package hash returned.
func (r *Record) password(encoded string, err error) error {
	switch {
	case errors.Is(err, hash.ErrBusy), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("wrap the password: %w", err)
	case err != nil:
		r.note("the password is not carried over: %v", err)
	default:
		r.Password = encoded
	}
	return nil
}

const maxRows = 32 // of Options.Accounts for one user

// loadAccounts reads Options.Accounts.
func (c *conversion) loadAccounts(f Format) error {
	if c.Accounts == nil {
		return nil
	}
	owner, ok := map[Format]func([]byte) (string, error){
		Auth0: ownerAuth0, BetterAuth: ownerBetterAuth, Supabase: ownerSupabase,
	}[f]
	if !ok {
		return fmt.Errorf("foreign: Options.Accounts is for %s, %s and %s alone", Auth0, BetterAuth, Supabase)
	}
	most := c.MaxAccounts
	if most <= 0 {
		most = 1_000_000
	}
	c.accounts = map[string][]json.RawMessage{}
	for it, err := range newSource(c.Accounts, c.MaxRecord).records(shape{}) {
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		var id string
		if err == nil {
			id, err = owner(it.raw)
		}
		if err == nil && id == "" {
			err = fmt.Errorf("%w: it names no user", ErrRecord)
		}
		if err == nil && (it.number > most || len(c.accounts[id]) >= maxRows) {
			err = errors.New("there are more rows than Options.MaxAccounts, or too many for one user")
		}
		if err != nil { // a row that is missing could be the only way in of a user
			return fmt.Errorf("foreign: Options.Accounts: record %d, line %d: %w", it.number, it.line, err)
		}
		c.accounts[id] = append(c.accounts[id], slices.Clone(it.raw))
	}
	return nil
}
