# The alarm of the optional outbox.

variable "outbox_table_name" {
  description = "Name of the outbox table. null without an outbox."
  type        = string
  default     = null
}

variable "outbox_alarm_seconds" {
  description = "Age of the oldest row of the outbox, in seconds, above which the alarm fires."
  type        = number
  default     = 300
  nullable    = false
}

locals {
  outbox_definitions = { for table in var.outbox_table_name[*] : "outbox-oldest-row" => {
    severity   = "critical"
    namespace  = "DomainEvents"
    metric     = "domain_events_outbox_oldest_seconds"
    dimensions = { Outbox = table }
    statistic  = "Maximum"
    threshold  = var.outbox_alarm_seconds
    timing     = { period = 60, datapoints_to_alarm = 5, evaluation_periods = 5 }

    # A relay reports at least once a minute, also for an empty outbox. A relay that
    # does not run reports nothing.
    missing     = "breaching"
    description = <<-EOT
      Committed events wait in the outbox ${table} for more than ${var.outbox_alarm_seconds} seconds, or no relay reports. The events are not lost: the rows stay until they are sent.
      First: check whether a relay runs. If none reports, read the log of the relay, or start domain-events relay. If a relay reports, its log says why SQS or DynamoDB refuses the rows.
    EOT
  } }
}
