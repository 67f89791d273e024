# The schedule puts here what it cannot deliver, and Lambda the events that the function failed on.
resource "aws_sqs_queue" "failures" {
  name                      = "${local.name}-rotator-failures"
  message_retention_seconds = 1209600 # 14 days
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue_policy" "failures" {
  queue_url = aws_sqs_queue.failures.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OverTLS"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = local.queue_arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_lambda_function_event_invoke_config" "rotator" {
  function_name          = aws_lambda_function.function["rotator"].function_name
  maximum_retry_attempts = 2
  destination_config {
    on_failure {
      destination = aws_sqs_queue.failures.arn
    }
  }
}

resource "aws_iam_role" "schedule" {
  name = "${local.name}-schedule"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = {
        "aws:SourceAccount" = data.aws_caller_identity.current.account_id
        "aws:SourceArn"     = "arn:${local.partition}:scheduler:${local.place}:schedule-group/${local.name}-auth"
      } }
    }]
  })
}

resource "aws_iam_role_policy" "schedule" {
  name = "schedule"
  role = aws_iam_role.schedule.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Run", Effect = "Allow", Action = "lambda:InvokeFunction", Resource = local.rotator_arn },
      local.statements.failures,
    ]
  })
}

resource "aws_scheduler_schedule_group" "auth" {
  name = "${local.name}-auth"
}

resource "aws_scheduler_schedule" "rotator" {
  name                = "${local.name}-rotator"
  group_name          = aws_scheduler_schedule_group.auth.name
  description         = "Looks each day whether the keys are due."
  schedule_expression = "rate(1 day)"

  flexible_time_window {
    mode                      = "FLEXIBLE"
    maximum_window_in_minutes = 60
  }

  target {
    arn      = aws_lambda_function.function["rotator"].arn
    role_arn = aws_iam_role.schedule.arn
    input    = "{}"
    retry_policy {
      maximum_retry_attempts       = 10
      maximum_event_age_in_seconds = 3600
    }
    dead_letter_config {
      arn = aws_sqs_queue.failures.arn
    }
  }
}
