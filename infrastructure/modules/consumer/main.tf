# The function that stores events, what it may do, and what invokes it.

data "aws_region" "current" {}

locals {
  # One rule per event type, the rule for every other type last.
  retention_rules = concat(
    [for type in sort(keys(var.event_retention)) : "${type}=${var.event_retention[type]}" if type != "*"],
    [for type in keys(var.event_retention) : "${type}=${var.event_retention[type]}" if type == "*"],
  )

  environment = merge(
    {
      EVENT_TABLE           = var.table_name
      DEAD_LETTER_QUEUE_URL = var.dead_letter_queue_url
      EVENT_LOG             = var.log_level
    },
    length(local.retention_rules) == 0 ? {} : { EVENT_RETENTION = join(",", local.retention_rules) },
    var.index_shards == 0 ? {} : { EVENT_INDEX_SHARDS = tostring(var.index_shards) },
  )
}

resource "aws_lambda_function" "consumer" {
  # checkov:skip=CKV_AWS_50:X-Ray accepts no resource but `*`, which no role here may have; TraceParent travels inside the event.
  # checkov:skip=CKV_AWS_115:The event source mapping's maximum concurrency is the limit; reserving takes from the account and is a variable.
  # checkov:skip=CKV_AWS_116:An event source mapping on SQS invokes synchronously: failures go back to the queue and from there to its dead-letter queue.
  # checkov:skip=CKV_AWS_117:The function calls only SQS and DynamoDB, through IAM and TLS; a VPC would add endpoints to pay and to fail.
  # checkov:skip=CKV_AWS_173:The environment holds names, no secrets, and AWS encrypts it with its own key.
  # checkov:skip=CKV_AWS_272:The package is built from this repository by the script that deploys it; signing belongs to the pipeline around it.
  function_name = var.name
  description   = "Stores domain events from SQS in DynamoDB."
  role          = aws_iam_role.consumer.arn

  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = [var.architecture]
  memory_size   = var.memory_size
  timeout       = var.timeout

  filename         = var.package_path
  source_code_hash = filebase64sha256(var.package_path)

  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = local.environment
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.consumer.name
  }

  tags = var.tags

  # Without its permissions the first invocations would fail.
  depends_on = [aws_iam_role_policy.consumer, aws_iam_role_policy.key, aws_iam_role_policy.former_keys]
}

resource "aws_lambda_event_source_mapping" "events" {
  event_source_arn = var.queue_arn
  function_name    = aws_lambda_function.consumer.arn
  enabled          = true

  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.batching_window_seconds

  # Without this, one failed event would bring its whole batch back, and the
  # function's answer, which names the failed ones, would be ignored.
  function_response_types = ["ReportBatchItemFailures"]

  dynamic "scaling_config" {
    for_each = var.maximum_concurrency == null ? [] : [var.maximum_concurrency]

    content {
      maximum_concurrency = scaling_config.value
    }
  }

  tags = var.tags
}

resource "aws_cloudwatch_log_group" "consumer" {
  # checkov:skip=CKV_AWS_158:Logs hold ids and verdicts, never payloads; CloudWatch encrypts them, with the customer key when `kms_key_arn` names one.
  # checkov:skip=CKV_AWS_338:How long logs are kept is the operator's choice, 30 days by default; the events themselves are in the table.
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

resource "aws_iam_role" "consumer" {
  name        = var.name
  description = "What the function ${var.name} may do."

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "LambdaRunsTheConsumer"
        Effect    = "Allow"
        Principal = { Service = "lambda.amazonaws.com" }
        Action    = "sts:AssumeRole"
      },
    ]
  })

  tags = var.tags
}

resource "aws_iam_role_policy" "consumer" {
  name = "consumer"
  role = aws_iam_role.consumer.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TakeEvents"
        Effect   = "Allow"
        Action   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        Resource = var.queue_arn
      },
      {
        Sid      = "MoveRejectedEvents"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = var.dead_letter_queue_arn
      },
      {
        # PartiQLInsert adds new keys and cannot touch an existing one: no
        # holder of these credentials can rewrite or delete history.
        Sid      = "AppendEvents"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:PartiQLInsert"]
        Resource = var.table_arn
      },
      {
        # The only wildcard of the role. IAM asks for both actions on one log
        # stream, and Lambda makes up its name when an instance starts (the
        # date, the version and a random number): no policy can know it. It
        # stands for the streams of this one group.
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.consumer.arn}:log-stream:*"
      },
    ]
  })
}

resource "aws_iam_role_policy" "key" {
  count = var.kms_key_arn == null ? 0 : 1

  name = "key"
  role = aws_iam_role.consumer.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "UseTheKeyThroughSqsAndDynamoDb"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = [
              "dynamodb.${data.aws_region.current.id}.amazonaws.com",
              "sqs.${data.aws_region.current.id}.amazonaws.com",
            ]
          }
        }
      },
    ]
  })
}

# SQS leaves a message encrypted with the key under which it was sent (SQS
# developer guide, "Key management"). Without this, changing the key would
# strand what waits.
resource "aws_iam_role_policy" "former_keys" {
  count = length(var.former_kms_key_arns) == 0 ? 0 : 1

  name = "former-keys"
  role = aws_iam_role.consumer.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "DecryptWaitingEvents"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = sort(var.former_kms_key_arns)
        Condition = { StringEquals = { "kms:ViaService" = "sqs.${data.aws_region.current.id}.amazonaws.com" } }
      },
    ]
  })
}
