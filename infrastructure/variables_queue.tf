variable "fifo" {
  description = "Create FIFO queues in high-throughput mode, which deliver the events of one entity in order. Changing this variable replaces both queues."
  type        = bool
  default     = false
  nullable    = false
}

variable "producer_arns" {
  description = "ARNs of IAM roles and users that the queue's policy allows to send. Needed for producers in other accounts. Producers in this account can attach the policy of the output `producer_policy_arn` instead. With kms_key_arn, the key's policy must also name them: see \"Customer managed key\" in the runbook."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.producer_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "producer_arns must contain ARNs of single IAM roles and users, such as arn:aws:iam::123456789012:role/orders. Wildcards and whole accounts are not allowed; to allow a whole organization, use producer_organization_ids."
  }

  validation {
    condition     = length(var.producer_arns) <= 49 && length(distinct(var.producer_arns)) == length(var.producer_arns)
    error_message = "producer_arns accepts at most 49 different ARNs, because SQS accepts 50 principals in a policy. Attach the policy of the output producer_policy_arn to the other producers."
  }
}

variable "producer_organization_ids" {
  description = "Ids of AWS organizations whose principals may send. Each principal also needs sqs:SendMessage in a policy of its own account."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for id in var.producer_organization_ids : can(regex("^o-[a-z0-9]{10,32}$", id))])
    error_message = "producer_organization_ids must contain ids of organizations, such as o-a1b2c3d4e5."
  }
}

variable "producer_topic_arns" {
  description = "ARNs of SNS topics that may send to the queue. Subscribe the queue with raw message delivery, so that the message body is the event itself."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.producer_topic_arns : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$", arn))])
    error_message = "producer_topic_arns must contain ARNs of SNS topics, such as arn:aws:sns:eu-central-1:123456789012:orders, without wildcards."
  }
}

variable "producer_rule_arns" {
  description = "ARNs of EventBridge rules that may send to the queue. Set the target's input path to `$.detail`, so that the message body is the event itself."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.producer_rule_arns : can(regex("^arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:rule/[A-Za-z0-9_./-]+$", arn))])
    error_message = "producer_rule_arns must contain ARNs of EventBridge rules, such as arn:aws:events:eu-central-1:123456789012:rule/orders, without wildcards."
  }
}

variable "message_retention_days" {
  description = "How many days the queue keeps an event that is not stored, for instance while the function is stopped."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.message_retention_days >= 1 && var.message_retention_days <= 11 && floor(var.message_retention_days) == var.message_retention_days
    error_message = "message_retention_days must be a whole number from 1 to 11: the dead-letter queue keeps a message for 14 days, counted from when it was first sent, and an operator needs some of these days."
  }
}

variable "max_receive_count" {
  description = "Number of attempts to store an event before SQS moves it to the dead-letter queue. With the default visibility timeout, 20 attempts take about an hour."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 1000 && floor(var.max_receive_count) == var.max_receive_count
    error_message = "max_receive_count must be a whole number from 5 to 1000: below 5, throttled invocations alone can move valid events to the dead-letter queue."
  }
}

variable "max_message_size" {
  description = "Maximum message size of both queues in bytes. null leaves the size that the provider sets, 262,144, on new queues, and does not change existing queues."
  type        = number
  default     = 1048576

  validation {
    condition     = var.max_message_size == null ? true : var.max_message_size >= 1024 && var.max_message_size <= 1048576 && floor(var.max_message_size) == var.max_message_size
    error_message = "max_message_size must be null or a whole number from 1024 to 1048576, which are the limits of SQS."
  }
}

variable "provider_sets_message_size" {
  description = "Let the AWS provider set max_message_size when it creates the queues, instead of the AWS CLI. Sizes above 262,144 need provider 6.8 or later; earlier versions refuse them."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_data_key_reuse_seconds" {
  description = "How long SQS reuses a data key before it calls KMS again. Used with kms_key_arn. A longer period costs fewer KMS requests."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.kms_data_key_reuse_seconds >= 60 && var.kms_data_key_reuse_seconds <= 86400 && floor(var.kms_data_key_reuse_seconds) == var.kms_data_key_reuse_seconds
    error_message = "kms_data_key_reuse_seconds must be a whole number from 60 to 86400."
  }
}
