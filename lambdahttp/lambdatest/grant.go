package lambdatest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// parse checks the result of an authorizer.
func (l *lambdaGuard) parse(out []byte) (*grant, error) {
	if len(out) > maxResult {
		return nil, fmt.Errorf("it has %d bytes: at most %d are allowed", len(out), maxResult)
	}
	m, err := members(out)
	if err != nil {
		return nil, err
	}
	gr := &grant{}
	if raw, ok := m["context"]; ok && !isNull(raw) {
		if gr.context, err = l.parseContext(raw); err != nil {
			return nil, err
		}
	}
	if l.a.SimpleResponses {
		raw, ok := m["isAuthorized"]
		if !ok || isNull(raw) || json.Unmarshal(raw, &gr.allowed) != nil {
			return nil, errors.New("isAuthorized is not a boolean, and SimpleResponses is on")
		}
		return gr, nil
	}
	raw, ok := m["principalId"]
	if !ok || isNull(raw) || json.Unmarshal(raw, &gr.principal) != nil {
		return nil, errors.New("principalId is not a string")
	}
	raw, ok = m["policyDocument"]
	if !ok {
		return nil, errors.New("policyDocument is missing")
	}
	if gr.policy, err = parsePolicy(raw); err != nil {
		return nil, err
	}
	if raw, ok := m["usageIdentifierKey"]; ok && !isNull(raw) {
		if json.Unmarshal(raw, &gr.usageKey) != nil {
			return nil, errors.New("usageIdentifierKey is not a string")
		}
	}
	return gr, nil
}

// parseContext checks the context: strings, numbers and booleans, unless the payload has version 2.0, which takes any
// JSON. Numbers stay as they were written.
func (l *lambdaGuard) parseContext(raw json.RawMessage) (map[string]any, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil, errors.New("context is not an object")
	}
	out := map[string]any{}
	for k, v := range m {
		if l.a.PayloadVersion == "2.0" {
			out[k] = v
			continue
		}
		s, ok := scalar(v)
		if !ok {
			return nil, fmt.Errorf("context[%q] is not a string, a number or a boolean", k)
		}
		if k == "claims" {
			return nil, errors.New(`context has the key "claims", which is reserved`)
		}
		out[k] = s
	}
	return out, nil
}

// shown returns requestContext.authorizer, as the function behind gets it.
func (l *lambdaGuard) shown(gr *grant, took time.Duration) map[string]any {
	if l.g.cfg.Type == HTTPAPI && !l.g.websocket {
		if len(gr.context) == 0 {
			return map[string]any{"lambda": nil}
		}
		return map[string]any{"lambda": gr.context}
	}
	out := map[string]any{}
	for k, v := range gr.context {
		out[k] = v
	}
	if gr.policy != nil {
		out["principalId"] = gr.principal
	}
	if l.g.websocket || l.g.cfg.Type == REST {
		out["integrationLatency"] = took.Milliseconds()
	}
	return out
}

// event returns the event of the authorizer's function: the request without its body.
func (l *lambdaGuard) event(c *call, values []string) ([]byte, error) {
	var doc map[string]any
	switch {
	case l.a.Type == TokenAuthorizer:
		doc = map[string]any{"type": "TOKEN", "authorizationToken": values[0], "methodArn": c.arn()}
	case l.g.websocket:
		doc = c.connectEvent()
		delete(doc, "isBase64Encoded")
		doc["type"], doc["methodArn"] = "REQUEST", c.arn()
	case l.a.PayloadVersion == "2.0":
		doc = c.httpV2Event()
		delete(doc, "body")
		delete(doc, "isBase64Encoded")
		doc["type"], doc["routeArn"], doc["identitySource"] = "REQUEST", c.arn(), values
		if len(values) == 0 {
			doc["identitySource"] = nil
		}
	default:
		doc = c.v1Event()
		for _, k := range []string{"body", "isBase64Encoded"} {
			delete(doc, k)
		}
		doc["type"], doc["methodArn"] = "REQUEST", c.arn()
		// Here a missing value is empty.
		for _, k := range []string{"queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables"} {
			if doc[k] == nil {
				doc[k] = map[string]string{}
			}
		}
		if l.a.PayloadVersion == "1.0" {
			joined := strings.Join(values, ",")
			doc["version"], doc["path"] = "1.0", c.requestPath()
			doc["identitySource"], doc["authorizationToken"] = joined, joined
			for _, k := range []string{"multiValueHeaders", "multiValueQueryStringParameters"} {
				delete(doc, k)
			}
		}
	}
	return json.Marshal(doc)
}
