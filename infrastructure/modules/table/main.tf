# The table of events and its indexes. Its capacity is in capacity.tf, and the
# policies of readers are in access.tf.

locals {
  # The hash key of each index. The sort key is the timestamp. An index contains
  # only the items that have its hash key: the store writes IndexKey, and
  # CorrelationId is a field that not every event has.
  indexes = merge(
    var.index_shards > 0 ? { by-type = "IndexKey" } : {},
    var.correlation_index ? { by-correlation = "CorrelationId" } : {},
  )
}

resource "aws_dynamodb_table" "events" {
  # checkov:skip=CKV_AWS_119:A key that AWS owns encrypts the table unless `kms_key_arn` names a customer managed key; the check accepts only the latter.
  # checkov:skip=CKV2_AWS_16:The default is on demand, which needs no autoscaling. Provisioned capacity is a limit that the operator sets.
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
    for_each = local.indexes

    content {
      name = attribute.value
      type = "S"
    }
  }

  dynamic "global_secondary_index" {
    for_each = local.indexes

    content {
      name            = global_secondary_index.key
      hash_key        = global_secondary_index.value
      range_key       = "Timestamp"
      projection_type = "ALL"
      read_capacity   = local.provisioned ? local.index_capacity[global_secondary_index.key].read : null
      write_capacity  = local.provisioned ? local.index_capacity[global_secondary_index.key].write : null

      dynamic "on_demand_throughput" {
        for_each = local.maximum

        content {
          max_read_request_units  = on_demand_throughput.value.read
          max_write_request_units = on_demand_throughput.value.write
        }
      }
    }
  }

  billing_mode   = var.billing_mode
  read_capacity  = local.provisioned ? local.table_capacity.read : null
  write_capacity = local.provisioned ? local.table_capacity.write : null

  dynamic "on_demand_throughput" {
    for_each = local.maximum

    content {
      max_read_request_units  = on_demand_throughput.value.read
      max_write_request_units = on_demand_throughput.value.write
    }
  }

  # A variable cannot control `prevent_destroy`. This protection also reaches
  # further: DynamoDB itself refuses to delete the table, for every caller.
  deletion_protection_enabled = var.deletion_protection

  point_in_time_recovery {
    enabled                 = true
    recovery_period_in_days = var.recovery_days
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

  lifecycle {
    # terraform_data.maximum changes it.
    ignore_changes = [on_demand_throughput]
  }
}
