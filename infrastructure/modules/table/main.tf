# The table of events and the policy that allows a reader to read it.

data "aws_partition" "current" {}

locals {
  provisioned = var.billing_mode == "PROVISIONED"
  indexed     = var.index_shards > 0
  index_name  = "by-type"
  index_arn   = "${aws_dynamodb_table.events.arn}/index/${local.index_name}"

  # -1 is DynamoDB's value for "no maximum", for the one of the two that is not
  # set. Without any maximum, DynamoDB returns no block, so the configuration
  # must not have one either.
  maximum = var.max_read_request_units == null && var.max_write_request_units == null ? [] : [{
    read  = coalesce(var.max_read_request_units, -1)
    write = coalesce(var.max_write_request_units, -1)
  }]

  # DynamoDB encrypts the table with a new key in the background. Until it has
  # finished, reading needs the former key.
  key_arns = distinct(concat(var.kms_key_arn[*], sort(var.former_kms_key_arns)))

  read_actions = ["dynamodb:GetItem", "dynamodb:Query"]
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
        for_each = local.maximum

        content {
          max_read_request_units  = on_demand_throughput.value.read
          max_write_request_units = on_demand_throughput.value.write
        }
      }
    }
  }

  billing_mode   = var.billing_mode
  read_capacity  = local.provisioned ? var.read_capacity : null
  write_capacity = local.provisioned ? var.write_capacity : null

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

# When the block on_demand_throughput is removed, the provider sends an update
# without any setting, which DynamoDB refuses, and the maximum would stay. So the
# provider sets the maximum only when it creates the table, and the AWS CLI changes
# and removes it. This resource exists while there is a maximum.
resource "terraform_data" "maximum" {
  count = length(local.maximum)

  triggers_replace = [local.maximum[count.index], local.indexed]

  input = {
    table  = aws_dynamodb_table.events.name
    region = var.region
    wanted = jsonencode({ MaxReadRequestUnits = local.maximum[count.index].read, MaxWriteRequestUnits = local.maximum[count.index].write })
    none   = jsonencode({ MaxReadRequestUnits = -1, MaxWriteRequestUnits = -1 })
    index_updates = jsonencode([for index in local.indexed ? [local.index_name] : [] : {
      Update = { IndexName = index, OnDemandThroughput = { MaxReadRequestUnits = -1, MaxWriteRequestUnits = -1 } }
    }])
  }

  # The provider sets the maximum of the index.
  provisioner "local-exec" {
    interpreter = ["/bin/sh", "-euc"]
    command     = <<-EOT
      command -v aws >/dev/null || {
        echo "The AWS CLI (command: aws) is missing. It sets the maximum of read and write request units. Install it and apply again." >&2
        exit 1
      }
      # On a table that was just created, there is nothing to change.
      present=$(aws dynamodb describe-table --region "$TABLE_REGION" --table-name "$TABLE" --output text \
        --query 'Table.OnDemandThroughput.[to_string(MaxReadRequestUnits || `-1`), to_string(MaxWriteRequestUnits || `-1`)]' | tr '\t' ' ')
      [ "$present" != "$READ $WRITE" ] || exit 0
      aws dynamodb update-table --region "$TABLE_REGION" --table-name "$TABLE" --on-demand-throughput "$WANTED" >/dev/null
      aws dynamodb wait table-exists --region "$TABLE_REGION" --table-name "$TABLE"
    EOT
    environment = {
      TABLE        = self.input.table
      TABLE_REGION = self.input.region
      WANTED       = self.input.wanted
      READ         = jsondecode(self.input.wanted).MaxReadRequestUnits
      WRITE        = jsondecode(self.input.wanted).MaxWriteRequestUnits
    }
  }

  provisioner "local-exec" {
    when        = destroy
    interpreter = ["/bin/sh", "-euc"]
    command     = <<-EOT
      command -v aws >/dev/null || {
        echo "The AWS CLI (command: aws) is missing. It removes the maximum of read and write request units. Install it and apply again." >&2
        exit 1
      }
      set -- --table-name "$TABLE" --on-demand-throughput "$NONE"
      [ "$INDEX_UPDATES" = "[]" ] || set -- "$@" --global-secondary-index-updates "$INDEX_UPDATES"
      aws dynamodb update-table --region "$TABLE_REGION" "$@" >/dev/null
      aws dynamodb wait table-exists --region "$TABLE_REGION" --table-name "$TABLE"
    EOT
    environment = {
      TABLE         = self.input.table
      TABLE_REGION  = self.input.region
      NONE          = self.input.none
      INDEX_UPDATES = self.input.index_updates
    }
  }
}

# Readers in other accounts need a policy on the table besides their own.
resource "aws_dynamodb_resource_policy" "readers" {
  count = length(var.reader_arns) == 0 ? 0 : 1

  resource_arn = aws_dynamodb_table.events.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "ReadersRead"
        Effect    = "Allow"
        Principal = { AWS = sort(var.reader_arns) }
        Action    = local.read_actions
        Resource  = [aws_dynamodb_table.events.arn, local.index_arn]
      },
    ]
  })
}

resource "aws_iam_policy" "reader" {
  name        = "${coalesce(var.policy_name, var.name)}-reader-${var.region}"
  path        = var.iam_path
  description = "Read the events of ${coalesce(var.policy_name, var.name)} in ${var.region}, and nothing else."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for statement in [
      {
        Sid      = "ReadHistory"
        Effect   = "Allow"
        Action   = local.read_actions
        Resource = aws_dynamodb_table.events.arn
      },
      {
        Sid      = "ReadByType"
        Effect   = "Allow"
        Action   = "dynamodb:Query"
        Resource = local.index_arn
      },
      length(local.key_arns) == 0 ? null : {
        Sid       = "DecryptHistory"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = local.key_arns
        Condition = { StringEquals = { "kms:ViaService" = "dynamodb.${var.region}.${data.aws_partition.current.dns_suffix}" } }
      },
    ] : statement if statement != null]
  })

  tags = var.tags

  lifecycle {
    # A renamed policy exists before the former one is deleted, so that an apply
    # never leaves a reader without permission. IAM cannot change a description, so
    # a new one would replace the policy by one of the same name, which IAM refuses.
    create_before_destroy = true
    ignore_changes        = [description]
  }
}
