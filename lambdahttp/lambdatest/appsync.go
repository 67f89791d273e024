package lambdatest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Refusals of [AppSync.Authorize].
var (
	// ErrUnauthorized is AppSync's UnauthorizedException: status 401, with a text that can't be changed.
	ErrUnauthorized = errors.New("lambdatest: UnauthorizedException: You are not authorized to make this call")
	// ErrAuthorizer is returned if the authorizer failed, or returned a result that AppSync can't read. Nobody gets in.
	ErrAuthorizer = errors.New("lambdatest: the AppSync authorizer failed")
)

const (
	maxAppSyncToken   = 2048
	maxAppSyncContext = 5 << 20
)

// AppSyncConfig describes the Lambda authorizer of a GraphQL API.
type AppSyncConfig struct {
	// Function decides. Required.
	Function Function
	// TTL is how long a result is kept for a token, unless the result has a ttlOverride. At most an hour. [NoCache]
	// turns caching off.
	// Defaults to 300 s, as in the developer guide. The reference of CloudFormation has 0, so set it in your template.
	TTL time.Duration
	// IdentityValidation is a regular expression for the token; one that does not match is refused without a call.
	IdentityValidation string
	// APIID, Region and Account appear in the event and in ARNs.
	// They default to "a1b2c3d4e5", "us-east-1" and "123456789012".
	APIID, Region, Account string
	// Timeout is how long the function may take.
	// Defaults to 10 s.
	Timeout time.Duration
	// Now is the clock of the cache.
	// Defaults to time.Now.
	Now func() time.Time
}

// An AppSyncRequest is what a client sends to a GraphQL API.
type AppSyncRequest struct {
	Token     string // the Authorization header, as it is
	Query     string
	Operation string
	Variables map[string]any
}

// An AppSyncGrant is the part of a decision that resolvers see.
type AppSyncGrant struct {
	// ResolverContext is $ctx.identity.resolverContext: all values are strings.
	ResolverContext map[string]string
	// DeniedFields are null in the answer, whatever their resolvers return.
	DeniedFields []string
	// Cached reports that an earlier result was used.
	Cached bool

	api string
}

// Denies reports whether a field is denied, as "Type.field" or by its ARN.
func (a *AppSyncGrant) Denies(typeName, field string) bool {
	return slices.Contains(a.DeniedFields, typeName+"."+field) ||
		slices.Contains(a.DeniedFields, a.api+"/types/"+typeName+"/fields/"+field)
}

// AppSync is the authorization of a simulated GraphQL API with a Lambda authorizer.
//
// Source: https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html#aws-lambda-authorization
type AppSync struct {
	cfg   AppSyncConfig
	valid *regexp.Regexp

	mu    sync.Mutex
	cache map[string]appSyncEntry
}

type appSyncEntry struct {
	grant   *AppSyncGrant // nil: not authorized
	expires time.Time
}

// NewAppSync checks the configuration.
func NewAppSync(cfg AppSyncConfig) (*AppSync, error) {
	setDefault(&cfg.TTL, defaultTTL)
	setDefault(&cfg.Timeout, 10*time.Second)
	setDefault(&cfg.APIID, "a1b2c3d4e5")
	setDefault(&cfg.Region, defaultRegion)
	setDefault(&cfg.Account, defaultAccount)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	switch {
	case cfg.Function == nil:
		return nil, errors.New("lambdatest: AppSyncConfig.Function is nil")
	case cfg.TTL != NoCache && (cfg.TTL < 0 || cfg.TTL > maxTTL):
		return nil, errors.New("lambdatest: AppSyncConfig.TTL must be at most an hour, or NoCache")
	case cfg.Timeout < 0:
		return nil, errors.New("lambdatest: AppSyncConfig.Timeout must not be negative")
	}
	a := &AppSync{cfg: cfg, cache: map[string]appSyncEntry{}}
	if cfg.IdentityValidation != "" {
		var err error
		if a.valid, err = regexp.Compile(cfg.IdentityValidation); err != nil {
			return nil, fmt.Errorf("lambdatest: AppSyncConfig.IdentityValidation: %w", err)
		}
	}
	return a, nil
}

// Authorize decides on a request: a grant, [ErrUnauthorized] or [ErrAuthorizer]. A token above 2048 characters is
// refused without a call.
func (a *AppSync) Authorize(ctx context.Context, r AppSyncRequest) (*AppSyncGrant, error) {
	switch {
	case r.Token == "":
		return nil, fmt.Errorf("%w (there is no token)", ErrUnauthorized)
	case len(r.Token) > maxAppSyncToken:
		return nil, fmt.Errorf("%w (the token has %d characters, and at most %d are allowed)", ErrUnauthorized, len(r.Token), maxAppSyncToken)
	case a.valid != nil && !a.valid.MatchString(r.Token):
		return nil, fmt.Errorf("%w (the token does not match IdentityValidation)", ErrUnauthorized)
	}
	a.mu.Lock()
	e, ok := a.cache[r.Token]
	if ok && !a.cfg.Now().Before(e.expires) {
		delete(a.cache, r.Token)
		ok = false
	}
	a.mu.Unlock()
	if !ok {
		var ttl time.Duration
		var err error
		if e.grant, ttl, err = a.invoke(ctx, r); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAuthorizer, err)
		}
		if ttl > 0 {
			e.expires = a.cfg.Now().Add(ttl)
			a.mu.Lock()
			a.cache[r.Token] = e
			a.mu.Unlock()
		}
	}
	if e.grant == nil {
		return nil, ErrUnauthorized
	}
	grant := *e.grant
	grant.Cached = ok
	return &grant, nil
}

func (a *AppSync) invoke(ctx context.Context, r AppSyncRequest) (*AppSyncGrant, time.Duration, error) {
	if r.Variables == nil {
		r.Variables = map[string]any{}
	}
	event, err := json.Marshal(map[string]any{
		"authorizationToken": r.Token,
		"requestContext": map[string]any{
			"apiId": a.cfg.APIID, "accountId": a.cfg.Account, "requestId": newID(),
			"queryString": r.Query, "operationName": r.Operation, "variables": r.Variables,
		},
	})
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.cfg.Timeout)
	defer cancel()
	out, err := a.cfg.Function.Invoke(ctx, event)
	if err != nil {
		return nil, 0, err
	}
	return a.parse(out)
}

func (a *AppSync) parse(out []byte) (*AppSyncGrant, time.Duration, error) {
	m, err := members(out)
	if err != nil {
		return nil, 0, fmt.Errorf("its result: %w", err)
	}
	var authorized *bool
	if json.Unmarshal(m["isAuthorized"], &authorized) != nil || authorized == nil {
		return nil, 0, errors.New("isAuthorized is not a boolean")
	}
	ttl := a.cfg.TTL
	if raw, ok := m["ttlOverride"]; ok && !isNull(raw) {
		var seconds int64
		if json.Unmarshal(raw, &seconds) != nil || seconds < 0 || seconds > int64(maxTTL/time.Second) {
			return nil, 0, errors.New("ttlOverride is not a number of seconds from 0 to 3600")
		}
		ttl = time.Duration(seconds) * time.Second
	}
	grant := &AppSyncGrant{ResolverContext: map[string]string{}, api: partition(a.cfg.Region, "appsync", a.cfg.Account) + "apis/" + a.cfg.APIID}
	if raw, ok := m["resolverContext"]; ok && !isNull(raw) {
		if len(raw) > maxAppSyncContext {
			return nil, 0, errors.New("resolverContext is larger than 5 MB")
		}
		var values map[string]json.RawMessage
		if json.Unmarshal(raw, &values) != nil {
			return nil, 0, errors.New("resolverContext is not an object")
		}
		for k, v := range values {
			if grant.ResolverContext[k], ok = scalar(v); !ok {
				return nil, 0, fmt.Errorf("resolverContext[%q] is not a string, a number or a boolean", k)
			}
		}
	}
	if raw, ok := m["deniedFields"]; ok && !isNull(raw) {
		if json.Unmarshal(raw, &grant.DeniedFields) != nil {
			return nil, 0, errors.New("deniedFields is not a list of strings")
		}
		for _, f := range grant.DeniedFields {
			if typ, field, ok := strings.Cut(f, "."); !strings.HasPrefix(f, "arn:") && (!ok || typ == "" || field == "") {
				return nil, 0, fmt.Errorf("deniedFields: %q is neither Type.field nor an ARN", f)
			}
		}
	}
	if !*authorized {
		grant = nil
	}
	return grant, ttl, nil
}
