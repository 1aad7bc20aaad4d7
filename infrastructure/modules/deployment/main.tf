# Refuses a plan for a deployment other than the recorded one. The checks are validations
# of a variable, because `terraform destroy` and `terraform apply -refresh-only` report
# failed preconditions and postconditions as warnings and continue. Both also make the
# refresh, which forgets every resource that the wrong region does not have.

variable "deployment" {
  description = "The recorded name, region and account of the deployment, those of this plan, and the region of the AWS provider."
  type = object({
    recorded        = object({ name = string, region = string, account = string })
    name            = string
    region          = string
    account         = string
    provider_region = string
  })
  nullable = false

  validation {
    condition     = var.deployment.provider_region == var.deployment.region
    error_message = "The AWS provider is configured for the region ${var.deployment.provider_region}, and the variable region is ${var.deployment.region}. Nothing was changed. Set AWS_REGION=${var.deployment.region} (or the region of the provider block), or correct the variable."
  }

  validation {
    condition     = var.deployment.recorded.region == var.deployment.region
    error_message = "This state deploys to ${var.deployment.recorded.region}, and the plan is for ${var.deployment.region}. Nothing was changed. Set region = \"${var.deployment.recorded.region}\". To deploy to a second region, use a state of its own."
  }

  validation {
    condition     = var.deployment.recorded.account == var.deployment.account
    error_message = "This state deploys to the account ${var.deployment.recorded.account}, and the credentials belong to ${var.deployment.account}. Nothing was changed. Use credentials for ${var.deployment.recorded.account}. To deploy to a second account, use a state of its own."
  }

  validation {
    condition     = var.deployment.recorded.name == var.deployment.name
    error_message = "This state deploys \"${var.deployment.recorded.name}\", and the plan is for the name \"${var.deployment.name}\", which would replace the queues and the table. Nothing was changed. Set name = \"${var.deployment.recorded.name}\". To deploy a second stack, use a state of its own."
  }
}

output "name" {
  description = "Recorded name of the deployment."
  value       = var.deployment.recorded.name
}

output "region" {
  description = "Recorded region of the deployment."
  value       = var.deployment.recorded.region
}
