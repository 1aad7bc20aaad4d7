# How the parts are connected, and which settings are refused.

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
}

override_resource {
  target          = terraform_data.deployment
  override_during = plan
  values          = { output = { name = "domain-events", region = "eu-central-1", account = "123456789012" } }
}

override_resource {
  target          = module.queue.aws_sqs_queue.events
  override_during = plan
  values          = { url = "https://sqs.eu-central-1.amazonaws.com/123456789012/domain-events" }
}

override_resource {
  target          = module.queue.aws_sqs_queue.dead_letter
  override_during = plan
  values          = { url = "https://sqs.eu-central-1.amazonaws.com/123456789012/domain-events-dead-letter" }
}

variables {
  name         = "domain-events"
  region       = "eu-central-1"
  package_path = "tests/package.txt"
}

run "defaults_fit_together" {
  command = plan

  assert {
    condition     = module.queue.visibility_timeout_seconds == 6 * module.consumer.function_timeout + module.consumer.batching.window_seconds && module.queue.visibility_timeout_seconds == 180
    error_message = "The visibility timeout must be six times the function's timeout plus the batching window."
  }

  assert {
    condition     = output.deletion_protection == true
    error_message = "The table must be protected by default."
  }

  assert {
    condition     = module.queue.queue_name == "domain-events" && module.queue.dead_letter_queue_name == "domain-events-dead-letter" && output.EVENT_TABLE == "domain-events"
    error_message = "Names must come from the variable name."
  }

  assert {
    condition     = module.consumer.environment["EVENT_TABLE"] == output.EVENT_TABLE && module.consumer.environment["DEAD_LETTER_QUEUE_URL"] == "https://sqs.eu-central-1.amazonaws.com/123456789012/domain-events-dead-letter"
    error_message = "The function must use the table and the dead-letter queue of this deployment."
  }

  assert {
    condition     = module.consumer.batching == { size = 10, window_seconds = 0 }
    error_message = "By default, an event must be stored without a delay."
  }

  assert {
    condition     = output.stream_arn == null && output.alarm_topic_arn == null && output.EVENT_INDEX_SHARDS == 0
    error_message = "Optional parts must be off by default."
  }
}

run "visibility_follows_timeout_and_window" {
  command = plan

  variables {
    function_timeout        = 60
    batch_size              = 500
    batching_window_seconds = 20
  }

  assert {
    condition     = module.queue.visibility_timeout_seconds == 380
    error_message = "6 * 60 + 20 is 380."
  }
}

run "fifo_needs_no_other_variable" {
  command = plan

  variables {
    fifo = true
  }

  assert {
    condition     = module.queue.queue_name == "domain-events.fifo" && module.consumer.batching == { size = 10, window_seconds = 0 }
    error_message = "FIFO must work with the defaults of all other variables."
  }
}

run "index_reaches_function_and_table" {
  command = plan

  variables {
    index_shards = 8
  }

  assert {
    condition     = module.table.index_names == tolist(["by-type"]) && module.consumer.environment["EVENT_INDEX_SHARDS"] == "8" && output.EVENT_INDEX_SHARDS == 8
    error_message = "The function, the table and readers must use the same number of shards."
  }
}

run "correlation_index_is_not_the_functions" {
  command = plan

  variables {
    correlation_index = true
  }

  assert {
    condition     = module.table.index_names == tolist(["by-correlation"])
    error_message = "The table must have the index."
  }

  # DynamoDB fills the index from a field of the event, so the function stores as before.
  assert {
    condition     = sort(keys(module.consumer.environment)) == tolist(["DEAD_LETTER_QUEUE_URL", "EVENT_LOG", "EVENT_TABLE"])
    error_message = "The function's configuration must not change because of the index."
  }
}

run "open_principal_is_refused" {
  command = plan

  variables {
    producer_arns = ["*"]
  }

  expect_failures = [var.producer_arns]
}

run "whole_account_is_refused" {
  command = plan

  variables {
    producer_arns = ["arn:aws:iam::123456789012:root"]
  }

  expect_failures = [var.producer_arns]
}

run "wildcard_in_a_role_is_refused" {
  command = plan

  variables {
    producer_arns = ["arn:aws:iam::123456789012:role/*"]
  }

  expect_failures = [var.producer_arns]
}

run "producer_named_twice_is_refused" {
  command = plan

  variables {
    producer_arns = ["arn:aws:iam::123456789012:role/shop", "arn:aws:iam::123456789012:role/shop"]
  }

  expect_failures = [var.producer_arns]
}

run "fewer_than_five_attempts_are_refused" {
  command = plan

  variables {
    max_receive_count = 4
  }

  expect_failures = [var.max_receive_count]
}

run "large_batch_without_window_is_refused" {
  command = plan

  variables {
    batch_size = 11
  }

  expect_failures = [var.batch_size]
}

run "large_batch_with_fifo_is_refused" {
  command = plan

  variables {
    fifo                    = true
    batch_size              = 11
    batching_window_seconds = 0
  }

  expect_failures = [var.batch_size]
}

run "window_with_fifo_is_refused" {
  command = plan

  variables {
    fifo                    = true
    batching_window_seconds = 1
  }

  expect_failures = [var.batching_window_seconds]
}

run "too_low_reserved_concurrency_is_refused" {
  command = plan

  variables {
    reserved_concurrency = 10
    maximum_concurrency  = 20
  }

  expect_failures = [var.reserved_concurrency]
}

run "zero_reserved_concurrency_is_refused" {
  command = plan

  variables {
    reserved_concurrency = 0
  }

  expect_failures = [var.reserved_concurrency]
}

run "provisioned_without_capacity_is_refused" {
  command = plan

  variables {
    billing_mode = "PROVISIONED"
  }

  expect_failures = [var.billing_mode]
}

run "capacity_on_demand_is_refused" {
  command = plan

  variables {
    write_capacity = 100
  }

  expect_failures = [var.billing_mode]
}

run "maximum_on_demand_is_refused_provisioned" {
  command = plan

  variables {
    billing_mode            = "PROVISIONED"
    read_capacity           = 10
    write_capacity          = 10
    max_write_request_units = 100
  }

  expect_failures = [var.billing_mode]
}

run "ignored_capacity_on_demand_is_refused" {
  command = plan

  variables {
    ignore_capacity = true
  }

  expect_failures = [var.ignore_capacity]
}

run "warm_throughput_below_minimum_is_refused" {
  command = plan

  variables {
    warm_throughput = { read = 12000, write = 1000 }
  }

  expect_failures = [var.warm_throughput]
}

run "warm_throughput_provisioned_is_refused" {
  command = plan

  variables {
    billing_mode    = "PROVISIONED"
    read_capacity   = 50
    write_capacity  = 1000
    warm_throughput = { read = 12000, write = 20000 }
  }

  expect_failures = [var.warm_throughput]
}

run "message_above_1_mib_is_refused" {
  command = plan

  variables {
    max_message_size = 1048577
  }

  expect_failures = [var.max_message_size]
}

run "alias_as_key_is_refused" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:alias/events"
  }

  expect_failures = [var.kms_key_arn]
}

run "alias_as_former_key_is_refused" {
  command = plan

  variables {
    former_kms_key_arns = ["alias/events"]
  }

  expect_failures = [var.former_kms_key_arns]
}

run "retention_in_words_is_refused" {
  command = plan

  variables {
    event_retention = { SESSION_PINGED = "a month" }
  }

  expect_failures = [var.event_retention]
}

run "retention_of_zero_days_is_refused" {
  command = plan

  variables {
    event_retention = { SESSION_PINGED = "0d" }
  }

  expect_failures = [var.event_retention]
}

run "retention_in_weeks_is_refused" {
  command = plan

  variables {
    event_retention = { SESSION_PINGED = "2w" }
  }

  expect_failures = [var.event_retention]
}

run "every_retention_unit_reaches_the_function" {
  command = plan

  variables {
    event_retention = { A = "90m", B2 = "12h", ORDER_PLACED = "1y", SESSION_PINGED = "30d", "*" = "never" }
  }

  assert {
    condition     = module.consumer.environment["EVENT_RETENTION"] == "A=90m,B2=12h,ORDER_PLACED=1y,SESSION_PINGED=30d,*=never"
    error_message = "The function must receive every rule unchanged."
  }
}

run "retention_of_invalid_type_is_refused" {
  command = plan

  variables {
    event_retention = { sessionPinged = "30d" }
  }

  expect_failures = [var.event_retention]
}

run "unknown_architecture_is_refused" {
  command = plan

  variables {
    architecture = "aarch64"
  }

  expect_failures = [var.architecture]
}

run "missing_package_is_refused" {
  command = plan

  variables {
    package_path = "tests/no-such-package.zip"
  }

  expect_failures = [var.package_path]
}

run "name_too_short_for_a_table_is_refused" {
  command = plan

  variables {
    name = "ev"
  }

  expect_failures = [var.name]
}

run "more_than_five_alarm_actions_are_refused" {
  command = plan

  variables {
    alarm_action_arns  = [for n in range(5) : "arn:aws:sns:eu-central-1:123456789012:on-call-${n}"]
    create_alarm_topic = true
  }

  expect_failures = [var.alarm_action_arns]
}

run "emails_without_a_topic_are_refused" {
  command = plan

  variables {
    alarm_emails = ["on-call@example.com"]
  }

  expect_failures = [var.alarm_emails]
}

run "alarm_after_half_retention_is_refused" {
  command = plan

  variables {
    message_retention_days       = 1
    oldest_message_alarm_seconds = 86400
  }

  expect_failures = [var.oldest_message_alarm_seconds]
}

run "retention_above_11_days_is_refused" {
  command = plan

  variables {
    message_retention_days = 14
  }

  expect_failures = [var.message_retention_days]
}

# The deployment

run "names_come_from_the_record" {
  command = plan

  variables {
    outbox = true
  }

  # Only a name from the record makes -target check the record, of every part.
  override_module {
    target  = module.deployment
    outputs = { name = "recorded", region = "eu-north-1" }
  }

  assert {
    condition     = module.queue.queue_name == "recorded" && output.EVENT_TABLE == "recorded" && output.EVENT_OUTBOX_TABLE == "recorded-outbox" && output.function_name == "recorded-consumer" && output.dashboard_name == "recorded-eu-north-1"
    error_message = "Every part must take its name from the record of the deployment."
  }
}

run "region_of_the_eu_sovereign_cloud_is_valid" {
  command = plan

  override_data {
    target = data.aws_region.current
    values = { id = "eusc-de-east-1" }
  }

  override_resource {
    target          = terraform_data.deployment
    override_during = plan
    values          = { output = { name = "domain-events", region = "eusc-de-east-1", account = "123456789012" } }
  }

  variables {
    region = "eusc-de-east-1"
  }

  assert {
    condition     = output.deployment.region == "eusc-de-east-1"
    error_message = "The region must be accepted."
  }
}

run "region_that_is_not_a_code_is_refused" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "name_too_long_for_the_role_is_refused" {
  command = plan

  variables {
    name   = "a-name-of-exactly-forty-characters-here1"
    region = "us-isof-south-1"
  }

  expect_failures = [var.name]
}

run "table_of_another_name_is_used" {
  command = plan

  variables {
    table_name = "events-restored"
  }

  assert {
    condition     = output.EVENT_TABLE == "events-restored" && module.consumer.environment["EVENT_TABLE"] == "events-restored"
    error_message = "The function and readers must use the named table."
  }
}

# The function's environment

run "retention_above_4_kb_is_refused" {
  command = plan

  variables {
    event_retention = { for n in range(120) : "SOME_EVENT_TYPE_WITH_A_LONG_NAME_${n}" => "30d" }
  }

  expect_failures = [var.event_retention]
}

run "pollers_above_reserved_concurrency_refused" {
  command = plan

  variables {
    reserved_concurrency = 100
    provisioned_pollers  = { minimum = 2, maximum = 20 }
  }

  expect_failures = [var.reserved_concurrency]
}

run "more_than_2000_pollers_are_refused" {
  command = plan

  variables {
    provisioned_pollers = { minimum = 2, maximum = 2001 }
  }

  expect_failures = [var.provisioned_pollers]
}

run "version_that_is_not_a_number_is_refused" {
  command = plan

  variables {
    function_version = "$LATEST"
  }

  expect_failures = [var.function_version]
}

# Producers, readers, operators

run "topic_with_a_wildcard_is_refused" {
  command = plan

  variables {
    producer_topic_arns = ["arn:aws:sns:eu-central-1:123456789012:*"]
  }

  expect_failures = [var.producer_topic_arns]
}

run "rule_with_a_wildcard_is_refused" {
  command = plan

  variables {
    producer_rule_arns = ["arn:aws:events:eu-central-1:123456789012:rule/*"]
  }

  expect_failures = [var.producer_rule_arns]
}

run "organization_that_is_not_an_id_is_refused" {
  command = plan

  variables {
    producer_organization_ids = ["*"]
  }

  expect_failures = [var.producer_organization_ids]
}

run "reader_that_is_an_account_is_refused" {
  command = plan

  variables {
    reader_arns = ["arn:aws:iam::210987654321:root"]
  }

  expect_failures = [var.reader_arns]
}

run "operator_cannot_write_or_change_anything" {
  command = plan

  variables {
    outbox = true
  }

  override_resource {
    target          = module.outbox[0].aws_dynamodb_table.outbox
    override_during = plan
    values          = { arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/domain-events-outbox" }
  }

  override_resource {
    target          = module.table.aws_dynamodb_table.events
    override_during = plan
    values          = { arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/domain-events" }
  }

  override_resource {
    target          = module.queue.aws_sqs_queue.events
    override_during = plan
    values = {
      arn = "arn:aws:sqs:eu-central-1:123456789012:domain-events"
      url = "https://sqs.eu-central-1.amazonaws.com/123456789012/domain-events"
    }
  }

  override_resource {
    target          = module.queue.aws_sqs_queue.dead_letter
    override_during = plan
    values = {
      arn = "arn:aws:sqs:eu-central-1:123456789012:domain-events-dead-letter"
      url = "https://sqs.eu-central-1.amazonaws.com/123456789012/domain-events-dead-letter"
    }
  }

  override_resource {
    target          = module.consumer.aws_lambda_function.consumer
    override_during = plan
    values          = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:domain-events-consumer", version = "1" }
  }

  override_resource {
    target          = module.consumer.aws_lambda_event_source_mapping.events
    override_during = plan
    values          = { arn = "arn:aws:lambda:eu-central-1:123456789012:event-source-mapping:1", uuid = "1" }
  }

  override_resource {
    target          = module.consumer.aws_cloudwatch_log_group.consumer
    override_during = plan
    values          = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/domain-events-consumer" }
  }

  override_resource {
    target          = module.observability.aws_cloudwatch_metric_alarm.alarms
    override_during = plan
    values          = { arn = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:some" }
  }

  assert {
    condition = sort(distinct(flatten([for statement in jsondecode(aws_iam_policy.operator.policy).Statement : statement.Action]))) == tolist([
      "cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics",
      "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive",
      "dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan",
      "lambda:GetAccountSettings", "lambda:GetAlias", "lambda:GetEventSourceMapping", "lambda:GetFunctionConcurrency",
      "lambda:GetFunctionConfiguration", "lambda:ListEventSourceMappings", "lambda:ListVersionsByFunction",
      "logs:FilterLogEvents",
      "sqs:CancelMessageMoveTask", "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl",
      "sqs:ListMessageMoveTasks", "sqs:ReceiveMessage", "sqs:SendMessage", "sqs:StartMessageMoveTask",
    ])
    error_message = "The operator's policy must contain exactly these actions."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_policy.operator.policy).Statement : statement.Sid if contains(flatten([statement.Action]), "sqs:SendMessage") || contains(flatten([statement.Action]), "sqs:ReceiveMessage")] == [
      "HandleTheDeadLetterQueue", "SendEventsAgain",
    ]
    error_message = "The operator must receive from the dead-letter queue only, and send to the queue only."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_policy.operator.policy).Statement : statement.Resource if statement.Sid == "ReadEvents"] == [[
      "arn:aws:dynamodb:eu-central-1:123456789012:table/domain-events",
      "arn:aws:dynamodb:eu-central-1:123456789012:table/domain-events/index/by-correlation",
      "arn:aws:dynamodb:eu-central-1:123456789012:table/domain-events/index/by-type",
    ]]
    error_message = "The operator must read the table and both indexes."
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_policy.operator.policy).Statement : statement if statement.Sid == "ReadTheOutbox"] == [{
      Sid      = "ReadTheOutbox"
      Effect   = "Allow"
      Action   = "dynamodb:Scan"
      Resource = "arn:aws:dynamodb:eu-central-1:123456789012:table/domain-events-outbox"
    }]
    error_message = "The operator must be able to look at the rows of the outbox, and must not change them."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_policy.operator.policy).Statement : statement.Sid if statement.Resource == "*"] == ["ReadMetricsAndQuotas"]
    error_message = "Only one statement may have the resource *."
  }
}

# Alarms

run "unknown_alarm_is_refused" {
  command = plan

  variables {
    alarms = { rejected-event = { threshold = 10 } }
  }

  expect_failures = [var.alarms]
}

run "severity_that_does_not_exist_is_refused" {
  command = plan

  variables {
    alarms = { rejected-events = { severity = "info" } }
  }

  expect_failures = [var.alarms]
}
