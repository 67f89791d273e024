package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/posternauth/postern/gateway"
	"github.com/posternauth/postern/internal/loopback"
	"github.com/posternauth/postern/keys"
	"github.com/posternauth/postern/session"
)

// defaultAccess lets in the tokens of kinds with their default life, and longer ones up to an hour. The issuer decides
// how long its tokens live; this limit only refuses what no default of an issuer would make.
const defaultAccess = time.Hour

// keysWithin is how long the keys of the issuer may take. It is less than the 5 seconds that the templates give the
// function: an issuer that hangs then leads to an answer and a count of the failure, and not to a process that Lambda
// ends together with the keys it has.
const keysWithin = 3 * time.Second

// settings are the variables of the function.
type settings struct {
	issuer, audience, kind string
	access                 time.Duration
	scopes, origins        []string
	policies               bool
	sources                sources
}

// readSettings returns the settings, or an error that names each variable that is wrong.
func readSettings(lookup func(string) (string, bool)) (settings, error) {
	get := func(name string) string { value, _ := lookup(name); return strings.TrimSpace(value) }
	s := settings{
		issuer: get("POSTERN_ISSUER"), audience: get("POSTERN_AUDIENCE"), kind: cmp.Or(get("POSTERN_KIND"), "user"), access: defaultAccess,
		scopes: list(get("POSTERN_SCOPES")), origins: list(get("POSTERN_ORIGINS")),
	}
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch u, err := url.Parse(s.issuer); {
	case s.issuer == "":
		wrong("POSTERN_ISSUER is missing: set it to the issuer of the sessions, such as https://api.example.com/auth")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		wrong("POSTERN_ISSUER is not a URL: set it to the issuer of the sessions, such as https://api.example.com/auth")
	case u.Scheme == "http" && !loopback.Host(u.Hostname()):
		wrong("POSTERN_ISSUER is %q: http is for this machine only, use https", s.issuer)
	}
	if s.audience == "" {
		wrong("POSTERN_AUDIENCE is missing: set it to the audience of the sessions")
	}
	if !kindName.MatchString(s.kind) || s.kind == "public" {
		wrong("POSTERN_KIND is %q: write the name of a kind of session, such as user", s.kind)
	}
	if text := get("POSTERN_ACCESS"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d < time.Second || d > 400*24*time.Hour || d%time.Second != 0 {
			wrong("POSTERN_ACCESS is %q: write whole seconds up to 400 days, such as 15m or 1h", text)
		}
		s.access = d
	}
	if text := get("POSTERN_POLICIES"); text != "" {
		b, err := strconv.ParseBool(text)
		if err != nil {
			wrong("POSTERN_POLICIES is %q: write true or false", text)
		}
		s.policies = b
	}
	var err error
	if s.sources, err = readSources(list(get("POSTERN_IDENTITY_SOURCES"))); err != nil {
		errs = append(errs, err)
	}
	return s, errors.Join(errs...)
}

// kindName is the rule for session.KindConfig.Name, which panics on others.
var kindName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,31}$`)

// list splits a text at its commas.
func list(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// sources are what the identity sources of the authorizer allow.
type sources struct {
	uncached bool   // there are none, so API Gateway can keep no answers
	query    string // the parameter with the token of a WebSocket
	protocol bool   // the subprotocol of a WebSocket may be the token
}

// readSources reads the identity sources. The event of a REST API does not list them, so this is the only place where
// a cache without the Authorization header in its key can be noticed.
func readSources(names []string) (sources, error) {
	var s sources
	if len(names) == 0 {
		return s, nil
	}
	if slices.Equal(names, []string{"none"}) {
		return sources{uncached: true}, nil
	}
	// A list of sources of WebSocket APIs alone needs no Authorization header: they have no cache.
	cached, authorization := false, false
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, "route.request."); ok {
			if parameter, ok := strings.CutPrefix(rest, "querystring."); ok {
				if s.query != "" && s.query != parameter {
					return s, fmt.Errorf("POSTERN_IDENTITY_SOURCES has two parameters of the query, %q and %q: one may carry the token", s.query, parameter)
				}
				s.query = parameter
			}
			s.protocol = s.protocol || strings.EqualFold(rest, "header.Sec-WebSocket-Protocol")
			continue
		}
		if !sourceName.MatchString(name) {
			return s, fmt.Errorf("POSTERN_IDENTITY_SOURCES has %q: write them as API Gateway does, such as %s or %s; or none, if it keeps no answers", name, gateway.RESTSource, gateway.HTTPSource)
		}
		cached = true
		authorization = authorization || strings.EqualFold(name, gateway.RESTSource) || strings.EqualFold(name, gateway.HTTPSource)
	}
	if cached && !authorization {
		return s, fmt.Errorf("POSTERN_IDENTITY_SOURCES lacks the Authorization header: without it, API Gateway uses the answer for one token for others; add %s or %s", gateway.RESTSource, gateway.HTTPSource)
	}
	return s, nil
}

// sourceName is an identity source of a REST or an HTTP API.
var sourceName = regexp.MustCompile(`^(method\.request\.(header|querystring)\.|context\.|stageVariables\.|\$request\.(header|querystring)\.|\$context\.|\$stageVariables\.)[-\w.]+$`)

// newHandler makes the function of its variables. Failures that are not the client's are written to out as a metric.
func newHandler(lookup func(string) (string, bool), out io.Writer, logger *slog.Logger) (*handler, error) {
	s, err := readSettings(lookup)
	if err != nil {
		return nil, err
	}
	remote, err := keys.Remote(keys.RemoteConfig{
		URL: s.issuer + "/.well-known/jwks.json", AllowInsecure: strings.HasPrefix(s.issuer, "http:"), Timeout: keysWithin, Logger: logger,
	})
	if err != nil {
		return nil, fmt.Errorf("POSTERN_ISSUER: %w", err)
	}
	sessions, err := session.New(session.Config{Issuer: s.issuer, Audience: s.audience, Keys: remote, Origins: s.origins, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("POSTERN_ISSUER, POSTERN_AUDIENCE or POSTERN_ORIGINS: %w", err)
	}
	// Stateless: this function has no store, and only compares what the token has.
	kind := session.NewKindConfig(sessions, session.KindConfig[json.RawMessage]{
		Name: s.kind, Stateless: true, Access: s.access, WebSocketProtocol: s.sources.protocol,
	})
	var guard session.Guard = kind
	if len(s.scopes) > 0 {
		guard = kind.With(session.Scope(s.scopes...))
	}
	authorizer, err := gateway.New(gateway.Config{Guard: guard, Uncached: s.sources.uncached, Policies: s.policies, Query: s.sources.query})
	if err != nil {
		return nil, err
	}
	return &handler{authorizer, s.issuer, out, time.Now}, nil
}
