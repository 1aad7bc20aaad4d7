output "table_name" {
  description = "Name of the table."
  value       = aws_dynamodb_table.events.name
}

output "table_arn" {
  description = "ARN of the table."
  value       = aws_dynamodb_table.events.arn
}

output "index_names" {
  description = "Names of the indexes that exist."
  value       = keys(local.indexes)
}

output "index_arns" {
  description = "ARNs of the indexes by event type and by correlation, whether they exist or not."
  value       = local.index_arns
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
