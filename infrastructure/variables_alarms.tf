variable "alarms" {
  description = "Changes to single alarms, by name as in the runbook: `enabled` (false creates no alarm), `severity` (critical or warning), `threshold`. Example: { rejected-events = { threshold = 100 }, function-throttles = { enabled = false } }."
  type = map(object({
    enabled   = optional(bool, true)
    severity  = optional(string)
    threshold = optional(number)
  }))
  default  = {}
  nullable = false

  validation {
    condition = alltrue([for name in keys(var.alarms) : contains([
      "dead-letter-queue-expiring", "dead-letter-queue-not-empty", "events-failing", "function-errors", "function-throttles",
      "metrics-invalid", "oldest-message-too-old", "outbox-oldest-row", "rejected-events", "table-throttles",
    ], name)])
    error_message = "alarms has a key that is not the name of an alarm. The names are dead-letter-queue-expiring, dead-letter-queue-not-empty, events-failing, function-errors, function-throttles, metrics-invalid, oldest-message-too-old, outbox-oldest-row, rejected-events and table-throttles."
  }

  validation {
    condition     = alltrue([for alarm in values(var.alarms) : contains(["critical", "warning"], coalesce(alarm.severity, "warning"))])
    error_message = "The severity of an alarm must be critical or warning."
  }

  validation {
    condition     = try(var.alarms["oldest-message-too-old"].threshold, null) == null && try(var.alarms["dead-letter-queue-expiring"].threshold, null) == null && try(var.alarms["outbox-oldest-row"].threshold, null) == null
    error_message = "Set the threshold of oldest-message-too-old with oldest_message_alarm_seconds, and the threshold of outbox-oldest-row with outbox_alarm_seconds. The threshold of dead-letter-queue-expiring follows from message_retention_days."
  }
}

variable "oldest_message_alarm_seconds" {
  description = "Age of the oldest waiting event, in seconds, above which the alarm oldest-message-too-old fires. On a standard queue, SQS does not count events that were received three times or more; the alarm events-failing covers these."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.oldest_message_alarm_seconds >= 60 && var.oldest_message_alarm_seconds <= 86400 && floor(var.oldest_message_alarm_seconds) == var.oldest_message_alarm_seconds
    error_message = "oldest_message_alarm_seconds must be a whole number from 60 to 86400."
  }

  validation {
    condition     = var.oldest_message_alarm_seconds * 2 <= var.message_retention_days * 86400
    error_message = "oldest_message_alarm_seconds must be at most half of message_retention_days. Otherwise there is no time to act before SQS deletes the event."
  }
}

variable "alarm_action_arns" {
  description = "ARNs of SNS topics (or other alarm actions) that every alarm notifies."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.alarm_action_arns : can(regex("^arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:.+$", arn))])
    error_message = "alarm_action_arns must contain ARNs, such as arn:aws:sns:eu-central-1:123456789012:on-call."
  }

  validation {
    condition     = length(var.alarm_action_arns) + max(length(var.critical_alarm_action_arns), length(var.warning_alarm_action_arns)) + (var.create_alarm_topic ? 1 : 0) <= 5
    error_message = "CloudWatch accepts 5 actions for an alarm. alarm_action_arns, the actions for one severity and the topic of create_alarm_topic are more than 5 together."
  }
}

variable "critical_alarm_action_arns" {
  description = "ARNs of alarm actions that only critical alarms notify, such as a pager. With composite_alarm, the composite alarm notifies them instead of each single alarm."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.critical_alarm_action_arns : can(regex("^arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:.+$", arn))])
    error_message = "critical_alarm_action_arns must contain ARNs, such as arn:aws:sns:eu-central-1:123456789012:pager."
  }
}

variable "warning_alarm_action_arns" {
  description = "ARNs of alarm actions that only alarms of the severity warning notify, such as a team's channel."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.warning_alarm_action_arns : can(regex("^arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:.+$", arn))])
    error_message = "warning_alarm_action_arns must contain ARNs, such as arn:aws:sns:eu-central-1:123456789012:events-team."
  }
}

variable "composite_alarm" {
  description = "Create a composite alarm NAME-critical that fires while any critical alarm fires, so that one incident is one notification."
  type        = bool
  default     = false
  nullable    = false
}

variable "create_alarm_topic" {
  description = "Create an SNS topic that every alarm notifies."
  type        = bool
  default     = false
  nullable    = false
}

variable "alarm_emails" {
  description = "E-mail addresses that are subscribed to the created topic. The owner of each address must confirm the message that AWS sends."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "alarm_emails must contain e-mail addresses."
  }

  validation {
    condition     = length(var.alarm_emails) == 0 || var.create_alarm_topic
    error_message = "alarm_emails needs create_alarm_topic = true."
  }
}

variable "runbook_url" {
  description = "Location of the runbook. Alarm descriptions and the dashboard link to it. Set a URL if the on-call person has no checkout of this repository."
  type        = string
  default     = "infrastructure/README.md"
  nullable    = false

  validation {
    condition     = length(var.runbook_url) > 0 && length(var.runbook_url) <= 200
    error_message = "runbook_url must have 1 to 200 characters."
  }
}

variable "prices" {
  description = "Prices in dollars for the dashboard's estimate. The defaults are the list prices of us-east-1, for Lambda those of the chosen architecture. Set the prices of your region, or of your discount."
  type = object({
    sqs_million_requests       = optional(number, 0.40)
    lambda_million_requests    = optional(number, 0.20)
    lambda_gb_second           = optional(number)
    dynamodb_million_writes    = optional(number, 0.625)
    dynamodb_million_reads     = optional(number, 0.125)
    cloudwatch_gb_of_log_lines = optional(number, 0.50)
  })
  default  = {}
  nullable = false
}
