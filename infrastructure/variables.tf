# Deployment

variable "name" {
  description = "Prefix of every resource's name. One deployment per name, account and region."
  type        = string
  default     = "domain-events"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 40 lower-case letters, digits and hyphens, starting with a letter and not ending with a hyphen."
  }
}

variable "region" {
  description = "AWS region; null takes it from the environment (AWS_REGION or the profile)."
  type        = string
  default     = null

  validation {
    condition     = var.region == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region must be the code of a region, such as eu-central-1."
  }
}

variable "tags" {
  description = "Tags on every resource that takes tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of a customer key (a key, not an alias) that encrypts queues, table, logs and alarm topic; null uses keys that AWS manages. The key's policy must admit the services: see the runbook."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, such as arn:aws:kms:eu-central-1:123456789012:key/0d990263-..., not an alias and not an id."
  }
}

variable "former_kms_key_arns" {
  description = "ARNs of the customer keys that kms_key_arn named before. What was sent under them stays encrypted with them, and the function must be able to read it: see the runbook."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.former_kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "former_kms_key_arns takes ARNs of keys, such as arn:aws:kms:eu-central-1:123456789012:key/0d990263-..., no aliases and no ids."
  }
}

# Queue

variable "fifo" {
  description = "FIFO queues in high-throughput mode: order per entity. Changing it replaces both queues."
  type        = bool
  default     = false
  nullable    = false
}

variable "producer_arns" {
  description = "ARNs of IAM roles and users that the queue's own policy lets send; needed for producers in other accounts. Producers in this account may attach the policy of output `producer_policy_arn` instead. With kms_key_arn, the key's policy must name them too: see the runbook."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.producer_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:(role|user)/[A-Za-z0-9+=,.@_/-]+$", arn))])
    error_message = "producer_arns takes ARNs of single IAM roles and users, such as arn:aws:iam::123456789012:role/orders. Wildcards and whole accounts are refused: the queue has no open principal."
  }

  validation {
    condition     = length(var.producer_arns) <= 49 && length(distinct(var.producer_arns)) == length(var.producer_arns)
    error_message = "producer_arns takes at most 49 different ARNs: SQS accepts 50 principals in a policy. Attach the policy of output producer_policy_arn to the others."
  }
}

variable "message_retention_days" {
  description = "How long the queue keeps an event that cannot be stored, for instance while the function is switched off."
  type        = number
  default     = 7
  nullable    = false

  validation {
    condition     = var.message_retention_days >= 1 && var.message_retention_days <= 11 && floor(var.message_retention_days) == var.message_retention_days
    error_message = "message_retention_days must be a whole number from 1 to 11: the dead-letter queue keeps a message for 14 days in all, and an operator needs some of them."
  }
}

variable "max_receive_count" {
  description = "How often an event is tried before SQS moves it to the dead-letter queue. With the default visibility timeout, 20 tries span about an hour of outage."
  type        = number
  default     = 20
  nullable    = false

  validation {
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 1000 && floor(var.max_receive_count) == var.max_receive_count
    error_message = "max_receive_count must be a whole number from 5 to 1000: below 5, throttled invocations alone can move good events to the dead-letter queue."
  }
}

variable "max_message_size" {
  description = "Largest message in bytes, set through the AWS CLI since no provider version sets 1 MiB by default. null leaves the provider's 262,144 and needs no CLI; queues that have another size keep it."
  type        = number
  default     = 1048576

  validation {
    condition     = var.max_message_size == null ? true : var.max_message_size >= 1024 && var.max_message_size <= 1048576 && floor(var.max_message_size) == var.max_message_size
    error_message = "max_message_size must be null or a whole number from 1024 to 1048576, the limits of SQS."
  }
}

# Function

variable "package_path" {
  description = "Path of the function's package, a zip file that holds the executable `bootstrap`. The script run.sh builds it and passes its path."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists(var.package_path)
    error_message = "package_path names no file. Build the package with run.sh, or pass the path of one."
  }
}

variable "architecture" {
  description = "Instruction set of the package: arm64 or x86_64."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "memory_size" {
  description = "Memory of the function in MB; its share of a CPU grows with it."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size must be a whole number from 128 to 10240."
  }
}

variable "function_timeout" {
  description = "Longest run of one invocation in seconds. The queue's visibility timeout is six times this plus the batching window."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.function_timeout >= 5 && var.function_timeout <= 900 && floor(var.function_timeout) == var.function_timeout
    error_message = "function_timeout must be a whole number from 5 to 900."
  }
}

variable "reserved_concurrency" {
  description = "Concurrency taken from the account and kept for the function; -1 reserves none."
  type        = number
  default     = -1
  nullable    = false

  # Zero would stop the function and, try by try, empty the queue into the
  # dead-letter queue.
  validation {
    condition     = var.reserved_concurrency == -1 || (var.reserved_concurrency >= 5 && floor(var.reserved_concurrency) == var.reserved_concurrency)
    error_message = "reserved_concurrency must be -1 or a whole number of at least 5. To stop the function, disable its event source mapping: see the runbook."
  }

  validation {
    condition     = var.reserved_concurrency == -1 || (var.maximum_concurrency != null && coalesce(var.maximum_concurrency, 0) <= var.reserved_concurrency)
    error_message = "reserved_concurrency below maximum_concurrency makes Lambda throttle the mapping, and each throttled try counts towards the dead-letter queue. Set maximum_concurrency to at most reserved_concurrency."
  }
}

variable "batch_size" {
  description = "Most messages in one invocation. More than 10 needs a batching window, and is not possible with FIFO queues."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000 && floor(var.batch_size) == var.batch_size
    error_message = "batch_size must be a whole number from 1 to 10000."
  }

  validation {
    condition     = !var.fifo || var.batch_size <= 10
    error_message = "batch_size can be at most 10 with FIFO queues."
  }

  validation {
    condition     = var.batch_size <= 10 || var.batching_window_seconds >= 1
    error_message = "batch_size above 10 needs batching_window_seconds of at least 1."
  }
}

variable "batching_window_seconds" {
  description = "How long Lambda gathers messages before it invokes the function: fewer invocations, later events. Not possible with FIFO queues."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.batching_window_seconds >= 0 && var.batching_window_seconds <= 300 && floor(var.batching_window_seconds) == var.batching_window_seconds
    error_message = "batching_window_seconds must be a whole number from 0 to 300."
  }

  validation {
    condition     = !var.fifo || var.batching_window_seconds == 0
    error_message = "batching_window_seconds must be 0 with FIFO queues."
  }
}

variable "maximum_concurrency" {
  description = "Most invocations at the same time; null leaves it to the account. It shields other functions and the table, and never counts as a failed try."
  type        = number
  default     = 20

  validation {
    condition     = var.maximum_concurrency == null ? true : var.maximum_concurrency >= 2 && var.maximum_concurrency <= 1000 && floor(var.maximum_concurrency) == var.maximum_concurrency
    error_message = "maximum_concurrency must be null or a whole number from 2 to 1000."
  }
}

variable "event_retention" {
  description = "How long events are kept, by event type: a number of minutes, hours, days or years of 365 days (\"90m\", \"12h\", \"30d\", \"1y\"), or \"never\" (to expire). `*` stands for all other types. Empty keeps everything."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for type in keys(var.event_retention) : type == "*" || (can(regex("^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$", type)) && length(type) <= 128)])
    error_message = "event_retention takes event types such as SESSION_PINGED, or *, as keys."
  }

  validation {
    condition     = alltrue([for age in values(var.event_retention) : can(regex("^(never|[1-9][0-9]{0,8}[mhdy])$", age))])
    error_message = "event_retention takes a whole number from 1 and m, h, d or y, such as \"30d\", or \"never\", as values."
  }
}

variable "log_level" {
  description = "Least level of the function's own log lines: error, warn, info, debug or trace."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = contains(["error", "warn", "info", "debug", "trace"], var.log_level)
    error_message = "log_level must be error, warn, info, debug or trace."
  }
}

variable "log_retention_days" {
  description = "How long CloudWatch keeps the function's logs."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a period that CloudWatch offers, such as 7, 30, 90 or 365."
  }
}

# Table

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

  # A limit that has no effect is a mistake that shows in the bill.
  validation {
    condition     = var.billing_mode != "PROVISIONED" || (var.max_read_request_units == null && var.max_write_request_units == null)
    error_message = "max_read_request_units and max_write_request_units have no effect with billing_mode PROVISIONED; use read_capacity and write_capacity."
  }

  validation {
    condition     = var.billing_mode != "PAY_PER_REQUEST" || (var.read_capacity == null && var.write_capacity == null)
    error_message = "read_capacity and write_capacity have no effect on demand; use max_read_request_units and max_write_request_units, or set billing_mode to PROVISIONED."
  }
}

variable "read_capacity" {
  description = "Read capacity units of table and index when billing_mode is PROVISIONED."
  type        = number
  default     = null

  validation {
    condition     = var.read_capacity == null ? true : var.read_capacity >= 1 && floor(var.read_capacity) == var.read_capacity
    error_message = "read_capacity must be a whole number of at least 1."
  }
}

variable "write_capacity" {
  description = "Write capacity units of table and index when billing_mode is PROVISIONED: one per event of up to 1 KB a second."
  type        = number
  default     = null

  validation {
    condition     = var.write_capacity == null ? true : var.write_capacity >= 1 && floor(var.write_capacity) == var.write_capacity
    error_message = "write_capacity must be a whole number of at least 1."
  }
}

variable "max_read_request_units" {
  description = "Most read request units a second on demand, as a limit to the bill; null sets none."
  type        = number
  default     = null

  validation {
    condition     = var.max_read_request_units == null ? true : var.max_read_request_units >= 1 && floor(var.max_read_request_units) == var.max_read_request_units
    error_message = "max_read_request_units must be null or a whole number of at least 1."
  }
}

variable "max_write_request_units" {
  description = "Most write request units a second on demand, as a limit to the bill; null sets none. Events above it wait in the queue."
  type        = number
  default     = null

  validation {
    condition     = var.max_write_request_units == null ? true : var.max_write_request_units >= 1 && floor(var.max_write_request_units) == var.max_write_request_units
    error_message = "max_write_request_units must be null or a whole number of at least 1."
  }
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the table of events. To destroy a deployment, switch it off and apply first."
  type        = bool
  default     = true
  nullable    = false
}

variable "index_shards" {
  description = "Shards of the index by event type; 0 means no index. An event type can be written some 1,000 times a second per shard. Only events stored while it is on are in the index."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.index_shards >= 0 && var.index_shards <= 256 && floor(var.index_shards) == var.index_shards
    error_message = "index_shards must be a whole number from 0 to 256."
  }
}

variable "stream_view_type" {
  description = "What the table's stream carries (NEW_IMAGE suits a table that is only appended to); null means no stream."
  type        = string
  default     = null

  validation {
    condition     = var.stream_view_type == null || contains(["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"], coalesce(var.stream_view_type, "KEYS_ONLY"))
    error_message = "stream_view_type must be null, KEYS_ONLY, NEW_IMAGE, OLD_IMAGE or NEW_AND_OLD_IMAGES."
  }
}

# Observability

variable "oldest_message_alarm_seconds" {
  description = "Age of the oldest waiting event that raises the alarm. Of a standard queue SQS counts events that were received less than three times; those that fail again and again raise the alarm events-failing."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.oldest_message_alarm_seconds >= 60 && var.oldest_message_alarm_seconds <= 86400 && floor(var.oldest_message_alarm_seconds) == var.oldest_message_alarm_seconds
    error_message = "oldest_message_alarm_seconds must be a whole number from 60 to 86400."
  }

  validation {
    condition     = var.oldest_message_alarm_seconds * 2 <= var.message_retention_days * 86400
    error_message = "oldest_message_alarm_seconds must be at most half of message_retention_days: later, nobody could act before SQS deletes the event."
  }
}

variable "alarm_action_arns" {
  description = "ARNs of existing SNS topics (or other alarm actions) that alarms notify."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.alarm_action_arns : can(regex("^arn:[a-z-]+:[a-z0-9-]+:[a-z0-9-]*:[0-9]*:.+$", arn))])
    error_message = "alarm_action_arns takes ARNs, such as arn:aws:sns:eu-central-1:123456789012:on-call."
  }

  validation {
    condition     = length(var.alarm_action_arns) + (var.create_alarm_topic ? 1 : 0) <= 5
    error_message = "alarm_action_arns takes at most 5 ARNs, 4 with create_alarm_topic: CloudWatch accepts 5 actions of an alarm."
  }
}

variable "create_alarm_topic" {
  description = "Whether to create an SNS topic that every alarm notifies."
  type        = bool
  default     = false
  nullable    = false
}

variable "alarm_emails" {
  description = "E-mail addresses to subscribe to the created topic; each owner must confirm the message from AWS."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "alarm_emails takes e-mail addresses."
  }

  validation {
    condition     = length(var.alarm_emails) == 0 || var.create_alarm_topic
    error_message = "alarm_emails needs create_alarm_topic = true."
  }
}

variable "runbook_url" {
  description = "Where the on-call person finds the runbook; alarm descriptions and the dashboard point there."
  type        = string
  default     = "infrastructure/README.md"
  nullable    = false

  validation {
    condition     = length(var.runbook_url) > 0 && length(var.runbook_url) <= 200
    error_message = "runbook_url must have 1 to 200 characters."
  }
}

variable "prices" {
  description = "Prices in dollars for the dashboard's estimate: list prices of us-east-1; set your region's, or your discount's."
  type = object({
    sqs_million_requests       = optional(number, 0.40)
    lambda_million_requests    = optional(number, 0.20)
    lambda_gb_second           = optional(number, 0.0000133334)
    dynamodb_million_writes    = optional(number, 0.625)
    dynamodb_million_reads     = optional(number, 0.125)
    cloudwatch_gb_of_log_lines = optional(number, 0.50)
  })
  default  = {}
  nullable = false
}
