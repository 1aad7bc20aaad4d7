output "table_name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.events.name
}

output "table_arn" {
  description = "ARN of the table."
  value       = aws_dynamodb_table.events.arn
}

output "index_name" {
  description = "Name of the index by event type. null without an index."
  value       = local.indexed ? local.index_name : null
}

output "index_arn" {
  description = "ARN of the index by event type, whether it exists or not."
  value       = local.index_arn
}

output "stream_arn" {
  description = "ARN of the table's stream. null without a stream."
  value       = var.stream_view_type == null ? null : aws_dynamodb_table.events.stream_arn
}

output "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the table."
  value       = aws_dynamodb_table.events.deletion_protection_enabled
}

output "reader_policy_arn" {
  description = "ARN of the policy that allows a reader to read and to do nothing else."
  value       = aws_iam_policy.reader.arn
}
