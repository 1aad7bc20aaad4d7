# Several deployments of the module: one for each entry of `environments`.
#
# With one state for each environment (a backend file and a variables file each):
#
#   terraform init -reconfigure -backend-config=staging.s3.tfbackend
#   terraform apply -var-file=staging.tfvars -var package_path=PATH
#
# or with one state for all, with a variables file that lists all environments.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

variable "environments" {
  description = "The environments of this state, by name."
  type = map(object({
    fifo                    = optional(bool, false)
    index_shards            = optional(number, 0)
    max_write_request_units = optional(number)
    deletion_protection     = optional(bool, true)
    composite_alarm         = optional(bool, false)
    critical_actions        = optional(list(string), [])
  }))
}

variable "package_path" {
  description = "Path of the function's package. The command `run.sh package` builds it and prints the path."
  type        = string
}

variable "architecture" {
  description = "Instruction set of the package: arm64 or x86_64."
  type        = string
  default     = "arm64"
}

variable "region" {
  description = "AWS region of the deployments."
  type        = string
  default     = "eu-central-1"
}

variable "iam_path" {
  description = "Path of all IAM roles and policies."
  type        = string
  default     = "/domain-events/"
}

variable "permissions_boundary_arn" {
  description = "ARN of the permissions boundary that the account requires. null sets none."
  type        = string
  default     = null
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      application = "domain-events"
      managed-by  = "terraform"
    }
  }
}

module "domain_events" {
  source   = "../.."
  for_each = var.environments

  name                     = "events-${each.key}"
  region                   = var.region
  package_path             = var.package_path
  architecture             = var.architecture
  iam_path                 = var.iam_path
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = { environment = each.key }

  fifo                       = each.value.fifo
  index_shards               = each.value.index_shards
  max_write_request_units    = each.value.max_write_request_units
  deletion_protection        = each.value.deletion_protection
  composite_alarm            = each.value.composite_alarm
  critical_alarm_action_arns = each.value.critical_actions
}

output "environments" {
  description = "What applications of each environment need."
  value = {
    for name, deployment in module.domain_events : name => {
      EVENT_QUEUE_URL     = deployment.EVENT_QUEUE_URL
      EVENT_TABLE         = deployment.EVENT_TABLE
      producer_policy_arn = deployment.producer_policy_arn
      reader_policy_arn   = deployment.reader_policy_arn
      consumer_role_arn   = deployment.consumer_role_arn
    }
  }
}
