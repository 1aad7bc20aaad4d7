output "table_name" {
  description = "Name of the outbox table."
  value       = aws_dynamodb_table.outbox.name
}

output "table_arn" {
  description = "ARN of the outbox table."
  value       = aws_dynamodb_table.outbox.arn
}

output "writer_policy_arn" {
  description = "ARN of the policy for a service: write rows as part of a transaction, and nothing else."
  value       = aws_iam_policy.writer.arn
}

output "relay_policy_arn" {
  description = "ARN of the policy for a relay: read and delete rows, and send events."
  value       = aws_iam_policy.relay.arn
}

output "function_name" {
  description = "Name of the relay's function. null without a package."
  value       = one(aws_lambda_function.relay[*].function_name)
}

output "environment" {
  description = "Environment variables of the function, and of the command `domain-events relay`."
  value       = local.environment
}
