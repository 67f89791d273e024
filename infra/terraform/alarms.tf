locals {
  minute5 = {
    period = 300, periods = 1, statistic = "Sum", percentile = null, missing = "notBreaching", threshold = 1
  }
  on_issuer = { Issuer = var.issuer }
  on = {
    for name in keys(local.functions) : name => { FunctionName = aws_lambda_function.function[name].function_name }
  }
  alarms = {
    server-errors = merge(local.minute5, {
      description = "The issuer answers with 5xx.", namespace = "AWS/ApiGateway", metric = local.http == 1 ? "5xx" : "5XXError", threshold = 5
      dimensions  = local.http == 1 ? { ApiId = aws_apigatewayv2_api.issuer[0].id } : { ApiName = "${local.name}-auth" }
    })
    auth-errors = merge(local.minute5, {
      description = "The auth function fails or reaches its time limit.", namespace = "AWS/Lambda", metric = "Errors", threshold = 5
      dimensions  = local.on.auth
    })
    authorizer-errors = merge(local.minute5, {
      description = "The authorizer or the auth function cannot answer. Requests without a good token do not count."
      namespace   = "Postern", metric = "Errors", threshold = 5, dimensions = local.on_issuer
    })
    auth-throttles = merge(local.minute5, {
      description = "Lambda refuses calls of the auth function.", namespace = "AWS/Lambda", metric = "Throttles", dimensions = local.on.auth
    })
    authorizer-throttles = merge(local.minute5, {
      description = "Lambda refuses calls of the authorizer.", namespace = "AWS/Lambda", metric = "Throttles", dimensions = local.on.authorizer
    })
    slow = merge(local.minute5, {
      description = "One call in a hundred of the auth function takes more than 3 s.", namespace = "AWS/Lambda", metric = "Duration"
      statistic   = null, percentile = "p99", periods = 3, threshold = 3000, dimensions = local.on.auth
    })
    key-age = merge(local.minute5, {
      description = "The newest key is older than 45 days, or the rotator has been silent for two days.", namespace = "Postern"
      metric      = "KeyAgeSeconds", statistic = "Maximum", period = 86400, periods = 2, threshold = 3888000, missing = "breaching"
      dimensions  = local.on_issuer
    })
    rotator = merge(local.minute5, {
      description = "The rotator fails.", namespace = "Postern", metric = "RotatorFailures", period = 3600, dimensions = local.on_issuer
    })
    rotator-failures = merge(local.minute5, {
      description = "The rotator was not run. The queue has the event.", namespace = "AWS/SQS", statistic = "Maximum"
      metric      = "ApproximateNumberOfMessagesVisible", dimensions = { QueueName = aws_sqs_queue.failures.name }
    })
  }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each            = local.alarms
  alarm_name          = "${local.name}-auth-${each.key}"
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  extended_statistic  = each.value.percentile
  period              = each.value.period
  evaluation_periods  = each.value.periods
  threshold           = each.value.threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = each.value.missing
  alarm_actions       = compact([var.alarm_topic_arn])
}

resource "aws_cloudwatch_metric_alarm" "table" {
  alarm_name          = "${local.name}-auth-table"
  alarm_description   = "DynamoDB refuses reads or writes of the table."
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = compact([var.alarm_topic_arn])

  metric_query {
    id          = "all"
    expression  = "FILL(reads, 0) + FILL(writes, 0)"
    label       = "throttles"
    return_data = true
  }
  dynamic "metric_query" {
    for_each = { reads = "ReadThrottleEvents", writes = "WriteThrottleEvents" }
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/DynamoDB"
        metric_name = metric_query.value
        dimensions  = { TableName = aws_dynamodb_table.auth.name }
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

# A few failures of a quiet night are no share. No sign-in writes no zero, so FILL does.
resource "aws_cloudwatch_metric_alarm" "sign_ins" {
  alarm_name          = "${local.name}-auth-failed-sign-ins"
  alarm_description   = "More than half of the sign-ins fail: a provider or the mail is down, or somebody tries passwords."
  evaluation_periods  = 3
  threshold           = 50
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = compact([var.alarm_topic_arn])

  metric_query {
    id          = "share"
    expression  = "IF(FILL(good, 0) + FILL(bad, 0) >= 20, 100 * FILL(bad, 0) / (FILL(good, 0) + FILL(bad, 0)), 0)"
    label       = "failed sign-ins, percent"
    return_data = true
  }
  dynamic "metric_query" {
    for_each = { good = "SignIns", bad = "SignInFailures" }
    content {
      id = metric_query.key
      metric {
        namespace   = "Postern"
        metric_name = metric_query.value
        dimensions  = local.on_issuer
        period      = 300
        stat        = "Sum"
      }
    }
  }
}
