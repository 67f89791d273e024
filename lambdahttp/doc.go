// Package lambdahttp serves an http.Handler on AWS Lambda.
//
//	func main() {
//		mux := http.NewServeMux()
//		auth.Mount(mux)
//		mux.Handle("GET /me", user.Require(me))
//		lambdahttp.Start(mux) // http.ListenAndServe(":8080", mux) elsewhere: the same handler
//	}
//
// It understands what sends HTTP requests to functions: API Gateway (REST APIs; HTTP APIs with payload format 1.0 or
// 2.0), function URLs, and Application Load Balancers with or without multi-value headers. Each event tells which of
// them it is, so one binary serves all. Anything else goes to Config.Fallback or is refused with ErrNotHTTP.
//
// # The request
//
// A handler finds what it would find behind net/http. The path has no stage: /dev/users of an HTTP API's generated URL
// is /users. Base paths of custom domains are for Config.StripPath and Config.AddPath. URL.Path is decoded and
// EscapedPath is what the client sent, but for HTTP APIs, which decode paths before anybody sees them: there %2F and a
// slash are one. RemoteAddr is the address the platform saw, with port 0: never that of a header, but for load
// balancers, which have no other place for it and append it to X-Forwarded-For (with their attribute
// routing.http.xff_header_processing.mode at its default, append). TLS is not nil where the client used https.
// The order of query parameters is the client's with payload 2.0 and function URLs, and by name elsewhere.
//
// The context ends with the request, and half a second or less before Lambda's deadline. [From] gives the rest of the
// event: stage, request id, and what an authorizer in front of the function found out. No header carries any of that, so
// no client can make it up. lambdacontext.FromContext of aws-lambda-go works too.
//
// # The answer
//
// It leaves when the handler has returned: Flush does nothing, informational answers (1xx) and trailers are not sent,
// and a goroutine that writes later gets an error. Several cookies go out as several Set-Cookie on every kind but load
// balancers without multi-value headers: there they differ by the case of the name, which AWS doesn't promise to keep
// apart. Turn on lambda.multi_value_headers.enabled. Bodies that are UTF-8 and not compressed are sent as text, others
// as base64; a REST API passes the latter on decoded only where its binaryMediaTypes match. Content-Length is left to
// the gateway.
//
// Malformed requests are 400 and don't reach the handler. A panic is a 500 and is logged; the process lives on. An
// answer over 6 MiB (1 MiB for load balancers) is a 500 as well: Lambda would drop it.
//
// # Stores
//
// Lambda starts as many processes as there are requests at once, and ends them at will. A store.Memory below a request
// therefore answers store.ErrLocal, unless Config.AllowLocalStore is set.
package lambdahttp
