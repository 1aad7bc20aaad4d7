# The optional outbox: table, permissions, function and alarm.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = {
      arn        = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders-outbox"
      stream_arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders-outbox/stream/2026-01-01T00:00:00.000"
    }
  }

  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:orders-outbox-relay" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/orders-outbox-relay" }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:eu-central-1:123456789012:rule/orders-outbox-relay-sweep" }
  }
}

override_resource {
  target          = terraform_data.deployment
  override_during = plan
  values          = { output = { name = "orders", region = "eu-central-1", account = "123456789012" } }
}

variables {
  name         = "orders"
  region       = "eu-central-1"
  package_path = "tests/package.txt"
}

run "outbox_is_off_by_default" {
  command = plan

  assert {
    condition     = length(module.outbox) == 0 && output.EVENT_OUTBOX_TABLE == null && output.outbox_writer_policy_arn == null && output.outbox_relay_function_name == null
    error_message = "Without the variable outbox, there must be no outbox."
  }

  assert {
    condition     = !contains(output.alarm_names, "orders-outbox-oldest-row")
    error_message = "Without an outbox, its alarm would fire forever."
  }
}

run "outbox_has_a_table_and_an_alarm" {
  command = plan

  variables {
    outbox = true
  }

  assert {
    condition     = output.EVENT_OUTBOX_TABLE == "orders-outbox" && output.outbox_relay_function_name == null
    error_message = "The table must have the name of the deployment, and without a package there is no function."
  }

  assert {
    condition     = contains(output.alarm_names, "orders-outbox-oldest-row")
    error_message = "The age of the oldest row must have an alarm."
  }
}

run "outbox_with_package_has_a_function" {
  command = plan

  variables {
    outbox                    = true
    outbox_relay_package_path = "tests/package.txt"
  }

  assert {
    condition     = output.outbox_relay_function_name == "orders-outbox-relay"
    error_message = "The package must be deployed as a function."
  }
}

run "missing_relay_package_is_refused" {
  command = plan

  variables {
    outbox                    = true
    outbox_relay_package_path = "tests/absent.zip"
  }

  expect_failures = [var.outbox_relay_package_path]
}

run "alarm_below_a_minute_is_refused" {
  command = plan

  variables {
    outbox_alarm_seconds = 30
  }

  expect_failures = [var.outbox_alarm_seconds]
}

run "threshold_by_name_is_refused" {
  command = plan

  variables {
    outbox = true
    alarms = { outbox-oldest-row = { threshold = 10 } }
  }

  expect_failures = [var.alarms]
}

run "rows_are_protected" {
  command = plan

  module {
    source = "./modules/outbox"
  }

  variables {
    name      = "orders-outbox"
    queue_arn = "arn:aws:sqs:eu-central-1:123456789012:orders"
    queue_url = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"

    # Overrides the package of the consumer, above.
    package_path = null
  }

  assert {
    condition     = aws_dynamodb_table.outbox.deletion_protection_enabled == true && aws_dynamodb_table.outbox.point_in_time_recovery[0].enabled == true
    error_message = "A row is an event that is not sent yet: it must not be possible to lose the table."
  }

  assert {
    condition     = aws_dynamodb_table.outbox.hash_key == "EventId" && aws_dynamodb_table.outbox.range_key == null && { for attribute in aws_dynamodb_table.outbox.attribute : attribute.name => attribute.type } == { EventId = "S" }
    error_message = "The key must be EventId, as services and relays expect."
  }

  assert {
    condition     = aws_dynamodb_table.outbox.stream_enabled == true && aws_dynamodb_table.outbox.stream_view_type == "NEW_IMAGE"
    error_message = "The function needs the new row from the stream."
  }

  assert {
    condition     = length(aws_dynamodb_table.outbox.ttl) == 0
    error_message = "A row must never expire: an expired row would be an event that is never sent."
  }

  assert {
    condition     = length(aws_lambda_function.relay) == 0 && length(aws_iam_role.relay) == 0 && length(aws_cloudwatch_event_rule.sweep) == 0
    error_message = "Without a package, nothing of the function may exist."
  }
}

run "policies_allow_only_their_part" {
  command = plan

  module {
    source = "./modules/outbox"
  }

  variables {
    name        = "orders-outbox"
    queue_arn   = "arn:aws:sqs:eu-central-1:123456789012:orders"
    queue_url   = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0d990263-0000-0000-0000-000000000000"
  }

  assert {
    condition = jsondecode(aws_iam_policy.writer.policy).Statement == [
      {
        Sid       = "WriteRowsInTransactions"
        Effect    = "Allow"
        Action    = "dynamodb:PutItem"
        Resource  = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders-outbox"
        Condition = { StringEquals = { "dynamodb:EnclosingOperation" = "TransactWriteItems" } }
      },
      {
        Sid       = "UseTheKeyThroughDynamoDb"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "arn:aws:kms:eu-central-1:123456789012:key/0d990263-0000-0000-0000-000000000000"
        Condition = { StringEquals = { "kms:ViaService" = "dynamodb.eu-central-1.amazonaws.com" } }
      },
    ]
    error_message = "A service must write rows in transactions only, and must not delete them."
  }

  assert {
    condition = jsondecode(aws_iam_policy.relay.policy).Statement == [
      {
        Sid      = "ReadAndDeleteRows"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:Scan"]
        Resource = "arn:aws:dynamodb:eu-central-1:123456789012:table/orders-outbox"
      },
      {
        Sid      = "SendEvents"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = "arn:aws:sqs:eu-central-1:123456789012:orders"
      },
      {
        Sid       = "UseTheKeyThroughSqsAndDynamoDb"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "arn:aws:kms:eu-central-1:123456789012:key/0d990263-0000-0000-0000-000000000000"
        Condition = { StringEquals = { "kms:ViaService" = ["dynamodb.eu-central-1.amazonaws.com", "sqs.eu-central-1.amazonaws.com"] } }
      },
    ]
    error_message = "The relay's policy must be exactly this one."
  }

  assert {
    condition     = [for encryption in aws_dynamodb_table.outbox.server_side_encryption : [encryption.enabled, encryption.kms_key_arn]] == [[true, var.kms_key_arn]]
    error_message = "The customer managed key must encrypt the table."
  }
}

run "function_sends_rows_and_sweeps" {
  command = plan

  module {
    source = "./modules/outbox"
  }

  variables {
    name         = "orders-outbox"
    queue_arn    = "arn:aws:sqs:eu-central-1:123456789012:orders"
    queue_url    = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"
    package_path = "tests/package.txt"
  }

  assert {
    condition     = aws_lambda_event_source_mapping.rows[0].function_response_types == toset(["ReportBatchItemFailures"])
    error_message = "One row that cannot be sent must not return its whole batch."
  }

  assert {
    condition     = [for filters in aws_lambda_event_source_mapping.rows[0].filter_criteria : [for filter in filters.filter : jsondecode(filter.pattern)]] == [[{ eventName = ["INSERT"] }]]
    error_message = "The relay's own deletions must not invoke the function."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.rows[0].starting_position == "TRIM_HORIZON" && aws_lambda_event_source_mapping.rows[0].event_source_arn == "arn:aws:dynamodb:eu-central-1:123456789012:table/orders-outbox/stream/2026-01-01T00:00:00.000"
    error_message = "The mapping must read the stream from its start."
  }

  assert {
    condition     = aws_cloudwatch_event_rule.sweep[0].schedule_expression == "rate(1 minute)" && aws_cloudwatch_event_target.sweep[0].arn == aws_lambda_function.relay[0].arn && aws_lambda_permission.sweep[0].source_arn == aws_cloudwatch_event_rule.sweep[0].arn
    error_message = "Every minute the function must send what the stream did not deliver: the alarm needs one value a minute."
  }

  assert {
    condition     = aws_lambda_function.relay[0].environment[0].variables == tomap({ EVENT_OUTBOX_TABLE = "orders-outbox", EVENT_QUEUE_URL = "https://sqs.eu-central-1.amazonaws.com/123456789012/orders", EVENT_LOG = "info" })
    error_message = "The function must use the table and the queue of this deployment."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.relay[0].policy) == jsondecode(aws_iam_policy.relay.policy)
    error_message = "The function's role must have the permissions of the relay's policy."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.stream[0].policy).Statement[*].Resource == ["arn:aws:dynamodb:eu-central-1:123456789012:table/orders-outbox/stream/*", "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/orders-outbox-relay:log-stream:*"]
    error_message = "Besides that, the role must only read the stream of the table and write its log."
  }
}

run "silent_relay_fires_the_alarm" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    queue_name                 = "orders"
    dead_letter_queue_name     = "orders-dead-letter"
    function_name              = "orders-consumer"
    log_group_name             = "/aws/lambda/orders-consumer"
    table_name                 = "orders"
    visibility_timeout_seconds = 180
    outbox_table_name          = "orders-outbox"
    composite_alarm            = true
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.alarms["outbox-oldest-row"].treat_missing_data == "breaching" && alltrue([for name, alarm in aws_cloudwatch_metric_alarm.alarms : alarm.treat_missing_data == "notBreaching" if name != "outbox-oldest-row"])
    error_message = "A relay that does not run reports nothing, so missing data must fire this alarm, and no other."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.alarms["outbox-oldest-row"].metric_name == "domain_events_outbox_oldest_seconds" && aws_cloudwatch_metric_alarm.alarms["outbox-oldest-row"].dimensions == tomap({ Outbox = "orders-outbox" }) && aws_cloudwatch_metric_alarm.alarms["outbox-oldest-row"].threshold == 300
    error_message = "The alarm must watch the metric that the relay writes."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_composite_alarm.critical[0].alarm_rule, "orders-outbox-oldest-row")
    error_message = "The composite alarm must include the outbox."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_metric_alarm.alarms["outbox-oldest-row"].alarm_description, "First:") && length(aws_cloudwatch_metric_alarm.alarms["outbox-oldest-row"].alarm_description) <= 1024 && strcontains(file("README.md"), "\n### outbox-oldest-row\n")
    error_message = "The description must name the first action, and the runbook must have a section for the alarm."
  }
}
