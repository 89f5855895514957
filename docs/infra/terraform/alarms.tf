# What to be woken for, and what to look at then; all of it is of the functions.

resource "aws_cloudwatch_log_metric_filter" "failed_jobs" {
  count = local.functions

  name           = "${var.prefix}-failed-jobs"
  log_group_name = aws_cloudwatch_log_group.worker[0].name
  pattern        = "{ $.msg = \"job failed\" }"

  metric_transformation {
    namespace     = var.prefix
    name          = "FailedJobs"
    value         = "1"
    default_value = "0"
  }
}

resource "aws_cloudwatch_metric_alarm" "oldest_job" {
  count = local.functions

  alarm_name          = "${var.prefix}-oldest-job"
  alarm_description   = "A job has rung long ago, and the invocation for it has not ended: it waits, or fails again and again."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = aws_sqs_queue.doorbell[0].name }
  statistic           = "Maximum"
  period              = 300
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.oldest_job_seconds
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn[*]
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  count = local.functions

  alarm_name          = "${var.prefix}-dead-letters"
  alarm_description   = "Messages have failed five times. Their jobs are found by sweeps all the same; the log of the worker says why."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters[0].name }
  statistic           = "Maximum"
  period              = 300
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn[*]
}

resource "aws_cloudwatch_metric_alarm" "sweep" {
  count = local.functions

  alarm_name          = "${var.prefix}-sweep"
  alarm_description   = "The schedule has not invoked the worker for ten minutes: jobs that never rang are not found."
  namespace           = "AWS/Events"
  metric_name         = "Invocations"
  dimensions          = { RuleName = aws_cloudwatch_event_rule.sweep[0].name }
  statistic           = "Sum"
  period              = 300
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = 2
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arn[*]
}

resource "aws_cloudwatch_metric_alarm" "failed_jobs" {
  count = local.functions

  alarm_name          = "${var.prefix}-failed-jobs"
  alarm_description   = "A job is given up: its attempts are used up, its payload is gone, or a backend is broken. The log of the worker has the job and the error."
  namespace           = var.prefix
  metric_name         = "FailedJobs"
  statistic           = "Sum"
  period              = 300
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn[*]
}

resource "aws_cloudwatch_metric_alarm" "worker_errors" {
  count = local.functions

  alarm_name          = "${var.prefix}-worker-errors"
  alarm_description   = "Invocations of the worker fail: it crashes, is out of memory or time, or cannot reach the queue of jobs."
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = aws_lambda_function.worker[0].function_name }
  statistic           = "Sum"
  period              = 300
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn[*]
}

resource "aws_cloudwatch_metric_alarm" "worker_throttles" {
  count = local.functions

  alarm_name          = "${var.prefix}-worker-throttles"
  alarm_description   = "Lambda refuses invocations of the worker: the account's concurrency is used up."
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = aws_lambda_function.worker[0].function_name }
  statistic           = "Sum"
  period              = 300
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn[*]
}

resource "aws_cloudwatch_metric_alarm" "api_errors" {
  count = local.api

  alarm_name          = "${var.prefix}-api-errors"
  alarm_description   = "Requests are answered with 5xx: the function fails, or what it needs is out of reach."
  namespace           = "AWS/Lambda"
  metric_name         = "Url5xxCount"
  dimensions          = { FunctionName = aws_lambda_function.api[0].function_name }
  statistic           = "Sum"
  period              = 300
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn[*]
}

resource "aws_cloudwatch_metric_alarm" "api_throttles" {
  count = local.api

  alarm_name          = "${var.prefix}-api-throttles"
  alarm_description   = "Lambda refuses requests: the account's concurrency is used up."
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = aws_lambda_function.api[0].function_name }
  statistic           = "Sum"
  period              = 300
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn[*]
}

locals {
  throttles = {
    usersRead      = { metric = "ReadThrottleEvents", dimensions = { TableName = aws_dynamodb_table.users.name } }
    usersWrite     = { metric = "WriteThrottleEvents", dimensions = { TableName = aws_dynamodb_table.users.name } }
    claimsRead     = { metric = "ReadThrottleEvents", dimensions = { TableName = aws_dynamodb_table.claims.name } }
    claimsWrite    = { metric = "WriteThrottleEvents", dimensions = { TableName = aws_dynamodb_table.claims.name } }
    jobsRead       = { metric = "ReadThrottleEvents", dimensions = { TableName = aws_dynamodb_table.jobs.name } }
    jobsWrite      = { metric = "WriteThrottleEvents", dimensions = { TableName = aws_dynamodb_table.jobs.name } }
    tenantWrite    = { metric = "WriteThrottleEvents", dimensions = { TableName = aws_dynamodb_table.jobs.name, GlobalSecondaryIndexName = "tenant" } }
    claimableWrite = { metric = "WriteThrottleEvents", dimensions = { TableName = aws_dynamodb_table.jobs.name, GlobalSecondaryIndexName = "claimable" } }
  }
}

resource "aws_cloudwatch_metric_alarm" "table_throttles" {
  count = local.functions

  alarm_name          = "${var.prefix}-table-throttles"
  alarm_description   = "DynamoDB has throttled tables for a quarter of an hour. Calls are repeated, so imports are slow, not wrong. A few minutes of it are normal for a table that grows."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_topic_arn[*]

  metric_query {
    id          = "throttles"
    label       = "throttles"
    expression  = "SUM(METRICS())"
    period      = 300
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.throttles
    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/DynamoDB"
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

# The template of CloudFormation has the same text; a test compares them.
resource "aws_cloudwatch_dashboard" "bulkops" {
  count = local.functions

  dashboard_name = var.prefix
  dashboard_body = templatefile("${path.module}/dashboard.json", { Prefix = var.prefix, Region = local.region })
}
