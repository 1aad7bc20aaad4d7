# How the function is invoked and what its role allows, in modules/consumer.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/orders-consumer" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:orders-consumer", version = "3" }
  }

  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:orders-consumer:live" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/orders-consumer-eu-central-1", id = "orders-consumer-eu-central-1" }
  }
}

# Every other variable has a default, so that the module can be used alone.
variables {
  region                = "eu-central-1"
  name                  = "orders-consumer"
  package_path          = "tests/package.txt"
  queue_arn             = "arn:aws:sqs:eu-central-1:123456789012:orders"
  dead_letter_queue_arn = "arn:aws:sqs:eu-central-1:123456789012:orders-dead-letter"
  dead_letter_queue_url = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders-dead-letter"
  table_name            = "orders"
  table_arn             = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders"
}

run "mapping_returns_only_failed_messages" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.events.function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "Without ReportBatchItemFailures, Lambda ignores the function's response and deletes failed events."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.events.event_source_arn == var.queue_arn &&
      aws_lambda_event_source_mapping.events.function_name == "arn:aws:lambda:eu-central-1:123456789012:function:orders-consumer:live" &&
      aws_lambda_event_source_mapping.events.enabled == true
    )
    error_message = "The mapping must invoke the alias of this function with the messages of this queue."
  }

  # A filter would delete the messages that it does not match.
  assert {
    condition     = length(aws_lambda_event_source_mapping.events.filter_criteria) == 0
    error_message = "The mapping must not filter: Lambda deletes the messages that do not match."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.events.batch_size == 10 &&
      aws_lambda_event_source_mapping.events.maximum_batching_window_in_seconds == 0 &&
      aws_lambda_event_source_mapping.events.scaling_config[0].maximum_concurrency == 20
    )
    error_message = "Batch size, window and maximum concurrency must be the ones given."
  }
}

run "deployed_function_is_the_built_package" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  assert {
    condition = (
      aws_lambda_function.consumer.runtime == "provided.al2023" && aws_lambda_function.consumer.handler == "bootstrap" &&
      aws_lambda_function.consumer.architectures == tolist(["arm64"]) && aws_lambda_function.consumer.timeout == 30 &&
      aws_lambda_function.consumer.memory_size == 256
    )
    error_message = "Runtime, handler, architecture, timeout and memory must be the ones given."
  }

  assert {
    condition     = aws_lambda_function.consumer.source_code_hash == filebase64sha256("tests/package.txt")
    error_message = "A changed package must be deployed."
  }

  assert {
    condition     = aws_lambda_function.consumer.reserved_concurrent_executions == -1
    error_message = "No concurrency may be reserved by default."
  }

  assert {
    condition = aws_lambda_function.consumer.environment[0].variables == tomap({
      EVENT_TABLE           = "orders"
      DEAD_LETTER_QUEUE_URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders-dead-letter"
      EVENT_LOG             = "info"
    })
    error_message = "The environment must name the table and the dead-letter queue."
  }

  assert {
    condition = (
      aws_cloudwatch_log_group.consumer.name == "/aws/lambda/orders-consumer" && aws_cloudwatch_log_group.consumer.retention_in_days == 30 &&
      aws_lambda_function.consumer.logging_config[0].log_group == "/aws/lambda/orders-consumer"
    )
    error_message = "The function must log to its own group, with a retention of 30 days."
  }
}

run "role_allows_what_the_function_does_only" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.consumer.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "TakeEvents"
          Effect   = "Allow"
          Action   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
          Resource = "arn:aws:sqs:eu-central-1:123456789012:orders"
        },
        {
          Sid      = "MoveRejectedEvents"
          Effect   = "Allow"
          Action   = "sqs:SendMessage"
          Resource = "arn:aws:sqs:eu-central-1:123456789012:orders-dead-letter"
        },
        {
          Sid      = "AppendEvents"
          Effect   = "Allow"
          Action   = ["dynamodb:GetItem", "dynamodb:PartiQLInsert"]
          Resource = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders"
        },
        {
          Sid      = "WriteLogs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/orders-consumer:log-stream:*"
        },
      ]
    }
    error_message = "The role's policy must be exactly this one."
  }

  assert {
    condition     = aws_iam_role.consumer.name == "orders-consumer-eu-central-1"
    error_message = "IAM names are global in an account, so the role's name must contain the region."
  }

  assert {
    condition     = length(aws_iam_role_policy.key) == 0
    error_message = "Without a customer managed key, the role must have no permission on a key."
  }

  assert {
    condition = jsondecode(aws_iam_role.consumer.assume_role_policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "LambdaRunsTheConsumer"
          Effect    = "Allow"
          Principal = { Service = "lambda.amazonaws.com" }
          Action    = "sts:AssumeRole"
        },
      ]
    }
    error_message = "Only Lambda may assume the role."
  }

  # This also holds for statements that are added later: no wildcard in an
  # action, and in a resource only the one for the log streams of this group.
  assert {
    condition = alltrue([for statement in jsondecode(aws_iam_role_policy.consumer.policy).Statement :
      !strcontains(jsonencode(statement.Action), "*") &&
      !strcontains(trimsuffix(statement.Resource, "log-group:/aws/lambda/orders-consumer:log-stream:*"), "*")
    ])
    error_message = "No action and no resource may contain another wildcard."
  }
}

run "key_is_used_through_its_services_only" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.key[0].policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "UseTheKeyThroughSqsAndDynamoDb"
          Effect   = "Allow"
          Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource = "arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"
          Condition = {
            StringEquals = { "kms:ViaService" = ["dynamodb.eu-central-1.amazonaws.com", "sqs.eu-central-1.amazonaws.com"] }
          }
        },
      ]
    }
    error_message = "The role must be able to use the key through SQS and DynamoDB, and in no other way."
  }

  assert {
    condition     = length(aws_iam_role_policy.former_keys) == 0
    error_message = "The role must not have a permission on a key that is not named."
  }

  assert {
    condition     = aws_cloudwatch_log_group.consumer.kms_key_id == var.kms_key_arn
    error_message = "The logs must be encrypted with the customer managed key."
  }
}

run "former_key_decrypts_queue_and_table" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  variables {
    former_kms_key_arns = ["arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"]
  }

  assert {
    condition = length(aws_iam_role_policy.key) == 0 && jsondecode(aws_iam_role_policy.former_keys[0].policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "DecryptWithFormerKeys"
          Effect   = "Allow"
          Action   = "kms:Decrypt"
          Resource = ["arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"]
          Condition = {
            StringEquals = { "kms:ViaService" = ["dynamodb.eu-central-1.amazonaws.com", "sqs.eu-central-1.amazonaws.com"] }
          }
        },
      ]
    }
    error_message = "The role must be able to decrypt with a former key through SQS and DynamoDB, and to do nothing else with it, with or without a present key."
  }
}

run "settings_reach_function_and_mapping" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  variables {
    architecture            = "x86_64"
    batch_size              = 1000
    batching_window_seconds = 5
    maximum_concurrency     = null
    index_shards            = 8
    event_retention         = { "*" = "never", SESSION_PINGED = "30d", CART_VIEWED = "7d" }
  }

  assert {
    condition     = aws_lambda_function.consumer.architectures == tolist(["x86_64"])
    error_message = "The architecture must be the one given."
  }

  assert {
    condition = (
      aws_lambda_function.consumer.environment[0].variables["EVENT_INDEX_SHARDS"] == "8" &&
      aws_lambda_function.consumer.environment[0].variables["EVENT_RETENTION"] == "CART_VIEWED=7d,SESSION_PINGED=30d,*=never"
    )
    error_message = "Shards and retention must reach the function, and the rule for all other types must be last."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.events.batch_size == 1000 &&
      aws_lambda_event_source_mapping.events.maximum_batching_window_in_seconds == 5 &&
      length(aws_lambda_event_source_mapping.events.scaling_config) == 0
    )
    error_message = "Batch size, window and concurrency without a maximum must reach the mapping."
  }
}

run "china_key_is_used_through_its_services" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  override_data {
    target = data.aws_partition.current
    values = { partition = "aws-cn", dns_suffix = "amazonaws.com.cn" }
  }

  variables {
    region      = "cn-north-1"
    kms_key_arn = "arn:aws-cn:kms:cn-north-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.key[0].policy).Statement[0].Condition == {
      StringEquals = { "kms:ViaService" = ["dynamodb.cn-north-1.amazonaws.com.cn", "sqs.cn-north-1.amazonaws.com.cn"] }
    }
    error_message = "The condition must contain the service names of the partition."
  }
}

run "alias_points_to_the_deployed_version" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  assert {
    condition     = aws_lambda_function.consumer.publish && aws_lambda_alias.live.name == "live" && aws_lambda_alias.live.function_version == "3"
    error_message = "Each deployment must publish a version, and the alias must point to it."
  }
}

run "alias_points_to_a_chosen_version" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  variables {
    function_version = "2"
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "2" && output.function_version == "2"
    error_message = "A rollback must point the alias to the chosen version."
  }
}

run "pollers_replace_maximum_concurrency" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  variables {
    provisioned_pollers = { minimum = 20, maximum = 200 }
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.events.provisioned_poller_config[0].minimum_pollers == 20 &&
      aws_lambda_event_source_mapping.events.provisioned_poller_config[0].maximum_pollers == 200 &&
      length(aws_lambda_event_source_mapping.events.scaling_config) == 0
    )
    error_message = "Lambda accepts provisioned pollers only without a maximum concurrency."
  }
}

run "vpc_permission_is_refused_to_the_code" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  variables {
    vpc = { subnet_ids = ["subnet-1", "subnet-2"], security_group_ids = ["sg-1"] }
  }

  assert {
    condition = (
      aws_lambda_function.consumer.vpc_config[0].subnet_ids == toset(["subnet-1", "subnet-2"]) &&
      aws_lambda_function.consumer.vpc_config[0].security_group_ids == toset(["sg-1"])
    )
    error_message = "The function must run in the given subnets and security groups."
  }

  assert {
    condition = (
      jsondecode(aws_iam_role_policy.vpc[0].policy).Statement[1].Effect == "Deny" &&
      jsondecode(aws_iam_role_policy.vpc[0].policy).Statement[1].Action == jsondecode(aws_iam_role_policy.vpc[0].policy).Statement[0].Action &&
      jsondecode(aws_iam_role_policy.vpc[0].policy).Statement[1].Condition == {
        ArnEquals = { "lambda:SourceFunctionArn" = "arn:aws:lambda:eu-central-1:123456789012:function:orders-consumer" }
      }
    )
    error_message = "The function's own code must not be able to use the permissions for network interfaces."
  }
}

run "tracing_is_one_variable" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  variables {
    xray_tracing = true
  }

  assert {
    condition     = aws_lambda_function.consumer.tracing_config[0].mode == "Active" && jsondecode(aws_iam_role_policy.xray[0].policy).Statement[0].Action == ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    error_message = "Tracing needs the mode and the permission."
  }
}

run "vpc_and_tracing_are_off_by_default" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  assert {
    condition     = length(aws_iam_role_policy.vpc) == 0 && length(aws_iam_role_policy.xray) == 0 && length(aws_lambda_function.consumer.vpc_config) == 0
    error_message = "Both need a wildcard resource, so they must be off by default."
  }
}

run "boundary_and_path_reach_the_role" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  variables {
    iam_path                 = "/applications/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:policy/boundary"
  }

  assert {
    condition     = aws_iam_role.consumer.path == "/applications/" && aws_iam_role.consumer.permissions_boundary == "arn:aws:iam::123456789012:policy/boundary"
    error_message = "The role must have the given path and permissions boundary."
  }
}
