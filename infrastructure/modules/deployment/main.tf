# Refuses a plan for another place than the recorded one. The checks are validations
# of a variable, because `terraform destroy` and `terraform apply -refresh-only` report
# failed preconditions and postconditions as warnings and continue. Both also make the
# refresh, which forgets every resource that the wrong region does not have.

variable "place" {
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
    condition     = var.place.provider_region == var.place.region
    error_message = "The AWS provider is configured for the region ${var.place.provider_region}, and the variable region is ${var.place.region}. Nothing was changed. Set AWS_REGION=${var.place.region} (or the region of the provider block), or correct the variable."
  }

  validation {
    condition     = var.place.recorded.region == var.place.region
    error_message = "This state deploys to ${var.place.recorded.region}, and the plan is for ${var.place.region}. Nothing was changed. Set region = \"${var.place.recorded.region}\". To deploy to a second region, use a state of its own."
  }

  validation {
    condition     = var.place.recorded.account == var.place.account
    error_message = "This state deploys to the account ${var.place.recorded.account}, and the credentials belong to ${var.place.account}. Nothing was changed. Use credentials for ${var.place.recorded.account}. To deploy to a second account, use a state of its own."
  }

  validation {
    condition     = var.place.recorded.name == var.place.name
    error_message = "This state deploys \"${var.place.recorded.name}\", and the plan is for the name \"${var.place.name}\", which would replace the queues and the table. Nothing was changed. Set name = \"${var.place.recorded.name}\". To deploy a second stack, use a state of its own."
  }
}

output "name" {
  description = "Recorded name of the deployment."
  value       = var.place.recorded.name
}

output "region" {
  description = "Recorded region of the deployment."
  value       = var.place.recorded.region
}
