# How the parts are wired together, and which settings are refused.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
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
    error_message = "The function must get the table and the dead-letter queue that are created here."
  }

  assert {
    condition     = module.consumer.batching == { size = 10, window_seconds = 0 }
    error_message = "By default an event is stored at once."
  }

  assert {
    condition     = output.stream_arn == null && output.alarm_topic_arn == null && output.EVENT_INDEX_SHARDS == 0
    error_message = "Optional parts must be off by default."
  }
}

run "the_visibility_timeout_follows_timeout_and_window" {
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
    error_message = "FIFO must work with the defaults of everything else."
  }
}

run "an_index_reaches_function_and_table" {
  command = plan

  variables {
    index_shards = 8
  }

  assert {
    condition     = module.table.index_name == "by-type" && module.consumer.environment["EVENT_INDEX_SHARDS"] == "8" && output.EVENT_INDEX_SHARDS == 8
    error_message = "Function, table and readers must agree on the shards."
  }
}

run "an_open_principal_is_refused" {
  command = plan

  variables {
    producer_arns = ["*"]
  }

  expect_failures = [var.producer_arns]
}

run "a_whole_account_is_refused" {
  command = plan

  variables {
    producer_arns = ["arn:aws:iam::123456789012:root"]
  }

  expect_failures = [var.producer_arns]
}

run "a_wildcard_in_a_role_is_refused" {
  command = plan

  variables {
    producer_arns = ["arn:aws:iam::123456789012:role/*"]
  }

  expect_failures = [var.producer_arns]
}

run "a_producer_named_twice_is_refused" {
  command = plan

  variables {
    producer_arns = ["arn:aws:iam::123456789012:role/shop", "arn:aws:iam::123456789012:role/shop"]
  }

  expect_failures = [var.producer_arns]
}

run "fewer_than_five_tries_are_refused" {
  command = plan

  variables {
    max_receive_count = 4
  }

  expect_failures = [var.max_receive_count]
}

run "a_large_batch_without_a_window_is_refused" {
  command = plan

  variables {
    batch_size = 11
  }

  expect_failures = [var.batch_size]
}

run "a_large_batch_with_fifo_is_refused" {
  command = plan

  variables {
    fifo                    = true
    batch_size              = 11
    batching_window_seconds = 0
  }

  expect_failures = [var.batch_size]
}

run "a_window_with_fifo_is_refused" {
  command = plan

  variables {
    fifo                    = true
    batching_window_seconds = 1
  }

  expect_failures = [var.batching_window_seconds]
}

run "reserving_less_than_the_mapping_uses_is_refused" {
  command = plan

  variables {
    reserved_concurrency = 10
    maximum_concurrency  = 20
  }

  expect_failures = [var.reserved_concurrency]
}

run "reserving_nothing_at_all_is_refused" {
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

run "a_limit_on_demand_is_refused_when_provisioned" {
  command = plan

  variables {
    billing_mode            = "PROVISIONED"
    read_capacity           = 10
    write_capacity          = 10
    max_write_request_units = 100
  }

  expect_failures = [var.billing_mode]
}

run "a_message_above_one_mebibyte_is_refused" {
  command = plan

  variables {
    max_message_size = 1048577
  }

  expect_failures = [var.max_message_size]
}

run "an_alias_is_not_a_key" {
  command = plan

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:alias/events"
  }

  expect_failures = [var.kms_key_arn]
}

run "an_alias_is_no_former_key_either" {
  command = plan

  variables {
    former_kms_key_arns = ["alias/events"]
  }

  expect_failures = [var.former_kms_key_arns]
}

run "a_retention_in_words_is_refused" {
  command = plan

  variables {
    event_retention = { SESSION_PINGED = "a month" }
  }

  expect_failures = [var.event_retention]
}

run "a_retention_of_nothing_is_refused" {
  command = plan

  variables {
    event_retention = { SESSION_PINGED = "0d" }
  }

  expect_failures = [var.event_retention]
}

run "a_retention_in_weeks_is_refused" {
  command = plan

  variables {
    event_retention = { SESSION_PINGED = "2w" }
  }

  expect_failures = [var.event_retention]
}

run "every_unit_of_the_consumer_is_taken" {
  command = plan

  variables {
    event_retention = { A = "90m", B2 = "12h", ORDER_PLACED = "1y", SESSION_PINGED = "30d", "*" = "never" }
  }

  assert {
    condition     = module.consumer.environment["EVENT_RETENTION"] == "A=90m,B2=12h,ORDER_PLACED=1y,SESSION_PINGED=30d,*=never"
    error_message = "The function must get every rule as it was written."
  }
}

run "a_retention_for_no_event_type_is_refused" {
  command = plan

  variables {
    event_retention = { sessionPinged = "30d" }
  }

  expect_failures = [var.event_retention]
}

run "an_unknown_architecture_is_refused" {
  command = plan

  variables {
    architecture = "aarch64"
  }

  expect_failures = [var.architecture]
}

run "a_package_that_does_not_exist_is_refused" {
  command = plan

  variables {
    package_path = "tests/no-such-package.zip"
  }

  expect_failures = [var.package_path]
}

run "a_name_too_short_for_a_table_is_refused" {
  command = plan

  variables {
    name = "ev"
  }

  expect_failures = [var.name]
}

run "more_actions_than_an_alarm_takes_are_refused" {
  command = plan

  variables {
    alarm_action_arns  = [for n in range(5) : "arn:aws:sns:eu-central-1:123456789012:on-call-${n}"]
    create_alarm_topic = true
  }

  expect_failures = [var.alarm_action_arns]
}

run "addresses_without_a_topic_are_refused" {
  command = plan

  variables {
    alarm_emails = ["on-call@example.com"]
  }

  expect_failures = [var.alarm_emails]
}

run "an_alarm_that_comes_too_late_is_refused" {
  command = plan

  variables {
    message_retention_days       = 1
    oldest_message_alarm_seconds = 86400
  }

  expect_failures = [var.oldest_message_alarm_seconds]
}

run "a_queue_that_keeps_longer_than_its_dead_letter_queue_is_refused" {
  command = plan

  variables {
    message_retention_days = 14
  }

  expect_failures = [var.message_retention_days]
}
