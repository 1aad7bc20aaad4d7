# Queue, function, table and what watches over them. Each module says what it
# is for; this file only wires them together.

provider "aws" {
  region = var.region
}

locals {
  # "Lambda recommends a visibility timeout of at least six times the function
  # timeout, plus the batching window" (AWS Lambda Developer Guide, "Using
  # Lambda with Amazon SQS"): a shorter one delivers a message again while its
  # first delivery is still being worked on.
  visibility_timeout_seconds = 6 * var.function_timeout + var.batching_window_seconds

  day = 24 * 60 * 60

  # The longest that SQS keeps a message.
  dead_letter_retention_seconds = 14 * local.day
}

module "queue" {
  source = "./modules/queue"

  name                          = var.name
  fifo                          = var.fifo
  producer_arns                 = var.producer_arns
  visibility_timeout_seconds    = local.visibility_timeout_seconds
  message_retention_seconds     = var.message_retention_days * local.day
  dead_letter_retention_seconds = local.dead_letter_retention_seconds
  max_receive_count             = var.max_receive_count
  max_message_size              = var.max_message_size
  kms_key_arn                   = var.kms_key_arn
  tags                          = var.tags
}

module "table" {
  source = "./modules/table"

  name                    = var.name
  billing_mode            = var.billing_mode
  read_capacity           = var.read_capacity
  write_capacity          = var.write_capacity
  max_read_request_units  = var.max_read_request_units
  max_write_request_units = var.max_write_request_units
  deletion_protection     = var.deletion_protection
  index_shards            = var.index_shards
  stream_view_type        = var.stream_view_type
  kms_key_arn             = var.kms_key_arn
  tags                    = var.tags
}

module "consumer" {
  source = "./modules/consumer"

  name                    = "${var.name}-consumer"
  package_path            = var.package_path
  architecture            = var.architecture
  memory_size             = var.memory_size
  timeout                 = var.function_timeout
  reserved_concurrency    = var.reserved_concurrency
  batch_size              = var.batch_size
  batching_window_seconds = var.batching_window_seconds
  maximum_concurrency     = var.maximum_concurrency
  queue_arn               = module.queue.queue_arn
  dead_letter_queue_arn   = module.queue.dead_letter_queue_arn
  dead_letter_queue_url   = module.queue.dead_letter_queue_url
  table_name              = module.table.table_name
  table_arn               = module.table.table_arn
  index_shards            = var.index_shards
  event_retention         = var.event_retention
  log_level               = var.log_level
  log_retention_days      = var.log_retention_days
  kms_key_arn             = var.kms_key_arn
  former_kms_key_arns     = var.former_kms_key_arns
  tags                    = var.tags
}

module "observability" {
  source = "./modules/observability"

  name                         = var.name
  queue_name                   = module.queue.queue_name
  dead_letter_queue_name       = module.queue.dead_letter_queue_name
  function_name                = module.consumer.function_name
  log_group_name               = module.consumer.log_group_name
  table_name                   = module.table.table_name
  index_name                   = module.table.index_name
  memory_size                  = var.memory_size
  batch_size                   = var.batch_size
  visibility_timeout_seconds   = local.visibility_timeout_seconds
  oldest_message_alarm_seconds = var.oldest_message_alarm_seconds

  # A message on a standard queue takes its age along into the dead-letter
  # queue, where the metric starts anew: of the 14 days it may have used up all
  # that the queue allows. Two days remain to act.
  dead_letter_alarm_seconds = local.dead_letter_retention_seconds - (var.message_retention_days + 2) * local.day

  alarm_action_arns  = var.alarm_action_arns
  create_alarm_topic = var.create_alarm_topic
  alarm_emails       = var.alarm_emails
  runbook_url        = var.runbook_url
  prices             = var.prices
  kms_key_arn        = var.kms_key_arn
  tags               = var.tags
}
