locals {
  # Clients look for the metadata of RFC 8414, and some for those of OpenID Connect, before the path of the issuer.
  issuer_paths = [
    "/${local.base}", "/${local.base}/{proxy+}", "/.well-known/oauth-authorization-server/${local.base}",
    "/.well-known/openid-configuration/${local.base}", "/.well-known/change-password", "/.well-known/passkey-endpoints",
    "/.well-known/webauthn",
  ]
  # The route, and not the path or the query: both can contain codes and tokens.
  access_log = jsonencode({
    requestId    = "$context.requestId", time = "$context.requestTime", route = "$context.routeKey", status = "$context.status",
    milliseconds = "$context.responseLatency", error = "$context.integrationErrorMessage"
  })
  http = 1 - local.waf # the kind of the API
}

# The address of the issuer. It has one, so the generated address is off. CORS is answered by the function, which has the
# exact origins; a setting of the API would replace its headers.
resource "aws_apigatewayv2_api" "issuer" {
  count                        = local.http
  name                         = "${local.name}-auth"
  protocol_type                = "HTTP"
  disable_execute_api_endpoint = true
}

resource "aws_apigatewayv2_integration" "issuer" {
  count                  = local.http
  api_id                 = aws_apigatewayv2_api.issuer[0].id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.function["auth"].invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "issuer" {
  for_each  = toset(local.http == 1 ? local.issuer_paths : [])
  api_id    = aws_apigatewayv2_api.issuer[0].id
  route_key = "ANY ${each.value}"
  target    = "integrations/${aws_apigatewayv2_integration.issuer[0].id}"
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/apigateway/${local.name}-auth"
  retention_in_days = var.log_days
}

resource "aws_apigatewayv2_stage" "issuer" {
  count       = local.http
  api_id      = aws_apigatewayv2_api.issuer[0].id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit  = 200
    throttling_burst_limit = 400
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format          = local.access_log
  }
}

resource "aws_lambda_permission" "issuer" {
  function_name = aws_lambda_function.function["auth"].function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${local.http == 1 ? aws_apigatewayv2_api.issuer[0].execution_arn : aws_api_gateway_rest_api.issuer[0].execution_arn}/*"
}

resource "aws_apigatewayv2_domain_name" "issuer" {
  domain_name = local.host
  domain_name_configuration {
    certificate_arn = var.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

resource "aws_apigatewayv2_api_mapping" "issuer" {
  api_id      = local.http == 1 ? aws_apigatewayv2_api.issuer[0].id : aws_api_gateway_rest_api.issuer[0].id
  domain_name = aws_apigatewayv2_domain_name.issuer.id
  stage       = local.http == 1 ? aws_apigatewayv2_stage.issuer[0].id : aws_api_gateway_stage.issuer[0].stage_name
}

resource "aws_route53_record" "issuer" {
  count   = var.hosted_zone_id == "" ? 0 : 1
  zone_id = var.hosted_zone_id
  name    = local.host
  type    = "A"
  alias {
    name                   = aws_apigatewayv2_domain_name.issuer.domain_name_configuration[0].target_domain_name
    zone_id                = aws_apigatewayv2_domain_name.issuer.domain_name_configuration[0].hosted_zone_id
    evaluate_target_health = false
  }
}
