variable "name" {
  description = "Prefix of the names of the alarms and the topic. The dashboard is named NAME-REGION."
  type        = string
  nullable    = false
}

variable "region" {
  description = "AWS region of the provider."
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

variable "index_names" {
  description = "Names of the table's indexes."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "memory_size" {
  description = "Memory of the function in MB, for the cost estimate."
  type        = number
  default     = 256
  nullable    = false
}

variable "architecture" {
  description = "Instruction set of the function, for the cost estimate: `arm64` or `x86_64`."
  type        = string
  default     = "arm64"
  nullable    = false
}

variable "batch_size" {
  description = "Maximum number of messages in one invocation, for the cost estimate."
  type        = number
  default     = 10
  nullable    = false
}

variable "visibility_timeout_seconds" {
  description = "Visibility timeout of the queue: how long after a failed attempt an event is delivered again."
  type        = number
  default     = 180
  nullable    = false
}

variable "oldest_message_alarm_seconds" {
  description = "Age of the oldest waiting event above which the alarm oldest-message-too-old fires."
  type        = number
  default     = 300
  nullable    = false
}

variable "dead_letter_alarm_seconds" {
  description = "Time in the dead-letter queue after which SQS may soon delete a message."
  type        = number
  default     = 432000
  nullable    = false
}

variable "alarms" {
  description = "Changes to single alarms, by name."
  type = map(object({
    enabled   = optional(bool, true)
    severity  = optional(string)
    threshold = optional(number)
  }))
  default  = {}
  nullable = false
}

variable "alarm_action_arns" {
  description = "ARNs of alarm actions that every alarm notifies."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "critical_alarm_action_arns" {
  description = "ARNs of alarm actions that critical alarms notify."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "warning_alarm_action_arns" {
  description = "ARNs of alarm actions that alarms of the severity warning notify."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "composite_alarm" {
  description = "Create a composite alarm that fires while any critical alarm fires."
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
  description = "E-mail addresses that are subscribed to the created topic."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "runbook_url" {
  description = "Location of the runbook."
  type        = string
  default     = "infrastructure/README.md"
  nullable    = false
}

variable "prices" {
  description = "Prices in dollars for the cost estimate. `lambda_gb_second` is by default the list price of the architecture."
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

variable "kms_key_arn" {
  description = "ARN of the customer managed key of the created topic. null means none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource that supports tags."
  type        = map(string)
  default     = {}
  nullable    = false
}
