# Runs without credentials and without AWS: terraform test
mock_provider "aws" {}

variables {
  api        = { id = "a1b2c3d4e5", execution_arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5" }
  authorizer = { name = "shop-prod-authorizer", invoke_arn = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-west-1:123456789012:function:shop-prod-authorizer/invocations" }
  origin     = "https://app.example.com"
}

run "refusals_are_a_challenge" {
  command = plan
  module {
    source = "./attach-rest"
  }
  assert {
    condition = [
      for name in ["UNAUTHORIZED", "ACCESS_DENIED"] :
      aws_api_gateway_gateway_response.postern[name].response_parameters["gatewayresponse.header.WWW-Authenticate"]
    ] == ["'Bearer'", "'Bearer error=\"insufficient_scope\"'"]
    error_message = "Clients find out by WWW-Authenticate what is missing."
  }
}

run "refusals_name_the_metadata" {
  command = plan
  module {
    source = "./attach-rest"
  }
  variables {
    resource_metadata = "https://api.example.com/.well-known/oauth-protected-resource"
  }
  assert {
    condition = [
      for name in ["UNAUTHORIZED", "ACCESS_DENIED"] :
      aws_api_gateway_gateway_response.postern[name].response_parameters["gatewayresponse.header.WWW-Authenticate"]
      ] == [
      "'Bearer resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource\"'",
      "'Bearer error=\"insufficient_scope\", resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource\"'",
    ]
    error_message = "Clients find the metadata of the API by WWW-Authenticate."
  }
}

run "metadata_is_a_url" {
  command = plan
  module {
    source = "./attach-rest"
  }
  variables {
    resource_metadata = "https://api.example.com/'x"
  }
  expect_failures = [var.resource_metadata]
}
