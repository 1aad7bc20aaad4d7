variable "name" {
  description = "Name of the function, of its role and of its log group."
  type        = string
  nullable    = false
}

variable "package_path" {
  description = "Path of the zip file that holds the executable `bootstrap`."
  type        = string
  nullable    = false
}

variable "architecture" {
  description = "Instruction set the package was built for: `arm64` or `x86_64`."
  type        = string
  nullable    = false
}

variable "memory_size" {
  description = "Memory of the function in MB."
  type        = number
  nullable    = false
}

variable "timeout" {
  description = "Longest run of one invocation in seconds."
  type        = number
  nullable    = false
}

variable "reserved_concurrency" {
  description = "Concurrency reserved for the function; -1 reserves none."
  type        = number
  nullable    = false
}

variable "batch_size" {
  description = "Most messages in one invocation."
  type        = number
  nullable    = false
}

variable "batching_window_seconds" {
  description = "How long Lambda gathers messages before it invokes the function."
  type        = number
  nullable    = false
}

variable "maximum_concurrency" {
  description = "Most invocations at the same time; null leaves it to the account."
  type        = number
}

variable "queue_arn" {
  description = "ARN of the queue to take events from."
  type        = string
  nullable    = false
}

variable "dead_letter_queue_arn" {
  description = "ARN of the queue that rejected events are sent to."
  type        = string
  nullable    = false
}

variable "dead_letter_queue_url" {
  description = "URL of the queue that rejected events are sent to."
  type        = string
  nullable    = false
}

variable "table_name" {
  description = "Name of the table to store events in."
  type        = string
  nullable    = false
}

variable "table_arn" {
  description = "ARN of the table to store events in."
  type        = string
  nullable    = false
}

variable "index_shards" {
  description = "Shards of the index by event type; 0 means no index."
  type        = number
  nullable    = false
}

variable "event_retention" {
  description = "How long events of a type are kept, by event type, `*` for all others."
  type        = map(string)
  nullable    = false
}

variable "log_level" {
  description = "Least level of the function's own log lines."
  type        = string
  nullable    = false
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the function's logs."
  type        = number
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the customer key of queue, table and logs; null means none."
  type        = string
}

variable "former_kms_key_arns" {
  description = "ARNs of customer keys that messages in the queue may still be encrypted with."
  type        = list(string)
  nullable    = false
}

variable "tags" {
  description = "Tags on every resource."
  type        = map(string)
  nullable    = false
}
