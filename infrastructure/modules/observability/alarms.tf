# The alarms. Each description says what the alarm means and what to do first,
# and the runbook has a section of the same name. Missing data does not fire an
# alarm, because an idle system sends none.

locals {
  # An event that failed is delivered again after the visibility timeout. With
  # little traffic it is the only event, and its attempts are that far apart, so
  # the window must contain two attempts. A single failed attempt does not fire
  # the alarm.
  attempts = {
    period              = 300
    datapoints_to_alarm = 2
    evaluation_periods  = 2 + ceil(var.visibility_timeout_seconds / 300)
  }

  definitions = {
    dead-letter-queue-not-empty = {
      severity    = "warning"
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = var.dead_letter_queue_name }
      statistic   = "Maximum"
      threshold   = 0
      timing      = { period = 60, datapoints_to_alarm = 1, evaluation_periods = 1 }
      description = <<-EOT
        ${var.dead_letter_queue_name} contains events that are not stored. They are not lost: SQS keeps them for 14 days.
        First: read a message and its attribute RejectionCode. If the attribute is present, a producer sent an invalid event; RejectionPointer and RejectionReason say what is wrong. If it is absent, the function failed to store the event repeatedly; see the function's log.
        Then: remove the cause and redrive.
      EOT
    }

    dead-letter-queue-expiring = {
      severity    = "critical"
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = var.dead_letter_queue_name }
      statistic   = "Maximum"
      threshold   = var.dead_letter_alarm_seconds
      timing      = { period = 300, datapoints_to_alarm = 1, evaluation_periods = 1 }
      description = <<-EOT
        SQS may delete the oldest event in ${var.dead_letter_queue_name} within two days. The event is lost then.
        First: redrive if the cause is removed. Otherwise save the messages to a file, as the runbook shows.
        This alarm returns to OK when every message was received three times, because SQS then excludes the messages from the metric.
      EOT
    }

    oldest-message-too-old = {
      severity    = "critical"
      namespace   = "AWS/SQS"
      metric      = "ApproximateAgeOfOldestMessage"
      dimensions  = { QueueName = var.queue_name }
      statistic   = "Maximum"
      threshold   = var.oldest_message_alarm_seconds
      timing      = { period = 60, datapoints_to_alarm = 3, evaluation_periods = 3 }
      description = <<-EOT
        An event has waited in ${var.queue_name} for more than ${var.oldest_message_alarm_seconds} seconds: the consumer is too slow or stopped. No event is lost while it waits.
        First: look at the dashboard. For function errors, function throttles or table throttles, see the alarm of that name. Without them, and if the number of waiting messages grows, raise maximum_concurrency, then batch_size. Events that were received three times are not counted here: see events-failing.
      EOT
    }

    # An invocation that reports failed events succeeds, so `Errors` stays 0. On
    # a standard queue, the age of the oldest message excludes messages that were
    # received three times (SQS Developer Guide, "Available CloudWatch metrics
    # for Amazon SQS"). Only the function's own metric shows that the table
    # refuses everything.
    events-failing = {
      severity    = "critical"
      namespace   = "DomainEvents"
      metric      = "Failed"
      dimensions  = { Function = var.function_name }
      statistic   = "Sum"
      threshold   = 0
      timing      = local.attempts
      description = <<-EOT
        ${var.function_name} cannot store events or cannot move rejected ones: the table or the dead-letter queue refuses them. SQS delivers the events again; after max_receive_count attempts they move to ${var.dead_letter_queue_name}.
        First: read the reason in the log lines with the verdict "failed" in ${var.log_group_name}. AccessDenied: a permission or the key. Throttling: see table-throttles. Outage of the region: stop consuming, so that no attempts are used.
      EOT
    }

    function-errors = {
      severity    = "critical"
      namespace   = "AWS/Lambda"
      metric      = "Errors"
      dimensions  = { FunctionName = var.function_name }
      statistic   = "Sum"
      threshold   = 0
      timing      = local.attempts
      description = <<-EOT
        Invocations of ${var.function_name} crash, time out or cannot start. Their events return to the queue and are delivered again. An event that cannot be stored is not an error of the function: see events-failing.
        First: read the last log lines in ${var.log_group_name}. If this began with a deployment, roll back the function.
      EOT
    }

    function-throttles = {
      severity    = "warning"
      namespace   = "AWS/Lambda"
      metric      = "Throttles"
      dimensions  = { FunctionName = var.function_name }
      statistic   = "Sum"
      threshold   = 0
      timing      = { period = 60, datapoints_to_alarm = 3, evaluation_periods = 5 }
      description = <<-EOT
        Lambda refuses invocations of ${var.function_name} because no concurrency is available. Each refused attempt counts towards the dead-letter queue.
        First: compare the account's ConcurrentExecutions with its quota. Then set maximum_concurrency below what is available, or request a higher quota.
      EOT
    }

    table-throttles = {
      severity    = "warning"
      threshold   = 0
      timing      = { period = 60, datapoints_to_alarm = 3, evaluation_periods = 5 }
      description = <<-EOT
        DynamoDB throttles ${var.table_name}. Writes are tried again, events wait in the queue, and reads are slow.
        First: find out what is throttled. The whole table: raise write_capacity or max_write_request_units, or lower maximum_concurrency. One entity id: 1,000 writes per second is the limit of DynamoDB. The index by type: raise index_shards.
      EOT
    }

    # The function's metrics arrive through its log and may be minutes late, so
    # the window is longer than one minute.
    rejected-events = {
      severity    = "warning"
      namespace   = "DomainEvents"
      metric      = "Rejected"
      dimensions  = { Function = var.function_name }
      statistic   = "Sum"
      threshold   = 0
      timing      = { period = 60, datapoints_to_alarm = 1, evaluation_periods = 5 }
      description = <<-EOT
        A producer sends invalid events. The function moves them to ${var.dead_letter_queue_name} with their body unchanged and the reason in their attributes.
        First: read the RejectionCode on the dashboard. Find the producer by EmitterId in the body, or by OriginalMessageId in the logs of the function and of the producer. SenderId is this function. Send the producer's team the code, pointer and reason.
        Redrive only events that a changed consumer would accept.
      EOT
    }

    metrics-invalid = {
      severity    = "warning"
      namespace   = "AWS/Logs"
      metric      = "EMFValidationErrors"
      dimensions  = { LogGroupName = var.log_group_name }
      statistic   = "Sum"
      threshold   = 0
      timing      = { period = 300, datapoints_to_alarm = 1, evaluation_periods = 3 }
      description = <<-EOT
        CloudWatch refuses metrics that ${var.function_name} writes to ${var.log_group_name}. The alarms events-failing and rejected-events may not fire while this lasts. Events are stored as usual.
        First: check the log for lines with "_aws" that are not in the embedded metric format. If this began with a deployment, roll back the function, and report the line.
      EOT
    }
  }

  alarms = {
    for name, definition in merge(local.definitions, local.outbox_definitions) : name => merge(definition, {
      severity  = coalesce(try(var.alarms[name].severity, null), definition.severity)
      threshold = coalesce(try(var.alarms[name].threshold, null), definition.threshold)
    }) if try(var.alarms[name].enabled, true)
  }

  critical  = sort([for name, alarm in local.alarms : name if alarm.severity == "critical"])
  composite = var.composite_alarm && length(local.critical) > 0

  alarm_names      = sort(concat(keys(local.alarms), local.composite ? ["critical"] : []))
  alarm_arn_prefix = "arn:${data.aws_partition.current.partition}:cloudwatch:${var.region}:${data.aws_caller_identity.current.account_id}:alarm"

  # With a composite alarm, one notification stands for all critical alarms.
  actions_by_severity = {
    critical = concat(local.common_actions, var.composite_alarm ? [] : var.critical_alarm_action_arns)
    warning  = concat(local.common_actions, var.warning_alarm_action_arns)
  }

  # The id of a metric accepts no hyphen.
  throttle_queries = merge(
    {
      writes = { metric = "WriteThrottleEvents", dimensions = { TableName = var.table_name } }
      reads  = { metric = "ReadThrottleEvents", dimensions = { TableName = var.table_name } }
    },
    { for index in var.index_names : "${replace(index, "-", "_")}_writes" => {
      metric = "WriteThrottleEvents", dimensions = { TableName = var.table_name, GlobalSecondaryIndexName = index }
    } },
    { for index in var.index_names : "${replace(index, "-", "_")}_reads" => {
      metric = "ReadThrottleEvents", dimensions = { TableName = var.table_name, GlobalSecondaryIndexName = index }
    } },
  )
}

resource "aws_cloudwatch_metric_alarm" "alarms" {
  for_each = local.alarms

  alarm_name        = "${var.name}-${each.key}"
  alarm_description = "${each.value.description}${var.runbook_url}#${each.key}\n"

  # The alarm on the table adds up several metrics, the others watch one.
  namespace   = try(each.value.namespace, null)
  metric_name = try(each.value.metric, null)
  dimensions  = try(each.value.dimensions, null)
  statistic   = try(each.value.statistic, null)
  period      = each.key == "table-throttles" ? null : each.value.timing.period

  dynamic "metric_query" {
    for_each = each.key == "table-throttles" ? [join(" + ", [for id in sort(keys(local.throttle_queries)) : "FILL(${id}, 0)"])] : []

    content {
      id          = "throttles"
      label       = "Throttled reads and writes of the table and its indexes"
      expression  = metric_query.value
      return_data = true
    }
  }

  dynamic "metric_query" {
    for_each = each.key == "table-throttles" ? local.throttle_queries : {}

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/DynamoDB"
        metric_name = metric_query.value.metric
        dimensions  = metric_query.value.dimensions
        stat        = "Sum"
        period      = each.value.timing.period
      }
    }
  }

  evaluation_periods  = each.value.timing.evaluation_periods
  datapoints_to_alarm = each.value.timing.datapoints_to_alarm
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  treat_missing_data  = try(each.value.missing, "notBreaching")

  alarm_actions = local.actions_by_severity[each.value.severity]
  ok_actions    = local.actions_by_severity[each.value.severity]
  tags          = merge(var.tags, { severity = each.value.severity })
}

resource "aws_cloudwatch_composite_alarm" "critical" {
  count = local.composite ? 1 : 0

  alarm_name        = "${var.name}-critical"
  alarm_description = <<-EOT
    At least one critical alarm of ${var.name} fires: ${join(", ", local.critical)}.
    First: open the dashboard, which lists the alarms, and go to the runbook's section of the alarm that fires.
    ${var.runbook_url}#alarms
  EOT

  alarm_rule = join(" OR ", [for name in local.critical : "ALARM(\"${aws_cloudwatch_metric_alarm.alarms[name].alarm_name}\")"])

  alarm_actions = concat(local.common_actions, var.critical_alarm_action_arns)
  ok_actions    = concat(local.common_actions, var.critical_alarm_action_arns)
  tags          = merge(var.tags, { severity = "critical" })
}

# Deployments of an earlier version of this module. Without these blocks,
# Terraform would create each alarm and delete the one of the same name in
# parallel.
moved {
  from = aws_cloudwatch_metric_alarm.dead_letter_queue_not_empty
  to   = aws_cloudwatch_metric_alarm.alarms["dead-letter-queue-not-empty"]
}

moved {
  from = aws_cloudwatch_metric_alarm.dead_letter_queue_expiring
  to   = aws_cloudwatch_metric_alarm.alarms["dead-letter-queue-expiring"]
}

moved {
  from = aws_cloudwatch_metric_alarm.oldest_message_too_old
  to   = aws_cloudwatch_metric_alarm.alarms["oldest-message-too-old"]
}

moved {
  from = aws_cloudwatch_metric_alarm.events_failing
  to   = aws_cloudwatch_metric_alarm.alarms["events-failing"]
}

moved {
  from = aws_cloudwatch_metric_alarm.function_errors
  to   = aws_cloudwatch_metric_alarm.alarms["function-errors"]
}

moved {
  from = aws_cloudwatch_metric_alarm.function_throttles
  to   = aws_cloudwatch_metric_alarm.alarms["function-throttles"]
}

moved {
  from = aws_cloudwatch_metric_alarm.table_throttles
  to   = aws_cloudwatch_metric_alarm.alarms["table-throttles"]
}

moved {
  from = aws_cloudwatch_metric_alarm.rejected_events
  to   = aws_cloudwatch_metric_alarm.alarms["rejected-events"]
}
