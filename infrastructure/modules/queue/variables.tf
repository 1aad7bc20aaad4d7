variable "name" {
  description = "Name of the queue, without `.fifo`. The dead-letter queue is named NAME-dead-letter."
  type        = string
  nullable    = false
}

variable "region" {
  description = "AWS region of the provider."
  type        = string
  nullable    = false
}

variable "fifo" {
  description = "Create FIFO queues, in high-throughput mode."
  type        = bool
  default     = false
  nullable    = false
}

variable "producer_arns" {
  description = "ARNs of the IAM roles and users that the queue's policy allows to send."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "producer_organization_ids" {
  description = "Ids of the organizations whose principals the queue's policy allows to send."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "producer_topic_arns" {
  description = "ARNs of the SNS topics that the queue's policy allows to send."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "producer_rule_arns" {
  description = "ARNs of the EventBridge rules that the queue's policy allows to send."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "visibility_timeout_seconds" {
  description = "How long a received message is hidden from other receivers. AWS recommends at least six times the timeout of the function that receives it."
  type        = number
  default     = 180
  nullable    = false
}

variable "message_retention_seconds" {
  description = "How long the queue keeps a message that is not deleted."
  type        = number
  default     = 604800
  nullable    = false
}

variable "dead_letter_retention_seconds" {
  description = "How long the dead-letter queue keeps a message. On standard queues, SQS counts from when the message was first sent."
  type        = number
  default     = 1209600
  nullable    = false

  # On standard queues, a message keeps its age when SQS moves it.
  validation {
    condition     = var.dead_letter_retention_seconds > var.message_retention_seconds
    error_message = "The dead-letter queue must keep messages longer than the queue. Otherwise SQS deletes a message that it moves at the end of its retention."
  }
}

variable "max_receive_count" {
  description = "How often a message is received before SQS moves it to the dead-letter queue."
  type        = number
  default     = 20
  nullable    = false
}

variable "max_message_size" {
  description = "Maximum message size of both queues in bytes. null leaves new queues at 262,144."
  type        = number
  default     = 1048576
}

variable "provider_sets_message_size" {
  description = "Let the AWS provider (6.8 or later) set the maximum message size when it creates the queues, instead of the AWS CLI."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the customer managed key that encrypts both queues. null means SSE-SQS."
  type        = string
  default     = null
}

variable "kms_data_key_reuse_seconds" {
  description = "How long SQS reuses a data key of the customer managed key."
  type        = number
  default     = 300
  nullable    = false
}

variable "iam_path" {
  description = "Path of the producer's policy."
  type        = string
  default     = "/"
  nullable    = false
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
  nullable    = false
}
