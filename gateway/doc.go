// Package gateway puts sessions in front of functions: Lambda authorizers for API Gateway and AppSync, and for the
// function behind them the session that the authorizer let in.
//
//	sessions, err := session.New(session.Config{Issuer: issuer, Audience: "api", Keys: remote})
//	user := session.NewKind[User](sessions, "user")
//
//	authorizer, err := gateway.New(gateway.Config{Guard: user})
//	authorizer.Start() // on Lambda: asks for events until the process ends
//
// One function serves REST APIs (TOKEN and REQUEST), HTTP APIs (payload format 1.0 and 2.0), WebSocket APIs ($connect)
// and AppSync: each event tells which it is. Tokens of other issuers pass by a session.Foreign, several kinds by
// session.AnyOf.
//
// # What may be called
//
// Without Routes, a session may call all of the API's stage. With them, each has needs of its own, and what none of them
// fits is refused:
//
//	Routes: []gateway.Route{
//		{Method: "GET", Path: "/orders/*", Needs: []session.Need{session.Scope("orders:read")}},
//		{Path: "/admin/*", Needs: []session.Need{session.Role("admin")}},
//	},
//
// REST, WebSocket and 1.0 are answered by a policy that says what this session may call on all routes, since API
// Gateway keeps the policy, by default for five minutes, and asks it about other routes than the one it was made for.
// Nothing of the request is ever copied into it: a "*" in a path would be a wildcard there. HTTP APIs with format 2.0
// want a yes or no, which API Gateway keeps as well; with Routes, [HTTPRouteSource] must be among the identity sources,
// and Invoke says so if it is not.
//
// # Caches
//
// An answer may depend on nothing but what it is kept by. Unless Config.Uncached says that nothing is kept, the
// Authorization header is all that is looked at, and cookies are not read. API Gateway keeps an answer for as long as
// it is set to, whatever becomes of the token meanwhile: see [TTL].
//
// # Refusals
//
// No token, or none that is good: 401 (or as [OnInvalid] says; AWS documents no 401 for HTTP APIs). Needs that are not
// met: 403, but 401 for a newer sign-in where the answer is not kept. Keys or a store out of
// reach, a misconfiguration, a result larger than API Gateway takes: 500. Cookies are never refreshed here; the client
// is told 401, asks POST {issuer}/refresh, and tries again.
//
// A denied request has in its context error, such as "insufficient_scope", and body, the JSON that a handler would
// have answered, for gateway responses: $context.authorizer.body. Where results may be cached the body names no needs,
// for they could be those of another route.
//
// # The function behind
//
// The context of a request that is let through has strings and numbers named as claims are: iss, aud, sub, sid, jti,
// type, client_id, scope, roles, amr (separated by spaces), auth_time, iat, exp, and properties as JSON text. The
// principal is the subject. No token is in it. [Trusted] makes a typed session of that, or of what a JWT authorizer
// says, and [Read] does for events that are no HTTP requests. Behind the JWT authorizer of an HTTP API all claims are
// strings, which does not do for each type of a session: see [ErrStrings].
//
//	mux.Handle("GET /orders", gateway.Trusted(user).Require(orders))
//	lambdahttp.Start(mux)
//
// Sources:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html,
// https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html
package gateway
