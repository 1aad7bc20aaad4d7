# The function that stores events, and the event source mapping that invokes it.
# What its role may do is in role.tf.

locals {
  # One rule for each event type. The rule for all other types is last.
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
  # checkov:skip=CKV_AWS_50:X-Ray tracing needs a permission on the resource `*`; the variable `xray_tracing` switches both on. TraceParent is part of the event.
  # checkov:skip=CKV_AWS_115:The maximum concurrency of the event source mapping is the limit. Reserved concurrency reduces the account's quota and is a variable.
  # checkov:skip=CKV_AWS_116:An event source mapping invokes the function synchronously: failures return to the queue and move from there to its dead-letter queue.
  # checkov:skip=CKV_AWS_117:The function calls only SQS and DynamoDB, with IAM and TLS. The variable `vpc` puts it into a VPC.
  # checkov:skip=CKV_AWS_173:The environment contains names and no secrets, and AWS encrypts it with a key of its own.
  # checkov:skip=CKV_AWS_272:The script that deploys the package also builds it. Code signing belongs to the pipeline that calls the script.
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

  # Each change publishes a version, so that a rollback needs no build.
  publish = true

  reserved_concurrent_executions = var.reserved_concurrency

  environment {
    variables = local.environment
  }

  logging_config {
    log_format = "Text"
    log_group  = aws_cloudwatch_log_group.consumer.name
  }

  tracing_config {
    mode = var.xray_tracing ? "Active" : "PassThrough"
  }

  dynamic "vpc_config" {
    for_each = var.vpc[*]

    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  tags = var.tags

  # Without its permissions, the first invocations would fail.
  depends_on = [
    aws_iam_role_policy.consumer,
    aws_iam_role_policy.key,
    aws_iam_role_policy.former_keys,
    aws_iam_role_policy.vpc,
    aws_iam_role_policy.xray,
  ]
}

resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "The version that stores events."
  function_name    = aws_lambda_function.consumer.function_name
  function_version = coalesce(var.function_version, aws_lambda_function.consumer.version)
}

resource "aws_lambda_event_source_mapping" "events" {
  event_source_arn = var.queue_arn
  function_name    = aws_lambda_alias.live.arn
  enabled          = true

  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.batching_window_seconds

  # Without this, Lambda would ignore the function's response, which names the
  # failed messages, and one failed message would return its whole batch.
  function_response_types = ["ReportBatchItemFailures"]

  dynamic "scaling_config" {
    for_each = var.provisioned_pollers == null ? var.maximum_concurrency[*] : []

    content {
      maximum_concurrency = scaling_config.value
    }
  }

  dynamic "provisioned_poller_config" {
    for_each = var.provisioned_pollers[*]

    content {
      minimum_pollers = provisioned_poller_config.value.minimum
      maximum_pollers = provisioned_poller_config.value.maximum
    }
  }

  tags = var.tags
}

resource "aws_cloudwatch_log_group" "consumer" {
  # checkov:skip=CKV_AWS_158:Logs contain ids and verdicts, never payloads. CloudWatch encrypts them, with the customer managed key if `kms_key_arn` names one.
  # checkov:skip=CKV_AWS_338:The operator chooses how long logs are kept, by default 30 days. The events themselves are in the table.
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}
