package gateway

import "time"

// Settings of an authorizer in API Gateway, for templates.
const (
	// TTL is a good authorizerResultTtlInSeconds for tokens in a header. A session that ends, or a token that
	// expires, may be let in for this long afterwards. API Gateway's own default is five minutes. The setting must be
	// 0 for cookies, for kinds with CheckStore, and for Config.Uncached.
	TTL = time.Minute

	// IdentityValidation is a regular expression for the token of a REST API's TOKEN authorizer
	// (identityValidationExpression). API Gateway answers 401 to everything else, without an invocation.
	IdentityValidation = `^[Bb][Ee][Aa][Rr][Ee][Rr] +[-0-9A-Za-z_]+\.[-0-9A-Za-z_]+\.[-0-9A-Za-z_]+$`

	// RESTSource is the identity source of a REST API's authorizer.
	RESTSource = "method.request.header.Authorization"

	// HTTPSource is the identity source of an HTTP API's authorizer.
	HTTPSource = "$request.header.Authorization"

	// HTTPRouteSource is the second identity source of an HTTP API's authorizer with Routes and simple responses: an
	// answer for one route must not be used for another.
	HTTPRouteSource = "$context.routeKey"
)

const (
	maxResult   = 8 << 10 // bytes of an authorizer's answer
	maxResource = 512     // characters of a resource in a policy
	minARN      = 64      // a resource has at least this many bytes before its method, with the quotes
)
