# Runs without credentials and without AWS: terraform test, or tofu test. OpenTofu makes up values in a plan too, so ARNs
# have one here.
mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_region" {
    defaults = { name = "eu-west-1" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/made-up" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-west-1:123456789012:log-group:made-up" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-west-1:123456789012:made-up" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:123456789012:function:made-up" }
  }
  mock_resource "aws_apigatewayv2_api" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:made-up" }
  }
  mock_resource "aws_api_gateway_rest_api" {
    defaults = { execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:made-up" }
  }
}

variables {
  app             = "shop"
  issuer          = "https://auth.example.com/auth"
  certificate_arn = "arn:aws:acm:eu-west-1:123456789012:certificate/1"
  origins         = ["https://app.example.com"]
  redirects       = ["https://app.example.com/"]
  mail_from       = "sign-in@example.com"
  mail_identity   = "example.com"
  dist            = "../dist"
  seal            = "kms:arn:aws:kms:eu-west-1:123456789012:key/1"
}

run "authorizer_reads_no_key" {
  command = plan
  assert {
    condition     = !can(regex("ssm:|dynamodb:|kms:|secretsmanager:", aws_iam_role_policy.function["authorizer"].policy))
    error_message = "The authorizer needs nothing but its log."
  }
  assert {
    condition = alltrue([
      for name in keys(aws_lambda_function.function["authorizer"].environment[0].variables) :
      contains(["POSTERN_ISSUER", "POSTERN_AUDIENCE", "POSTERN_IDENTITY_SOURCES"], name)
    ])
    error_message = "The authorizer gets no more than the address of the issuer."
  }
}

run "table_is_kept" {
  command = plan
  assert {
    condition = alltrue([
      aws_dynamodb_table.auth.deletion_protection_enabled, aws_dynamodb_table.auth.point_in_time_recovery[0].enabled,
      aws_dynamodb_table.auth.ttl[0].enabled, aws_dynamodb_table.auth.ttl[0].attribute_name == "expiry",
    ])
    error_message = "The table needs protection, a way back, and an end of life for items."
  }
}

run "issuer_is_checked" {
  command = plan
  variables {
    issuer = "http://auth.example.com/auth"
  }
  expect_failures = [var.issuer]
}

run "origins_are_exact" {
  command = plan
  variables {
    origins = ["https://*.example.com"]
  }
  expect_failures = [var.origins]
}

run "a_secret_has_a_value" {
  command = plan
  variables {
    secret_names = ["GOOGLE_CLIENT_SECRET"]
    secrets      = { GOOGLE_CLIENT_SECRET = "x" }
  }
}

run "a_secret_that_is_null_is_refused" {
  command = plan
  variables {
    secret_names = ["GOOGLE_CLIENT_SECRET"]
    secrets      = { GOOGLE_CLIENT_SECRET = null }
  }
  expect_failures = [aws_ssm_parameter.secret["GOOGLE_CLIENT_SECRET"]]
}

run "a_secret_that_is_empty_is_refused" {
  command = plan
  variables {
    secret_names = ["GOOGLE_CLIENT_SECRET"]
    secrets      = { GOOGLE_CLIENT_SECRET = " " }
  }
  expect_failures = [aws_ssm_parameter.secret["GOOGLE_CLIENT_SECRET"]]
}

run "a_name_without_a_secret_is_refused" {
  command = plan
  variables {
    secret_names = ["GOOGLE_CLIENT_SECRET"]
  }
  expect_failures = [aws_ssm_parameter.secret["GOOGLE_CLIENT_SECRET"]]
}
