# One deployment of the module in a root of your own.
#
#   infrastructure/run.sh package --arch arm64
#   terraform init
#   terraform apply -var package_path=PATH_THAT_RUN_SH_PRINTED

terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }

  # Keep the state where your team can reach it:
  #
  # backend "s3" {
  #   bucket       = "my-terraform-state"
  #   key          = "domain-events.tfstate"
  #   region       = "eu-central-1"
  #   use_lockfile = true
  # }
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
  description = "AWS region of the deployment."
  type        = string
  default     = "eu-central-1"
}

provider "aws" {
  region = var.region

  default_tags {
    tags = {
      application = "domain-events"
    }
  }
}

module "domain_events" {
  source = "../.."

  name         = "domain-events"
  region       = var.region
  package_path = var.package_path
  architecture = var.architecture

  create_alarm_topic = true
}

# A service that sends events: its role gets the producer's policy.
resource "aws_iam_role" "shop" {
  name = "shop"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "ecs-tasks.amazonaws.com" }
        Action    = "sts:AssumeRole"
      },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "shop_sends_events" {
  role       = aws_iam_role.shop.name
  policy_arn = module.domain_events.producer_policy_arn
}

output "shop_environment" {
  description = "Environment variables of the service."
  value = {
    EVENT_QUEUE_URL  = module.domain_events.EVENT_QUEUE_URL
    EVENT_EMITTER_ID = "shop"
  }
}
