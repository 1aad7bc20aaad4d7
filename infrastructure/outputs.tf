# For applications

output "EVENT_QUEUE_URL" {
  description = "For producers: the environment variable EVENT_QUEUE_URL."
  value       = module.queue.queue_url
}

output "EVENT_TABLE" {
  description = "For readers: the environment variable EVENT_TABLE."
  value       = module.table.table_name
}

output "EVENT_INDEX_SHARDS" {
  description = "Shards of the index by event type: what a reader by event type gives to EventStore::with_index_shards, and a worker's environment variable EVENT_INDEX_SHARDS. 0 means no index: leave the variable unset then."
  value       = var.index_shards
}

output "DEAD_LETTER_QUEUE_URL" {
  description = "For a consumer in a container: the environment variable DEAD_LETTER_QUEUE_URL."
  value       = module.queue.dead_letter_queue_url
}

output "producer_policy_arn" {
  description = "Attach to a producer's role: lets it send events, and nothing else."
  value       = module.queue.producer_policy_arn
}

output "reader_policy_arn" {
  description = "Attach to a reader's role: lets it read events, and nothing else."
  value       = module.table.reader_policy_arn
}

# For operators

output "queue_arn" {
  description = "ARN of the queue: where a redrive returns events to."
  value       = module.queue.queue_arn
}

output "dead_letter_queue_arn" {
  description = "ARN of the dead-letter queue: where a redrive starts."
  value       = module.queue.dead_letter_queue_arn
}

output "table_arn" {
  description = "ARN of the table."
  value       = module.table.table_arn
}

output "stream_arn" {
  description = "ARN of the table's stream; null without one."
  value       = module.table.stream_arn
}

output "function_name" {
  description = "Name of the function."
  value       = module.consumer.function_name
}

output "consumer_role_arn" {
  description = "ARN of the function's role."
  value       = module.consumer.role_arn
}

output "event_source_mapping_id" {
  description = "Id of the mapping that invokes the function; disable it to stop consuming."
  value       = module.consumer.event_source_mapping_id
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = module.consumer.log_group_name
}

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = module.observability.dashboard_name
}

output "alarm_names" {
  description = "Names of all alarms."
  value       = module.observability.alarm_names
}

output "alarm_topic_arn" {
  description = "ARN of the topic that alarms notify; null when none was created."
  value       = module.observability.alarm_topic_arn
}

output "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the table."
  value       = module.table.deletion_protection
}
