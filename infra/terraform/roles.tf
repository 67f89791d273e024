# One role for each function: the authorizer reads public keys from the issuer, so it needs nothing but its log.
locals {
  statements = {
    table = {
      Sid    = "Table"
      Effect = "Allow"
      Action = [
        "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem",
        "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem",
      ]
      Resource = local.table_arn
    }
    list_keys = { Sid = "ListKeys", Effect = "Allow", Action = "ssm:GetParametersByPath", Resource = local.keys_arn }
    keys      = { Sid = "Keys", Effect = "Allow", Action = "ssm:GetParameters", Resource = "${local.keys_arn}/*" }
    new_keys = { # a version is written once
      Sid       = "NewKeys", Effect = "Allow", Action = "ssm:PutParameter", Resource = "${local.keys_arn}/*"
      Condition = { StringNotEquals = { "ssm:Overwrite" = "true" } }
    }
    old_keys = { # the rotator alone removes versions that are out of use
      Sid = "OldKeys", Effect = "Allow", Action = ["ssm:GetParametersByPath", "ssm:DeleteParameters"], Resource = "${local.keys_arn}/*"
    }
    secrets = { Sid = "Secrets", Effect = "Allow", Action = "ssm:GetParameters", Resource = "${local.secrets_arn}/*" }
    seal_secret = { # the one secret that the rotator reads
      Sid = "SealSecret", Effect = "Allow", Action = "ssm:GetParameters", Resource = "${local.secrets_arn}/Secret/${trimprefix(var.seal, "secret:")}/value"
    }
    seal = { Sid = "Seal", Effect = "Allow", Action = ["kms:GenerateDataKey", "kms:Decrypt"], Resource = trimprefix(var.seal, "kms:") }
    mail = {
      Sid       = "Mail"
      Effect    = "Allow"
      Action    = ["ses:SendEmail", "ses:SendRawEmail"]
      Resource  = "arn:${local.partition}:ses:${local.place}:identity/${var.mail_identity}"
      Condition = { StringEquals = { "ses:FromAddress" = var.mail_from } }
    }
    failures = { Sid = "Failures", Effect = "Allow", Action = "sqs:SendMessage", Resource = local.queue_arn }
  }
  sealed = startswith(var.seal, "kms:") ? ["seal"] : []
  grants = {
    auth       = concat(["table", "list_keys", "keys", "new_keys", "secrets", "mail"], local.sealed)
    authorizer = []
    rotator    = concat(["list_keys", "keys", "new_keys", "old_keys", "failures"], local.sealed, startswith(var.seal, "secret:") ? ["seal_secret"] : [])
  }
}

resource "aws_iam_role" "function" {
  for_each = local.functions
  name     = "${local.name}-${each.key}"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions
  name     = each.key
  role     = aws_iam_role.function[each.key].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Sid      = "Log"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "arn:${local.partition}:logs:${local.place}:log-group:/aws/lambda/${local.name}-${each.key}:*"
    }], [for s in local.grants[each.key] : local.statements[s]])
  })
}
