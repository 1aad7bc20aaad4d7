# The record of what this state deploys. A plan with another name, region or
# account is refused, because it would forget the deployed queues and the table, and
# would point the function's role at new ones.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

resource "terraform_data" "deployment" {
  input = {
    name    = var.name
    region  = var.region
    account = data.aws_caller_identity.current.account_id
  }

  lifecycle {
    # The record keeps the values of the first apply.
    ignore_changes = [input]
  }
}

module "deployment" {
  source = "./modules/deployment"

  deployment = {
    recorded        = terraform_data.deployment.input
    name            = var.name
    region          = var.region
    account         = data.aws_caller_identity.current.account_id
    provider_region = data.aws_region.current.id
  }
}
