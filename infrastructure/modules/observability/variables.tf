variable "name" {
  description = "Prefix of alarms, topic and dashboard."
  type        = string
  nullable    = false
}

variable "queue_name" {
  description = "Name of the queue."
  type        = string
  nullable    = false
}

variable "dead_letter_queue_name" {
  description = "Name of the dead-letter queue."
  type        = string
  nullable    = false
}

variable "function_name" {
  description = "Name of the function."
  type        = string
  nullable    = false
}

variable "log_group_name" {
  description = "Name of the function's log group."
  type        = string
  nullable    = false
}

variable "table_name" {
  description = "Name of the table."
  type        = string
  nullable    = false
}

variable "index_name" {
  description = "Name of the table's index; null without one."
  type        = string
}

variable "memory_size" {
  description = "Memory of the function in MB, for the cost estimate."
  type        = number
  nullable    = false
}

variable "batch_size" {
  description = "Most messages in one invocation, for the cost estimate."
  type        = number
  nullable    = false
}

variable "visibility_timeout_seconds" {
  description = "Visibility timeout of the queue: how long after a failed try an event comes back."
  type        = number
  nullable    = false
}

variable "oldest_message_alarm_seconds" {
  description = "Age of the oldest waiting event that raises the alarm."
  type        = number
  nullable    = false
}

variable "dead_letter_alarm_seconds" {
  description = "Time in the dead-letter queue after which a message may soon be deleted."
  type        = number
  nullable    = false
}

variable "alarm_action_arns" {
  description = "ARNs of existing alarm actions."
  type        = list(string)
  nullable    = false
}

variable "create_alarm_topic" {
  description = "Whether to create an SNS topic that every alarm notifies."
  type        = bool
  nullable    = false
}

variable "alarm_emails" {
  description = "E-mail addresses to subscribe to the created topic."
  type        = list(string)
  nullable    = false
}

variable "runbook_url" {
  description = "Where the runbook is."
  type        = string
  nullable    = false
}

variable "prices" {
  description = "Prices in dollars for the cost estimate."
  type = object({
    sqs_million_requests       = number
    lambda_million_requests    = number
    lambda_gb_second           = number
    dynamodb_million_writes    = number
    dynamodb_million_reads     = number
    cloudwatch_gb_of_log_lines = number
  })
  nullable = false
}

variable "kms_key_arn" {
  description = "ARN of the customer key of the created topic; null means none."
  type        = string
}

variable "tags" {
  description = "Tags on every resource that takes tags."
  type        = map(string)
  nullable    = false
}
