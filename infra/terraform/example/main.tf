# An auth server, and an application behind its authorizer: the same function as an HTTP API and as a REST API.
#
#   ../../build.sh
#   terraform init
#   terraform apply        or: tofu apply
terraform {
  required_version = ">= 1.11.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

variable "region" {
  type    = string
  default = "eu-west-1"
}

variable "issuer" {
  type    = string
  default = "https://auth.example.com/auth"
}

variable "certificate_arn" {
  type = string
}

variable "origin" {
  type    = string
  default = "https://app.example.com"
}

variable "google_client_secret" {
  type      = string
  default   = null
  ephemeral = true
}

variable "alarm_topic_arn" {
  type    = string
  default = ""
}

variable "deletion_protection" {
  type    = bool
  default = true
}

variable "dist" {
  description = "Folder with the archives that build.sh makes."
  type        = string
  default     = "../../dist"
}

provider "aws" {
  region = var.region
}

module "sealing_key" {
  source = "../sealing-key"
  app    = "shop"
}

module "auth" {
  source              = "../"
  app                 = "shop"
  stage               = "prod"
  issuer              = var.issuer
  certificate_arn     = var.certificate_arn
  origins             = [var.origin]
  redirects           = ["${var.origin}/"]
  mail_from           = "sign-in@example.com"
  mail_identity       = "example.com"
  dist                = var.dist
  seal                = module.sealing_key.seal
  secret_names        = ["GOOGLE_CLIENT_SECRET"]
  secrets             = { GOOGLE_CLIENT_SECRET = var.google_client_secret }
  alarm_topic_arn     = var.alarm_topic_arn
  deletion_protection = var.deletion_protection
}

# --- the application ---------------------------------------------------------------------------------------------------

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

resource "aws_cloudwatch_log_group" "api" {
  name              = "/aws/lambda/shop-prod-api"
  retention_in_days = 90
}

resource "aws_iam_role" "api" {
  name = "shop-prod-api"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy" "api" {
  name = "application"
  role = aws_iam_role.api.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid    = "Log"
      Effect = "Allow"
      Action = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = join(":", [
        "arn", data.aws_partition.current.partition, "logs", var.region, data.aws_caller_identity.current.account_id,
        "log-group", "/aws/lambda/shop-prod-api", "*",
      ])
    }]
  })
}

resource "aws_lambda_function" "api" {
  function_name    = "shop-prod-api"
  role             = aws_iam_role.api.arn
  runtime          = "provided.al2023"
  architectures    = ["arm64"]
  handler          = "api"
  filename         = "${var.dist}/api.zip"
  source_code_hash = filebase64sha256("${var.dist}/api.zip")
  memory_size      = 256
  timeout          = 5
  logging_config {
    log_format       = "JSON"
    system_log_level = "WARN"
    log_group        = aws_cloudwatch_log_group.api.name
  }
  environment {
    variables = { POSTERN_ISSUER = module.auth.issuer, POSTERN_AUDIENCE = module.auth.audience }
  }
  depends_on = [aws_iam_role_policy.api]
}

# --- as an HTTP API ----------------------------------------------------------------------------------------------------

resource "aws_apigatewayv2_api" "api" {
  name          = "shop-prod-api"
  protocol_type = "HTTP"
  cors_configuration {
    allow_origins     = [var.origin]
    allow_credentials = true
    allow_methods     = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
    allow_headers     = ["authorization", "content-type"]
    max_age           = 600
  }
}

module "http" {
  source     = "../attach-http"
  api        = aws_apigatewayv2_api.api
  authorizer = module.auth.authorizer
}

resource "aws_apigatewayv2_integration" "api" {
  api_id                 = aws_apigatewayv2_api.api.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_function.api.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "me" {
  api_id             = aws_apigatewayv2_api.api.id
  route_key          = "GET /me"
  target             = "integrations/${aws_apigatewayv2_integration.api.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = module.http.id
}

resource "aws_apigatewayv2_route" "health" {
  api_id    = aws_apigatewayv2_api.api.id
  route_key = "GET /health"
  target    = "integrations/${aws_apigatewayv2_integration.api.id}"
}

resource "aws_apigatewayv2_stage" "api" {
  api_id      = aws_apigatewayv2_api.api.id
  name        = "$default"
  auto_deploy = true
}

resource "aws_lambda_permission" "http" {
  statement_id  = "http"
  function_name = aws_lambda_function.api.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.api.execution_arn}/*"
}

# --- as a REST API -----------------------------------------------------------------------------------------------------

resource "aws_api_gateway_rest_api" "api" {
  name = "shop-prod-api"
  endpoint_configuration {
    types = ["REGIONAL"]
  }
}

module "rest" {
  source     = "../attach-rest"
  api        = aws_api_gateway_rest_api.api
  authorizer = module.auth.authorizer
  origin     = var.origin
}

resource "aws_api_gateway_resource" "me" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  parent_id   = aws_api_gateway_rest_api.api.root_resource_id
  path_part   = "me"
}

resource "aws_api_gateway_method" "me" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  resource_id   = aws_api_gateway_resource.me.id
  http_method   = "GET"
  authorization = "CUSTOM"
  authorizer_id = module.rest.id
}

resource "aws_api_gateway_integration" "me" {
  rest_api_id             = aws_api_gateway_rest_api.api.id
  resource_id             = aws_api_gateway_resource.me.id
  http_method             = aws_api_gateway_method.me.http_method
  type                    = "AWS_PROXY"
  integration_http_method = "POST"
  uri                     = aws_lambda_function.api.invoke_arn
}

resource "aws_api_gateway_method" "preflight" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  resource_id   = aws_api_gateway_resource.me.id
  http_method   = "OPTIONS"
  authorization = "NONE"
}

resource "aws_api_gateway_integration" "preflight" {
  rest_api_id       = aws_api_gateway_rest_api.api.id
  resource_id       = aws_api_gateway_resource.me.id
  http_method       = aws_api_gateway_method.preflight.http_method
  type              = "MOCK"
  request_templates = { "application/json" = jsonencode({ statusCode = 204 }) }
}

locals {
  preflight = {
    "method.response.header.Access-Control-Allow-Origin"      = "'${var.origin}'"
    "method.response.header.Access-Control-Allow-Credentials" = "'true'"
    "method.response.header.Access-Control-Allow-Methods"     = "'GET,HEAD'"
    "method.response.header.Access-Control-Allow-Headers"     = "'authorization,content-type'"
  }
}

resource "aws_api_gateway_method_response" "preflight" {
  rest_api_id         = aws_api_gateway_rest_api.api.id
  resource_id         = aws_api_gateway_resource.me.id
  http_method         = aws_api_gateway_method.preflight.http_method
  status_code         = "204"
  response_parameters = { for name, _ in local.preflight : name => true }
}

resource "aws_api_gateway_integration_response" "preflight" {
  rest_api_id         = aws_api_gateway_rest_api.api.id
  resource_id         = aws_api_gateway_resource.me.id
  http_method         = aws_api_gateway_method.preflight.http_method
  status_code         = aws_api_gateway_method_response.preflight.status_code
  response_parameters = local.preflight
  depends_on          = [aws_api_gateway_integration.preflight]
}

resource "aws_api_gateway_deployment" "api" {
  rest_api_id = aws_api_gateway_rest_api.api.id
  # A deployment is a copy of the API, and is made anew when one of these changes. The methods are in this file: add the
  # files that have more. Their attributes would not do, because AWS answers some of them otherwise than they are written.
  triggers = {
    methods    = filesha256("${path.module}/main.tf")
    responses  = module.rest.responses
    authorizer = module.rest.id
  }
  depends_on = [
    aws_api_gateway_integration.me, aws_api_gateway_integration_response.preflight,
  ]
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "api" {
  rest_api_id   = aws_api_gateway_rest_api.api.id
  deployment_id = aws_api_gateway_deployment.api.id
  stage_name    = "prod"
}

resource "aws_lambda_permission" "rest" {
  statement_id  = "rest"
  function_name = aws_lambda_function.api.function_name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.api.execution_arn}/*"
}

output "authorizer" {
  value = module.auth.authorizer
}

output "key_set" {
  value = module.auth.key_set
}
