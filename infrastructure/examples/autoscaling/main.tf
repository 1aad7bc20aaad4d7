# A deployment with provisioned capacity that Application Auto Scaling changes.
#
#   infrastructure/run.sh package --arch arm64
#   terraform init
#   terraform apply -var package_path=PATH_THAT_RUN_SH_PRINTED
#
# Besides the deployer's policy, the apply needs permissions for Application Auto
# Scaling on the table and its indexes.

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}

variable "package_path" {
  description = "Path of the function's package. The command `run.sh package` builds it and prints the path."
  type        = string
}

variable "region" {
  description = "AWS region of the deployment."
  type        = string
  default     = "eu-central-1"
}

provider "aws" {
  region = var.region
}

module "domain_events" {
  source = "../.."

  name         = "domain-events"
  region       = var.region
  package_path = var.package_path
  index_shards = 4

  billing_mode    = "PROVISIONED"
  read_capacity   = 10
  write_capacity  = 100
  ignore_capacity = true
}

locals {
  table = "table/${module.domain_events.EVENT_TABLE}"
  index = "${local.table}/index/by-type"

  # The table and the index have the same writes, because each event is in both.
  scaled = {
    table_reads  = { id = local.table, dimension = "dynamodb:table:ReadCapacityUnits", metric = "DynamoDBReadCapacityUtilization", minimum = 10, maximum = 1000 }
    table_writes = { id = local.table, dimension = "dynamodb:table:WriteCapacityUnits", metric = "DynamoDBWriteCapacityUtilization", minimum = 100, maximum = 10000 }
    index_reads  = { id = local.index, dimension = "dynamodb:index:ReadCapacityUnits", metric = "DynamoDBReadCapacityUtilization", minimum = 10, maximum = 1000 }
    index_writes = { id = local.index, dimension = "dynamodb:index:WriteCapacityUnits", metric = "DynamoDBWriteCapacityUtilization", minimum = 100, maximum = 10000 }
  }
}

resource "aws_appautoscaling_target" "capacity" {
  for_each = local.scaled

  service_namespace  = "dynamodb"
  resource_id        = each.value.id
  scalable_dimension = each.value.dimension
  min_capacity       = each.value.minimum
  max_capacity       = each.value.maximum
}

resource "aws_appautoscaling_policy" "capacity" {
  for_each = local.scaled

  name               = each.key
  policy_type        = "TargetTrackingScaling"
  service_namespace  = "dynamodb"
  resource_id        = aws_appautoscaling_target.capacity[each.key].resource_id
  scalable_dimension = aws_appautoscaling_target.capacity[each.key].scalable_dimension

  target_tracking_scaling_policy_configuration {
    target_value = 70

    predefined_metric_specification {
      predefined_metric_type = each.value.metric
    }
  }
}
