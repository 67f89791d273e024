package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/posternauth/postern/session"
)

// nobody is the principal of a request without a session. AWS refuses an empty one.
const nobody = "anonymous"

type policyAnswer struct {
	Principal string         `json:"principalId"`
	Policy    document       `json:"policyDocument"`
	Context   map[string]any `json:"context,omitempty"`
	UsageKey  string         `json:"usageIdentifierKey,omitempty"`
}

type document struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Effect   string   `json:"Effect"`
	Action   string   `json:"Action"`
	Resource []string `json:"Resource"`
}

type simpleAnswer struct {
	Authorized bool           `json:"isAuthorized"`
	Context    map[string]any `json:"context,omitempty"`
}

type appSyncAnswer struct {
	Authorized bool           `json:"isAuthorized"`
	Context    map[string]any `json:"resolverContext,omitempty"`
	Denied     []string       `json:"deniedFields,omitempty"`
	TTL        int64          `json:"ttlOverride"`
}

// policy allows the resources of allow except those of deny, in one API and stage.
func policy(api arn, allow, deny []string) document {
	d := document{Version: "2012-10-17"}
	for _, part := range []struct {
		effect    string
		resources []string
	}{{"Allow", allow}, {"Deny", deny}} {
		if len(part.resources) == 0 {
			continue
		}
		s := statement{Effect: part.effect, Action: "execute-api:Invoke"}
		for _, r := range part.resources {
			s.Resource = append(s.Resource, api.stage+"/"+r)
		}
		d.Statement = append(d.Statement, s)
	}
	return d
}

func denial(api arn, principal string, context map[string]any) policyAnswer {
	return policyAnswer{Principal: principal, Policy: policy(api, nil, []string{"*"}), Context: context}
}

// A refusal is the reason in a context, for gateway responses.
type refusal struct{ code, body string }

func (r refusal) context() map[string]any {
	return map[string]any{keyError: r.code, keyBody: r.body}
}

// plainRefusal is right for every route: a policy may be kept for other routes than the one it was made for.
var plainRefusal = refusal{"insufficient_scope", `{"error":"insufficient_scope","error_description":"the session may not do this"}`}

func (a *Authorizer) answerPolicy(ctx context.Context, k kind, api arn, v *session.Verdict) ([]byte, error) {
	values, err := a.context(v)
	if err != nil {
		return nil, err
	}
	out := policyAnswer{Principal: v.Session.Subject, Context: values}
	if a.config.UsageKey != nil && (k == restToken || k == restRequest) {
		out.UsageKey = a.config.UsageKey(v.Session)
	}
	switch {
	case k == webSocket:
		if len(a.config.Routes) > 0 && (a.connect < 0 || v.Unmet[a.connect] != nil) {
			no := plainRefusal
			if a.connect >= 0 {
				status := 0
				if status, no.code, no.body = a.explain(ctx, v.Unmet[a.connect]); a.unauthorized(k, status) {
					return nil, ErrUnauthorized
				}
			}
			return encode(denial(api, out.Principal, no.context()))
		}
		out.Policy = policy(api, []string{"*"}, nil)
	case len(a.config.Routes) == 0 && !v.Cookie:
		out.Policy = policy(api, []string{"*"}, nil)
	case len(a.config.Routes) == 0:
		// The check of the page that sent the cookie was about this method only.
		out.Policy = policy(api, []string{api.method + "/*"}, nil)
	default:
		decided := a.verdict(v)
		reading, ok := decided.decide(api.method, api.path, a.config.Uncached)
		switch {
		case ok && a.config.Uncached && decided.denies(api.method, api.path):
			decided.spelled = nil // every reading of this path is allowed
		case !ok:
			no := plainRefusal
			if err := a.reason(v, api.method, reading); err != nil && a.config.Uncached {
				status := 0
				if status, no.code, no.body = a.explain(ctx, err); a.unauthorized(k, status) {
					return nil, ErrUnauthorized
				}
			}
			maps.Copy(out.Context, no.context()) // with the policy from a cache, another request may still pass
			if a.config.Uncached {
				decided.allow = nil
			}
		}
		if v.Cookie {
			other := func(p pattern) bool { return p.method != api.method }
			decided.allow = slices.DeleteFunc(decided.allow, other)
		}
		if len(decided.allow) == 0 {
			return encode(denial(api, out.Principal, out.Context))
		}
		out.Policy = policy(api, resources(decided.allow), append(resources(decided.deny), decided.spelled...))
	}
	return encode(out)
}

func (a *Authorizer) explain(ctx context.Context, err error) (status int, code, body string) {
	status, code, text := a.inspector.Explain(ctx, err)
	return status, code, string(text)
}

// resources returns patterns as resources of a policy, without those that lie within others.
func resources(all []pattern) (out []string) {
	for i, p := range all {
		within := false
		for j, q := range all {
			within = within || q != p && q.covers(p) || j < i && q == p
		}
		if !within {
			out = append(out, p.method+p.path)
		}
	}
	return out
}

func (a *Authorizer) answerSimple(ctx context.Context, e *wire, api arn, v *session.Verdict) ([]byte, error) {
	reading, yes, err := a.simple(e, api, v)
	if err != nil {
		return nil, err
	}
	if !yes {
		no := plainRefusal
		if err := a.reason(v, api.method, reading); err != nil && a.config.Uncached {
			status := 0
			if status, no.code, no.body = a.explain(ctx, err); a.unauthorized(httpV2, status) {
				return nil, ErrUnauthorized
			}
		}
		return encode(simpleAnswer{Context: no.context()})
	}
	values, err := a.context(v)
	if err != nil {
		return nil, err
	}
	return encode(simpleAnswer{true, values})
}

func (a *Authorizer) answerAppSync(v *session.Verdict) ([]byte, error) {
	values, err := a.context(v)
	if err != nil {
		return nil, err
	}
	out := appSyncAnswer{Authorized: true, Context: values}
	for i, f := range a.config.Fields {
		if v.Unmet[len(a.config.Routes)+i] != nil {
			out.Denied = append(out.Denied, f.Name)
		}
	}
	if !a.config.Uncached {
		left := v.Session.Expires.Sub(a.config.Now())
		out.TTL = int64(max(0, min(a.config.TTL, left)) / time.Second)
	}
	return encode(out)
}

// encode writes an answer. An answer that API Gateway would refuse is an error with the reason, and lets nobody in.
func encode(answer any) ([]byte, error) {
	if p, ok := answer.(policyAnswer); ok {
		for _, s := range p.Policy.Statement {
			if i := slices.IndexFunc(s.Resource, func(r string) bool { return len(r) > maxResource }); i >= 0 {
				return nil, fmt.Errorf("gateway: a resource of the policy has %d characters: at most %d are allowed; shorten the path in Config.Routes", len(s.Resource[i]), maxResource)
			}
		}
	}
	out, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("gateway: the answer can't be written as JSON: %w", err)
	}
	if _, ok := answer.(appSyncAnswer); !ok && len(out) > maxResult {
		return nil, fmt.Errorf("gateway: the answer has %d bytes: at most %d are allowed; give the session less properties, set Config.WithoutProperties, or have fewer Config.Routes", len(out), maxResult)
	}
	return out, nil
}

// Names of the context.
const (
	keyError  = "error"
	keyBody   = "body"
	keyClaims = "session_claims" // "claims" is API Gateway's
	keyCookie = "cookie"
	keyRights = "rights_version"
	keyActor  = "actor" // act.sub
)

// context returns what the function behind gets: strings, numbers and booleans, and no token.
func (a *Authorizer) context(v *session.Verdict) (map[string]any, error) {
	s := v.Session
	out := map[string]any{}
	text := func(name, value string) {
		if value != "" {
			out[name] = value
		}
	}
	moment := func(name string, t time.Time) {
		if !t.IsZero() {
			out[name] = t.Unix()
		}
	}
	text("iss", v.Issuer)
	text("aud", v.Audience)
	text("sub", s.Subject)
	text("sid", s.ID)
	text("jti", s.TokenID)
	text("client_id", s.ClientID)
	text("scope", names(s.Scopes))
	text("roles", names(s.Roles))
	text("amr", names(s.Authentication.Methods))
	moment("auth_time", s.Authentication.Time)
	moment("iat", s.Issued)
	moment("exp", s.Expires)
	if !v.External {
		text("type", s.Kind)
		text(keyActor, s.Actor)
		if version := s.RightsVersion(); version != 0 {
			out[keyRights] = version
		}
		if !a.config.WithoutProperties {
			text(keyClaims, string(s.Claims))
		}
	}
	if !a.config.WithoutProperties {
		text("properties", string(s.Properties))
	}
	if v.Cookie {
		out[keyCookie] = true
	}
	if a.config.Context == nil {
		return out, nil
	}
	for name, value := range a.config.Context(s) {
		if _, taken := out[name]; taken || slices.Contains(reserved, name) || name == "" {
			return nil, fmt.Errorf("gateway: Config.Context: the name %q is taken", name)
		}
		if !scalar(value) {
			return nil, fmt.Errorf("gateway: Config.Context: %q is a %T: API Gateway takes strings, numbers and booleans", name, value)
		}
		out[name] = value
	}
	return out, nil
}

// reserved are names with a meaning to API Gateway or to Read, whether or not the context has them.
var reserved = []string{"iss", "aud", "sub", "sid", "jti", "client_id", "scope", "roles", "amr", "auth_time", "iat", "exp", "type",
	"properties", keyClaims, keyCookie, keyRights, keyActor, keyError, keyBody, "claims", "scopes", "principalId", "integrationLatency", "jwt", "lambda"}

func scalar(v any) bool {
	switch v := v.(type) {
	case string, bool, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return true
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0)
	case float32:
		return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0)
	}
	return false
}

// names joins names with spaces. It leaves out a name that holds a space, as another issuer's role may: it would pass
// for two.
func names(list []string) string {
	var out []string
	for _, name := range list {
		if name != "" && !strings.ContainsAny(name, " \t\r\n") {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}
