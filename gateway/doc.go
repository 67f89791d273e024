// Package gateway puts sessions in front of functions: Lambda authorizers for API Gateway and AppSync, and the session
// of the caller for the function behind them.
//
//	sessions, err := session.New(session.Config{Issuer: issuer, Audience: "api", Keys: remote})
//	user := session.NewKind[User](sessions, "user")
//
//	authorizer, err := gateway.New(gateway.Config{Guard: user})
//	authorizer.Start() // on Lambda: answers events until the process ends
//
// One function serves REST APIs (TOKEN and REQUEST), HTTP APIs (payload format 1.0 and 2.0), WebSocket APIs ($connect)
// and AppSync: the event shows which of them asks. Config.Guard may also be a session.External, for tokens of another
// issuer, or session.AnyOf, for several kinds.
//
// # What a session may call
//
// Without Routes, a session may call everything in the API's stage. With Routes, each route has its own needs, and a
// request that matches no route is refused:
//
//	Routes: []gateway.Route{
//		{Method: "GET", Path: "/orders/*", Needs: []session.Need{session.Scope("orders:read")}},
//		{Path: "/admin/*", Needs: []session.Need{session.Role("admin")}},
//	},
//
// REST APIs, and HTTP APIs with format 1.0 or with Config.Policies, get a policy that covers all routes. API Gateway
// keeps a policy for five minutes by default and uses it for other routes than the one it was made for. Nothing of a
// request is ever copied into a policy: a "*" in its path would be a wildcard there. HTTP APIs with format 2.0 get a
// yes or a no, which API Gateway keeps too. With Routes, [HTTPRouteSource] must then be among the identity sources;
// Invoke returns an error if it is not.
//
// A program behind API Gateway may read a path in another way than API Gateway compares it: "/%61dmin" is "/admin"
// after decoding. If something is closed to a session, such spellings are refused.
//
// # Caches
//
// An answer may depend only on its cache key. So the authorizer reads only the Authorization header, and no cookie,
// unless [Config].Uncached promises that API Gateway keeps no answers. API Gateway keeps an answer for the time of
// its setting, even if the session ends meanwhile: see [TTL].
//
// # Refusals
//
//   - No token, or a bad one: 401, or as [OnInvalid] says. AWS documents no 401 for HTTP APIs.
//   - A need that is not met: 403. A need for a newer sign-in is a 401 where the answer is not kept.
//   - Keys or store unavailable, a wrong configuration, an answer larger than API Gateway takes: 500.
//
// An authorizer never refreshes cookies. The client gets 401, calls POST {issuer}/refresh, and tries again.
//
// The context of a refusal has error, such as "insufficient_scope", and body, the JSON that a handler would have
// answered, for gateway responses: $context.authorizer.body. Where answers may be kept, body names no needs: they could
// be those of another route.
//
// # The function behind
//
// The context of an allowed request has strings and numbers with the names of claims: iss, aud, sub, sid, jti, type,
// client_id, scope, roles, amr (lists are separated by spaces), auth_time, iat, exp, properties as JSON text, and, if
// the token has them, rights_version and actor (the sub of act). The principal is the subject. The token is never in
// it. [FromAuthorizer] makes a typed session of this context, or of the claims of a JWT authorizer; [Read] does so for
// events that are not HTTP requests. Behind the JWT authorizer of an HTTP API all claims are strings, and not every
// type of session can be read from strings: see [ErrStrings].
//
//	mux.Handle("GET /orders", gateway.FromAuthorizer(user).Require(orders))
//	lambdahttp.Start(mux)
//
// Sources:
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html,
// https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html,
// https://docs.aws.amazon.com/appsync/latest/devguide/security-authz.html
package gateway
