variable "table_name" {
  description = "Name of the table. null means the value of `name`. Set it to deploy with an existing or a restored table: see \"Restore the table\" in the runbook."
  type        = string
  default     = null

  validation {
    condition     = var.table_name == null || can(regex("^[A-Za-z0-9_.-]{3,255}$", var.table_name))
    error_message = "table_name must be 3 to 255 letters, digits, underscores, dots and hyphens."
  }
}

variable "reader_arns" {
  description = "ARNs of IAM roles and users that the table's policy allows to read. Needed for readers in other accounts. Readers in this account can attach the policy of the output `reader_policy_arn` instead."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.reader_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "reader_arns must contain ARNs of single IAM roles and users, such as arn:aws:iam::123456789012:role/reports. Wildcards and whole accounts are not allowed."
  }
}

variable "billing_mode" {
  description = "PAY_PER_REQUEST (on demand) or PROVISIONED (fixed capacity, cheaper under a steady load)."
  type        = string
  default     = "PAY_PER_REQUEST"
  nullable    = false

  validation {
    condition     = contains(["PAY_PER_REQUEST", "PROVISIONED"], var.billing_mode)
    error_message = "billing_mode must be PAY_PER_REQUEST or PROVISIONED."
  }

  validation {
    condition     = var.billing_mode != "PROVISIONED" || (var.read_capacity != null && var.write_capacity != null)
    error_message = "billing_mode PROVISIONED needs read_capacity and write_capacity."
  }

  # A limit without effect is noticed only on the bill.
  validation {
    condition     = var.billing_mode != "PROVISIONED" || (var.max_read_request_units == null && var.max_write_request_units == null)
    error_message = "max_read_request_units and max_write_request_units have no effect with billing_mode PROVISIONED. Use read_capacity and write_capacity."
  }

  validation {
    condition     = var.billing_mode != "PAY_PER_REQUEST" || (var.read_capacity == null && var.write_capacity == null)
    error_message = "read_capacity and write_capacity have no effect with billing_mode PAY_PER_REQUEST. Use max_read_request_units and max_write_request_units, or set billing_mode to PROVISIONED."
  }
}

variable "read_capacity" {
  description = "Read capacity units of the table and of its index. Used when billing_mode is PROVISIONED."
  type        = number
  default     = null

  validation {
    condition     = var.read_capacity == null ? true : var.read_capacity >= 1 && floor(var.read_capacity) == var.read_capacity
    error_message = "read_capacity must be a whole number of at least 1."
  }
}

variable "write_capacity" {
  description = "Write capacity units of the table and of its index, one for each event of up to 1 KB per second. Used when billing_mode is PROVISIONED."
  type        = number
  default     = null

  validation {
    condition     = var.write_capacity == null ? true : var.write_capacity >= 1 && floor(var.write_capacity) == var.write_capacity
    error_message = "write_capacity must be a whole number of at least 1."
  }
}

variable "ignore_capacity" {
  description = "Use read_capacity and write_capacity only to create the table and its indexes, and keep the capacity that they have later, for tables that Application Auto Scaling changes: see \"Scale\" in the runbook. Needs billing_mode PROVISIONED. Terraform must know the name of the table when it plans, so do not use depends_on on the module together with this variable."
  type        = bool
  default     = false
  nullable    = false

  validation {
    condition     = !var.ignore_capacity || var.billing_mode == "PROVISIONED"
    error_message = "ignore_capacity needs billing_mode PROVISIONED, because a table on demand has no capacity that could change."
  }
}

variable "max_read_request_units" {
  description = "Maximum read request units per second on demand, to limit the bill. null sets no maximum and removes an earlier one."
  type        = number
  default     = null

  validation {
    condition     = var.max_read_request_units == null ? true : var.max_read_request_units >= 1 && floor(var.max_read_request_units) == var.max_read_request_units
    error_message = "max_read_request_units must be null or a whole number of at least 1."
  }
}

variable "max_write_request_units" {
  description = "Maximum write request units per second on demand, to limit the bill. null sets no maximum and removes an earlier one. Events above the maximum wait in the queue."
  type        = number
  default     = null

  validation {
    condition     = var.max_write_request_units == null ? true : var.max_write_request_units >= 1 && floor(var.max_write_request_units) == var.max_write_request_units
    error_message = "max_write_request_units must be null or a whole number of at least 1."
  }
}

variable "warm_throughput" {
  description = "Reads and writes per second that the table and each of its indexes accept at once, for a load that is known before it arrives. AWS charges once for each increase, and DynamoDB never decreases it. null leaves DynamoDB's value. Set with the AWS CLI."
  type = object({
    read  = number
    write = number
  })
  default = null

  # Amazon DynamoDB Developer Guide, "DynamoDB warm throughput".
  validation {
    condition     = var.warm_throughput == null ? true : var.warm_throughput.read >= 12000 && var.warm_throughput.write >= 4000 && floor(var.warm_throughput.read) == var.warm_throughput.read && floor(var.warm_throughput.write) == var.warm_throughput.write
    error_message = "warm_throughput needs whole numbers: read of at least 12000 and write of at least 4000, which every table on demand has."
  }

  validation {
    condition     = var.warm_throughput == null || var.billing_mode == "PAY_PER_REQUEST"
    error_message = "warm_throughput needs billing_mode PAY_PER_REQUEST. With PROVISIONED, read_capacity and write_capacity are available at once."
  }
}

variable "deletion_protection" {
  description = "Let DynamoDB refuse to delete the table. To destroy a deployment, set this to false and apply first."
  type        = bool
  default     = true
  nullable    = false
}

variable "recovery_days" {
  description = "How many days back the table can be restored (point-in-time recovery)."
  type        = number
  default     = 35
  nullable    = false

  validation {
    condition     = var.recovery_days >= 1 && var.recovery_days <= 35 && floor(var.recovery_days) == var.recovery_days
    error_message = "recovery_days must be a whole number from 1 to 35."
  }
}

variable "index_shards" {
  description = "Number of shards of the index by event type. 0 creates no index. Each shard accepts about 1,000 events of one type per second. The index contains only events that were stored while it existed."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.index_shards >= 0 && var.index_shards <= 256 && floor(var.index_shards) == var.index_shards
    error_message = "index_shards must be a whole number from 0 to 256."
  }
}

variable "correlation_index" {
  description = "Create the index `by-correlation` (hash key CorrelationId, sort key Timestamp), with which readers find the events of one conversation. It contains only events that have a CorrelationId; DynamoDB also adds the events that the table already contains. It costs one more write for each such event."
  type        = bool
  default     = false
  nullable    = false
}

variable "stream_view_type" {
  description = "Content of the records in the table's stream. NEW_IMAGE suits a table that is only appended to. null creates no stream."
  type        = string
  default     = null

  validation {
    condition     = var.stream_view_type == null || contains(["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"], coalesce(var.stream_view_type, "KEYS_ONLY"))
    error_message = "stream_view_type must be null, KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES."
  }
}
