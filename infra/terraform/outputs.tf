output "issuer" {
  value = var.issuer
}

output "key_set" {
  value = "${var.issuer}/.well-known/jwks.json"
}

output "audience" {
  value = var.audience
}

output "table" {
  value = aws_dynamodb_table.auth.name
}

output "authorizer" {
  description = "What attach-http and attach-rest need."
  value = {
    name       = aws_lambda_function.function["authorizer"].function_name
    invoke_arn = aws_lambda_function.function["authorizer"].invoke_arn
  }
}

output "domain_target" {
  description = "What a DNS record of the issuer's host points to, if hosted_zone_id is empty."
  value       = aws_apigatewayv2_domain_name.issuer.domain_name_configuration[0].target_domain_name
}
