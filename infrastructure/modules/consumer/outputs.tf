output "function_name" {
  description = "Name of the function."
  value       = aws_lambda_function.consumer.function_name
}

output "function_arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.consumer.arn
}

output "function_version" {
  description = "Version of the function that the alias `live` points to."
  value       = aws_lambda_alias.live.function_version
}

output "function_timeout" {
  description = "Timeout of one invocation in seconds."
  value       = aws_lambda_function.consumer.timeout
}

output "environment" {
  description = "Environment variables of the function."
  value       = local.environment
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.consumer.arn
}

output "role_name" {
  description = "Name of the function's role."
  value       = aws_iam_role.consumer.name
}

output "event_source_mapping_id" {
  description = "Id of the event source mapping that invokes the function. Disable the mapping to stop consuming."
  value       = aws_lambda_event_source_mapping.events.uuid
}

output "event_source_mapping_arn" {
  description = "ARN of the event source mapping."
  value       = aws_lambda_event_source_mapping.events.arn
}

output "batching" {
  description = "Batch size and batching window of the event source mapping."
  value = {
    size           = aws_lambda_event_source_mapping.events.batch_size
    window_seconds = aws_lambda_event_source_mapping.events.maximum_batching_window_in_seconds
  }
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.consumer.name
}

output "log_group_arn" {
  description = "ARN of the function's log group."
  value       = aws_cloudwatch_log_group.consumer.arn
}
