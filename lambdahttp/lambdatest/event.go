package lambdatest

import (
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// event returns the event of the function.
func (g *Gateway) event(c *call) ([]byte, error) {
	var doc map[string]any
	switch g.cfg.Type {
	case REST:
		doc = c.restEvent()
	case HTTPAPIv1:
		doc = c.httpV1Event()
	case ALB, ALBMultiValue:
		doc = c.albEvent()
	default:
		doc = c.httpV2Event()
	}
	return json.Marshal(doc)
}

// httpV2Event is payload format 2.0, which function URLs have too.
//
// Sources: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html and
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
func (c *call) httpV2Event() map[string]any {
	doc := map[string]any{
		"version":         "2.0",
		"routeKey":        c.route.key(),
		"rawQueryString":  c.r.URL.RawQuery,
		"headers":         c.joinedHeaders(),
		"requestContext":  c.httpV2Context(),
		"isBase64Encoded": false,
	}
	// An HTTP API decodes the path; a function URL leaves it alone.
	doc["rawPath"] = c.requestPath()
	if c.g.cfg.Type == FunctionURL {
		doc["routeKey"] = "$default"
	}
	if cookies := c.cookies(); cookies != nil {
		doc["cookies"] = cookies
	}
	if q := c.query(url.QueryUnescape); len(q) > 0 {
		doc["queryStringParameters"] = joinAll(q)
	}
	if len(c.params) > 0 {
		doc["pathParameters"] = c.params
	}
	if len(c.g.cfg.StageVariables) > 0 {
		doc["stageVariables"] = c.g.cfg.StageVariables
	}
	if len(c.body) > 0 {
		doc["body"], doc["isBase64Encoded"] = encodeBody(c.body, !isText(c.header))
	}
	return doc
}

func (c *call) httpV2Context() map[string]any {
	cfg, path := &c.g.cfg, c.requestPath()
	if cfg.Type == FunctionURL {
		path = unescapePath(path)
	}
	rc := map[string]any{
		"accountId":    cfg.Account,
		"apiId":        cfg.APIID,
		"domainName":   c.g.domain,
		"domainPrefix": c.g.domainPrefix(),
		"http": map[string]any{
			"method":    c.method,
			"path":      path,
			"protocol":  c.r.Proto,
			"sourceIp":  c.sourceIP,
			"userAgent": c.header.Get("User-Agent"),
		},
		"requestId": c.requestID,
		"routeKey":  c.route.key(),
		"stage":     cfg.Stage,
		"time":      c.time.UTC().Format(clfTime),
		"timeEpoch": c.time.UnixMilli(),
	}
	if cfg.Type == FunctionURL {
		rc["accountId"] = "anonymous" // as AuthType NONE says
		rc["routeKey"] = "$default"
	}
	if c.authorizer != nil {
		rc["authorizer"] = c.authorizer
	}
	return rc
}

// restEvent is the event of a proxy integration of a REST API.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
func (c *call) restEvent() map[string]any {
	doc := c.v1Event()
	doc["path"] = c.path
	if c.g.cfg.Domain != "" { // the mapping is taken off on the generated domain only
		doc["path"] = c.fullPath
	}
	binary := slices.ContainsFunc(c.g.cfg.BinaryMediaTypes, func(t string) bool { return matchMedia(t, c.header.Get("Content-Type")) })
	if len(c.body) > 0 {
		doc["body"], doc["isBase64Encoded"] = encodeBody(c.body, binary)
	}
	return doc
}

// httpV1Event is payload format 1.0 of an HTTP API: like that of a REST API, but the path is decoded and keeps its
// stage.
func (c *call) httpV1Event() map[string]any {
	doc := c.v1Event()
	doc["version"] = "1.0"
	doc["path"] = c.requestPath()
	if len(c.body) > 0 {
		doc["body"], doc["isBase64Encoded"] = encodeBody(c.body, !isText(c.header))
	}
	return doc
}

// v1Event has the members that REST APIs, payload format 1.0 and their authorizers have in common. A missing value is
// null.
func (c *call) v1Event() map[string]any {
	single, multi := c.caseHeaders()
	q := c.query(url.QueryUnescape)
	doc := map[string]any{
		"resource":                        c.route.Path,
		"path":                            c.path,
		"httpMethod":                      c.method,
		"headers":                         single,
		"multiValueHeaders":               multi,
		"queryStringParameters":           nil,
		"multiValueQueryStringParameters": nil,
		"pathParameters":                  nil,
		"stageVariables":                  nil,
		"requestContext":                  c.v1Context(),
		"body":                            nil,
		"isBase64Encoded":                 false,
	}
	if len(q) > 0 {
		doc["queryStringParameters"], doc["multiValueQueryStringParameters"] = lastOf(q), multiOf(q)
	}
	if len(c.params) > 0 {
		doc["pathParameters"] = c.params
	}
	if len(c.g.cfg.StageVariables) > 0 {
		doc["stageVariables"] = c.g.cfg.StageVariables
	}
	return doc
}

func (c *call) v1Context() map[string]any {
	cfg := &c.g.cfg
	identity := map[string]any{
		"accessKey": nil, "accountId": nil, "caller": nil, "cognitoAuthenticationProvider": nil,
		"cognitoAuthenticationType": nil, "cognitoIdentityId": nil, "cognitoIdentityPoolId": nil,
		"principalOrgId": nil, "user": nil, "userArn": nil,
		"sourceIp": c.sourceIP, "userAgent": c.header.Get("User-Agent"),
	}
	rc := map[string]any{
		"accountId":         cfg.Account,
		"apiId":             cfg.APIID,
		"domainName":        c.g.domain,
		"domainPrefix":      c.g.domainPrefix(),
		"extendedRequestId": c.requestID,
		"httpMethod":        c.method,
		"identity":          identity,
		"path":              c.requestPath(),
		"protocol":          c.r.Proto,
		"requestId":         c.requestID,
		"requestTime":       c.time.UTC().Format(clfTime),
		"requestTimeEpoch":  c.time.UnixMilli(),
		"resourceId":        shortID(c.route.Path, 6),
		"resourcePath":      c.route.Path,
		"stage":             cfg.Stage,
	}
	if cfg.Type.http() {
		rc["resourceId"] = c.route.key()
	}
	if c.apiKey != "" {
		identity["apiKey"], identity["apiKeyId"] = c.apiKey, shortID(c.apiKey, 10)
	}
	if c.authorizer != nil {
		rc["authorizer"] = c.authorizer
	}
	return rc
}

// albEvent is the event of a load balancer, in one of its two header modes. The query stays as it is, with its escapes.
//
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
func (c *call) albEvent() map[string]any {
	lower := map[string][]string{}
	for k, vs := range c.header {
		lower[strings.ToLower(k)] = vs
	}
	q := c.query(func(s string) (string, error) { return s, nil })
	arn := partition(c.g.cfg.Region, "elasticloadbalancing", c.g.cfg.Account)
	doc := map[string]any{
		"requestContext": map[string]any{"elb": map[string]any{"targetGroupArn": arn + "targetgroup/lambda-target/" + shortID(c.g.cfg.APIID, 16)}},
		"httpMethod":     c.method,
		"path":           c.fullPath,
		"body":           "",
	}
	if c.g.cfg.Type == ALBMultiValue {
		doc["multiValueHeaders"], doc["multiValueQueryStringParameters"] = lower, multiOf(q)
	} else {
		single := map[string]string{}
		for k, vs := range lower {
			single[k] = vs[len(vs)-1]
		}
		doc["headers"], doc["queryStringParameters"] = single, lastOf(q)
	}
	doc["body"], doc["isBase64Encoded"] = encodeBody(c.body, !isText(c.header))
	return doc
}

const clfTime = "02/Jan/2006:15:04:05 -0700"

// joinedHeaders returns headers as format 2.0 has them: names in lower case, values joined. An HTTP API has the cookies
// apart.
func (c *call) joinedHeaders() map[string]string {
	out := map[string]string{}
	for k, vs := range c.header {
		if k == "Cookie" && c.g.cfg.Type != FunctionURL {
			continue
		}
		sep := ","
		if k == "Cookie" {
			sep = "; "
		}
		out[strings.ToLower(k)] = strings.Join(vs, sep)
	}
	return out
}

// cookies returns the pairs of all Cookie headers.
func (c *call) cookies() []string {
	var out []string
	for _, line := range c.header.Values("Cookie") {
		for _, pair := range strings.Split(line, ";") {
			if pair = strings.TrimSpace(pair); pair != "" {
				out = append(out, pair)
			}
		}
	}
	return out
}

// caseHeaders returns headers as format 1.0 has them: names as written, with the last value and with all values.
func (c *call) caseHeaders() (single map[string]string, multi map[string][]string) {
	// These have capitals whatever the client wrote.
	ownCase := []string{"Host", "User-Agent", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"}
	single, multi = map[string]string{}, map[string][]string{}
	for k, vs := range c.header {
		if k == "Content-Length" && c.g.cfg.Type == REST || len(vs) == 0 {
			continue
		}
		if c.g.cfg.LowerCaseHeaders && !slices.Contains(ownCase, k) {
			k = strings.ToLower(k)
		}
		single[k], multi[k] = vs[len(vs)-1], vs
	}
	return single, multi
}

type param struct{ key, value string }

// query takes the query apart. Broken escapes and ";" stay as they are.
func (c *call) query(unescape func(string) (string, error)) []param {
	var out []param
	for _, part := range strings.Split(c.r.URL.RawQuery, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		if u, err := unescape(k); err == nil {
			k = u
		}
		if u, err := unescape(v); err == nil {
			v = u
		}
		out = append(out, param{k, v})
	}
	return out
}

func lastOf(q []param) map[string]string {
	out := map[string]string{}
	for _, p := range q {
		out[p.key] = p.value
	}
	return out
}

func multiOf(q []param) map[string][]string {
	out := map[string][]string{}
	for _, p := range q {
		out[p.key] = append(out[p.key], p.value)
	}
	return out
}

func joinAll(q []param) map[string]string {
	out := map[string]string{}
	for k, vs := range multiOf(q) {
		out[k] = strings.Join(vs, ",")
	}
	return out
}

// isText reports whether a body travels as text: by its content type, unless it is compressed.
//
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html, and the same rule
// seen in events of HTTP APIs and function URLs, where forms come in base64.
func isText(h http.Header) bool {
	if e := h.Get("Content-Encoding"); e != "" && e != "identity" {
		return false
	}
	t, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return false
	}
	return strings.HasPrefix(t, "text/") || slices.Contains([]string{"application/json", "application/javascript", "application/xml"}, t)
}

// encodeBody returns the members body and isBase64Encoded. JSON can't carry bytes that are not UTF-8: they are
// replaced.
func encodeBody(body []byte, binary bool) (string, bool) {
	if binary && len(body) > 0 {
		return base64.StdEncoding.EncodeToString(body), true
	}
	if !utf8.Valid(body) {
		return strings.ToValidUTF8(string(body), "\uFFFD"), false
	}
	return string(body), false
}

// matchMedia compares a content type with one of binaryMediaTypes: "image/png", "image/*" or "*/*".
func matchMedia(pattern, contentType string) bool {
	if pattern == "*/*" {
		return true
	}
	t, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	family, all := strings.CutSuffix(pattern, "/*")
	return t == pattern || all && strings.HasPrefix(t, family+"/")
}
