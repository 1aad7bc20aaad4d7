# The optional outbox: see docs/outbox.md.

module "outbox" {
  source = "./modules/outbox"
  count  = var.outbox ? 1 : 0

  name                     = "${local.name}-outbox"
  region                   = local.region
  queue_arn                = module.queue.queue_arn
  queue_url                = module.queue.queue_url
  deletion_protection      = var.deletion_protection
  recovery_days            = var.recovery_days
  package_path             = var.outbox_relay_package_path
  architecture             = var.architecture
  log_level                = var.log_level
  log_retention_days       = var.log_retention_days
  kms_key_arn              = var.kms_key_arn
  former_kms_key_arns      = var.former_kms_key_arns
  iam_path                 = var.iam_path
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
}

output "EVENT_OUTBOX_TABLE" {
  description = "For services and relays: value of the environment variable EVENT_OUTBOX_TABLE. null without an outbox."
  value       = one(module.outbox[*].table_name)
}

output "outbox_writer_policy_arn" {
  description = "ARN of the policy for a service that writes to the outbox. null without an outbox."
  value       = one(module.outbox[*].writer_policy_arn)
}

output "outbox_relay_policy_arn" {
  description = "ARN of the policy for a relay in a service or a container. null without an outbox."
  value       = one(module.outbox[*].relay_policy_arn)
}

output "outbox_relay_function_name" {
  description = "Name of the relay's function. null without an outbox or without a package."
  value       = one(module.outbox[*].function_name)
}
