variable "name" {
  description = "Name of the queue, without `.fifo`; the dead-letter queue adds `-dead-letter`."
  type        = string
  nullable    = false
}

variable "fifo" {
  description = "Whether both queues are FIFO, in high-throughput mode."
  type        = bool
  nullable    = false
}

variable "producer_arns" {
  description = "ARNs of the IAM principals that the queue's own policy lets send."
  type        = list(string)
  nullable    = false
}

variable "visibility_timeout_seconds" {
  description = "How long a received message stays hidden from other receivers."
  type        = number
  nullable    = false
}

variable "message_retention_seconds" {
  description = "How long the queue keeps a message that nobody stores."
  type        = number
  nullable    = false
}

variable "dead_letter_retention_seconds" {
  description = "How long the dead-letter queue keeps a message, counted from when it was first sent."
  type        = number
  nullable    = false

  # A message on a standard queue takes its age along when SQS moves it.
  validation {
    condition     = var.dead_letter_retention_seconds > var.message_retention_seconds
    error_message = "The dead-letter queue must keep messages longer than the queue, or a message moved at the end of its life is deleted at once."
  }
}

variable "max_receive_count" {
  description = "How often a message is received before SQS moves it to the dead-letter queue."
  type        = number
  nullable    = false
}

variable "max_message_size" {
  description = "Largest message in bytes; null leaves the queues at 262,144."
  type        = number
}

variable "kms_key_arn" {
  description = "ARN of the customer key that encrypts both queues; null means SSE-SQS."
  type        = string
}

variable "tags" {
  description = "Tags on every resource."
  type        = map(string)
  nullable    = false
}
