# How the function is invoked and what its role may do, in modules/consumer.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/orders-consumer" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:orders-consumer" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/orders-consumer", id = "orders-consumer" }
  }
}

variables {
  name                    = "orders-consumer"
  package_path            = "tests/package.txt"
  architecture            = "arm64"
  memory_size             = 256
  timeout                 = 30
  reserved_concurrency    = -1
  batch_size              = 10
  batching_window_seconds = 0
  maximum_concurrency     = 20
  queue_arn               = "arn:aws:sqs:eu-central-1:123456789012:orders"
  dead_letter_queue_arn   = "arn:aws:sqs:eu-central-1:123456789012:orders-dead-letter"
  dead_letter_queue_url   = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders-dead-letter"
  table_name              = "orders"
  table_arn               = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders"
  index_shards            = 0
  event_retention         = {}
  log_level               = "info"
  log_retention_days      = 30
  kms_key_arn             = null
  former_kms_key_arns     = []
  tags                    = { team = "orders" }
}

run "only_failed_events_come_back" {
  command = plan

  module {
    source = "./modules/consumer"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.events.function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "Without ReportBatchItemFailures the function's answer is ignored, and failed events are deleted."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.events.event_source_arn == var.queue_arn &&
      aws_lambda_event_source_mapping.events.function_name == "arn:aws:lambda:eu-central-1:123456789012:function:orders-consumer" &&
      aws_lambda_event_source_mapping.events.enabled == true
    )
    error_message = "The mapping must invoke this function with the messages of this queue."
  }

  # A filter would delete what it does not match.
  assert {
    condition     = length(aws_lambda_event_source_mapping.events.filter_criteria) == 0
    error_message = "The mapping must not filter: what is filtered out is deleted."
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

run "the_function_is_the_one_that_was_built" {
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
    error_message = "A new package must be deployed."
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
    error_message = "The function must log to its own group, which forgets after 30 days."
  }
}

run "the_role_may_do_exactly_what_the_function_does" {
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
    condition     = length(aws_iam_role_policy.key) == 0
    error_message = "Without a customer key there is no permission for one."
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
    error_message = "Only Lambda may take the role."
  }

  # Every statement, now and later: no wildcard in an action, and in a resource
  # only the one that stands for the log streams of this group.
  assert {
    condition = alltrue([for statement in jsondecode(aws_iam_role_policy.consumer.policy).Statement :
      !strcontains(jsonencode(statement.Action), "*") &&
      !strcontains(trimsuffix(statement.Resource, "log-group:/aws/lambda/orders-consumer:log-stream:*"), "*")
    ])
    error_message = "No wildcard in an action or a resource."
  }
}

run "a_customer_key_is_used_through_its_services_only" {
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
    error_message = "No other key unless one is named."
  }

  assert {
    condition     = aws_cloudwatch_log_group.consumer.kms_key_id == var.kms_key_arn
    error_message = "The logs must be encrypted with the customer's key."
  }
}

run "what_waits_under_a_former_key_can_be_read" {
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
          Sid       = "DecryptWaitingEvents"
          Effect    = "Allow"
          Action    = "kms:Decrypt"
          Resource  = ["arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"]
          Condition = { StringEquals = { "kms:ViaService" = "sqs.eu-central-1.amazonaws.com" } }
        },
      ]
    }
    error_message = "The role must be able to decrypt with a former key, through SQS, and nothing more; also when there is no key now."
  }
}

run "settings_reach_the_function" {
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
    error_message = "Shards and retention must reach the function, with the rule for all other types last."
  }

  assert {
    condition = (
      aws_lambda_event_source_mapping.events.batch_size == 1000 &&
      aws_lambda_event_source_mapping.events.maximum_batching_window_in_seconds == 5 &&
      length(aws_lambda_event_source_mapping.events.scaling_config) == 0
    )
    error_message = "Batch, window and no limit to concurrency must reach the mapping."
  }
}
