package session

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Authentication describes when and how a person proved their identity.
type Authentication struct {
	Time    time.Time // auth_time; zero means unknown, which never meets [Fresh]
	Methods []string  // amr, RFC 8176: "pwd", "otp", "mca"..., and Postern's "link", "code", "oidc", "oauth"

	// Factors are the names of the second factors that the person has shown, and Remembered reports that a remembered
	// browser stood in for one. The store keeps both; no token has them, so they are zero in the Session of a request.
	// A new session has those of the session that it replaces, too (see [Kind.Replace]).
	Factors    []string
	Remembered bool
}

// A Grant holds the data of a new session.
type Grant[T any] struct {
	Subject        string   // the application's id of the user; required, at most 255 bytes
	Properties     T        // the application's data for every request; the client can read it
	Scopes         []string // what the session may do (RFC 6749 section 3.3)
	Roles          []string // what the user is
	Authentication Authentication

	// Device and Address help a person to recognize a session in the list of their sessions. Each is cut at 255 bytes.
	// If they are empty, Kind.Cookie, Kind.Code and Kind.Parameter use the User-Agent header and the client address of
	// the sign-in.
	Device, Address string

	// ActorSession is the id of the session of somebody who acts as the subject: an administrator who looks into the
	// account of a user. The new session is an impersonation. Its tokens have the claim act with the subject of
	// ActorSession (RFC 8693 section 4.1), see Session.Actor. It has no Authentication, so it never meets [Fresh] or
	// [AuthMethod], and lives for an hour at most. It ends at its next refresh, and at once where a guard has
	// [CheckStore], when ActorSession ends, when the security or the roles of the actor change, or when the roles of
	// the subject change. A later change of the grant cannot give it a scope or a role. It is for sessions that are
	// created by Create or Cookie, of a kind that is not Stateless.
	//
	// ActorSession can be of another issuer on the same store. ActorPool is KindConfig.Pool of its kind: without it,
	// only the end of ActorSession itself counts.
	//
	// Defaults to none: the subject acts.
	ActorSession, ActorPool string

	claims claimed // see Claim.Set; a copy of a grant shares them, so they are never changed in place
}

// A Session is a verified token.
type Session[T any] struct {
	ID             string // sid
	TokenID        string // jti
	Kind           string // "public" for a signed-out person; the issuer, for a session of an External
	Subject        string
	Actor          string // sub of the claim act: who acts as the subject, see Grant.ActorSession; empty: the subject
	ClientID       string
	Properties     T
	Scopes         []string
	Roles          []string
	Authentication Authentication
	Issued         time.Time // up to 30 s before the token was made, see Kind.Create
	Expires        time.Time
	Claims         json.RawMessage // the whole payload, for a session of an External; nil otherwise

	claims string // JSON, for a session of a Kind; see Claim.Value
	rights int64  // see row.Rights
}

// An encodedGrant is a Grant without its type parameter. Its properties are JSON.
type encodedGrant struct {
	subject         string
	properties      json.RawMessage
	scopes          []string
	roles           []string
	auth            Authentication
	device, address string
	claims          claimed
	rights          int64 // see row.Rights
	act             *actor
	acting          actor // of a new grant: its Session and Pool
	ends            int64 // Absolute of the session whose proof this is, in Unix milliseconds; 0: it is a new proof
}

// encodeGrant checks the parts of a grant that become claims and encodes its properties.
func encodeGrant[T any](g Grant[T]) (encodedGrant, error) {
	if err := checkText("Grant.Subject", g.Subject, 255); err != nil {
		return encodedGrant{}, fmt.Errorf("%w: %w", ErrGrant, err)
	}
	for _, list := range []struct {
		name   string
		values []string
	}{{"Scopes", g.Scopes}, {"Roles", g.Roles}, {"Authentication.Methods", g.Authentication.Methods}, {"Authentication.Factors", g.Authentication.Factors}} {
		for _, v := range list.values {
			if !scopeToken(v) {
				return encodedGrant{}, fmt.Errorf("%w: Grant.%s: %q is not allowed: use visible ASCII without space, quote or backslash", ErrGrant, list.name, v)
			}
		}
	}
	properties, err := encodeProperties(g.Properties)
	if err != nil {
		return encodedGrant{}, err
	}
	return encodedGrant{g.Subject, properties, g.Scopes, g.Roles, g.Authentication, display(g.Device), display(g.Address), g.claims, 0, nil, actor{Session: g.ActorSession, Pool: g.ActorPool}, 0}, nil
}

// saved returns the part of a grant that its row stores.
func (b encodedGrant) saved(clientID string) *savedGrant {
	g := &savedGrant{Properties: b.properties, Scopes: b.scopes, Roles: b.roles, Methods: b.auth.Methods, Factors: b.auth.Factors, Remembered: b.auth.Remembered,
		ClientID: clientID, Claims: b.claims.with(nil, false)}
	if !b.auth.Time.IsZero() {
		g.AuthTime = b.auth.Time.Unix()
	}
	return g
}

// encoded returns the grant of a row.
func (g *savedGrant) encoded(r *row) encodedGrant {
	b := encodedGrant{r.Subject, g.Properties, g.Scopes, g.Roles, Authentication{Methods: g.Methods, Factors: g.Factors, Remembered: g.Remembered}, r.Device, r.Address, g.Claims, r.Rights, r.Act, actor{}, 0}
	if g.AuthTime != 0 {
		b.auth.Time = time.Unix(g.AuthTime, 0)
	}
	return b
}

// grant returns the grant of a row with decoded properties.
func (k *Kind[T]) grant(r *row) (Grant[T], error) {
	b := r.Grant.encoded(r)
	g := Grant[T]{Subject: b.subject, Scopes: slices.Clone(b.scopes), Roles: slices.Clone(b.roles), Authentication: b.auth, Device: b.device, Address: b.address, claims: b.claims}
	if r.Act != nil {
		g.ActorSession, g.ActorPool = r.Act.Session, r.Act.Pool
	}
	if err := decodeProperties(k.layout, string(b.properties), &g.Properties); err != nil {
		return g, fmt.Errorf("session: the stored properties do not fit the type of the kind: %w", err)
	}
	return g, nil
}
