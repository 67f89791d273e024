package doctor

import (
	"maps"
	"slices"
	"strings"
)

// An authorizer is one that calls a function, in any kind of template.
type authorizer struct {
	where      string
	api        string // "http", "rest" or "websocket"
	token      bool   // REST: of the type TOKEN
	ttl        int
	ttlKnown   bool
	sources    []string // as API Gateway names them
	simple     bool
	expression bool // REST, TOKEN: there is a validation expression
	function   string
}

// authorizers checks every authorizer against the rules of package gateway about what is kept, and by what.
func (t *template) authorizers() {
	websockets := map[string]bool{}
	for _, r := range t.resources {
		if r.kind == "AWS::ApiGatewayV2::Api" && strings.EqualFold(words(r.props["ProtocolType"]), "WEBSOCKET") {
			websockets[r.id] = true
		}
	}
	for _, r := range t.resources {
		switch r.kind {
		case "AWS::ApiGatewayV2::Authorizer":
			a := authorizer{where: r.where, api: "http", simple: t.yes(r.props["EnableSimpleResponses"]), function: words(r.props["AuthorizerUri"])}
			if words(r.props["AuthorizerType"]) != "REQUEST" {
				continue // JWT: API Gateway checks the token
			}
			for _, s := range list(r.props["IdentitySource"]) {
				a.sources = append(a.sources, words(s))
				if strings.HasPrefix(words(s), "route.request.") {
					a.api = "websocket"
				}
			}
			if websockets[words(r.props["ApiId"])] {
				a.api = "websocket"
			}
			a.ttl, a.ttlKnown = t.number(r.props["AuthorizerResultTtlInSeconds"], 0)
			t.authorizer(a)
		case "AWS::ApiGateway::Authorizer":
			kind := words(r.props["Type"])
			if kind != "TOKEN" && kind != "REQUEST" {
				continue // Cognito
			}
			a := authorizer{where: r.where, api: "rest", token: kind == "TOKEN", expression: r.props["IdentityValidationExpression"] != nil, function: words(r.props["AuthorizerUri"])}
			a.sources = split(words(r.props["IdentitySource"]))
			a.ttl, a.ttlKnown = t.number(r.props["AuthorizerResultTtlInSeconds"], 300)
			t.authorizer(a)
		case "AWS::Serverless::HttpApi", "AWS::Serverless::Api":
			all := object(at(r.props, "Auth", "Authorizers"))
			for _, name := range slices.Sorted(maps.Keys(all)) {
				t.samAuthorizer(r, name, object(all[name]))
			}
		}
	}
}

func split(s string) []string {
	var all []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			all = append(all, part)
		}
	}
	return all
}

// samAuthorizer reads an authorizer of SAM, whose members differ for HTTP and REST APIs.
func (t *template) samAuthorizer(r resource, name string, c map[string]any) {
	if c["FunctionArn"] == nil {
		return // JWT or Cognito
	}
	identity := object(c["Identity"])
	a := authorizer{where: r.where + "." + name, function: words(c["FunctionArn"])}
	if r.kind == "AWS::Serverless::HttpApi" {
		a.api, a.simple = "http", t.yes(c["EnableSimpleResponses"])
		a.ttl, a.ttlKnown = t.number(identity["ReauthorizeEvery"], 0)
		for prefix, member := range map[string]string{"$request.header.": "Headers", "$request.querystring.": "QueryStrings", "$context.": "Context", "$stageVariables.": "StageVariables"} {
			for _, s := range list(identity[member]) {
				a.sources = append(a.sources, prefix+strings.TrimPrefix(words(s), "$context."))
			}
		}
		t.authorizer(a)
		return
	}
	a.api, a.token = "rest", !strings.EqualFold(words(c["FunctionPayloadType"]), "REQUEST")
	a.ttl, a.ttlKnown = t.number(identity["ReauthorizeEvery"], 300)
	a.expression = identity["ValidationExpression"] != nil
	if a.token {
		header := words(identity["Header"])
		if header == "" {
			header = "Authorization"
		}
		a.sources = []string{"method.request.header." + header}
	}
	for prefix, member := range map[string]string{"method.request.header.": "Headers", "method.request.querystring.": "QueryStrings", "context.": "Context", "stageVariables.": "StageVariables"} {
		for _, s := range list(identity[member]) {
			a.sources = append(a.sources, prefix+words(s))
		}
	}
	t.authorizer(a)
}

// has reports whether a source ends in one of the names, in any letter case, as header names have none.
func (a authorizer) has(names ...string) bool {
	return slices.ContainsFunc(a.sources, func(s string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(strings.ToLower(s), strings.ToLower(n)) })
	})
}

// authorizer checks one against the table of docs/authorizers.md.
func (t *template) authorizer(a authorizer) {
	t.Ran("authorizer-source", "authorizer-cookie", "authorizer-route", "authorizer-ttl", "authorizer-expression", "authorizer-websocket")
	if a.function != "" {
		t.verifiers[a.function] = true
	}
	shownSources := strings.Join(a.sources, ", ")
	if a.api == "websocket" {
		wrong := slices.ContainsFunc(a.sources, func(s string) bool { return !strings.HasPrefix(s, "route.request.") })
		if len(a.sources) == 0 || wrong || a.ttl > 0 {
			t.find("authorizer-websocket", a.where, "identity sources %q, TTL %d", shownSources, a.ttl)
		}
		return
	}
	if a.token && !a.expression {
		t.find("authorizer-expression", a.where, "a TOKEN authorizer without a validation expression")
	}
	if a.ttlKnown && a.ttl <= 0 {
		return // nothing is kept
	}
	switch {
	case a.has(".header.cookie"):
		t.find("authorizer-cookie", a.where, "identity sources %q, TTL %d", shownSources, a.ttl)
	case !a.has(".header.authorization"):
		t.find("authorizer-source", a.where, "identity sources %q, TTL %d", shownSources, a.ttl)
	}
	if a.api == "http" && a.simple && !a.has("$context.routeKey") {
		t.find("authorizer-route", a.where, "simple responses, identity sources %q, TTL %d", shownSources, a.ttl)
	}
	if a.ttl > 300 {
		t.find("authorizer-ttl", a.where, "TTL %d", a.ttl)
	}
}
