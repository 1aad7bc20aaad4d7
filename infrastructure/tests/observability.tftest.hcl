# What wakes somebody up, and what they see, in modules/observability.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }

  mock_resource "aws_cloudwatch_metric_alarm" {
    defaults = { arn = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:some" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:orders-alarms" }
  }
}

variables {
  name                         = "orders"
  queue_name                   = "orders"
  dead_letter_queue_name       = "orders-dead-letter"
  function_name                = "orders-consumer"
  log_group_name               = "/aws/lambda/orders-consumer"
  table_name                   = "orders"
  index_name                   = null
  memory_size                  = 256
  batch_size                   = 10
  visibility_timeout_seconds   = 180
  oldest_message_alarm_seconds = 300
  dead_letter_alarm_seconds    = 432000
  alarm_action_arns            = []
  create_alarm_topic           = false
  alarm_emails                 = []
  runbook_url                  = "https://example.com/runbook"
  prices = {
    sqs_million_requests       = 0.40
    lambda_million_requests    = 0.20
    lambda_gb_second           = 0.0000133334
    dynamodb_million_writes    = 0.625
    dynamodb_million_reads     = 0.125
    cloudwatch_gb_of_log_lines = 0.50
  }
  kms_key_arn = null
  tags        = {}
}

run "alarms_watch_the_right_metric" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = { for alarm in local.alarms : alarm.alarm_name => "${alarm.namespace}/${alarm.metric_name} of ${join(",", values(alarm.dimensions))}, ${alarm.statistic} above ${alarm.threshold}" if alarm.namespace != null } == {
      orders-dead-letter-queue-not-empty = "AWS/SQS/ApproximateNumberOfMessagesVisible of orders-dead-letter, Maximum above 0"
      orders-dead-letter-queue-expiring  = "AWS/SQS/ApproximateAgeOfOldestMessage of orders-dead-letter, Maximum above 432000"
      orders-oldest-message-too-old      = "AWS/SQS/ApproximateAgeOfOldestMessage of orders, Maximum above 300"
      orders-events-failing              = "DomainEvents/Failed of orders-consumer, Sum above 0"
      orders-function-errors             = "AWS/Lambda/Errors of orders-consumer, Sum above 0"
      orders-function-throttles          = "AWS/Lambda/Throttles of orders-consumer, Sum above 0"
      orders-rejected-events             = "DomainEvents/Rejected of orders-consumer, Sum above 0"
    }
    error_message = "Each alarm must watch its metric."
  }

  assert {
    condition = sort([for query in aws_cloudwatch_metric_alarm.table_throttles.metric_query : try(query.metric[0].metric_name, query.expression)]) == tolist([
      "FILL(writes, 0) + FILL(reads, 0)", "ReadThrottleEvents", "WriteThrottleEvents",
    ])
    error_message = "The alarm on the table must add up throttled reads and writes."
  }

  assert {
    condition = alltrue([for alarm in local.alarms :
      alarm.comparison_operator == "GreaterThanThreshold" && alarm.treat_missing_data == "notBreaching" && alarm.actions_enabled != false
    ])
    error_message = "An idle system must raise no alarm."
  }

  assert {
    condition     = length(local.alarms) == 8 && length(output.alarm_names) == 8
    error_message = "There must be eight alarms."
  }
}

# An event that fails again and again, and nothing else: a try each visibility
# timeout. However the tries fall into periods, two of them are in the window.
run "a_single_failing_event_rings" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = alltrue([for alarm in [aws_cloudwatch_metric_alarm.events_failing, aws_cloudwatch_metric_alarm.function_errors] :
      alarm.period == 300 && alarm.evaluation_periods == 3 && alarm.datapoints_to_alarm == 2 &&
      (alarm.evaluation_periods - 1) * alarm.period > var.visibility_timeout_seconds
    ])
    error_message = "With tries 180 seconds apart, two of three periods of five minutes must ring; one failure must not."
  }
}

run "a_single_failing_event_rings_with_the_longest_visibility_timeout_too" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    visibility_timeout_seconds = 5700
  }

  assert {
    condition = alltrue([for alarm in [aws_cloudwatch_metric_alarm.events_failing, aws_cloudwatch_metric_alarm.function_errors] :
      (alarm.evaluation_periods - 1) * alarm.period > var.visibility_timeout_seconds && alarm.datapoints_to_alarm == 2 &&
      alarm.evaluation_periods * alarm.period <= 86400
    ])
    error_message = "Two tries must fall into the window, and the window into the day that CloudWatch allows."
  }
}

run "every_alarm_says_what_to_do" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = alltrue([for alarm in local.alarms :
      strcontains(alarm.alarm_description, "First:") && length(alarm.alarm_description) <= 1024 &&
      endswith(trimspace(alarm.alarm_description), "https://example.com/runbook#${trimprefix(alarm.alarm_name, "orders-")}")
    ])
    error_message = "Every description must say what to do first, fit CloudWatch's 1,024 characters, and end with the section of the runbook."
  }

  # The section that the description points to must exist.
  assert {
    condition     = alltrue([for alarm in local.alarms : strcontains(file("README.md"), "\n### ${trimprefix(alarm.alarm_name, "orders-")}\n")])
    error_message = "The runbook must have a section for every alarm."
  }
}

run "the_index_is_watched_when_there_is_one" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    index_name = "by-type"
  }

  assert {
    condition     = length([for query in aws_cloudwatch_metric_alarm.table_throttles.metric_query : query if try(query.metric[0].dimensions["GlobalSecondaryIndexName"], "") == "by-type"]) == 2
    error_message = "A throttled index holds up the table: the alarm must see it."
  }

  assert {
    condition     = strcontains(aws_cloudwatch_dashboard.events.dashboard_body, "GlobalSecondaryIndexName")
    error_message = "The dashboard must show the index's throttles."
  }
}

run "alarms_notify_whom_they_are_told_to" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    alarm_action_arns  = ["arn:aws:sns:eu-central-1:123456789012:on-call"]
    create_alarm_topic = true
    alarm_emails       = ["on-call@example.com"]
  }

  assert {
    condition = alltrue([for alarm in local.alarms :
      alarm.alarm_actions == toset(["arn:aws:sns:eu-central-1:123456789012:on-call", "arn:aws:sns:eu-central-1:123456789012:orders-alarms"]) &&
      alarm.ok_actions == alarm.alarm_actions
    ])
    error_message = "Every alarm must notify both topics, of its end too."
  }

  assert {
    condition = jsondecode(aws_sns_topic.alarms[0].policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "AlarmsOfThisAccountPublish"
          Effect    = "Allow"
          Principal = { Service = "cloudwatch.amazonaws.com" }
          Action    = "sns:Publish"
          Resource  = "arn:aws:sns:eu-central-1:123456789012:orders-alarms"
          Condition = { StringEquals = { "aws:SourceAccount" = "123456789012" } }
        },
      ]
    }
    error_message = "Only this account's alarms may publish."
  }

  assert {
    condition     = keys(aws_sns_topic_subscription.email) == ["on-call@example.com"]
    error_message = "The addresses must be subscribed."
  }
}

run "without_a_topic_there_is_none" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition     = length(aws_sns_topic.alarms) == 0 && length(aws_sns_topic_subscription.email) == 0 && output.alarm_topic_arn == null
    error_message = "No topic unless asked for."
  }
}

run "the_dashboard_answers_every_question" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = alltrue([for metric in [
      "NumberOfMessagesSent", "NumberOfMessagesReceived", "Stored", "AgeWhenStored", "Duplicate", "Tie", "Rejected", "Failed",
      "ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible", "ApproximateAgeOfOldestMessage", "orders-dead-letter",
      "Duration", "Errors", "Throttles", "ConcurrentExecutions", "WriteThrottleEvents", "ReadThrottleEvents", "DynamoDbRetries",
      "ConsumedWriteCapacityUnits", "ConsumedReadCapacityUnits", "DynamoDbRequests", "{DomainEvents,Function,Code}", "cost_dynamodb",
      "cost_sqs", "cost_lambda", "cost_logs",
    ] : strcontains(aws_cloudwatch_dashboard.events.dashboard_body, metric)])
    error_message = "The dashboard must show every metric of the list."
  }

  # CloudWatch's grid is 24 wide; widgets that overlap hide each other.
  assert {
    condition = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.events.dashboard_body).widgets :
      widget.x + widget.width <= 24 && length([for other in jsondecode(aws_cloudwatch_dashboard.events.dashboard_body).widgets : other
        if other.x < widget.x + widget.width && widget.x < other.x + other.width && other.y < widget.y + widget.height && widget.y < other.y + other.height
      ]) == 1
    ])
    error_message = "No two widgets may overlap."
  }
}
