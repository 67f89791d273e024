package lambdatest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A WebSocketConfig describes a simulated WebSocket API. No sockets are opened: [WebSocket.Connect] takes the request
// of the handshake, and [Conn] sends messages as events.
type WebSocketConfig struct {
	// Routes are functions by route key: "$connect", "$disconnect", "$default" and other keys. At least one.
	Routes map[string]Function
	// RouteSelection is "$request.body.<member>": the member of a message with its route key.
	// Defaults to "$request.body.action".
	RouteSelection string
	// Authorizer guards $connect.
	// Defaults to none: everybody may connect.
	Authorizer *LambdaAuthorizer
	// The rest is as in Config.
	// Stage defaults to "prod".
	Stage                  string
	StageVariables         map[string]string
	APIID, Region, Account string
	// Timeout bounds a call of a function.
	// Defaults to 29 s.
	Timeout    time.Duration
	Now        func() time.Time
	OnDecision func(Decision)
}

// maxMessage is the largest message of a WebSocket API, in bytes.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
const maxMessage = 128 << 10

// A WebSocket is a simulated WebSocket API.
type WebSocket struct {
	g         *Gateway
	functions map[string]Function
	member    string
}

// NewWebSocket checks the configuration and builds the API.
func NewWebSocket(cfg WebSocketConfig) (*WebSocket, error) {
	setDefault(&cfg.RouteSelection, "$request.body.action")
	setDefault(&cfg.Stage, "prod")
	setDefault(&cfg.Timeout, 29*time.Second)
	member, ok := strings.CutPrefix(cfg.RouteSelection, "$request.body.")
	if !ok || member == "" {
		return nil, errors.New(`lambdatest: WebSocketConfig.RouteSelection must be "$request.body.<member>"`)
	}
	if len(cfg.Routes) == 0 {
		return nil, errors.New("lambdatest: WebSocketConfig.Routes is empty: add a function")
	}
	for key, f := range cfg.Routes {
		if f == nil || key == "" {
			return nil, fmt.Errorf("lambdatest: WebSocketConfig.Routes[%q] needs a name and a function", key)
		}
	}
	if cfg.Timeout < 0 {
		return nil, errors.New("lambdatest: WebSocketConfig.Timeout must not be negative")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	setDefault(&cfg.APIID, "a1b2c3d4e5")
	setDefault(&cfg.Region, defaultRegion)
	setDefault(&cfg.Account, defaultAccount)
	g := &Gateway{
		cfg: Config{Type: REST, Stage: cfg.Stage, StageVariables: cfg.StageVariables, APIID: cfg.APIID, Region: cfg.Region,
			Account: cfg.Account, Timeout: cfg.Timeout, Now: cfg.Now, OnDecision: cfg.OnDecision},
		guards: map[RouteAuthorizer]guard{}, domain: cfg.APIID + ".execute-api." + cfg.Region + ".amazonaws.com", websocket: true,
	}
	connect := &route{Route: Route{Path: "$connect", Function: cfg.Routes["$connect"]}}
	if cfg.Authorizer != nil {
		guard, err := cfg.Authorizer.compile(g, &connect.Route)
		if err != nil {
			return nil, fmt.Errorf("lambdatest: WebSocketConfig.Authorizer: %w", err)
		}
		connect.guard = guard
	}
	g.routes = []*route{connect}
	return &WebSocket{g: g, functions: cfg.Routes, member: member}, nil
}

// A Conn is one connection.
type Conn struct {
	// ID is the connectionId.
	ID string

	ws          *WebSocket
	connectedAt time.Time
	sourceIP    string
	userAgent   string
	authorizer  map[string]any
}

// Connect does the handshake: the authorizer, then the function of $connect. The connection is not nil if the status of
// the response is 101. The path of the request is the stage, or "/".
//
// Of the function's headers, only Sec-WebSocket-Protocol is sent back.
//
// Source:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
func (ws *WebSocket) Connect(r *http.Request) (*Conn, *http.Response) {
	g := ws.g
	c := &call{g: g, r: r, method: r.Method, requestID: newID(), time: g.cfg.Now(), route: g.routes[0], fullPath: r.URL.EscapedPath(), path: "$connect"}
	c.sourceIP = hostOf(r.RemoteAddr)
	c.header = g.forwarded(r, c.sourceIP)
	conn := &Conn{ID: shortID(newID(), 12) + "=", ws: ws, connectedAt: c.time, sourceIP: c.sourceIP, userAgent: r.UserAgent()}
	c.conn = conn
	if headerSize(r) > maxHeaders {
		return nil, ws.response(c, &refusal{status: http.StatusRequestHeaderFieldsTooLarge, message: "Request Header Fields Too Large"})
	}
	if refused := g.authorize(r.Context(), c); refused != nil {
		return nil, ws.response(c, refused)
	}
	conn.authorizer = c.authorizer
	res := &http.Response{StatusCode: http.StatusSwitchingProtocols, Header: http.Header{"Upgrade": {"websocket"}, "Connection": {"upgrade"}}, Body: http.NoBody}
	if f := ws.functions["$connect"]; f != nil {
		out, refused := ws.call(r.Context(), f, c.connectEvent())
		if refused != nil {
			return nil, ws.response(c, refused)
		}
		answer, err := g.answerV1(c, out)
		if err != nil {
			return nil, ws.response(c, badGateway(REST, err.Error()))
		}
		if answer.status < 200 || answer.status > 299 { // the status goes to the client, the body does not
			return nil, ws.response(c, &refusal{status: answer.status, message: http.StatusText(answer.status)})
		}
		if p := answer.header["Sec-Websocket-Protocol"]; p != nil {
			res.Header["Sec-Websocket-Protocol"] = p
		}
	}
	res.Status = "101 Switching Protocols"
	return conn, res
}

// Send sends a message, and returns what the function returned, for routes that answer. A message that is not JSON, or
// names no route, goes to $default.
func (cn *Conn) Send(ctx context.Context, message []byte) ([]byte, error) {
	if len(message) > maxMessage {
		return nil, fmt.Errorf("lambdatest: a message of %d bytes: at most %d are allowed", len(message), maxMessage)
	}
	key := cn.ws.routeKey(message)
	f := cn.ws.functions[key]
	if f == nil {
		return nil, errors.New("lambdatest: no route for this message, and no $default: API Gateway answers Forbidden")
	}
	rc := cn.context("MESSAGE", key)
	rc["messageId"] = shortID(newID(), 12) + "="
	body, binary := encodeBody(message, false)
	out, refused := cn.ws.call(ctx, f, map[string]any{"requestContext": rc, "body": body, "isBase64Encoded": binary})
	if refused != nil {
		return nil, fmt.Errorf("lambdatest: API Gateway answers %s: %s", refused.message, refused.reason)
	}
	return out, nil
}

// Close ends the connection and calls the function of $disconnect, if there is one. code is a status of RFC 6455
// section 7.4, such as 1000.
func (cn *Conn) Close(ctx context.Context, code int, reason string) error {
	f := cn.ws.functions["$disconnect"]
	if f == nil {
		return nil
	}
	rc := cn.context("DISCONNECT", "$disconnect")
	rc["disconnectStatusCode"], rc["disconnectReason"] = code, reason
	headers, multi := map[string]string{}, map[string][]string{}
	for k, v := range map[string]string{"Host": cn.ws.g.domain, "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""} {
		headers[k], multi[k] = v, []string{v}
	}
	_, refused := cn.ws.call(ctx, f, map[string]any{"headers": headers, "multiValueHeaders": multi, "requestContext": rc, "isBase64Encoded": false})
	if refused != nil {
		return fmt.Errorf("lambdatest: the function of $disconnect: %s", refused.reason)
	}
	return nil
}

func (ws *WebSocket) routeKey(message []byte) string {
	var m map[string]any
	if json.Unmarshal(message, &m) == nil {
		if key, ok := m[ws.member].(string); ok && !strings.HasPrefix(key, "$") && ws.functions[key] != nil {
			return key
		}
	}
	return "$default"
}

// call invokes a function with an event.
func (ws *WebSocket) call(ctx context.Context, f Function, doc map[string]any) ([]byte, *refusal) {
	event, err := json.Marshal(doc)
	if err != nil {
		return nil, internalError(err.Error())
	}
	ctx, cancel := context.WithTimeout(ctx, ws.g.cfg.Timeout)
	defer cancel()
	out, err := f.Invoke(ctx, event)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, &refusal{status: http.StatusGatewayTimeout, message: "Endpoint request timed out", reason: err.Error()}
	case err != nil:
		return nil, badGateway(REST, err.Error())
	}
	return out, nil
}

func (ws *WebSocket) response(c *call, f *refusal) *http.Response {
	body := f.body()
	return &http.Response{
		StatusCode: f.status, Status: fmt.Sprintf("%d %s", f.status, http.StatusText(f.status)),
		Header:        http.Header{"Content-Type": {"application/json"}, "X-Amzn-Requestid": {c.requestID}},
		Body:          io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)),
	}
}

// connectEvent is the event of $connect, and with the members of an authorizer its event too.
func (c *call) connectEvent() map[string]any {
	single, multi := c.caseHeaders()
	doc := map[string]any{"headers": single, "multiValueHeaders": multi, "isBase64Encoded": false}
	if q := c.query(url.QueryUnescape); len(q) > 0 {
		doc["queryStringParameters"], doc["multiValueQueryStringParameters"] = lastOf(q), multiOf(q)
	}
	if len(c.g.cfg.StageVariables) > 0 {
		doc["stageVariables"] = c.g.cfg.StageVariables
	}
	c.conn.authorizer = c.authorizer
	doc["requestContext"] = c.conn.context("CONNECT", "$connect")
	return doc
}

func (cn *Conn) context(event, routeKey string) map[string]any {
	cfg, now, id := &cn.ws.g.cfg, cn.ws.g.cfg.Now(), newID()
	rc := map[string]any{
		"apiId": cfg.APIID, "stage": cfg.Stage, "domainName": cn.ws.g.domain,
		"connectionId": cn.ID, "connectedAt": cn.connectedAt.UnixMilli(),
		"eventType": event, "routeKey": routeKey, "messageDirection": "IN",
		"requestId": id, "extendedRequestId": id,
		"requestTime": now.UTC().Format(clfTime), "requestTimeEpoch": now.UnixMilli(),
		"identity": map[string]any{"sourceIp": cn.sourceIP, "userAgent": cn.userAgent},
	}
	if cn.authorizer != nil {
		rc["authorizer"] = cn.authorizer
	}
	return rc
}
