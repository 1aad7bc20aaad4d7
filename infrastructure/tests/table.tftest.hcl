# The protection of the history, and the permissions to read it, in modules/table.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = {
      arn        = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders"
      stream_arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
    }
  }
}

# Every other variable has a default, so that the module can be used alone.
variables {
  region = "eu-central-1"
  name   = "orders"
  tags   = { team = "orders" }
}

run "history_is_protected" {
  command = plan

  module {
    source = "./modules/table"
  }

  assert {
    condition     = aws_dynamodb_table.events.deletion_protection_enabled == true
    error_message = "DynamoDB must refuse to delete the table."
  }

  assert {
    condition     = aws_dynamodb_table.events.point_in_time_recovery[0].enabled == true && aws_dynamodb_table.events.point_in_time_recovery[0].recovery_period_in_days == 35
    error_message = "Point-in-time recovery must be on, for the longest period that DynamoDB offers."
  }

  assert {
    condition     = aws_dynamodb_table.events.hash_key == "ID" && aws_dynamodb_table.events.range_key == "Timestamp"
    error_message = "The key must be ID and Timestamp, as every reader expects."
  }

  assert {
    condition     = { for attribute in aws_dynamodb_table.events.attribute : attribute.name => attribute.type } == { ID = "S", Timestamp = "N" }
    error_message = "ID must be a string and Timestamp a number."
  }

  assert {
    condition     = [for ttl in aws_dynamodb_table.events.ttl : [ttl.enabled, ttl.attribute_name]] == [[true, "ExpiresAt"]]
    error_message = "Events must expire by ExpiresAt, and by nothing else."
  }

  assert {
    condition     = aws_dynamodb_table.events.billing_mode == "PAY_PER_REQUEST" && length(aws_dynamodb_table.events.on_demand_throughput) == 0 && length(terraform_data.maximum) == 0
    error_message = "By default the table must be on demand, without a maximum."
  }

  assert {
    condition     = length(aws_dynamodb_table.events.global_secondary_index) == 0 && aws_dynamodb_table.events.stream_enabled == false
    error_message = "By default there must be no index and no stream."
  }

  assert {
    condition     = [for encryption in aws_dynamodb_table.events.server_side_encryption : encryption.enabled] == [false]
    error_message = "Without a customer managed key, DynamoDB must encrypt with a key that AWS owns."
  }

  assert {
    condition     = length(output.index_names) == 0 && output.stream_arn == null && output.deletion_protection == true
    error_message = "The outputs must say that there is no index and no stream."
  }
}

run "readers_may_read_and_nothing_else" {
  command = plan

  module {
    source = "./modules/table"
  }

  assert {
    condition = jsondecode(aws_iam_policy.reader.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "ReadHistory"
          Effect   = "Allow"
          Action   = ["dynamodb:GetItem", "dynamodb:Query"]
          Resource = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders"
        },
        {
          Sid      = "ReadIndexes"
          Effect   = "Allow"
          Action   = "dynamodb:Query"
          Resource = ["arn:aws:dynamodb:eu-central-1:123456789012:table/orders/index/by-correlation", "arn:aws:dynamodb:eu-central-1:123456789012:table/orders/index/by-type"]
        },
      ]
    }
    error_message = "The reader's policy must be exactly this one."
  }
}

run "index_by_type_is_one_variable" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    index_shards = 8
  }

  assert {
    condition = [for index in aws_dynamodb_table.events.global_secondary_index : [index.name, index.hash_key, index.range_key, index.projection_type]] == [
      ["by-type", "IndexKey", "Timestamp", "ALL"]
    ]
    error_message = "The index must be by-type, with IndexKey and Timestamp as its key."
  }

  assert {
    condition     = { for attribute in aws_dynamodb_table.events.attribute : attribute.name => attribute.type } == { ID = "S", Timestamp = "N", IndexKey = "S" }
    error_message = "IndexKey must be a string."
  }

  assert {
    condition     = output.index_names == tolist(["by-type"])
    error_message = "The output must name the index."
  }
}

run "index_by_correlation_is_one_variable" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    correlation_index = true
  }

  assert {
    condition = [for index in aws_dynamodb_table.events.global_secondary_index : [index.name, index.hash_key, index.range_key, index.projection_type]] == [
      ["by-correlation", "CorrelationId", "Timestamp", "ALL"]
    ]
    error_message = "The index must be by-correlation, with CorrelationId and Timestamp as its key."
  }

  assert {
    condition     = { for attribute in aws_dynamodb_table.events.attribute : attribute.name => attribute.type } == { ID = "S", Timestamp = "N", CorrelationId = "S" }
    error_message = "CorrelationId must be a string."
  }

  assert {
    condition     = output.index_names == tolist(["by-correlation"])
    error_message = "The output must name the index."
  }
}

run "both_indexes_exist_at_the_same_time" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    index_shards            = 4
    correlation_index       = true
    max_write_request_units = 5000
  }

  assert {
    condition     = sort([for index in aws_dynamodb_table.events.global_secondary_index : index.name]) == tolist(["by-correlation", "by-type"])
    error_message = "Each variable must create its index."
  }

  assert {
    condition     = [for update in jsondecode(terraform_data.maximum[0].input.index_updates) : update.Update.IndexName] == ["by-correlation", "by-type"]
    error_message = "The maximum of each index must be removed with the maximum of the table."
  }
}

run "maximum_on_demand_is_set_if_given" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    index_shards            = 8
    max_write_request_units = 5000
  }

  assert {
    condition = (
      aws_dynamodb_table.events.on_demand_throughput[0].max_write_request_units == 5000 &&
      aws_dynamodb_table.events.on_demand_throughput[0].max_read_request_units == -1 && length(terraform_data.maximum) == 1 &&
      [for index in aws_dynamodb_table.events.global_secondary_index : index.on_demand_throughput[0].max_write_request_units] == [5000]
    )
    error_message = "The table and the index must have the same maximum, because the slower one delays the other."
  }
}

run "capacity_applies_to_table_and_index" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    billing_mode   = "PROVISIONED"
    read_capacity  = 50
    write_capacity = 1000
    index_shards   = 8
  }

  assert {
    condition = (
      aws_dynamodb_table.events.billing_mode == "PROVISIONED" &&
      aws_dynamodb_table.events.read_capacity == 50 && aws_dynamodb_table.events.write_capacity == 1000 &&
      [for index in aws_dynamodb_table.events.global_secondary_index : [index.read_capacity, index.write_capacity]] == [[50, 1000]]
    )
    error_message = "Table and index must have the capacity given."
  }
}

run "capacity_of_a_new_table_is_the_given_one" {
  command = plan

  module {
    source = "./modules/table"
  }

  override_data {
    target = data.aws_dynamodb_tables.all
    values = { names = ["orders-of-another-team"] }
  }

  variables {
    billing_mode    = "PROVISIONED"
    read_capacity   = 50
    write_capacity  = 1000
    ignore_capacity = true
    index_shards    = 8
  }

  assert {
    condition = (
      aws_dynamodb_table.events.read_capacity == 50 && aws_dynamodb_table.events.write_capacity == 1000 &&
      [for index in aws_dynamodb_table.events.global_secondary_index : [index.read_capacity, index.write_capacity]] == [[50, 1000]] &&
      length(data.aws_dynamodb_table.present) == 0
    )
    error_message = "A table that does not exist must be created with the capacity given."
  }
}

run "capacity_of_an_existing_table_is_kept" {
  command = plan

  module {
    source = "./modules/table"
  }

  override_data {
    target = data.aws_dynamodb_tables.all
    values = { names = ["orders", "orders-of-another-team"] }
  }

  override_data {
    target = data.aws_dynamodb_table.present
    values = {
      billing_mode   = "PROVISIONED"
      read_capacity  = 70
      write_capacity = 1400
      global_secondary_index = [
        { name = "by-type", read_capacity = 60, write_capacity = 1300 },
      ]
    }
  }

  variables {
    billing_mode      = "PROVISIONED"
    read_capacity     = 50
    write_capacity    = 1000
    ignore_capacity   = true
    index_shards      = 8
    correlation_index = true
  }

  assert {
    condition     = aws_dynamodb_table.events.read_capacity == 70 && aws_dynamodb_table.events.write_capacity == 1400
    error_message = "The table must keep the capacity that another program has set."
  }

  assert {
    condition = { for index in aws_dynamodb_table.events.global_secondary_index : index.name => [index.read_capacity, index.write_capacity] } == {
      by-type        = [60, 1300]
      by-correlation = [50, 1000]
    }
    error_message = "An existing index must keep its capacity, and a new one must get the capacity given."
  }
}

run "capacity_after_on_demand_is_the_given_one" {
  command = plan

  module {
    source = "./modules/table"
  }

  override_data {
    target = data.aws_dynamodb_tables.all
    values = { names = ["orders"] }
  }

  override_data {
    target = data.aws_dynamodb_table.present
    values = { billing_mode = "PAY_PER_REQUEST", read_capacity = 0, write_capacity = 0 }
  }

  variables {
    billing_mode    = "PROVISIONED"
    read_capacity   = 50
    write_capacity  = 1000
    ignore_capacity = true
  }

  assert {
    condition     = aws_dynamodb_table.events.read_capacity == 50 && aws_dynamodb_table.events.write_capacity == 1000
    error_message = "A table on demand has no capacity to keep."
  }
}

run "warm_throughput_is_one_variable" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    warm_throughput = { read = 12000, write = 20000 }
  }

  assert {
    condition     = length(terraform_data.warm_throughput) == 1 && length(terraform_data.maximum) == 0
    error_message = "The AWS CLI must set the warm throughput."
  }
}

run "stream_is_one_variable" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    stream_view_type = "NEW_IMAGE"
  }

  assert {
    condition     = aws_dynamodb_table.events.stream_enabled && aws_dynamodb_table.events.stream_view_type == "NEW_IMAGE" && output.stream_arn != null
    error_message = "The stream must carry new images, and the output must name it."
  }
}

run "key_encrypts_the_table_for_readers" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"
  }

  assert {
    condition     = [for encryption in aws_dynamodb_table.events.server_side_encryption : [tostring(encryption.enabled), encryption.kms_key_arn]] == [["true", var.kms_key_arn]]
    error_message = "The table must be encrypted with the customer managed key."
  }

  assert {
    condition = jsondecode(aws_iam_policy.reader.policy).Statement[2] == {
      Sid       = "DecryptHistory"
      Effect    = "Allow"
      Action    = "kms:Decrypt"
      Resource  = ["arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"]
      Condition = { StringEquals = { "kms:ViaService" = "dynamodb.eu-central-1.amazonaws.com" } }
    }
    error_message = "A reader must be able to use the key, through DynamoDB only."
  }
}

run "former_key_decrypts_for_readers" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    former_kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"]
  }

  assert {
    condition     = jsondecode(aws_iam_policy.reader.policy).Statement[2].Resource == ["arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"]
    error_message = "A reader must be able to read what is still encrypted with a former key."
  }
}

run "readers_of_other_accounts_may_only_read" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    reader_arns = ["arn:aws:iam::210987654321:role/reports"]
  }

  assert {
    condition = jsondecode(aws_dynamodb_resource_policy.readers[0].policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "ReadersRead"
          Effect    = "Allow"
          Principal = { AWS = ["arn:aws:iam::210987654321:role/reports"] }
          Action    = ["dynamodb:GetItem", "dynamodb:Query"]
          Resource = [
            "arn:aws:dynamodb:eu-central-1:123456789012:table/orders",
            "arn:aws:dynamodb:eu-central-1:123456789012:table/orders/index/by-correlation",
            "arn:aws:dynamodb:eu-central-1:123456789012:table/orders/index/by-type",
          ]
        },
      ]
    }
    error_message = "The table's policy must allow the named readers to read the table and its indexes, and nothing else."
  }
}

run "reader_policy_name_contains_the_region" {
  command = plan

  module {
    source = "./modules/table"
  }

  variables {
    recovery_days = 7
  }

  assert {
    condition     = aws_iam_policy.reader.name == "orders-reader-eu-central-1" && length(aws_dynamodb_resource_policy.readers) == 0
    error_message = "IAM names are global in an account, so the policy's name must contain the region; the table must have no policy by default."
  }

  assert {
    condition     = aws_dynamodb_table.events.point_in_time_recovery[0].recovery_period_in_days == 7
    error_message = "The recovery period must be the given one."
  }
}
