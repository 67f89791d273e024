package serve

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/posternauth/postern"
	"github.com/posternauth/postern/session"
	"github.com/posternauth/postern/totp"
)

// Properties are what a token says of a person besides sub, roles and scope, as session.claims has chosen.
type Properties struct {
	Email    string          `json:"email,omitempty"` // verified
	Name     string          `json:"name,omitempty"`
	Username string          `json:"username,omitempty"`
	Locale   string          `json:"locale,omitempty"`
	Picture  string          `json:"picture,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
}

// claims are the values of session.claims.
var claims = map[string]func(postern.Person, *Properties){
	"email":    func(p postern.Person, to *Properties) { to.Email, _ = p.Email() },
	"name":     func(p postern.Person, to *Properties) { to.Name = p.Name },
	"username": func(p postern.Person, to *Properties) { to.Username = p.Username },
	"locale":   func(p postern.Person, to *Properties) { to.Locale = p.Locale },
	"picture":  func(p postern.Person, to *Properties) { to.Picture = p.Picture },
	"data":     func(p postern.Person, to *Properties) { to.Data = p.Data },
}

// kinds makes the kinds of session of people and of administrators. staff is nil without an administration.
func (b *builder) kinds() (user, staff *postern.Kind[Properties]) {
	properties := func(p postern.Person) (out Properties) {
		for _, name := range b.Config.Session.Claims {
			claims[name](p, &out)
		}
		return out
	}
	s := b.Config.Session
	err := caught(func() {
		user = postern.NewKind(b.house.sessions, b.house.people, session.KindConfig[Properties]{
			Name: s.Kind, Access: s.Access, Idle: s.Idle, Absolute: s.Absolute, MaxSessions: s.MaxSessions, CheckStore: s.CheckStore, CookieName: s.Cookie,
		}, properties)
	})
	if err != nil {
		b.library(err, "session")
	}
	if !b.Admin.Enabled {
		return user, nil
	}
	err = caught(func() {
		staff = postern.NewKind(b.house.sessions, b.house.people, session.KindConfig[Properties]{
			Name: b.Admin.Kind, Access: b.Admin.Access, Idle: b.Admin.Idle, Absolute: b.Admin.Absolute, CheckStore: true,
		}, func(postern.Person) Properties { return Properties{} })
	})
	if err != nil {
		b.library(err, "admin")
	}
	return user, staff
}

func (b *builder) factors() map[string]postern.Provider {
	all := map[string]postern.Provider{}
	if b.Factors.TOTP {
		all["totp"] = totp.New(totp.Config{Name: b.Factors.TOTPName})
	}
	if b.Factors.Recovery && (b.Factors.TOTP || b.has("passkey")) {
		all["recovery"] = totp.Recovery(totp.Config{})
	}
	return all
}

// has reports whether there is a provider of a type.
func (c *Config) has(kind string) bool {
	for _, p := range c.Providers {
		if p.Type == kind {
			return true
		}
	}
	return false
}

// policy demands a second factor of the roles of the configuration, and of those who reach into the administration.
func (b *builder) policy() func(context.Context, postern.Person, session.Authentication) (postern.Requirement, error) {
	roles := b.Factors.RequireForRoles
	admins := b.Admin.Enabled && b.Admin.RequireFactor
	if len(roles) == 0 && !admins {
		return nil
	}
	return func(_ context.Context, p postern.Person, _ session.Authentication) (postern.Requirement, error) {
		due := slices.Contains(roles, everybody) || admins && slices.ContainsFunc(p.Scopes, administers)
		for _, role := range p.Roles {
			due = due || slices.Contains(roles, role)
		}
		return postern.Requirement{Factor: due}, nil
	}
}

const everybody = "*"

// administers reports whether a scope reaches into the administration.
func administers(scope string) bool {
	room, _, _ := strings.Cut(scope, ":")
	switch room {
	case "users", "sessions", "events", "keys", "mail":
		return true
	}
	return false
}
