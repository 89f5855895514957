# The functions of examples/lambda, if there is a bucket with their program.

locals {
  functions = var.code_bucket == null ? 0 : 1
  api       = var.function_url_auth == null ? 0 : local.functions

  # What both functions are told; examples/lambda says what it means.
  environment = {
    BULKOPS_USERS_TABLE    = aws_dynamodb_table.users.name
    BULKOPS_CLAIMS_TABLE   = aws_dynamodb_table.claims.name
    BULKOPS_JOBS_TABLE     = aws_dynamodb_table.jobs.name
    BULKOPS_BUCKET         = aws_s3_bucket.blobs.bucket
    BULKOPS_QUEUE_URL      = one(aws_sqs_queue.doorbell[*].url)
    BULKOPS_WEBHOOK_URL    = var.webhook_url
    BULKOPS_WEBHOOK_SECRET = var.webhook_secret
  }
}

resource "aws_sqs_queue" "doorbell" {
  count = local.functions

  name = "${var.prefix}-doorbell"

  # Six times the timeout, which leaves Lambda room to retry: AWS Lambda Developer
  # Guide, "Creating and configuring an Amazon SQS event source mapping".
  visibility_timeout_seconds = 6 * var.worker_timeout
  sqs_managed_sse_enabled    = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters[0].arn
    maxReceiveCount     = 5
  })
}

resource "aws_sqs_queue" "dead_letters" {
  count = local.functions

  name                      = "${var.prefix}-doorbell-dead"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

data "aws_iam_policy_document" "lambda" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_cloudwatch_log_group" "worker" {
  count = local.functions

  name              = "/aws/lambda/${var.prefix}-worker"
  retention_in_days = var.log_days
}

resource "aws_iam_role" "worker" {
  count = local.functions

  name_prefix        = "${var.prefix}-worker-"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

resource "aws_iam_role_policy_attachment" "worker" {
  count = local.functions

  role       = aws_iam_role.worker[0].name
  policy_arn = aws_iam_policy.worker.arn
}

data "aws_iam_policy_document" "worker_function" {
  count = local.functions

  statement {
    sid = "Doorbell"
    actions = [
      "sqs:DeleteMessage",
      "sqs:GetQueueAttributes",
      "sqs:ReceiveMessage",
      "sqs:SendMessage",
    ]
    resources = [aws_sqs_queue.doorbell[0].arn]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.worker[0].arn}:*"]
  }
}

resource "aws_iam_role_policy" "worker" {
  count = local.functions

  name   = "function"
  role   = aws_iam_role.worker[0].id
  policy = data.aws_iam_policy_document.worker_function[0].json
}

resource "aws_lambda_function" "worker" {
  count = local.functions

  function_name = "${var.prefix}-worker"
  description   = "Runs jobs of bulkops."
  architectures = ["arm64"]
  runtime       = "provided.al2023"
  handler       = "bootstrap"
  s3_bucket     = var.code_bucket
  s3_key        = var.code_key
  timeout       = var.worker_timeout
  memory_size   = var.worker_memory
  role          = aws_iam_role.worker[0].arn

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.worker[0].name
  }

  environment {
    variables = merge(local.environment, { BULKOPS_ROLE = "worker" })
  }

  depends_on = [aws_iam_role_policy.worker, aws_iam_role_policy_attachment.worker]
}

# A job that has to wait rings for the function that gave it back. While a table is
# out of reach that is a chain longer than Lambda allows by itself, and its end would
# be a dead letter.
resource "aws_lambda_function_recursion_config" "worker" {
  count = local.functions

  function_name  = aws_lambda_function.worker[0].function_name
  recursive_loop = "Allow"
}

# What sweeps find is not tried again: the next sweep is a minute away.
resource "aws_lambda_function_event_invoke_config" "worker" {
  count = local.functions

  function_name                = aws_lambda_function.worker[0].function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}

resource "aws_lambda_event_source_mapping" "worker" {
  count = local.functions

  function_name           = aws_lambda_function.worker[0].arn
  event_source_arn        = aws_sqs_queue.doorbell[0].arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.worker_concurrency
  }
}

resource "aws_cloudwatch_event_rule" "sweep" {
  count = local.functions

  name                = "${var.prefix}-sweep"
  description         = "Finds the jobs of bulkops that never rang, or whose worker was killed."
  schedule_expression = "rate(1 minute)"
}

resource "aws_cloudwatch_event_target" "sweep" {
  count = local.functions

  rule = aws_cloudwatch_event_rule.sweep[0].name
  arn  = aws_lambda_function.worker[0].arn
}

resource "aws_lambda_permission" "sweep" {
  count = local.functions

  function_name = aws_lambda_function.worker[0].function_name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.sweep[0].arn
}

resource "aws_cloudwatch_log_group" "api" {
  count = local.api

  name              = "/aws/lambda/${var.prefix}-api"
  retention_in_days = var.log_days
}

resource "aws_iam_role" "api" {
  count = local.api

  name_prefix        = "${var.prefix}-api-"
  assume_role_policy = data.aws_iam_policy_document.lambda.json
}

resource "aws_iam_role_policy_attachment" "api" {
  count = local.api

  role       = aws_iam_role.api[0].name
  policy_arn = aws_iam_policy.api.arn
}

data "aws_iam_policy_document" "api_function" {
  count = local.api

  statement {
    sid       = "Doorbell"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.doorbell[0].arn]
  }

  statement {
    sid       = "Log"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.api[0].arn}:*"]
  }
}

resource "aws_iam_role_policy" "api" {
  count = local.api

  name   = "function"
  role   = aws_iam_role.api[0].id
  policy = data.aws_iam_policy_document.api_function[0].json
}

resource "aws_lambda_function" "api" {
  count = local.api

  function_name = "${var.prefix}-api"
  description   = "Takes requests of bulkops."
  architectures = ["arm64"]
  runtime       = "provided.al2023"
  handler       = "bootstrap"
  s3_bucket     = var.code_bucket
  s3_key        = var.code_key
  timeout       = 60
  memory_size   = var.api_memory
  role          = aws_iam_role.api[0].arn

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.api[0].name
  }

  environment {
    variables = merge(local.environment, { BULKOPS_ROLE = "api", BULKOPS_TOKENS = var.api_tokens })
  }

  depends_on = [aws_iam_role_policy.api, aws_iam_role_policy_attachment.api]
}

# The provider adds the two permissions that an open URL needs.
resource "aws_lambda_function_url" "api" {
  count = local.api

  function_name      = aws_lambda_function.api[0].function_name
  authorization_type = var.function_url_auth
  invoke_mode        = "RESPONSE_STREAM"
}
