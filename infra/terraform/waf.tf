# With waf_limit, the issuer has a REST API in place of its HTTP API, which WAF cannot protect. A rule refuses an address
# that sends more requests than the limit in five minutes.
locals {
  waf = var.waf_limit > 0 ? 1 : 0

  # Made of a name, so that a plan shows the whole API.
  invoke_arn = "arn:${local.partition}:apigateway:${data.aws_region.current.name}:lambda:path/2015-03-31/functions/arn:${local.partition}:lambda:${local.place}:function:${local.name}-auth/invocations"

  rest_issuer = jsonencode({
    openapi = "3.0.1"
    info    = { title = "${local.name}-auth", version = "1" }
    paths = {
      for path in local.issuer_paths : path => {
        x-amazon-apigateway-any-method = {
          parameters = endswith(path, "{proxy+}") ? [{ name = "proxy", in = "path", required = true, schema = { type = "string" } }] : []
          responses  = {}
          x-amazon-apigateway-integration = {
            type = "aws_proxy", httpMethod = "POST", uri = local.invoke_arn, passthroughBehavior = "when_no_match"
          }
        }
      }
    }
  })
}

resource "aws_api_gateway_rest_api" "issuer" {
  count                        = local.waf
  name                         = "${local.name}-auth"
  body                         = local.rest_issuer
  disable_execute_api_endpoint = true
  binary_media_types           = ["*/*"] # the pages have pictures and compressed files
  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

resource "aws_api_gateway_deployment" "issuer" {
  count       = local.waf
  rest_api_id = aws_api_gateway_rest_api.issuer[0].id
  triggers    = { api = sha256(local.rest_issuer) }
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "issuer" {
  count         = local.waf
  rest_api_id   = aws_api_gateway_rest_api.issuer[0].id
  deployment_id = aws_api_gateway_deployment.issuer[0].id
  stage_name    = "auth"
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format          = replace(local.access_log, "$context.routeKey", "$context.resourcePath")
  }
}

resource "aws_api_gateway_method_settings" "issuer" {
  count       = local.waf
  rest_api_id = aws_api_gateway_rest_api.issuer[0].id
  stage_name  = aws_api_gateway_stage.issuer[0].stage_name
  method_path = "*/*"
  settings {
    throttling_rate_limit  = 200
    throttling_burst_limit = 400
  }
}

resource "aws_wafv2_web_acl" "issuer" {
  count = local.waf
  name  = "${local.name}-auth"
  scope = "REGIONAL"

  default_action {
    allow {}
  }

  rule {
    name     = "rate"
    priority = 0
    action {
      block {
        custom_response {
          response_code = 429
        }
      }
    }
    statement {
      rate_based_statement {
        limit                 = var.waf_limit
        aggregate_key_type    = "IP"
        evaluation_window_sec = 300
      }
    }
    visibility_config {
      cloudwatch_metrics_enabled = true
      metric_name                = "PosternRate"
      sampled_requests_enabled   = false
    }
  }

  visibility_config {
    cloudwatch_metrics_enabled = true
    metric_name                = "PosternIssuer"
    sampled_requests_enabled   = false
  }
}

resource "aws_wafv2_web_acl_association" "issuer" {
  count        = local.waf
  resource_arn = aws_api_gateway_stage.issuer[0].arn
  web_acl_arn  = aws_wafv2_web_acl.issuer[0].arn
}
