# The policy of the people and programs that operate a deployment: read events,
# handle the dead-letter queue, and inspect every part. It cannot write to or
# change the table, and cannot change a queue, the function or a permission.

resource "aws_iam_policy" "operator" {
  name        = "${local.name}-operator-${local.region}"
  path        = var.iam_path
  description = "Inspect ${local.name} in ${local.region}, and handle its dead-letter queue."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for statement in [
      {
        Sid      = "ReadEvents"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan"]
        Resource = concat([module.table.table_arn], module.table.index_arns)
      },
      {
        Sid      = "InspectTheTable"
        Effect   = "Allow"
        Action   = ["dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"]
        Resource = module.table.table_arn
      },
      {
        # CancelMessageMoveTask, ListMessageMoveTasks and StartMessageMoveTask
        # are the redrive. It moves only what these permissions can receive and
        # send one by one.
        Sid    = "HandleTheDeadLetterQueue"
        Effect = "Allow"
        Action = [
          "sqs:CancelMessageMoveTask",
          "sqs:ChangeMessageVisibility",
          "sqs:DeleteMessage",
          "sqs:GetQueueAttributes",
          "sqs:GetQueueUrl",
          "sqs:ListMessageMoveTasks",
          "sqs:ReceiveMessage",
          "sqs:StartMessageMoveTask",
        ]
        Resource = module.queue.dead_letter_queue_arn
      },
      {
        Sid      = "SendEventsAgain"
        Effect   = "Allow"
        Action   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:SendMessage"]
        Resource = module.queue.queue_arn
      },
      {
        Sid      = "InspectTheFunction"
        Effect   = "Allow"
        Action   = ["lambda:GetAlias", "lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration", "lambda:ListVersionsByFunction"]
        Resource = [module.consumer.function_arn, "${module.consumer.function_arn}:live"]
      },
      {
        Sid      = "InspectTheEventSourceMapping"
        Effect   = "Allow"
        Action   = "lambda:GetEventSourceMapping"
        Resource = module.consumer.event_source_mapping_arn
      },
      {
        Sid      = "ReadTheLog"
        Effect   = "Allow"
        Action   = "logs:FilterLogEvents"
        Resource = [module.consumer.log_group_arn, "${module.consumer.log_group_arn}:*"]
      },
      {
        Sid      = "ReadTheAlarms"
        Effect   = "Allow"
        Action   = "cloudwatch:DescribeAlarms"
        Resource = module.observability.alarm_arns
      },
      {
        # None of these four accepts another resource. They read metrics, a
        # quota and the list of mappings of the account, and change nothing.
        Sid      = "ReadMetricsAndQuotas"
        Effect   = "Allow"
        Action   = ["cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics", "lambda:GetAccountSettings", "lambda:ListEventSourceMappings"]
        Resource = "*"
      },
      !var.outbox ? null : {
        Sid      = "ReadTheOutbox"
        Effect   = "Allow"
        Action   = "dynamodb:Scan"
        Resource = module.outbox[0].table_arn
      },
      var.kms_key_arn == null ? null : {
        Sid      = "UseTheKeyThroughSqsAndDynamoDb"
        Effect   = "Allow"
        Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource = var.kms_key_arn
        Condition = {
          StringEquals = {
            "kms:ViaService" = [
              "dynamodb.${local.region}.${data.aws_partition.current.dns_suffix}",
              "sqs.${local.region}.${data.aws_partition.current.dns_suffix}",
            ]
          }
        }
      },
      length(var.former_kms_key_arns) == 0 ? null : {
        Sid      = "DecryptWithFormerKeys"
        Effect   = "Allow"
        Action   = "kms:Decrypt"
        Resource = sort(var.former_kms_key_arns)
        Condition = {
          StringEquals = {
            "kms:ViaService" = [
              "dynamodb.${local.region}.${data.aws_partition.current.dns_suffix}",
              "sqs.${local.region}.${data.aws_partition.current.dns_suffix}",
            ]
          }
        }
      },
    ] : statement if statement != null]
  })

  tags = var.tags

  lifecycle {
    # As for the policies of producers and readers.
    create_before_destroy = true
    ignore_changes        = [description]
  }
}
