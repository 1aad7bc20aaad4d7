variable "outbox" {
  description = "Create the outbox table NAME-outbox, its policies and its alarm, for services that write their state and an event in one DynamoDB transaction."
  type        = bool
  default     = false
  nullable    = false
}

variable "outbox_relay_package_path" {
  description = "Path of the package of the relay function, which sends the rows of the outbox. The command `run.sh package --relay` builds the package and prints its path. null creates no function: run the relay in the service, or with `domain-events relay`. Used when outbox is true."
  type        = string
  default     = null

  validation {
    condition     = var.outbox_relay_package_path == null ? true : fileexists(var.outbox_relay_package_path)
    error_message = "outbox_relay_package_path is not an existing file. Build the package with infrastructure/run.sh package --relay, which prints the path."
  }
}

variable "outbox_alarm_seconds" {
  description = "Age of the oldest row of the outbox, in seconds, above which the alarm outbox-oldest-row fires. It also fires if no relay reports for five minutes."
  type        = number
  default     = 300
  nullable    = false

  validation {
    condition     = var.outbox_alarm_seconds >= 60 && var.outbox_alarm_seconds <= 86400 && floor(var.outbox_alarm_seconds) == var.outbox_alarm_seconds
    error_message = "outbox_alarm_seconds must be a whole number from 60 to 86400."
  }
}
