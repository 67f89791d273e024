// Package lambdahttp serves an http.Handler on AWS Lambda.
//
//	func main() {
//		mux := http.NewServeMux()
//		auth.Mount(mux)
//		mux.Handle("GET /me", user.Require(me))
//		lambdahttp.Start(mux) // http.ListenAndServe(":8080", mux) elsewhere: the same handler
//	}
//
// It takes the events of API Gateway (REST APIs; HTTP APIs with payload format 1.0 or 2.0), function URLs, and
// Application Load Balancers with or without multi-value headers. Each event shows which of them sent it, so one binary
// serves all. Other events go to Config.Fallback, or are refused with ErrNotHTTP.
//
// # The request
//
// A handler gets the request that net/http would give it. The path has no stage: /dev/users of an HTTP API's generated
// URL is /users. Config.StripPath and Config.AddPath are for base paths of custom domains. The path is the one that an
// authorizer in front has compared.
//
// URL.Path is decoded, and EscapedPath is what the client sent. HTTP APIs are different: they decode a path before a
// function gets it, so %2F and a slash are the same there. RemoteAddr is the address that the platform saw, with port
// 0, never that of a header. For load balancers it is the last entry of X-Forwarded-For, which they append (with
// their attribute routing.http.xff_header_processing.mode at its default, append). TLS is not nil if the client used
// https. Query parameters are in the client's order with payload 2.0 and function URLs, and sorted by name elsewhere.
//
// The context ends with the request, and at most half a second before Lambda's deadline. [From] returns the rest of the
// event: stage, request id, and the context of an authorizer in front of the function. None of that is in a header, so
// no client can forge it. lambdacontext.FromContext of aws-lambda-go works too.
//
// # The answer
//
// The answer is sent when the handler has returned: Flush does nothing, informational answers (1xx) and trailers are
// not sent, and a goroutine that writes later gets an error. Several cookies are sent as several Set-Cookie headers.
// Load balancers without multi-value headers take one header of a name: for them the names differ by letter case,
// which works, but AWS does not document it. Turn on lambda.multi_value_headers.enabled. Bodies that are UTF-8 and
// not compressed are sent as text, others as base64; a REST API decodes the latter only for types under its
// binaryMediaTypes. The gateway sets Content-Length.
//
// Malformed requests are answered 400 and don't reach the handler. A panic is answered 500 and logged; the process
// lives on. An answer over 6 MiB (1 MiB for load balancers) is a 500 as well: Lambda would drop it.
//
// # Stores and keys
//
// Lambda starts one process for each request at the same time, and ends them at any time. So below a request a
// store.Memory returns store.ErrLocal, and a key ring that belongs to one process returns keys.ErrLocal, unless
// [Config].AllowLocal is set. Keep the ring in the store of the sessions, with a keys.StoreVault.
package lambdahttp
