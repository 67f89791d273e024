package lambdatest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
)

// A result is a function's answer, checked, in the form that goes to the client.
type result struct {
	status int
	header http.Header
	body   []byte
}

// answer writes the result of the function, or returns why it can't be read.
func (g *Gateway) answer(w http.ResponseWriter, c *call, out []byte) *refusal {
	var res *result
	var err error
	switch g.cfg.Type {
	case REST, HTTPAPIv1:
		res, err = g.answerV1(c, out)
	case ALB, ALBMultiValue:
		res, err = g.answerALB(out)
	default:
		res, err = g.answerV2(out)
	}
	if err == nil && (res.status < 200 || res.status > 599) {
		err = fmt.Errorf("statusCode %d is not one that can be sent", res.status)
	}
	if err != nil {
		return badGateway(g.cfg.Type, "malformed result of the function: "+err.Error())
	}
	h := w.Header()
	for k, vs := range res.header {
		h[k] = append(h[k], vs...)
	}
	switch {
	case g.cfg.Type.http():
		h.Set("Apigw-Requestid", c.requestID)
	case g.cfg.Type == REST, g.cfg.Type == FunctionURL:
		h.Set("X-Amzn-Requestid", c.requestID)
	}
	if h.Get("Content-Type") == "" && !g.cfg.Type.alb() {
		if g.cfg.Type == HTTPAPI || g.cfg.Type == HTTPAPIv1 {
			h.Set("Content-Type", "text/plain;charset=UTF-8")
		} else {
			h.Set("Content-Type", "application/json")
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(res.body)))
	if res.status == http.StatusNoContent || res.status == http.StatusNotModified {
		h.Del("Content-Length")
		res.body = nil
	}
	w.WriteHeader(res.status)
	if c.method != http.MethodHead {
		_, _ = w.Write(res.body)
	}
	return nil
}

// members returns the members of a result, still as JSON, so that the error of each rule can name its member.
func members(out []byte) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, errors.New("it is not a JSON object")
	}
	if m == nil {
		return nil, errors.New("it is null")
	}
	return m, nil
}

// answerV1 reads the result of a REST API or of payload format 1.0.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
func (g *Gateway) answerV1(c *call, out []byte) (*result, error) {
	m, err := members(out)
	if err != nil {
		return nil, err
	}
	if g.cfg.Type == REST {
		for k := range m {
			if !slices.Contains([]string{"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}, k) {
				return nil, fmt.Errorf("it has a member %q, which a REST API does not know", k)
			}
		}
	}
	res, encoded, err := common(m)
	if err != nil {
		return nil, err
	}
	if res.status == 0 {
		return nil, errors.New("statusCode is missing")
	}
	single, err := singles(m["headers"])
	if err != nil {
		return nil, err
	}
	multi, err := listMap(m["multiValueHeaders"])
	if err != nil {
		return nil, err
	}
	addAll(res.header, single)
	for k := range multi { // of a name in both, only these are used
		delete(res.header, canonical(k))
	}
	addAll(res.header, multi)
	if g.cfg.Type == REST {
		remap(res.header)
		// Base64 is decoded only if the client and the API agree on a binary type; else it is sent as it is.
		accept, _, _ := strings.Cut(c.header.Get("Accept"), ",")
		encoded = encoded && slices.ContainsFunc(g.cfg.BinaryMediaTypes, func(t string) bool {
			return matchMedia(t, strings.TrimSpace(accept)) || matchMedia(t, res.header.Get("Content-Type"))
		})
	}
	return res, decode(res, encoded)
}

// answerV2 reads the result of payload format 2.0. One without statusCode is the body of a 200. multiValueHeaders do
// not exist here, and are ignored.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
func (g *Gateway) answerV2(out []byte) (*result, error) {
	if !json.Valid(out) {
		return nil, errors.New("it is not JSON")
	}
	m, err := members(out)
	if _, ok := m["statusCode"]; err != nil || !ok {
		res := &result{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}, body: out}
		var text string
		if json.Unmarshal(out, &text) == nil { // a string is sent without its quotes
			res.body = []byte(text)
		}
		return res, nil
	}
	res, encoded, err := common(m)
	if err != nil {
		return nil, err
	}
	single, err := singles(m["headers"])
	if err != nil {
		return nil, err
	}
	addAll(res.header, single)
	if raw, ok := m["cookies"]; ok && !isNull(raw) {
		var cookies []string
		if err := json.Unmarshal(raw, &cookies); err != nil {
			return nil, errors.New("cookies is not a list of strings")
		}
		if len(cookies) > 0 {
			res.header["Set-Cookie"] = append(res.header["Set-Cookie"], cookies...)
		}
	}
	return res, decode(res, encoded)
}

// answerALB reads the result for a load balancer: its mode decides which of the two maps counts.
//
// Source: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
func (g *Gateway) answerALB(out []byte) (*result, error) {
	if len(out) > maxALB {
		return nil, errors.New("it is larger than 1 MB")
	}
	m, err := members(out)
	if err != nil {
		return nil, err
	}
	res, encoded, err := common(m)
	if err != nil {
		return nil, err
	}
	if res.status == 0 {
		return nil, errors.New("statusCode is missing")
	}
	if g.cfg.Type == ALBMultiValue {
		multi, err := listMap(m["multiValueHeaders"])
		if err != nil {
			return nil, err
		}
		addAll(res.header, multi)
	} else {
		single, err := singles(m["headers"])
		if err != nil {
			return nil, err
		}
		addAll(res.header, single)
	}
	return res, decode(res, encoded)
}

// common reads statusCode, body and isBase64Encoded.
func common(m map[string]json.RawMessage) (res *result, encoded bool, err error) {
	res = &result{header: http.Header{}}
	if raw, ok := m["statusCode"]; ok {
		text := string(bytes.Trim(raw, `"`)) // a number in quotes is taken too
		if res.status, err = strconv.Atoi(text); err != nil {
			return nil, false, errors.New("statusCode is not a whole number")
		}
	}
	if raw, ok := m["body"]; ok && !isNull(raw) {
		var body string
		if err := json.Unmarshal(raw, &body); err != nil {
			return nil, false, errors.New("body is not a string: encode it")
		}
		res.body = []byte(body)
	}
	if raw, ok := m["isBase64Encoded"]; ok && !isNull(raw) {
		if err := json.Unmarshal(raw, &encoded); err != nil {
			return nil, false, errors.New("isBase64Encoded is not a boolean")
		}
	}
	return res, encoded, nil
}

func decode(res *result, encoded bool) error {
	if !encoded {
		return nil
	}
	body, err := base64.StdEncoding.DecodeString(string(res.body))
	if err != nil {
		return errors.New("body is not the base64 that isBase64Encoded promises")
	}
	res.body = body
	return nil
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

// scalar renders a header value, which may be a string, a number or a boolean.
func scalar(raw json.RawMessage) (string, bool) {
	switch {
	case len(raw) == 0 || raw[0] == '{' || raw[0] == '[' || isNull(raw):
		return "", false
	case raw[0] == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err == nil
	}
	return string(raw), true
}

// addAll adds headers, by name. Names that differ in letter case alone are separate headers, as functions used them
// before they could return several values. AWS does not document it.
func addAll(h http.Header, m map[string][]string) {
	for _, k := range slices.Sorted(maps.Keys(m)) {
		h[canonical(k)] = append(h[canonical(k)], m[k]...)
	}
}

func singles(raw json.RawMessage) (map[string][]string, error) {
	if raw == nil || isNull(raw) {
		return nil, nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, errors.New("headers is not an object")
	}
	out := map[string][]string{}
	for k, v := range m {
		s, ok := scalar(v)
		if !ok {
			return nil, fmt.Errorf("headers[%q] is not a string", k)
		}
		if err := checkHeader(k, s); err != nil {
			return nil, err
		}
		out[k] = []string{s}
	}
	return out, nil
}

func listMap(raw json.RawMessage) (map[string][]string, error) {
	if raw == nil || isNull(raw) {
		return nil, nil
	}
	var m map[string][]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, errors.New("multiValueHeaders is not an object of lists")
	}
	out := map[string][]string{}
	for k, vs := range m {
		for _, v := range vs {
			s, ok := scalar(v)
			if !ok {
				return nil, fmt.Errorf("multiValueHeaders[%q] holds something other than strings", k)
			}
			if err := checkHeader(k, s); err != nil {
				return nil, err
			}
			out[k] = append(out[k], s)
		}
	}
	return out, nil
}

// checkHeader refuses characters that a header can't have, so that a result can't inject another header.
func checkHeader(name, value string) error {
	if name == "" || strings.ContainsAny(name, " \t\r\n:\x00") || strings.ContainsAny(value, "\r\n\x00") {
		return fmt.Errorf("the header %q can't be sent", name)
	}
	return nil
}

func canonical(name string) string { return textproto.CanonicalMIMEHeaderKey(name) }

// remap renames the headers that a REST API does not let a function set.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html
func remap(h http.Header) {
	for _, name := range []string{"Authorization", "Connection", "Content-Length", "Content-Md5", "Date", "Host", "Server", "User-Agent", "Www-Authenticate"} {
		if vs, ok := h[name]; ok {
			delete(h, name)
			h["X-Amzn-Remapped-"+name] = vs
		}
	}
	delete(h, "Transfer-Encoding")
}
