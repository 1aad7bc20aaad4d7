# The outbox table: committed events that are not sent yet. A service writes the
# event in the same transaction as its own state, and a relay sends the rows to the
# queue and deletes them. The function that does so is in function.tf; the relay can
# also be a task of the service or the command `domain-events relay`.

data "aws_partition" "current" {}

locals {
  through_dynamodb = "dynamodb.${var.region}.${data.aws_partition.current.dns_suffix}"
  through_sqs      = "sqs.${var.region}.${data.aws_partition.current.dns_suffix}"
}

resource "aws_dynamodb_table" "outbox" {
  # checkov:skip=CKV_AWS_119:A key that AWS owns encrypts the table unless `kms_key_arn` names a customer managed key; the check accepts only the latter.
  # checkov:skip=CKV2_AWS_16:The table is on demand, which needs no autoscaling.
  name     = var.name
  hash_key = "EventId"

  attribute {
    name = "EventId"
    type = "S"
  }

  billing_mode = "PAY_PER_REQUEST"

  # A row is an event that happened and is not sent yet.
  deletion_protection_enabled = var.deletion_protection

  # Also a row that was deleted before it was sent can be restored.
  point_in_time_recovery {
    enabled                 = true
    recovery_period_in_days = var.recovery_days
  }

  # The function needs the whole new row.
  stream_enabled   = true
  stream_view_type = "NEW_IMAGE"

  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }

  tags = var.tags
}

# For a service that writes state and event together.
resource "aws_iam_policy" "writer" {
  name        = "${var.name}-writer-${var.region}"
  path        = var.iam_path
  description = "Write rows into the outbox ${var.name} in ${var.region} as part of a transaction, and nothing else."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for statement in [
      {
        # DynamoDB checks TransactWriteItems as the operations in it. The condition
        # refuses a plain PutItem: a row that is written after the commit is lost if
        # the process ends in between.
        Sid       = "WriteRowsInTransactions"
        Effect    = "Allow"
        Action    = "dynamodb:PutItem"
        Resource  = aws_dynamodb_table.outbox.arn
        Condition = { StringEquals = { "dynamodb:EnclosingOperation" = "TransactWriteItems" } }
      },
      var.kms_key_arn == null ? null : {
        Sid       = "UseTheKeyThroughDynamoDb"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.kms_key_arn
        Condition = { StringEquals = { "kms:ViaService" = local.through_dynamodb } }
      },
    ] : statement if statement != null]
  })

  tags = var.tags

  lifecycle {
    create_before_destroy = true
    ignore_changes        = [description]
  }
}

# For a relay in a service, and for the command `domain-events relay`.
resource "aws_iam_policy" "relay" {
  name        = "${var.name}-relay-${var.region}"
  path        = var.iam_path
  description = "Send the rows of the outbox ${var.name} in ${var.region} to the queue, and delete them."
  policy      = jsonencode({ Version = "2012-10-17", Statement = local.relay_statements })
  tags        = var.tags

  lifecycle {
    create_before_destroy = true
    ignore_changes        = [description]
  }
}

locals {
  relay_statements = [for statement in [
    {
      # BatchWriteItem needs a separate permission.
      Sid      = "ReadAndDeleteRows"
      Effect   = "Allow"
      Action   = ["dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:Scan"]
      Resource = aws_dynamodb_table.outbox.arn
    },
    {
      Sid      = "SendEvents"
      Effect   = "Allow"
      Action   = "sqs:SendMessage"
      Resource = var.queue_arn
    },
    var.kms_key_arn == null ? null : {
      Sid       = "UseTheKeyThroughSqsAndDynamoDb"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = var.kms_key_arn
      Condition = { StringEquals = { "kms:ViaService" = [local.through_dynamodb, local.through_sqs] } }
    },
    length(var.former_kms_key_arns) == 0 ? null : {
      Sid       = "DecryptWithFormerKeys"
      Effect    = "Allow"
      Action    = "kms:Decrypt"
      Resource  = sort(var.former_kms_key_arns)
      Condition = { StringEquals = { "kms:ViaService" = local.through_dynamodb } }
    },
  ] : statement if statement != null]
}
