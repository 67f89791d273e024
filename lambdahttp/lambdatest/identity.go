package lambdatest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A source reads one identity source of a request. An empty value means that it is missing.
type source func(c *call) string

// identitySource compiles an expression. Each kind of API has its own way to write it:
//
//	method.request.header.Auth    method.request.querystring.t   stageVariables.v   context.path    (REST)
//	$request.header.Auth          $request.querystring.t         $stageVariables.v  $context.path   (HTTP)
//	route.request.header.Auth     route.request.querystring.t    stageVariables.v   context.path    (WebSocket)
//
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html and
// https://docs.aws.amazon.com/apigateway/latest/api/API_CreateAuthorizer.html
func (g *Gateway) identitySource(expr string) (source, error) {
	prefix, request := "$", "$request."
	switch {
	case g.websocket:
		prefix, request = "", "route.request."
	case g.cfg.Type == REST:
		prefix, request = "", "method.request."
	}
	if name, ok := strings.CutPrefix(expr, request+"header."); ok && name != "" {
		return func(c *call) string { return strings.TrimSpace(c.headerValue(name)) }, nil
	}
	if name, ok := strings.CutPrefix(expr, request+"querystring."); ok && name != "" {
		return func(c *call) string { return c.queryValue(name) }, nil
	}
	if name, ok := strings.CutPrefix(expr, prefix+"stageVariables."); ok && name != "" {
		return func(c *call) string { return c.g.cfg.StageVariables[name] }, nil
	}
	if name, ok := strings.CutPrefix(expr, prefix+"context."); ok {
		if _, known := (&call{g: g, r: &http.Request{URL: &url.URL{}}, route: &route{}}).variable(name); known {
			return func(c *call) string { value, _ := c.variable(name); return value }, nil
		}
	}
	return nil, fmt.Errorf("the identity source %q is not one of this API: use %sheader.<name>, %squerystring.<name>, %sstageVariables.<name> or %scontext.<name>", expr, request, request, prefix, prefix)
}

// headerValue returns a header as the event has it: the last value for REST APIs, all values joined for HTTP APIs.
func (c *call) headerValue(name string) string {
	vs := c.header.Values(name)
	if len(vs) == 0 {
		return ""
	}
	if c.g.cfg.Type.http() && !c.g.websocket {
		return strings.Join(vs, ",")
	}
	return vs[len(vs)-1]
}

func (c *call) queryValue(name string) string {
	q := c.query(url.QueryUnescape)
	if c.g.cfg.Type.http() && !c.g.websocket {
		return joinAll(q)[name]
	}
	return lastOf(q)[name]
}

// cacheKey joins identity values so that no two lists give the same key.
func cacheKey(values []string) string {
	key, err := json.Marshal(values)
	if err != nil {
		return strings.Join(values, "\x00") // strings always marshal
	}
	return string(key)
}
