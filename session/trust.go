package session

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/posternauth/postern/internal/jose"
	"github.com/posternauth/postern/keys"
)

// TrustConfig says which tokens of another issuer are let in. Issuer, Algorithms and Keys are required, and Audience or
// Clients.
type TrustConfig struct {
	// Issuer is the exact iss of the tokens.
	Issuer string
	// Audience must be, exactly, an aud of the tokens. It may be left out where Clients are given, for issuers whose tokens
	// have no aud; one that has is refused then, since it is for somebody else (RFC 7519 section 4.1.3).
	Audience string
	// Clients, if there are any, must have the one a token was issued to: its client_id or, without one, its azp. For
	// access tokens of Amazon Cognito, whose client_id is that of the app client, and for session tokens of Clerk,
	// whose azp is the origin of the front end. Default: tokens of all clients.
	Clients []string
	// Algorithms the issuer signs with. Others are refused before a key is looked for (RFC 8725 section 3.1).
	Algorithms []keys.Algorithm
	// Keys of the issuer: keys.Remote for a JWKS URL, keys.Static for keys at hand.
	Keys keys.Verifier
	// Type is the header typ the tokens must have, such as "at+jwt"; "application/" may be left out. Default: any. Set
	// it where the issuer also signs ID tokens for the same audience, or those will pass as access tokens.
	Type string
	// Leeway between the clocks, as in [Config]: default 30 s, at most 60 s; negative: none.
	Leeway time.Duration
	// Now is the clock. Default: time.Now.
	Now func() time.Time
	// Logger hears of refused requests (debug). Default: none.
	Logger *slog.Logger
}

// A Foreign is a guard for tokens of another issuer, read from the Authorization header. T is what their payload is
// decoded into, by encoding/json. It is safe for concurrent use.
type Foreign[T any] struct {
	config TrustConfig
}

type foreignKey[T any] struct{ *Foreign[T] }

// Trust makes a guard for tokens of another issuer. It reads no keys yet.
func Trust[T any](c TrustConfig) (*Foreign[T], error) {
	if err := checkText("TrustConfig.Issuer", c.Issuer, 2048); err != nil {
		return nil, err
	}
	if c.Audience != "" || len(c.Clients) == 0 {
		if err := checkText("TrustConfig.Audience", c.Audience, 2048); err != nil {
			return nil, err
		}
	}
	for _, client := range c.Clients {
		if err := checkText("TrustConfig.Clients: a client", client, 2048); err != nil {
			return nil, err
		}
	}
	switch {
	case c.Keys == nil:
		return nil, errors.New("session: TrustConfig.Keys is missing: use keys.Remote with the issuer's JWKS URL")
	case len(c.Algorithms) == 0:
		return nil, errors.New("session: TrustConfig.Algorithms is missing: name what the issuer signs with, such as keys.RS256")
	case c.Leeway > maxLeeway:
		return nil, fmt.Errorf("session: TrustConfig.Leeway is %v: at most %v", c.Leeway, maxLeeway)
	case c.Leeway == 0:
		c.Leeway = defaultLeeway
	case c.Leeway < 0:
		c.Leeway = 0
	}
	for _, a := range c.Algorithms {
		if !jose.Known(string(a)) {
			return nil, fmt.Errorf("session: TrustConfig.Algorithms: %q is not known", a)
		}
	}
	c.Algorithms, c.Clients = slices.Clone(c.Algorithms), slices.Clone(c.Clients)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Foreign[T]{c}, nil
}

// Verify checks a token of the issuer and returns its session: Kind is the issuer, Properties and Claims are the whole
// payload, ID is sid and TokenID jti if there are any. Scopes come from scope or scp, Roles from roles, ClientID from
// client_id or azp, Auth from auth_time and amr; where one of these is of an unexpected type it counts as absent. iss,
// aud, exp and sub are required (but see TrustConfig.Clients). Errors as [Kind.Verify].
func (f *Foreign[T]) Verify(ctx context.Context, token string) (*Session[T], error) {
	tok, _, err := open(ctx, token, f.config.Type, f.config.Keys, f.config.Algorithms)
	if err != nil {
		return nil, err
	}
	return f.accept(tok.Payload)
}

// accept checks the claims of a token and makes a session of them.
func (f *Foreign[T]) accept(payload string) (*Session[T], error) {
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
		return nil, refuse(ErrAudience, "it was issued to a client that is not one of TrustConfig.Clients")
	}
	if c.subject == "" {
		return nil, refuse(ErrClaims, "sub is missing")
	}
	s := &Session[T]{Claims: json.RawMessage(payload)}
	if err := json.Unmarshal(s.Claims, &s.Properties); err != nil {
		return nil, refuse(ErrClaims, "the payload does not fit the type")
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

// forgive drops the lists that are not written as RFC 9068 has them, or takes them from where others put them.
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
func (f *Foreign[T]) Require(next http.Handler, needs ...Need) http.Handler {
	return f.gates().Require(next, needs...)
}

// Optional lets requests without a token through as well; see [Guard].
func (f *Foreign[T]) Optional(next http.Handler, needs ...Need) http.Handler {
	return f.gates().Optional(next, needs...)
}

// With is the guard with needs of its own, for AnyOf.
func (f *Foreign[T]) With(needs ...Need) Guard { return f.gates().with(needs) }

// From returns the session that Require, Optional or NewContext put into ctx; see [Kind.From].
func (f *Foreign[T]) From(ctx context.Context) (s *Session[T], ok bool) {
	return from[T](ctx, foreignKey[T]{f})
}

// NewContext returns a context that carries s, for tests; see [Kind.NewContext].
func (f *Foreign[T]) NewContext(ctx context.Context, s *Session[T]) context.Context {
	return context.WithValue(ctx, foreignKey[T]{f}, s)
}

func (f *Foreign[T]) gates() guard {
	return guard{{
		issuer: f.config.Issuer, audience: f.config.Audience, empty: (*Session[T])(nil), now: f.config.Now, log: f.config.Logger,
		recall: func(context.Context, string) (facts, bool) { return facts{}, false },
		verify: func(ctx context.Context, token string) (facts, error) {
			session, err := f.Verify(ctx, token)
			if err != nil {
				return facts{}, err
			}
			return factsOf(session), nil
		},
		enter: func(ctx context.Context, in facts) context.Context {
			return context.WithValue(ctx, foreignKey[T]{f}, in.session)
		},
	}}
}
