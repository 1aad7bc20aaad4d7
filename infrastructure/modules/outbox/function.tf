# The relay as a function. The stream of the table invokes it for new rows, and a
# schedule invokes it once a minute for the rows that the stream did not deliver.

locals {
  function_name = "${var.name}-relay"

  environment = {
    EVENT_OUTBOX_TABLE = aws_dynamodb_table.outbox.name
    EVENT_QUEUE_URL    = var.queue_url
    EVENT_LOG          = var.log_level
  }

  with_function = var.package_path == null ? 0 : 1
}

resource "aws_lambda_function" "relay" {
  # checkov:skip=CKV_AWS_50:The function handles rows, not requests; TraceParent is part of the event.
  # checkov:skip=CKV_AWS_115:The stream has few shards, and the schedule invokes the function once a minute.
  # checkov:skip=CKV_AWS_116:A row that is not sent stays in the table, and the next schedule sends it.
  # checkov:skip=CKV_AWS_117:The function calls only SQS and DynamoDB, with IAM and TLS.
  # checkov:skip=CKV_AWS_173:The environment contains names and no secrets, and AWS encrypts it with a key of its own.
  # checkov:skip=CKV_AWS_272:The script that deploys the package also builds it. Code signing belongs to the pipeline that calls the script.
  count = local.with_function

  function_name = local.function_name
  description   = "Sends the rows of the outbox ${var.name} to the queue."
  role          = aws_iam_role.relay[0].arn

  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = [var.architecture]
  memory_size   = var.memory_size
  timeout       = var.timeout

  filename         = var.package_path
  source_code_hash = filebase64sha256(var.package_path)

  environment {
    variables = local.environment
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.relay[0].name
  }

  tags = var.tags

  # Without its permissions, the first invocations would fail.
  depends_on = [aws_iam_role_policy.relay, aws_iam_role_policy.stream]
}

resource "aws_lambda_event_source_mapping" "rows" {
  count = local.with_function

  event_source_arn  = aws_dynamodb_table.outbox.stream_arn
  function_name     = aws_lambda_function.relay[0].arn
  starting_position = "TRIM_HORIZON"
  batch_size        = 100

  # Each row is a separate item, and the table stores no order: several batches
  # of a shard may be in progress at the same time.
  parallelization_factor = 10

  # New rows only. The deletions of the relay are also in the stream.
  filter_criteria {
    filter {
      pattern = jsonencode({ eventName = ["INSERT"] })
    }
  }

  # Without this, Lambda would ignore the function's response, and one row that
  # cannot be sent would return its whole batch.
  function_response_types = ["ReportBatchItemFailures"]

  # A row that is not sent after these attempts waits for the schedule, so that it
  # does not hold back the rows behind it.
  maximum_retry_attempts        = 3
  maximum_record_age_in_seconds = 300

  tags = var.tags
}

resource "aws_cloudwatch_event_rule" "sweep" {
  count = local.with_function

  name                = "${local.function_name}-sweep"
  description         = "Sends what the stream of ${var.name} did not deliver, and measures the age of the oldest row."
  schedule_expression = "rate(1 minute)"
  tags                = var.tags
}

resource "aws_cloudwatch_event_target" "sweep" {
  count = local.with_function

  rule = aws_cloudwatch_event_rule.sweep[0].name
  arn  = aws_lambda_function.relay[0].arn

  # The next schedule does the same.
  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 0
  }
}

resource "aws_lambda_permission" "sweep" {
  count = local.with_function

  statement_id  = "ScheduleInvokesTheRelay"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.relay[0].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.sweep[0].arn
}

# An invocation of the schedule that fails is not worth two more attempts: the next
# one starts within a minute.
resource "aws_lambda_function_event_invoke_config" "sweep" {
  count = local.with_function

  function_name                = aws_lambda_function.relay[0].function_name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

resource "aws_cloudwatch_log_group" "relay" {
  # checkov:skip=CKV_AWS_158:Logs contain ids and counts, never payloads. CloudWatch encrypts them, with the customer managed key if `kms_key_arn` names one.
  # checkov:skip=CKV_AWS_338:The operator chooses how long logs are kept, by default 30 days.
  count = local.with_function

  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_iam_role" "relay" {
  count = local.with_function

  name                 = "${local.function_name}-${var.region}"
  path                 = var.iam_path
  description          = "Permissions of the function ${local.function_name} in ${var.region}."
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "LambdaRunsTheRelay"
        Effect    = "Allow"
        Principal = { Service = "lambda.amazonaws.com" }
        Action    = "sts:AssumeRole"
      },
    ]
  })

  tags = var.tags

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_iam_role_policy" "relay" {
  count = local.with_function

  name   = "relay"
  role   = aws_iam_role.relay[0].id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.relay_statements })
}

resource "aws_iam_role_policy" "stream" {
  count = local.with_function

  name = "stream"
  role = aws_iam_role.relay[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # The wildcard is the stream's creation time: a stream that is switched off
        # and on again has a new one.
        Sid      = "ReadTheStream"
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"]
        Resource = "${aws_dynamodb_table.outbox.arn}/stream/*"
      },
      {
        # The wildcard stands for the log streams of this one group, whose names
        # Lambda generates.
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.relay[0].arn}:log-stream:*"
      },
    ]
  })
}
