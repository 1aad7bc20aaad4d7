variable "package_path" {
  description = "Path of the function's package: a zip file that contains the executable `bootstrap`. The command `run.sh package` builds the package and prints its path."
  type        = string
  nullable    = false

  validation {
    condition     = fileexists(var.package_path)
    error_message = "package_path is not an existing file. Build the package with infrastructure/run.sh package, which prints the path."
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
  description = "Memory of the function in MB. The function's share of a CPU is proportional to its memory."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.memory_size >= 128 && var.memory_size <= 10240 && floor(var.memory_size) == var.memory_size
    error_message = "memory_size must be a whole number from 128 to 10240."
  }
}

variable "function_timeout" {
  description = "Timeout of one invocation in seconds. The visibility timeout of the queue is six times this value plus the batching window."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = var.function_timeout >= 5 && var.function_timeout <= 900 && floor(var.function_timeout) == var.function_timeout
    error_message = "function_timeout must be a whole number from 5 to 900."
  }
}

variable "function_version" {
  description = "Published version of the function that the alias `live` points to. null means the version of the package that is being deployed. Set a previous version to roll back: see \"Roll back the function\" in the runbook."
  type        = string
  default     = null

  validation {
    condition     = var.function_version == null || can(regex("^[1-9][0-9]*$", var.function_version))
    error_message = "function_version must be null or the number of a published version, such as \"12\"."
  }
}

variable "reserved_concurrency" {
  description = "Concurrency that is reserved for the function from the account's quota. -1 reserves none."
  type        = number
  default     = -1
  nullable    = false

  # Zero would stop the function. Each attempt would fail, and the events would
  # move to the dead-letter queue.
  validation {
    condition     = var.reserved_concurrency == -1 || (var.reserved_concurrency >= 5 && floor(var.reserved_concurrency) == var.reserved_concurrency)
    error_message = "reserved_concurrency must be -1 or a whole number of at least 5. To stop the function, disable its event source mapping: see \"Stop consuming\" in the runbook."
  }

  validation {
    condition = var.reserved_concurrency == -1 || (
      var.provisioned_pollers == null
      ? var.maximum_concurrency != null && coalesce(var.maximum_concurrency, 0) <= var.reserved_concurrency
      : 10 * try(var.provisioned_pollers.maximum, 0) <= var.reserved_concurrency
    )
    error_message = "reserved_concurrency is lower than the concurrency that the event source mapping can use, so Lambda would throttle it, and each throttled attempt counts towards the dead-letter queue. Set maximum_concurrency to at most reserved_concurrency; with provisioned_pollers, reserve ten times provisioned_pollers.maximum."
  }
}

variable "batch_size" {
  description = "Maximum number of messages in one invocation. A value above 10 needs a batching window and a standard queue."
  type        = number
  default     = 10
  nullable    = false

  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10000 && floor(var.batch_size) == var.batch_size
    error_message = "batch_size must be a whole number from 1 to 10000."
  }

  validation {
    condition     = !var.fifo || var.batch_size <= 10
    error_message = "batch_size must be at most 10 with FIFO queues."
  }

  validation {
    condition     = var.batch_size <= 10 || var.batching_window_seconds >= 1
    error_message = "batch_size above 10 needs batching_window_seconds of at least 1."
  }
}

variable "batching_window_seconds" {
  description = "How long Lambda collects messages before it invokes the function. A longer window means fewer invocations and a longer delay. Must be 0 with FIFO queues."
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
  description = "Maximum number of concurrent invocations. null sets no maximum. The maximum protects other functions and the table, and never counts as a failed attempt. Not used with provisioned_pollers."
  type        = number
  default     = 20

  validation {
    condition     = var.maximum_concurrency == null ? true : var.maximum_concurrency >= 2 && var.maximum_concurrency <= 1000 && floor(var.maximum_concurrency) == var.maximum_concurrency
    error_message = "maximum_concurrency must be null or a whole number from 2 to 1000."
  }
}

variable "provisioned_pollers" {
  description = "Minimum and maximum number of event pollers that Lambda keeps for the queue (provisioned mode), for more throughput than the default mode scales to. Replaces maximum_concurrency: each poller invokes the function up to ten times concurrently. Pollers are billed by the hour. null uses the default mode."
  type = object({
    minimum = number
    maximum = number
  })
  default = null

  # "Using Lambda with Amazon SQS", provisioned mode: 2 to 200 as the minimum, 2
  # to 2,000 as the maximum.
  validation {
    condition     = var.provisioned_pollers == null ? true : var.provisioned_pollers.minimum >= 2 && var.provisioned_pollers.minimum <= 200 && var.provisioned_pollers.maximum >= var.provisioned_pollers.minimum && var.provisioned_pollers.maximum <= 2000
    error_message = "provisioned_pollers needs a minimum from 2 to 200 and a maximum from the minimum to 2000."
  }
}

variable "event_retention" {
  description = "How long events are kept, by event type: a number of minutes, hours, days or years of 365 days (\"90m\", \"12h\", \"30d\", \"1y\"), or \"never\" to keep the events of this type. The key `*` applies to all other types. An empty map keeps all events."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for type in keys(var.event_retention) : type == "*" || (can(regex("^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$", type)) && length(type) <= 128)])
    error_message = "event_retention must have event types such as SESSION_PINGED, or *, as keys."
  }

  validation {
    condition     = alltrue([for age in values(var.event_retention) : can(regex("^(never|[1-9][0-9]{0,8}[mhdy])$", age))])
    error_message = "event_retention must have a whole number from 1 and m, h, d or y, such as \"30d\", or \"never\", as values."
  }

  # Lambda limits all environment variables of a function to 4 KB together. The
  # other variables take at most 500 bytes of them.
  validation {
    condition     = length(join(",", [for type, age in var.event_retention : "${type}=${age}"])) <= 3500
    error_message = "event_retention has ${length(join(",", [for type, age in var.event_retention : "${type}=${age}"]))} characters as the function's environment variable, and 3500 fit. List only the types that differ from the rule for *."
  }
}

variable "log_level" {
  description = "Lowest level of the function's log lines: error, warn, info, debug or trace."
  type        = string
  default     = "info"
  nullable    = false

  validation {
    condition     = contains(["error", "warn", "info", "debug", "trace"], var.log_level)
    error_message = "log_level must be error, warn, info, debug or trace."
  }
}

variable "log_retention_days" {
  description = "How many days CloudWatch keeps the function's logs."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a retention period that CloudWatch offers, such as 7, 30, 90 or 365."
  }
}

variable "vpc" {
  description = "Subnets and security groups of the function. null runs it outside a VPC. The subnets need a route to SQS and DynamoDB: VPC endpoints or a NAT gateway."
  type = object({
    subnet_ids         = list(string)
    security_group_ids = list(string)
  })
  default = null

  validation {
    condition     = var.vpc == null ? true : length(var.vpc.subnet_ids) > 0 && length(var.vpc.security_group_ids) > 0
    error_message = "vpc needs at least one subnet and one security group."
  }
}

variable "xray_tracing" {
  description = "Record a trace of each invocation in AWS X-Ray."
  type        = bool
  default     = false
  nullable    = false
}
