package gateway

import "time"

// Settings for templates: what API Gateway is to be told about an authorizer.
const (
	// TTL is a good time to keep results of tokens in a header: authorizerResultTtlInSeconds. A session that ends, and a
	// token that expires, may be let in for so much longer. The default of API Gateway is five times as long. For cookies,
	// for kinds with CheckStore, and for Config.Uncached it must be 0.
	TTL = time.Minute

	// IdentityValidation is a regular expression for the tokens of a REST API's TOKEN authorizer
	// (identityValidationExpression): what is no Bearer token is a 401, and costs no invocation.
	IdentityValidation = `^[Bb][Ee][Aa][Rr][Ee][Rr] +[-0-9A-Za-z_]+\.[-0-9A-Za-z_]+\.[-0-9A-Za-z_]+$`

	// RESTSource is the identity source of a REST API's authorizer.
	RESTSource = "method.request.header.Authorization"

	// HTTPSource is the identity source of an HTTP API's authorizer.
	HTTPSource = "$request.header.Authorization"

	// HTTPRouteSource is the second identity source of an HTTP API's authorizer that says yes or no, if it has Routes:
	// what is cached for one route must not hold for another.
	HTTPRouteSource = "$context.routeKey"
)

const (
	maxResult   = 8 << 10 // of an authorizer
	maxResource = 512     // of a policy, in characters
	minARN      = 64      // what at least comes before the method in a resource, and its quotes
)
