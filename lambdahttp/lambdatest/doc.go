// Package lambdatest runs Lambda functions without AWS, for tests and for a local run: behind an emulator of the
// Lambda Runtime API, and behind a simulated API Gateway. The simulation enforces AWS's rules, above all those on
// authorizers and their caches.
//
// # Functions
//
// A [Function] takes bytes and returns bytes. [Func] is one in this process. [Runtime] runs an unmodified bootstrap
// program in separate processes, and kills them when they take too long:
//
//	rt, err := lambdatest.NewRuntime(lambdatest.RuntimeConfig{Bootstrap: "./bootstrap", Output: os.Stderr})
//	...
//	defer rt.Close()
//	out, err := rt.Invoke(ctx, event)
//
// # Gateways
//
// [Handler] is the shortest way to call a function over HTTP:
//
//	http.ListenAndServe("localhost:3000", lambdatest.Handler(lambdatest.FunctionURL, rt))
//
// [New] builds a gateway with a stage, routes and authorizers: a REST API, an HTTP API with payload format 1.0 or
// 2.0, a function URL, or a load balancer in one of its two header modes. It is an http.Handler, for httptest or a
// server:
//
//	authorizer := &lambdatest.LambdaAuthorizer{Function: lambdatest.Func(authorize), Type: lambdatest.TokenAuthorizer}
//	api, err := lambdatest.New(lambdatest.Config{
//		Type: lambdatest.REST,
//		Routes: []lambdatest.Route{
//			{Method: "GET", Path: "/orders/{id}", Function: orders, Authorizer: authorizer},
//			{Method: "POST", Path: "/orders", Function: orders, Authorizer: authorizer},
//		},
//		Now: clock.Now, // caches expire without waiting
//	})
//
// [WebSocket] and [AppSync] are not plain HTTP; they have methods to call.
//
// # Authorizers
//
// A [LambdaAuthorizer] calls a function, a [JWTAuthorizer] checks tokens by itself. These rules are enforced as AWS
// enforces them; public examples often get them wrong:
//
//   - A result is kept for 300 s under the values of the identity sources, and a kept policy is evaluated for every
//     route that is called. A policy for one method ARN refuses all other routes until it expires.
//   - The yes or no of a simple response is kept too, for all routes.
//   - A missing identity source is a 401, and the function is not called.
//   - The error "Unauthorized" is a 401. Any other error, and a result that breaks a rule, is a 500.
//   - The context holds strings, numbers and booleans; payload format 2.0 takes any JSON. A result has 8 KB at most.
//   - "*" and "?" in a request path end up in the ARN of the method. Copied into a policy, they are wildcards.
//   - JWT authorizers know RSA only, keep keys for two hours, give no leeway, and turn claims into strings.
//
// [Config].OnDecision gets the reason of each refusal, which API Gateway only logs.
//
// # What it does not do
//
// It uses no other package of this module, so its checks are independent. It does not simulate usage plans beyond the
// presence of a key, CORS settings, request validation, mapping templates, mutual TLS, IAM, response streaming or
// throttling. A policy with a Condition, NotAction or NotResource element is refused as malformed, so that no test
// passes by a guess.
//
// Where AWS documents nothing, a comment describes the choice.
package lambdatest
