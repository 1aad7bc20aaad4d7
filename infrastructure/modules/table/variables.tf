variable "name" {
  description = "Name of the table."
  type        = string
  nullable    = false
}

variable "policy_name" {
  description = "Prefix of the name of the reader's policy. null means the name of the table."
  type        = string
  default     = null
}

variable "region" {
  description = "AWS region of the provider."
  type        = string
  nullable    = false
}

variable "reader_arns" {
  description = "ARNs of the IAM roles and users that the table's policy allows to read."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "billing_mode" {
  description = "`PAY_PER_REQUEST` or `PROVISIONED`."
  type        = string
  default     = "PAY_PER_REQUEST"
  nullable    = false
}

variable "read_capacity" {
  description = "Provisioned read capacity units. Used when `billing_mode` is `PROVISIONED`."
  type        = number
  default     = null
}

variable "write_capacity" {
  description = "Provisioned write capacity units. Used when `billing_mode` is `PROVISIONED`."
  type        = number
  default     = null
}

variable "ignore_capacity" {
  description = "Keep the provisioned capacity that an existing table has, for tables that Application Auto Scaling changes."
  type        = bool
  default     = false
  nullable    = false
}

variable "max_read_request_units" {
  description = "Maximum read request units per second on demand. null means no maximum."
  type        = number
  default     = null
}

variable "max_write_request_units" {
  description = "Maximum write request units per second on demand. null means no maximum."
  type        = number
  default     = null
}

variable "warm_throughput" {
  description = "Reads and writes per second that the table and each index accept at once. null leaves DynamoDB's value."
  type = object({
    read  = number
    write = number
  })
  default = null
}

variable "deletion_protection" {
  description = "Let DynamoDB refuse to delete the table."
  type        = bool
  default     = true
  nullable    = false
}

variable "recovery_days" {
  description = "How many days back the table can be restored."
  type        = number
  default     = 35
  nullable    = false
}

variable "index_shards" {
  description = "Number of shards of the index by event type. 0 creates no index."
  type        = number
  default     = 0
  nullable    = false
}

variable "correlation_index" {
  description = "Create the index `by-correlation`."
  type        = bool
  default     = false
  nullable    = false
}

variable "stream_view_type" {
  description = "Content of the records in the table's stream. null creates no stream."
  type        = string
  default     = null
}

variable "kms_key_arn" {
  description = "ARN of the customer managed key that encrypts the table. null means a key that AWS owns."
  type        = string
  default     = null
}

variable "former_kms_key_arns" {
  description = "ARNs of the customer managed keys that encrypted the table before."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "iam_path" {
  description = "Path of the reader's policy."
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
