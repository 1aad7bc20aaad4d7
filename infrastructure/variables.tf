# The deployment as a whole. The variables of each part are in the files
# variables_queue.tf, variables_function.tf, variables_table.tf and
# variables_alarms.tf.

variable "name" {
  description = "Name of the deployment and prefix of the name of every resource. Names of IAM resources and of the dashboard, which are global in an account, also contain the region, so that one name can be used once in each region of an account. Cannot be changed after the first apply."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 40 lower-case letters, digits and hyphens, start with a letter and not end with a hyphen."
  }

  # The role has the longest name: NAME-consumer-REGION.
  validation {
    condition     = length("${var.name}-consumer-${var.region}") <= 64
    error_message = "name is too long for this region: IAM limits the role's name \"${var.name}-consumer-${var.region}\" to 64 characters. Use a shorter name."
  }
}

variable "region" {
  description = "AWS region of the deployment. Must be the region of the AWS provider. Cannot be changed after the first apply: deploy to a second region with a state of its own."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2,4}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region must be the code of a region, such as eu-central-1, cn-north-1 or eusc-de-east-1."
  }
}

variable "tags" {
  description = "Tags of every resource that supports tags."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "kms_key_arn" {
  description = "ARN of a customer managed key (a key, not an alias) that encrypts the queues, the table, the logs and the alarm topic. null uses keys that AWS manages. The key's policy must allow the services to use the key: see \"Customer managed key\" in the runbook."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key, such as arn:aws:kms:eu-central-1:123456789012:key/0d990263-..., not an alias and not a key id."
  }
}

variable "former_kms_key_arns" {
  description = "ARNs of the customer managed keys that kms_key_arn named before. Messages and items may still be encrypted with them, so the function, readers and operators may still decrypt with them: see \"Customer managed key\" in the runbook."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.former_kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", arn))])
    error_message = "former_kms_key_arns must contain ARNs of keys, such as arn:aws:kms:eu-central-1:123456789012:key/0d990263-..., not aliases and not key ids."
  }
}

variable "iam_path" {
  description = "Path of the IAM role and policies, for accounts that grant permissions by path."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([A-Za-z0-9+=,.@_-]+/)*$", var.iam_path))
    error_message = "iam_path must start and end with a slash, such as /applications/."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of the IAM policy that is the permissions boundary of the function's role. null sets no boundary. The boundary must allow what the role needs: see \"Permissions\" in the runbook."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of an IAM policy, such as arn:aws:iam::123456789012:policy/boundary."
  }
}
