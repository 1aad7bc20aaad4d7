variable "name" {
  description = "Name of the table."
  type        = string
  nullable    = false
}

variable "billing_mode" {
  description = "`PAY_PER_REQUEST` or `PROVISIONED`."
  type        = string
  nullable    = false
}

variable "read_capacity" {
  description = "Provisioned read capacity units; used when `billing_mode` is `PROVISIONED`."
  type        = number
}

variable "write_capacity" {
  description = "Provisioned write capacity units; used when `billing_mode` is `PROVISIONED`."
  type        = number
}

variable "max_read_request_units" {
  description = "Most read request units a second on demand; null sets no limit."
  type        = number
}

variable "max_write_request_units" {
  description = "Most write request units a second on demand; null sets no limit."
  type        = number
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the table."
  type        = bool
  nullable    = false
}

variable "index_shards" {
  description = "Shards of the index by event type; 0 means no index."
  type        = number
  nullable    = false
}

variable "stream_view_type" {
  description = "What the table's stream carries; null means no stream."
  type        = string
}

variable "kms_key_arn" {
  description = "ARN of the customer key that encrypts the table; null means a key that AWS owns."
  type        = string
}

variable "tags" {
  description = "Tags on every resource."
  type        = map(string)
  nullable    = false
}
