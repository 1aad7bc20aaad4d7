# The record of what this state deploys. A plan with another name, region or
# account fails, because it would forget the deployed queues and the table, and
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

    precondition {
      condition     = data.aws_region.current.id == var.region
      error_message = "The AWS provider is configured for the region ${data.aws_region.current.id}, and the variable region is ${var.region}. Set AWS_REGION=${var.region} (or the region of the provider block), or correct the variable."
    }

    postcondition {
      condition     = self.output.region == var.region
      error_message = "This state deploys to ${self.output.region}, and the plan is for ${var.region}. Nothing was changed. Set region = \"${self.output.region}\". To deploy to a second region, use a state of its own."
    }

    postcondition {
      condition     = self.output.account == data.aws_caller_identity.current.account_id
      error_message = "This state deploys to the account ${self.output.account}, and the credentials belong to ${data.aws_caller_identity.current.account_id}. Nothing was changed. Use credentials for ${self.output.account}. To deploy to a second account, use a state of its own."
    }

    postcondition {
      condition     = self.output.name == var.name
      error_message = "This state deploys \"${self.output.name}\", and the plan is for the name \"${var.name}\", which would replace the queues and the table. Nothing was changed. Set name = \"${self.output.name}\". To deploy a second stack, use a state of its own."
    }
  }
}
