variable "name" {
  description = "Name of the function and of its log group. The role is named NAME-REGION."
  type        = string
  nullable    = false
}

variable "region" {
  description = "AWS region of the provider."
  type        = string
  nullable    = false
}

variable "package_path" {
  description = "Path of the zip file that contains the executable `bootstrap`."
  type        = string
  nullable    = false
}

variable "architecture" {
  description = "Instruction set of the package: `arm64` or `x86_64`."
  type        = string
  default     = "arm64"
  nullable    = false
}

variable "memory_size" {
  description = "Memory of the function in MB."
  type        = number
  default     = 256
  nullable    = false
}

variable "timeout" {
  description = "Timeout of one invocation in seconds."
  type        = number
  default     = 30
  nullable    = false
}

variable "function_version" {
  description = "Published version that the alias `live` points to. null means the version of the deployed package."
  type        = string
  default     = null
}

variable "reserved_concurrency" {
  description = "Concurrency that is reserved for the function. -1 reserves none."
  type        = number
  default     = -1
  nullable    = false
}

variable "batch_size" {
  description = "Maximum number of messages in one invocation."
  type        = number
  default     = 10
  nullable    = false
}

variable "batching_window_seconds" {
  description = "How long Lambda collects messages before it invokes the function."
  type        = number
  default     = 0
  nullable    = false
}

variable "maximum_concurrency" {
  description = "Maximum number of concurrent invocations. null sets no maximum. Not used with `provisioned_pollers`."
  type        = number
  default     = 20
}

variable "provisioned_pollers" {
  description = "Minimum and maximum number of event pollers (provisioned mode). null uses the default mode."
  type = object({
    minimum = number
    maximum = number
  })
  default = null
}

variable "queue_arn" {
  description = "ARN of the queue that events are received from."
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
  description = "Name of the table that stores events."
  type        = string
  nullable    = false
}

variable "table_arn" {
  description = "ARN of the table that stores events."
  type        = string
  nullable    = false
}

variable "index_shards" {
  description = "Number of shards of the index by event type. 0 means no index."
  type        = number
  default     = 0
  nullable    = false
}

variable "event_retention" {
  description = "How long events are kept, by event type. The key `*` applies to all other types."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "log_level" {
  description = "Lowest level of the function's log lines."
  type        = string
  default     = "info"
  nullable    = false
}

variable "log_retention_days" {
  description = "How many days CloudWatch keeps the function's logs."
  type        = number
  default     = 30
  nullable    = false
}

variable "vpc" {
  description = "Subnets and security groups of the function. null runs it outside a VPC."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null
}

variable "xray_tracing" {
  description = "Record a trace of each invocation in AWS X-Ray."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of the customer managed key of the queue, the table and the logs. null means none."
  type        = string
  default     = null
}

variable "former_kms_key_arns" {
  description = "ARNs of customer managed keys that messages and items may still be encrypted with."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "iam_path" {
  description = "Path of the function's role."
  type        = string
  default     = "/"
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "ARN of the permissions boundary of the function's role. null sets none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of every resource."
  type        = map(string)
  default     = {}
  nullable    = false
}
