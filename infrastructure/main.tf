# A module without a provider block: the queue, the function, the table and their
# monitoring. Each submodule describes its part; this file connects them.

locals {
  # "Lambda recommends a visibility timeout of at least six times the function
  # timeout, plus the batching window" (AWS Lambda Developer Guide, "Using Lambda
  # with Amazon SQS"). With a shorter one, SQS delivers a message again while its
  # first delivery is still in progress.
  visibility_timeout_seconds = 6 * var.function_timeout + var.batching_window_seconds

  day = 24 * 60 * 60

  # The longest retention that SQS offers.
  dead_letter_retention_seconds = 14 * local.day

  # From the record of the deployment instead of the variables, so that every plan
  # makes the checks of modules/deployment, also a plan that -target limits to a part.
  name   = module.deployment.name
  region = module.deployment.region
}

module "queue" {
  source = "./modules/queue"

  name                          = local.name
  region                        = local.region
  fifo                          = var.fifo
  producer_arns                 = var.producer_arns
  producer_organization_ids     = var.producer_organization_ids
  producer_topic_arns           = var.producer_topic_arns
  producer_rule_arns            = var.producer_rule_arns
  visibility_timeout_seconds    = local.visibility_timeout_seconds
  message_retention_seconds     = var.message_retention_days * local.day
  dead_letter_retention_seconds = local.dead_letter_retention_seconds
  max_receive_count             = var.max_receive_count
  max_message_size              = var.max_message_size
  provider_sets_message_size    = var.provider_sets_message_size
  kms_key_arn                   = var.kms_key_arn
  kms_data_key_reuse_seconds    = var.kms_data_key_reuse_seconds
  iam_path                      = var.iam_path
  tags                          = var.tags
}

module "table" {
  source = "./modules/table"

  name                    = coalesce(var.table_name, local.name)
  policy_name             = local.name
  region                  = local.region
  reader_arns             = var.reader_arns
  billing_mode            = var.billing_mode
  read_capacity           = var.read_capacity
  write_capacity          = var.write_capacity
  ignore_capacity         = var.ignore_capacity
  max_read_request_units  = var.max_read_request_units
  max_write_request_units = var.max_write_request_units
  warm_throughput         = var.warm_throughput
  deletion_protection     = var.deletion_protection
  recovery_days           = var.recovery_days
  index_shards            = var.index_shards
  correlation_index       = var.correlation_index
  stream_view_type        = var.stream_view_type
  kms_key_arn             = var.kms_key_arn
  former_kms_key_arns     = var.former_kms_key_arns
  iam_path                = var.iam_path
  tags                    = var.tags
}

module "consumer" {
  source = "./modules/consumer"

  name                     = "${local.name}-consumer"
  region                   = local.region
  package_path             = var.package_path
  architecture             = var.architecture
  memory_size              = var.memory_size
  timeout                  = var.function_timeout
  function_version         = var.function_version
  reserved_concurrency     = var.reserved_concurrency
  batch_size               = var.batch_size
  batching_window_seconds  = var.batching_window_seconds
  maximum_concurrency      = var.maximum_concurrency
  provisioned_pollers      = var.provisioned_pollers
  queue_arn                = module.queue.queue_arn
  dead_letter_queue_arn    = module.queue.dead_letter_queue_arn
  dead_letter_queue_url    = module.queue.dead_letter_queue_url
  table_name               = module.table.table_name
  table_arn                = module.table.table_arn
  index_shards             = var.index_shards
  event_retention          = var.event_retention
  log_level                = var.log_level
  log_retention_days       = var.log_retention_days
  vpc                      = var.vpc
  xray_tracing             = var.xray_tracing
  kms_key_arn              = var.kms_key_arn
  former_kms_key_arns      = var.former_kms_key_arns
  iam_path                 = var.iam_path
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
}

module "observability" {
  source = "./modules/observability"

  name                         = local.name
  region                       = local.region
  queue_name                   = module.queue.queue_name
  dead_letter_queue_name       = module.queue.dead_letter_queue_name
  function_name                = module.consumer.function_name
  log_group_name               = module.consumer.log_group_name
  table_name                   = module.table.table_name
  index_names                  = module.table.index_names
  memory_size                  = var.memory_size
  architecture                 = var.architecture
  batch_size                   = var.batch_size
  visibility_timeout_seconds   = local.visibility_timeout_seconds
  oldest_message_alarm_seconds = var.oldest_message_alarm_seconds
  outbox_table_name            = one(module.outbox[*].table_name)
  outbox_alarm_seconds         = var.outbox_alarm_seconds

  # On a standard queue, a message keeps its age when SQS moves it to the
  # dead-letter queue, but the metric starts at zero there. The message may have
  # spent the whole retention of the first queue. Two days remain to act.
  dead_letter_alarm_seconds = local.dead_letter_retention_seconds - (var.message_retention_days + 2) * local.day

  alarms                     = var.alarms
  alarm_action_arns          = var.alarm_action_arns
  critical_alarm_action_arns = var.critical_alarm_action_arns
  warning_alarm_action_arns  = var.warning_alarm_action_arns
  composite_alarm            = var.composite_alarm
  create_alarm_topic         = var.create_alarm_topic
  alarm_emails               = var.alarm_emails
  runbook_url                = var.runbook_url
  prices                     = var.prices
  kms_key_arn                = var.kms_key_arn
  tags                       = var.tags
}
