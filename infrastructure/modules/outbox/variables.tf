variable "name" {
  description = "Name of the table, and prefix of the names of the policies and the function. The role of the function has the longest name, NAME-relay-REGION."
  type        = string
  nullable    = false

  validation {
    condition     = length("${var.name}-relay-${var.region}") <= 64
    error_message = "name is too long for this region: IAM limits the role's name \"${var.name}-relay-${var.region}\" to 64 characters. Use a shorter name."
  }
}

variable "region" {
  description = "AWS region of the provider."
  type        = string
  nullable    = false
}

variable "queue_arn" {
  description = "ARN of the queue that the rows are sent to."
  type        = string
  nullable    = false
}

variable "queue_url" {
  description = "URL of the queue that the rows are sent to."
  type        = string
  nullable    = false
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the table."
  type        = bool
  default     = true
  nullable    = false
}

variable "recovery_days" {
  description = "How many days back the table can be restored, 1 to 35."
  type        = number
  default     = 35
  nullable    = false
}

variable "package_path" {
  description = "Path of the zip file that contains the relay's executable `bootstrap`. null creates no function: run the relay in the service or with `domain-events relay`."
  type        = string
  default     = null
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
  description = "Timeout of one invocation in seconds. The sweep of a backlog uses the whole time, and the next one continues a minute later."
  type        = number
  default     = 60
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

variable "kms_key_arn" {
  description = "ARN of the customer managed key of the table, the queue and the logs. null means none."
  type        = string
  default     = null
}

variable "former_kms_key_arns" {
  description = "ARNs of customer managed keys that rows may still be encrypted with."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "iam_path" {
  description = "Path of the policies and of the function's role."
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
  description = "Tags of every resource that supports tags."
  type        = map(string)
  default     = {}
  nullable    = false
}
