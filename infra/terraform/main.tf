data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  name = "${var.app}-${var.stage}"
  host = split("/", var.issuer)[2]
  base = split("/", var.issuer)[3]

  partition = data.aws_partition.current.partition
  place     = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"

  # ARNs are made of names, so that a plan shows each policy as it will be.
  table_arn   = "arn:${local.partition}:dynamodb:${local.place}:table/${local.name}-auth"
  queue_arn   = "arn:${local.partition}:sqs:${local.place}:${local.name}-rotator-failures"
  rotator_arn = "arn:${local.partition}:lambda:${local.place}:function:${local.name}-rotator"
  keys_arn    = "arn:${local.partition}:ssm:${local.place}:parameter/${var.app}/${var.stage}/auth/keys"
  secrets_arn = "arn:${local.partition}:ssm:${local.place}:parameter/postern/${var.app}/${var.stage}"

  environment = {
    POSTERN_APP       = var.app
    POSTERN_STAGE     = var.stage
    POSTERN_ISSUER    = var.issuer
    POSTERN_AUDIENCE  = var.audience
    POSTERN_ORIGINS   = join(",", var.origins)
    POSTERN_REDIRECTS = jsonencode(var.redirects) # an address may have a comma
    POSTERN_STORE     = "dynamodb:${aws_dynamodb_table.auth.name}"
    POSTERN_VAULT     = "ssm:/${var.app}/${var.stage}/auth/keys"
    POSTERN_SEAL      = var.seal
    POSTERN_MAIL_FROM = var.mail_from
  }

  functions = {
    auth = {
      archive = "auth.zip", memory = 1024, timeout = 10, environment = local.environment
    }
    authorizer = {
      archive = "authorizer.zip", memory = 256, timeout = 5
      environment = {
        POSTERN_ISSUER           = var.issuer
        POSTERN_AUDIENCE         = var.audience
        POSTERN_IDENTITY_SOURCES = "$request.header.Authorization,method.request.header.Authorization"
      }
    }
    rotator = {
      archive = "auth.zip", memory = 1024, timeout = 60, environment = merge(local.environment, { POSTERN_ROTATE = "720h" })
    }
  }
}

resource "aws_dynamodb_table" "auth" {
  name                        = "${local.name}-auth"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "pk"
    type = "S"
  }
  attribute {
    name = "sk"
    type = "S"
  }
  ttl {
    attribute_name = "expiry"
    enabled        = true
  }
  point_in_time_recovery {
    enabled = true
  }
}

resource "aws_cloudwatch_log_group" "function" {
  for_each          = local.functions
  name              = "/aws/lambda/${local.name}-${each.key}"
  retention_in_days = var.log_days
}

resource "aws_lambda_function" "function" {
  for_each         = local.functions
  function_name    = "${local.name}-${each.key}"
  role             = aws_iam_role.function[each.key].arn
  runtime          = "provided.al2023"
  architectures    = ["arm64"]
  handler          = each.key # the same archive is the auth function or the rotator
  filename         = "${var.dist}/${each.value.archive}"
  source_code_hash = filebase64sha256("${var.dist}/${each.value.archive}")
  memory_size      = each.value.memory # the share of a processor follows it; hashes of passwords and RSA signatures need it
  timeout          = each.value.timeout

  # JSON, so that metrics in the embedded format are read. A level above INFO would drop them.
  logging_config {
    log_format            = "JSON"
    application_log_level = "INFO"
    system_log_level      = "WARN"
    log_group             = aws_cloudwatch_log_group.function[each.key].name
  }

  environment {
    variables = each.value.environment
  }

  depends_on = [aws_iam_role_policy.function]
}
