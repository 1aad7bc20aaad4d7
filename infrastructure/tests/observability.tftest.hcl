# Which alarms fire, and what the dashboard shows, in modules/observability.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
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

# Every other variable has a default, so that the module can be used alone.
variables {
  region                 = "eu-central-1"
  name                   = "orders"
  queue_name             = "orders"
  dead_letter_queue_name = "orders-dead-letter"
  function_name          = "orders-consumer"
  log_group_name         = "/aws/lambda/orders-consumer"
  table_name             = "orders"
  runbook_url            = "https://example.com/runbook"
}

run "alarms_watch_the_right_metrics" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = { for alarm in aws_cloudwatch_metric_alarm.alarms : alarm.alarm_name => "${alarm.namespace}/${alarm.metric_name} of ${join(",", values(alarm.dimensions))}, ${alarm.statistic} above ${alarm.threshold}" if alarm.namespace != null } == {
      orders-dead-letter-queue-not-empty = "AWS/SQS/ApproximateNumberOfMessagesVisible of orders-dead-letter, Maximum above 0"
      orders-dead-letter-queue-expiring  = "AWS/SQS/ApproximateAgeOfOldestMessage of orders-dead-letter, Maximum above 432000"
      orders-oldest-message-too-old      = "AWS/SQS/ApproximateAgeOfOldestMessage of orders, Maximum above 300"
      orders-events-failing              = "DomainEvents/Failed of orders-consumer, Sum above 0"
      orders-function-errors             = "AWS/Lambda/Errors of orders-consumer, Sum above 0"
      orders-function-throttles          = "AWS/Lambda/Throttles of orders-consumer, Sum above 0"
      orders-rejected-events             = "DomainEvents/Rejected of orders-consumer, Sum above 0"
      orders-metrics-invalid             = "AWS/Logs/EMFValidationErrors of /aws/lambda/orders-consumer, Sum above 0"
    }
    error_message = "Each alarm must watch its metric."
  }

  assert {
    condition = sort([for query in aws_cloudwatch_metric_alarm.alarms["table-throttles"].metric_query : try(query.metric[0].metric_name, query.expression)]) == tolist([
      "FILL(reads, 0) + FILL(writes, 0)", "ReadThrottleEvents", "WriteThrottleEvents",
    ])
    error_message = "The alarm on the table must add up throttled reads and writes."
  }

  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.alarms :
      alarm.comparison_operator == "GreaterThanThreshold" && alarm.treat_missing_data == "notBreaching" && alarm.actions_enabled != false
    ])
    error_message = "An idle system must not fire an alarm."
  }

  assert {
    condition     = length(output.alarm_names) == 9 && length(aws_cloudwatch_composite_alarm.critical) == 0
    error_message = "There must be nine alarms by default."
  }

  # Metrics from the function's log arrive minutes late.
  assert {
    condition = alltrue([for name in ["rejected-events", "events-failing", "metrics-invalid"] :
      aws_cloudwatch_metric_alarm.alarms[name].evaluation_periods * aws_cloudwatch_metric_alarm.alarms[name].period >= 300
    ])
    error_message = "An alarm on a metric from the log must look at five minutes or more."
  }
}

# A single event that fails repeatedly, with one attempt per visibility timeout.
# The window contains two attempts, wherever they fall within the periods.
run "single_failing_event_fires_an_alarm" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = alltrue([for alarm in [aws_cloudwatch_metric_alarm.alarms["events-failing"], aws_cloudwatch_metric_alarm.alarms["function-errors"]] :
      alarm.period == 300 && alarm.evaluation_periods == 3 && alarm.datapoints_to_alarm == 2 &&
      (alarm.evaluation_periods - 1) * alarm.period > var.visibility_timeout_seconds
    ])
    error_message = "With attempts 180 seconds apart, two of three periods of five minutes must fire the alarm, and one must not."
  }
}

run "failing_event_fires_with_long_visibility" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    visibility_timeout_seconds = 5700
  }

  assert {
    condition = alltrue([for alarm in [aws_cloudwatch_metric_alarm.alarms["events-failing"], aws_cloudwatch_metric_alarm.alarms["function-errors"]] :
      (alarm.evaluation_periods - 1) * alarm.period > var.visibility_timeout_seconds && alarm.datapoints_to_alarm == 2 &&
      alarm.evaluation_periods * alarm.period <= 86400
    ])
    error_message = "The window must contain two attempts, and must not exceed the day that CloudWatch allows."
  }
}

run "every_alarm_description_names_an_action" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.alarms :
      strcontains(alarm.alarm_description, "First:") && length(alarm.alarm_description) <= 1024 &&
      endswith(trimspace(alarm.alarm_description), "https://example.com/runbook#${trimprefix(alarm.alarm_name, "orders-")}")
    ])
    error_message = "Every description must say what to do first, fit CloudWatch's 1,024 characters, and end with the section of the runbook."
  }

  # The section that the description points to must exist.
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.alarms : strcontains(file("README.md"), "\n### ${trimprefix(alarm.alarm_name, "orders-")}\n")])
    error_message = "The runbook must have a section for every alarm."
  }
}

run "index_is_watched_if_it_exists" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    index_names = ["by-correlation", "by-type"]
  }

  assert {
    condition = sort([for query in aws_cloudwatch_metric_alarm.alarms["table-throttles"].metric_query : query.id if contains(["by-correlation", "by-type"], try(query.metric[0].dimensions["GlobalSecondaryIndexName"], ""))]) == tolist([
      "by_correlation_reads", "by_correlation_writes", "by_type_reads", "by_type_writes",
    ])
    error_message = "A throttled index delays the table's writes, so the alarm must include each index."
  }

  assert {
    condition     = alltrue([for index in ["by-correlation", "by-type"] : strcontains(aws_cloudwatch_dashboard.events.dashboard_body, "\"GlobalSecondaryIndexName\",\"${index}\"")])
    error_message = "The dashboard must show the throttles of each index."
  }
}

run "alarms_notify_the_given_actions" {
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
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.alarms :
      alarm.alarm_actions == toset(["arn:aws:sns:eu-central-1:123456789012:on-call", "arn:aws:sns:eu-central-1:123456789012:orders-alarms"]) &&
      alarm.ok_actions == alarm.alarm_actions
    ])
    error_message = "Every alarm must notify both topics, when it fires and when it ends."
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

run "topic_is_not_created_by_default" {
  command = plan

  module {
    source = "./modules/observability"
  }

  assert {
    condition     = length(aws_sns_topic.alarms) == 0 && length(aws_sns_topic_subscription.email) == 0 && output.alarm_topic_arn == null
    error_message = "The topic must not be created by default."
  }
}

run "dashboard_shows_every_metric" {
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

  assert {
    condition     = aws_cloudwatch_dashboard.events.dashboard_name == "orders-eu-central-1"
    error_message = "Dashboard names are global in an account, so the name must contain the region."
  }

  # CloudWatch's grid is 24 wide. Widgets that overlap hide each other.
  assert {
    condition = alltrue([for widget in jsondecode(aws_cloudwatch_dashboard.events.dashboard_body).widgets :
      widget.x + widget.width <= 24 && length([for other in jsondecode(aws_cloudwatch_dashboard.events.dashboard_body).widgets : other
        if other.x < widget.x + widget.width && widget.x < other.x + other.width && other.y < widget.y + widget.height && widget.y < other.y + other.height
      ]) == 1
    ])
    error_message = "No two widgets may overlap."
  }
}

run "each_severity_has_its_own_actions" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    alarm_action_arns          = ["arn:aws:sns:eu-central-1:123456789012:all"]
    critical_alarm_action_arns = ["arn:aws:sns:eu-central-1:123456789012:pager"]
    warning_alarm_action_arns  = ["arn:aws:sns:eu-central-1:123456789012:channel"]
    alarms = {
      rejected-events = { severity = "critical" }
    }
  }

  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.alarms :
      alarm.alarm_actions == toset([
        "arn:aws:sns:eu-central-1:123456789012:all",
        "arn:aws:sns:eu-central-1:123456789012:${alarm.tags.severity == "critical" ? "pager" : "channel"}",
      ])
    ])
    error_message = "Each alarm must notify the common actions and those of its severity."
  }

  assert {
    condition = sort([for name, alarm in aws_cloudwatch_metric_alarm.alarms : name if alarm.tags.severity == "critical"]) == tolist([
      "dead-letter-queue-expiring", "events-failing", "function-errors", "oldest-message-too-old", "rejected-events",
    ])
    error_message = "The severity must be the default or the one that the variable sets."
  }
}

run "alarm_is_switched_off_or_changed_by_name" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    alarms = {
      function-throttles = { enabled = false }
      rejected-events    = { threshold = 100 }
    }
  }

  assert {
    condition     = !contains(keys(aws_cloudwatch_metric_alarm.alarms), "function-throttles") && length(aws_cloudwatch_metric_alarm.alarms) == 8
    error_message = "A disabled alarm must not exist."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.alarms["rejected-events"].threshold == 100 && aws_cloudwatch_metric_alarm.alarms["function-errors"].threshold == 0
    error_message = "Only the named alarm must have the threshold."
  }
}

run "composite_alarm_replaces_single_pages" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    composite_alarm            = true
    critical_alarm_action_arns = ["arn:aws:sns:eu-central-1:123456789012:pager"]
    alarms                     = { function-errors = { enabled = false } }
  }

  assert {
    condition     = aws_cloudwatch_composite_alarm.critical[0].alarm_rule == "ALARM(\"orders-dead-letter-queue-expiring\") OR ALARM(\"orders-events-failing\") OR ALARM(\"orders-oldest-message-too-old\")"
    error_message = "The composite alarm must fire while any critical alarm fires."
  }

  assert {
    condition = (
      aws_cloudwatch_composite_alarm.critical[0].alarm_actions == toset(["arn:aws:sns:eu-central-1:123456789012:pager"]) &&
      alltrue([for alarm in aws_cloudwatch_metric_alarm.alarms : length(alarm.alarm_actions) == 0])
    )
    error_message = "One incident must notify the pager once."
  }
}

run "estimate_uses_the_architecture_price" {
  command = plan

  module {
    source = "./modules/observability"
  }

  variables {
    architecture = "x86_64"
  }

  assert {
    condition     = strcontains(aws_cloudwatch_dashboard.events.dashboard_body, "* 0.0000166667") && !strcontains(aws_cloudwatch_dashboard.events.dashboard_body, "0.0000133334")
    error_message = "The estimate must use the price of x86-64."
  }
}
