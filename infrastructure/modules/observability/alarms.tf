# Every alarm says what it means and what to do first; the runbook has a section
# of the same name. Missing data is no alarm: an idle system sends none.

locals {
  # A failed event comes back after the visibility timeout. Under little traffic
  # it is the only one, and its tries lie that far apart: two of them have to
  # fall into the window, or the alarm cannot ring. One try alone is no alarm.
  tries = {
    period              = 300
    datapoints_to_alarm = 2
    evaluation_periods  = 2 + ceil(var.visibility_timeout_seconds / 300)
  }

  alarms = [
    aws_cloudwatch_metric_alarm.dead_letter_queue_not_empty,
    aws_cloudwatch_metric_alarm.dead_letter_queue_expiring,
    aws_cloudwatch_metric_alarm.oldest_message_too_old,
    aws_cloudwatch_metric_alarm.events_failing,
    aws_cloudwatch_metric_alarm.function_errors,
    aws_cloudwatch_metric_alarm.function_throttles,
    aws_cloudwatch_metric_alarm.table_throttles,
    aws_cloudwatch_metric_alarm.rejected_events,
  ]
}

resource "aws_cloudwatch_metric_alarm" "dead_letter_queue_not_empty" {
  alarm_name        = "${var.name}-dead-letter-queue-not-empty"
  alarm_description = <<-EOT
    Events are in ${var.dead_letter_queue_name}. They are not stored, and not lost: SQS keeps them for 14 days.
    First: look at the attribute RejectionCode of a message. Present: a producer breaks the contract, and RejectionPlace and RejectionReason say how. Absent: the function failed on it again and again, see its errors.
    Then: mend the cause and redrive.
    ${var.runbook_url}#dead-letter-queue-not-empty
  EOT

  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = var.dead_letter_queue_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  alarm_actions = local.actions
  ok_actions    = local.actions
  tags          = var.tags
}

resource "aws_cloudwatch_metric_alarm" "dead_letter_queue_expiring" {
  alarm_name        = "${var.name}-dead-letter-queue-expiring"
  alarm_description = <<-EOT
    The oldest event in ${var.dead_letter_queue_name} may be deleted by SQS within two days. After that it is lost.
    First: redrive if the cause is mended. Otherwise save the messages to a file, as the runbook shows.
    It goes silent when all messages were received three times: SQS then leaves them out of their age.
    ${var.runbook_url}#dead-letter-queue-expiring
  EOT

  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = var.dead_letter_queue_name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.dead_letter_alarm_seconds
  treat_missing_data  = "notBreaching"

  alarm_actions = local.actions
  ok_actions    = local.actions
  tags          = var.tags
}

resource "aws_cloudwatch_metric_alarm" "oldest_message_too_old" {
  alarm_name        = "${var.name}-oldest-message-too-old"
  alarm_description = <<-EOT
    An event has waited in ${var.queue_name} for more than ${var.oldest_message_alarm_seconds} seconds: the consumer is behind, or stopped. Nothing is lost while it waits.
    First: look at the dashboard. Function errors or throttles: see those alarms. Table throttles: see that alarm. None of them and a growing depth: raise maximum_concurrency, then batch_size. An event that was received three times counts no longer: see events-failing.
    ${var.runbook_url}#oldest-message-too-old
  EOT

  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = var.queue_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.oldest_message_alarm_seconds
  treat_missing_data  = "notBreaching"

  alarm_actions = local.actions
  ok_actions    = local.actions
  tags          = var.tags
}

# An invocation that reports failed events succeeds, so that `Errors` stays 0;
# and a standard queue's oldest message is the oldest of those that were received
# less than three times (SQS developer guide, "Available CloudWatch metrics").
# Of a store that takes nothing, only the function's own count tells.
resource "aws_cloudwatch_metric_alarm" "events_failing" {
  alarm_name        = "${var.name}-events-failing"
  alarm_description = <<-EOT
    ${var.function_name} runs, and cannot store events: the table or the dead-letter queue does not take them. They are tried again, and after max_receive_count tries they move to ${var.dead_letter_queue_name}.
    First: the reason is in the lines with the verdict "failed" in ${var.log_group_name}. AccessDenied: a permission or the key. Throttles: see that alarm. A region's outage: stop consuming, so that no tries are used up.
    ${var.runbook_url}#events-failing
  EOT

  namespace           = "DomainEvents"
  metric_name         = "Failed"
  dimensions          = { Function = var.function_name }
  statistic           = "Sum"
  period              = local.tries.period
  evaluation_periods  = local.tries.evaluation_periods
  datapoints_to_alarm = local.tries.datapoints_to_alarm
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  alarm_actions = local.actions
  ok_actions    = local.actions
  tags          = var.tags
}

resource "aws_cloudwatch_metric_alarm" "function_errors" {
  alarm_name        = "${var.name}-function-errors"
  alarm_description = <<-EOT
    Invocations of ${var.function_name} crash, time out or cannot start. Their events return to the queue and are tried again. An event that cannot be stored is no error here: see the alarm events-failing.
    First: read the last log lines in ${var.log_group_name}. Right after a deployment: deploy the previous package.
    ${var.runbook_url}#function-errors
  EOT

  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = var.function_name }
  statistic           = "Sum"
  period              = local.tries.period
  evaluation_periods  = local.tries.evaluation_periods
  datapoints_to_alarm = local.tries.datapoints_to_alarm
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  alarm_actions = local.actions
  ok_actions    = local.actions
  tags          = var.tags
}

resource "aws_cloudwatch_metric_alarm" "function_throttles" {
  alarm_name        = "${var.name}-function-throttles"
  alarm_description = <<-EOT
    Lambda refuses invocations of ${var.function_name} for lack of concurrency. Each refused try counts towards the dead-letter queue.
    First: compare the account's ConcurrentExecutions with its quota. Then lower maximum_concurrency below what is free, or have the quota raised.
    ${var.runbook_url}#function-throttles
  EOT

  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = var.function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  alarm_actions = local.actions
  ok_actions    = local.actions
  tags          = var.tags
}

resource "aws_cloudwatch_metric_alarm" "table_throttles" {
  alarm_name        = "${var.name}-table-throttles"
  alarm_description = <<-EOT
    DynamoDB throttles ${var.table_name}. Writes are tried again, events wait in the queue, reads are slow.
    First: is it the whole table (raise write_capacity or max_write_request_units, lower maximum_concurrency), one entity's id (1,000 writes a second is the limit), or the index (raise index_shards)?
    ${var.runbook_url}#table-throttles
  EOT

  evaluation_periods  = 5
  datapoints_to_alarm = 3
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "throttles"
    label       = "Throttled reads and writes of table and index"
    expression  = var.index_name == null ? "FILL(writes, 0) + FILL(reads, 0)" : "FILL(writes, 0) + FILL(reads, 0) + FILL(index_writes, 0) + FILL(index_reads, 0)"
    return_data = true
  }

  metric_query {
    id = "writes"

    metric {
      namespace   = "AWS/DynamoDB"
      metric_name = "WriteThrottleEvents"
      dimensions  = { TableName = var.table_name }
      stat        = "Sum"
      period      = 60
    }
  }

  metric_query {
    id = "reads"

    metric {
      namespace   = "AWS/DynamoDB"
      metric_name = "ReadThrottleEvents"
      dimensions  = { TableName = var.table_name }
      stat        = "Sum"
      period      = 60
    }
  }

  dynamic "metric_query" {
    for_each = var.index_name == null ? {} : { index_writes = "WriteThrottleEvents", index_reads = "ReadThrottleEvents" }

    content {
      id = metric_query.key

      metric {
        namespace   = "AWS/DynamoDB"
        metric_name = metric_query.value
        dimensions  = { TableName = var.table_name, GlobalSecondaryIndexName = var.index_name }
        stat        = "Sum"
        period      = 60
      }
    }
  }

  alarm_actions = local.actions
  ok_actions    = local.actions
  tags          = var.tags
}

resource "aws_cloudwatch_metric_alarm" "rejected_events" {
  alarm_name        = "${var.name}-rejected-events"
  alarm_description = <<-EOT
    A producer sends events that break the contract. They are moved to ${var.dead_letter_queue_name}, body unchanged, with the reason in their attributes.
    First: the dashboard shows which RejectionCode. Find the producer by the EmitterId in the body, or by OriginalMessageId in the function's log and the producer's own; SenderId is this function. Tell its team the code and the place. Redrive only what a mended consumer would accept.
    ${var.runbook_url}#rejected-events
  EOT

  namespace           = "DomainEvents"
  metric_name         = "Rejected"
  dimensions          = { Function = var.function_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  treat_missing_data  = "notBreaching"

  alarm_actions = local.actions
  ok_actions    = local.actions
  tags          = var.tags
}
