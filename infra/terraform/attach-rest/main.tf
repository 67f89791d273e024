# The authorizer in front of a REST API. Give OPTIONS no authorizer, because a preflight has no token.
terraform {
  required_version = ">= 1.11.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100.0"
    }
  }
}

variable "api" {
  description = "The REST API."
  type        = object({ id = string, execution_arn = string })
}

variable "authorizer" {
  description = "The output authorizer of the auth server."
  type        = object({ name = string, invoke_arn = string })
}

variable "origin" {
  description = "Origin of the pages that call the API, such as https://app.example.com."
  type        = string
  validation {
    condition     = can(regex("^https://[^*/,]+$", var.origin))
    error_message = "Write the origin as a browser sends it, such as https://app.example.com."
  }
}

variable "resource_metadata" {
  description = "URL of the metadata of the API (RFC 9728), which refusals name in WWW-Authenticate. Your program serves it, by a route without an authorizer. Empty, if it has none."
  type        = string
  default     = ""
  validation {
    condition     = can(regex("^(https://[^\"'\\\\\\s]+)?$", var.resource_metadata))
    error_message = "Write an https URL, such as https://api.example.com/.well-known/oauth-protected-resource."
  }
}

locals {
  metadata = var.resource_metadata == "" ? [] : ["resource_metadata=\"${var.resource_metadata}\""]
  # Without the origin, pages cannot read the status of what API Gateway answers itself.
  cors = {
    "gatewayresponse.header.Access-Control-Allow-Origin"      = "'${var.origin}'"
    "gatewayresponse.header.Access-Control-Allow-Credentials" = "'true'"
  }
  expose = { "gatewayresponse.header.Access-Control-Expose-Headers" = "'WWW-Authenticate'" }
  responses = {
    DEFAULT_4XX = { status = null, headers = {}, body = null }
    DEFAULT_5XX = { status = null, headers = {}, body = null }
    UNAUTHORIZED = {
      status = "401", headers = merge(local.expose, { "gatewayresponse.header.WWW-Authenticate" = "'${join(" ", concat(["Bearer"], local.metadata))}'" })
      body   = { "application/json" = jsonencode({ error = "unauthorized" }) }
    }
    ACCESS_DENIED = {
      status  = "403"
      headers = merge(local.expose, { "gatewayresponse.header.WWW-Authenticate" = "'Bearer ${join(", ", concat(["error=\"insufficient_scope\""], local.metadata))}'" })
      body    = { "application/json" = jsonencode({ error = "insufficient_scope" }) }
    }
  }
}

resource "aws_api_gateway_authorizer" "postern" {
  rest_api_id     = var.api.id
  name            = "postern"
  type            = "TOKEN"
  authorizer_uri  = var.authorizer.invoke_arn
  identity_source = "method.request.header.Authorization" # gateway.RESTSource
  # gateway.IdentityValidation: API Gateway refuses anything but a Bearer token without an invocation.
  identity_validation_expression   = "^[Bb][Ee][Aa][Rr][Ee][Rr] +[-0-9A-Za-z_]+\\.[-0-9A-Za-z_]+\\.[-0-9A-Za-z_]+$"
  authorizer_result_ttl_in_seconds = 60 # gateway.TTL: how long an answer is kept
}

resource "aws_lambda_permission" "postern" {
  statement_id  = "authorizer-of-${var.api.id}"
  function_name = var.authorizer.name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${var.api.execution_arn}/authorizers/${aws_api_gateway_authorizer.postern.id}"
}

resource "aws_api_gateway_gateway_response" "postern" {
  for_each            = local.responses
  rest_api_id         = var.api.id
  response_type       = each.key
  status_code         = each.value.status
  response_parameters = merge(local.cors, each.value.headers)
  response_templates  = each.value.body
}

output "id" {
  description = "authorizer_id of methods, with authorization CUSTOM."
  value       = aws_api_gateway_authorizer.postern.id
}

output "responses" {
  description = "A text that changes with the gateway responses and the authorizer, for the triggers of a deployment."
  value       = sha256(jsonencode([filesha256("${path.module}/main.tf"), var.origin, var.authorizer.invoke_arn, var.resource_metadata]))
}
