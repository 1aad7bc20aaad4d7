# Capacity of the table and its indexes. On demand: a maximum, and the throughput
# that is available at once. Provisioned: the capacity from the variables, or the
# capacity that Application Auto Scaling has set.

locals {
  provisioned = var.billing_mode == "PROVISIONED"

  # -1 is DynamoDB's value for "no maximum", for the one of the two that is not
  # set. Without any maximum, DynamoDB returns no block, so the configuration
  # must not have one either.
  maximum = var.max_read_request_units == null && var.max_write_request_units == null ? [] : [{
    read  = coalesce(var.max_read_request_units, -1)
    write = coalesce(var.max_write_request_units, -1)
  }]

  # `ignore_changes` accepts no condition and cannot name an attribute of an index.
  # With ignore_capacity, the configuration therefore asks for the capacity that the
  # table and its indexes have, so that a plan has nothing to change.
  present          = one([for table in data.aws_dynamodb_table.present : table if table.billing_mode == "PROVISIONED"])
  initial_capacity = { read = var.read_capacity, write = var.write_capacity }
  table_capacity   = local.present == null ? local.initial_capacity : { read = local.present.read_capacity, write = local.present.write_capacity }
  index_capacity = merge(
    { for name in keys(local.indexes) : name => local.initial_capacity },
    local.present == null ? {} : {
      for index in local.present.global_secondary_index : index.name => { read = index.read_capacity, write = index.write_capacity }
    },
  )
}

# A table that does not exist yet cannot be read, and is not in this list.
data "aws_dynamodb_tables" "all" {
  count = var.ignore_capacity ? 1 : 0
}

data "aws_dynamodb_table" "present" {
  # Two conditions instead of `&&`, which is unknown if one side is unknown, as the
  # name is during an import.
  count = var.ignore_capacity ? (contains(flatten(data.aws_dynamodb_tables.all[*].names), var.name) ? 1 : 0) : 0

  name = var.name
}

# When the block on_demand_throughput is removed, the provider sends an update
# without any setting, which DynamoDB refuses, and the maximum would stay. So the
# provider sets the maximum only when it creates the table, and the AWS CLI changes
# and removes it. This resource exists while there is a maximum.
resource "terraform_data" "maximum" {
  count = length(local.maximum)

  triggers_replace = [local.maximum[count.index], keys(local.indexes)]

  input = {
    table  = aws_dynamodb_table.events.name
    region = var.region
    wanted = jsonencode({ MaxReadRequestUnits = local.maximum[count.index].read, MaxWriteRequestUnits = local.maximum[count.index].write })
    none   = jsonencode({ MaxReadRequestUnits = -1, MaxWriteRequestUnits = -1 })
    index_updates = jsonencode([for index in keys(local.indexes) : {
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

# Provider 5.100 has no argument for the warm throughput, so the AWS CLI sets it.
# DynamoDB never decreases it, so a lower value and null change nothing.
resource "terraform_data" "warm_throughput" {
  count = var.warm_throughput == null ? 0 : 1

  triggers_replace = [var.warm_throughput, keys(local.indexes)]

  provisioner "local-exec" {
    interpreter = ["/bin/sh", "-euc"]
    command     = <<-EOT
      command -v aws >/dev/null || {
        echo "The AWS CLI (command: aws) is missing. It sets the warm throughput of the table. Install it and apply again." >&2
        exit 1
      }
      # DynamoDB refuses an update to less than the present value.
      present=$(aws dynamodb describe-table --region "$TABLE_REGION" --table-name "$TABLE" --output text \
        --query 'Table.WarmThroughput.[to_string(ReadUnitsPerSecond || `0`), to_string(WriteUnitsPerSecond || `0`)]' | tr '\t' ' ')
      if [ "$READ" -le "$${present% *}" ] && [ "$WRITE" -le "$${present#* }" ]; then exit 0; fi
      set -- --table-name "$TABLE" --warm-throughput "ReadUnitsPerSecond=$READ,WriteUnitsPerSecond=$WRITE"
      [ "$INDEX_UPDATES" = "[]" ] || set -- "$@" --global-secondary-index-updates "$INDEX_UPDATES"
      aws dynamodb update-table --region "$TABLE_REGION" "$@" >/dev/null
      aws dynamodb wait table-exists --region "$TABLE_REGION" --table-name "$TABLE"
    EOT
    environment = {
      TABLE        = aws_dynamodb_table.events.name
      TABLE_REGION = var.region
      READ         = var.warm_throughput.read
      WRITE        = var.warm_throughput.write
      INDEX_UPDATES = jsonencode([for index in keys(local.indexes) : {
        Update = { IndexName = index, WarmThroughput = { ReadUnitsPerSecond = var.warm_throughput.read, WriteUnitsPerSecond = var.warm_throughput.write } }
      }])
    }
  }

  # One update of a table at a time.
  depends_on = [terraform_data.maximum]
}
