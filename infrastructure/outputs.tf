# For applications

output "EVENT_QUEUE_URL" {
  description = "For producers: value of the environment variable EVENT_QUEUE_URL."
  value       = module.queue.queue_url
}

output "EVENT_TABLE" {
  description = "For readers: value of the environment variable EVENT_TABLE."
  value       = module.table.table_name
}

output "EVENT_INDEX_SHARDS" {
  description = "For readers by event type: the argument of EventStore::with_index_shards. For a worker: value of the environment variable EVENT_INDEX_SHARDS. 0 means no index; leave the variable unset then."
  value       = var.index_shards
}

output "DEAD_LETTER_QUEUE_URL" {
  description = "For a worker: value of the environment variable DEAD_LETTER_QUEUE_URL."
  value       = module.queue.dead_letter_queue_url
}

output "producer_policy_arn" {
  description = "ARN of the policy for a producer's role: send events, and nothing else."
  value       = module.queue.producer_policy_arn
}

output "reader_policy_arn" {
  description = "ARN of the policy for a reader's role: read events, and nothing else."
  value       = module.table.reader_policy_arn
}

# For operators

output "operator_policy_arn" {
  description = "ARN of the policy for operators: read events, handle the dead-letter queue, and inspect every part."
  value       = aws_iam_policy.operator.arn
}

output "deployment" {
  description = "Name, region and account that this state deploys to, recorded by the first apply."
  value       = terraform_data.deployment.output
}

output "queue_arn" {
  description = "ARN of the queue: the destination of a redrive."
  value       = module.queue.queue_arn
}

output "dead_letter_queue_arn" {
  description = "ARN of the dead-letter queue: the source of a redrive."
  value       = module.queue.dead_letter_queue_arn
}

output "table_arn" {
  description = "ARN of the table."
  value       = module.table.table_arn
}

output "stream_arn" {
  description = "ARN of the table's stream. null without a stream."
  value       = module.table.stream_arn
}

output "function_name" {
  description = "Name of the function."
  value       = module.consumer.function_name
}

output "function_version" {
  description = "Version of the function that stores events."
  value       = module.consumer.function_version
}

output "consumer_role_arn" {
  description = "ARN of the function's role."
  value       = module.consumer.role_arn
}

output "event_source_mapping_id" {
  description = "Id of the event source mapping that invokes the function. Disable the mapping to stop consuming."
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
  description = "ARN of the topic that alarms notify. null if it was not created."
  value       = module.observability.alarm_topic_arn
}

output "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the table."
  value       = module.table.deletion_protection
}
