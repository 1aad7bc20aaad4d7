# The table of events and the policy that lets a reader read it.

data "aws_region" "current" {}

locals {
  provisioned = var.billing_mode == "PROVISIONED"
  indexed     = var.index_shards > 0
  index_name  = "by-type"

  on_demand_limited = !local.provisioned && (var.max_read_request_units != null || var.max_write_request_units != null)
}

resource "aws_dynamodb_table" "events" {
  # checkov:skip=CKV_AWS_119:Encrypted with a key that AWS owns unless `kms_key_arn` names a customer key; the check accepts only the latter.
  # checkov:skip=CKV2_AWS_16:On demand by default, which scales by itself. Provisioned capacity is a fixed limit that the operator sets.
  name      = var.name
  hash_key  = "ID"
  range_key = "Timestamp"

  attribute {
    name = "ID"
    type = "S"
  }

  attribute {
    name = "Timestamp"
    type = "N"
  }

  # DynamoDB refuses a declared attribute that no key uses.
  dynamic "attribute" {
    for_each = local.indexed ? ["IndexKey"] : []

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = local.indexed ? [local.index_name] : []

    content {
      name            = global_secondary_index.value
      hash_key        = "IndexKey"
      range_key       = "Timestamp"
      projection_type = "ALL"
      read_capacity   = local.provisioned ? var.read_capacity : null
      write_capacity  = local.provisioned ? var.write_capacity : null

      dynamic "on_demand_throughput" {
        for_each = local.on_demand_limited ? [true] : []

        content {
          max_read_request_units  = var.max_read_request_units
          max_write_request_units = var.max_write_request_units
        }
      }
    }
  }

  billing_mode   = var.billing_mode
  read_capacity  = local.provisioned ? var.read_capacity : null
  write_capacity = local.provisioned ? var.write_capacity : null

  dynamic "on_demand_throughput" {
    for_each = local.on_demand_limited ? [true] : []

    content {
      max_read_request_units  = var.max_read_request_units
      max_write_request_units = var.max_write_request_units
    }
  }

  # A variable cannot switch `prevent_destroy`. This protects further: DynamoDB
  # itself refuses to delete the table, whoever asks.
  deletion_protection_enabled = var.deletion_protection

  point_in_time_recovery {
    enabled = true
  }

  ttl {
    enabled        = true
    attribute_name = "ExpiresAt"
  }

  stream_enabled   = var.stream_view_type != null
  stream_view_type = var.stream_view_type

  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }

  tags = var.tags
}

resource "aws_iam_policy" "reader" {
  name        = "${var.name}-reader"
  description = "Read the events in ${var.name}, and nothing else."

  policy = var.kms_key_arn == null ? jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadHistory"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:Query"]
        Resource = aws_dynamodb_table.events.arn
      },
      {
        Sid      = "ReadByType"
        Effect   = "Allow"
        Action   = "dynamodb:Query"
        Resource = "${aws_dynamodb_table.events.arn}/index/${local.index_name}"
      },
    ]
    }) : jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadHistory"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:Query"]
        Resource = aws_dynamodb_table.events.arn
      },
      {
        Sid      = "ReadByType"
        Effect   = "Allow"
        Action   = "dynamodb:Query"
        Resource = "${aws_dynamodb_table.events.arn}/index/${local.index_name}"
      },
      {
        Sid       = "DecryptHistory"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = var.kms_key_arn
        Condition = { StringEquals = { "kms:ViaService" = "dynamodb.${data.aws_region.current.id}.amazonaws.com" } }
      },
    ]
  })

  tags = var.tags
}
