# The authorizer in front of an HTTP API. Set cors_configuration of the API to the exact origins: API Gateway answers
# preflights itself, before the authorizer.
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
  description = "The HTTP API."
  type        = object({ id = string, execution_arn = string })
}

variable "authorizer" {
  description = "The output authorizer of the auth server."
  type        = object({ name = string, invoke_arn = string })
}

resource "aws_apigatewayv2_authorizer" "postern" {
  api_id                            = var.api.id
  name                              = "postern"
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = var.authorizer.invoke_arn
  authorizer_payload_format_version = "2.0"
  enable_simple_responses           = true
  identity_sources                  = ["$request.header.Authorization"] # gateway.HTTPSource
  authorizer_result_ttl_in_seconds  = 60                                # gateway.TTL: how long an answer is kept
}

resource "aws_lambda_permission" "postern" {
  statement_id  = "authorizer-of-${var.api.id}"
  function_name = var.authorizer.name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${var.api.execution_arn}/authorizers/${aws_apigatewayv2_authorizer.postern.id}"
}

output "id" {
  description = "authorizer_id of routes, with authorization_type CUSTOM."
  value       = aws_apigatewayv2_authorizer.postern.id
}
