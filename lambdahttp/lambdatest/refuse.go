package lambdatest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// A GatewayResponse replaces an answer that a REST API gives without a function.
//
// Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-gatewayResponse-definition.html
type GatewayResponse struct {
	// Status replaces the status.
	// Defaults to the status of the response type.
	Status int
	// Headers are added. A value may hold variables, as Body may.
	Headers map[string]string
	// Body is a template with $context.error.message, $context.error.messageString, $context.error.responseType,
	// $context.requestId, $context.authorizer.<key> and $context.authorizer.principalId.
	// Defaults to AWS's body.
	Body string
}

// A refusal is an answer of the gateway, without a function.
type refusal struct {
	status  int
	kind    string // the gateway response type
	message string
	upper   bool // the member is called "Message", as in refusals by a policy
	null    bool // the message is null, as after a failure of an authorizer
	header  map[string]string
	reason  string // for Decision only
}

func internalError(reason string) *refusal {
	return &refusal{status: http.StatusInternalServerError, kind: "API_CONFIGURATION_ERROR", message: "Internal server error", reason: reason}
}

// badGateway is the answer to a function that failed, or whose result the gateway can't read.
//
// AWS documents 502 for all of API Gateway, and so it is here. Reports of live HTTP APIs have 500
// (awslabs/aws-lambda-cpp#117, DataDog/datadog-lambda-js#162): check the class of the status, not the number.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/services-apigateway-errors.html
func badGateway(k APIType, reason string) *refusal {
	message := "Internal server error"
	if k != REST {
		message = "Internal Server Error"
	}
	return &refusal{status: http.StatusBadGateway, kind: "DEFAULT_5XX", message: message, reason: reason}
}

func tooLong(k APIType) *refusal {
	message := "Request Too Long"
	if k != REST {
		message = "Request Entity Too Large"
	}
	return &refusal{status: http.StatusRequestEntityTooLarge, kind: "REQUEST_TOO_LARGE", message: message}
}

func unauthorized(reason string) *refusal {
	return &refusal{status: http.StatusUnauthorized, kind: "UNAUTHORIZED", message: "Unauthorized", reason: reason}
}

// restErrorType is the value of x-amzn-ErrorType that a REST API sends.
func restErrorType(kind string) string {
	switch kind {
	case "UNAUTHORIZED":
		return "UnauthorizedException"
	case "ACCESS_DENIED":
		return "AccessDeniedException"
	case "MISSING_AUTHENTICATION_TOKEN":
		return "MissingAuthenticationTokenException"
	case "INVALID_API_KEY":
		return "ForbiddenException"
	case "AUTHORIZER_CONFIGURATION_ERROR":
		return "AuthorizerConfigurationException"
	case "REQUEST_TOO_LARGE":
		return "RequestTooLargeException"
	}
	return "InternalServerErrorException"
}

func (f *refusal) body() []byte {
	member := "message"
	if f.upper {
		member = "Message"
	}
	var value any = f.message
	if f.null {
		value = nil
	}
	body, err := json.Marshal(map[string]any{member: value})
	if err != nil {
		return nil // a map of strings always marshals
	}
	return body
}

// refuse writes an answer of the gateway.
func (g *Gateway) refuse(w http.ResponseWriter, c *call, f *refusal) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	for k, v := range f.header {
		h.Set(k, v)
	}
	status, body := f.status, f.body()
	switch {
	case g.cfg.Type == REST:
		h.Set("X-Amzn-Errortype", restErrorType(f.kind))
		h.Set("X-Amzn-Requestid", c.requestID)
		if custom, ok := g.gatewayResponse(f); ok {
			setDefault(&custom.Status, status)
			status = custom.Status
			if custom.Body != "" {
				body = []byte(c.expand(custom.Body, f))
			}
			for k, v := range custom.Headers {
				h.Set(k, c.expand(strings.Trim(v, "'"), f)) // a static value is written in quotes
			}
		}
	case g.cfg.Type.http():
		h.Set("Apigw-Requestid", c.requestID)
	case g.cfg.Type == FunctionURL:
		h.Set("X-Amzn-Requestid", c.requestID)
	case g.cfg.Type.alb():
		h.Set("Content-Type", "text/html")
		body = []byte("<html><head><title>" + strconv.Itoa(status) + " " + http.StatusText(status) + "</title></head></html>\r\n")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// gatewayResponse finds the response of a type, else the default of its class.
func (g *Gateway) gatewayResponse(f *refusal) (GatewayResponse, bool) {
	if custom, ok := g.cfg.GatewayResponses[f.kind]; ok {
		return custom, true
	}
	custom, ok := g.cfg.GatewayResponses["DEFAULT_"+strconv.Itoa(f.status/100)+"XX"]
	return custom, ok
}

// expand replaces the variables of a template. A variable without a value is empty, as in API Gateway.
func (c *call) expand(template string, f *refusal) string {
	variable := regexp.MustCompile(`\$context\.[A-Za-z0-9_.-]*[A-Za-z0-9_-]`)
	return variable.ReplaceAllStringFunc(template, func(name string) string {
		name = strings.TrimPrefix(name, "$context.")
		switch name {
		case "error.message":
			return f.message
		case "error.messageString":
			quoted, err := json.Marshal(f.message)
			if err != nil {
				return `""` // a string always marshals
			}
			return string(quoted)
		case "error.responseType":
			return f.kind
		}
		if key, ok := strings.CutPrefix(name, "authorizer."); ok {
			value, _ := c.denied[key].(string) // on a REST API all are
			return value
		}
		value, _ := c.variable(name)
		return value
	})
}
