package session

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// ExternalConfig describes the tokens of another issuer that are let in. Issuer, Algorithms and Keys are required,
// and one of Audience and Clients.
type ExternalConfig struct {
	// Issuer is the exact iss of the tokens.
	Issuer string

	// Audience must be exactly one aud of each token. Leave it out only together with Clients, for an issuer whose
	// tokens have no aud. A token with an aud is refused then, because it is for another service (RFC 7519 section
	// 4.1.3).
	Audience string

	// Clients are the clients whose tokens are let in: by client_id or, for a token without one, by azp. In access
	// tokens of Amazon Cognito client_id is the app client; in session tokens of Clerk azp is the origin of the front
	// end.
	//
	// Without Audience, Clients are required. With Audience it defaults to all clients.
	Clients []string

	// Algorithms are those the issuer signs with. A token of another one is refused before its key is looked up (RFC
	// 8725 section 3.1).
	Algorithms []keys.Algorithm

	// Keys are the keys of the issuer: keys.Remote for a JWKS URL, keys.Static for keys you have.
	Keys keys.Verifier

	// Type is the header typ that tokens must have, such as "at+jwt"; "application/" may be left out. Set it if the
	// issuer also signs ID tokens for the same audience: they would pass as access tokens otherwise.
	//
	// Defaults to any.
	Type string

	// AllowNoSubject lets tokens without sub in, as some issuers write them for programs that act on their own (client
	// credentials, RFC 6749 section 4.4). Such a token needs client_id or azp. Session.Subject is empty then, and
	// Session.ClientID has the program: take care that no empty Subject is used as a key.
	//
	// Defaults to false: such tokens are refused.
	AllowNoSubject bool

	// Leeway is how far the clocks of issuer and verifier may differ, at most 60 s. Negative: not at all.
	//
	// Defaults to 30 seconds.
	Leeway time.Duration

	// Now is the clock.
	//
	// Defaults to time.Now.
	Now func() time.Time

	// Logger gets refused requests (debug) and keys that fail (error). No line carries a token.
	//
	// Defaults to slog.Default(), as NewExternal finds it.
	Logger *slog.Logger
}

// An External is a guard for tokens of another issuer. It reads them from the Authorization header, and decodes their
// payload into a T by encoding/json. It is safe for concurrent use.
type External[T any] struct {
	config ExternalConfig
	folds  bool // encoding/json finds members of a T without regard to letter case
}

type externalKey[T any] struct{ *External[T] }

// NewExternal returns a guard for tokens of another issuer. It reads no keys yet.
func NewExternal[T any](c ExternalConfig) (*External[T], error) {
	if err := checkText("ExternalConfig.Issuer", c.Issuer, 2048); err != nil {
		return nil, err
	}
	if c.Audience != "" || len(c.Clients) == 0 {
		if err := checkText("ExternalConfig.Audience", c.Audience, 2048); err != nil {
			return nil, err
		}
	}
	for _, client := range c.Clients {
		if err := checkText("ExternalConfig.Clients: a client", client, 2048); err != nil {
			return nil, err
		}
	}
	switch {
	case c.Keys == nil:
		return nil, errors.New("session: ExternalConfig.Keys is missing: use keys.Remote with the issuer's JWKS URL")
	case len(c.Algorithms) == 0:
		return nil, errors.New("session: ExternalConfig.Algorithms is missing: list those the issuer signs with, such as keys.RS256")
	case c.Leeway > maxLeeway:
		return nil, fmt.Errorf("session: ExternalConfig.Leeway is %v: at most %v", c.Leeway, maxLeeway)
	case c.Leeway == 0:
		c.Leeway = defaultLeeway
	case c.Leeway < 0:
		c.Leeway = 0
	}
	for _, a := range c.Algorithms {
		if !jose.Known(string(a)) {
			return nil, fmt.Errorf("session: ExternalConfig.Algorithms: %q is not known", a)
		}
	}
	c.Algorithms, c.Clients = slices.Clone(c.Algorithms), slices.Clone(c.Clients)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	kind := reflect.TypeFor[T]().Kind()
	return &External[T]{c, kind != reflect.Map && kind != reflect.Interface && reflect.TypeFor[T]() != reflect.TypeFor[json.RawMessage]()}, nil
}

// Verify checks a token of the issuer and returns its session. Kind is the issuer. Properties and Claims are the
// whole payload. ID is sid and TokenID is jti, if the token has them. Scopes come from scope or scp, Roles from
// roles, ClientID from client_id or azp, Authentication from auth_time and amr; each of these counts as absent if it
// is null or of an unexpected type. The token must have iss, aud, exp and sub, except as ExternalConfig.Clients and
// AllowNoSubject allow. Errors as [Kind.Verify].
func (f *External[T]) Verify(ctx context.Context, token string) (*Session[T], error) {
	tok, _, err := open(ctx, token, f.config.Type, f.config.Keys, f.config.Algorithms)
	if err != nil {
		return nil, err
	}
	return f.accept(tok.Payload)
}

// accept checks the claims of a token and makes a session of them.
func (f *External[T]) accept(payload string) (*Session[T], error) {
	c := claims{issuer: f.config.Issuer, audience: f.config.Audience}
	if err := c.read(payload, false); err != nil {
		return nil, err
	}
	if f.config.Audience == "" {
		c.rightAudience = !c.haveAudience
	}
	if err := c.check(f.config.Now(), f.config.Leeway); err != nil {
		return nil, err
	}
	if client := cmp.Or(c.clientID, c.azp); len(f.config.Clients) > 0 && !slices.Contains(f.config.Clients, client) {
		return nil, refuse(errAudience, "it was issued to a client that is not one of ExternalConfig.Clients")
	}
	if c.subject == "" && (!f.config.AllowNoSubject || cmp.Or(c.clientID, c.azp) == "") {
		return nil, refuse(errClaims, "sub is missing")
	}
	s := &Session[T]{Claims: json.RawMessage(payload)}
	if f.folds && jose.FoldedObject(payload, func(string, string) error { return nil }) != nil {
		return nil, refuse(errClaims, "names differ in letter case alone; decode the payload into a map")
	}
	if err := json.Unmarshal(s.Claims, &s.Properties); err != nil {
		return nil, refuse(errClaims, "the payload does not fit the type")
	}
	c.forgive()
	if err := fill(s, &c, nil); err != nil {
		return nil, err
	}
	if s.Scopes == nil {
		if scopes, _, err := list(c.scp, nil); err == nil {
			s.Scopes = scopes
		}
	}
	s.Kind = c.issuer
	return s, nil
}

// forgive reads scopes from where other issuers put them, and drops lists of another form than that of RFC 9068.
func (c *claims) forgive() {
	if c.clientID == "" {
		c.clientID = c.azp
	}
	if _, err := jose.String(c.scope); err != nil {
		c.scope = ""
		if _, err := jose.String(c.scp); err == nil {
			c.scope = c.scp // Okta writes an array, Entra a string
		}
	}
	if _, _, err := list(c.roles, nil); err != nil {
		c.roles = ""
	}
	if _, _, err := list(c.amr, nil); err != nil {
		c.amr = ""
	}
}

// Require lets requests with a token of the issuer through to next; see [Guard].
func (f *External[T]) Require(next http.Handler, needs ...Need) http.Handler {
	return f.gates().Require(next, needs...)
}

// Optional lets requests without a token through as well; see [Guard].
func (f *External[T]) Optional(next http.Handler, needs ...Need) http.Handler {
	return f.gates().Optional(next, needs...)
}

// With returns a guard with these needs, for [AnyOf].
func (f *External[T]) With(needs ...Need) Guard { return f.gates().with(needs) }

// From returns the session that Require, Optional or NewContext put into ctx; see [Kind.From].
func (f *External[T]) From(ctx context.Context) (s *Session[T], ok bool) {
	return from[T](ctx, externalKey[T]{f})
}

// NewContext returns a context with s, for tests; see [Kind.NewContext].
func (f *External[T]) NewContext(ctx context.Context, s *Session[T]) context.Context {
	return context.WithValue(ctx, externalKey[T]{f}, s)
}

func (f *External[T]) gates() guard {
	return guard{{
		issuer: f.config.Issuer, audience: f.config.Audience, empty: (*Session[T])(nil), now: f.config.Now, log: f.config.Logger,
		recall: func(context.Context, string) checkedSession { return nil },
		verify: func(ctx context.Context, token string) (checkedSession, error) { return f.Verify(ctx, token) },
		accept: func(claims []byte) (checkedSession, error) { return f.accept(string(claims)) },
		enter: func(ctx context.Context, s checkedSession) context.Context {
			return context.WithValue(ctx, externalKey[T]{f}, s)
		},
	}}
}
