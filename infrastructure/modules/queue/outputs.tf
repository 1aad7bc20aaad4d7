output "queue_url" {
  description = "URL of the queue."
  value       = aws_sqs_queue.events.url

  # A producer that has the URL may send messages of the maximum size.
  depends_on = [terraform_data.max_message_size]
}

output "queue_arn" {
  description = "ARN of the queue."
  value       = aws_sqs_queue.events.arn
}

output "queue_name" {
  description = "Name of the queue."
  value       = aws_sqs_queue.events.name
}

output "visibility_timeout_seconds" {
  description = "Visibility timeout of the queue."
  value       = aws_sqs_queue.events.visibility_timeout_seconds
}

output "dead_letter_queue_url" {
  description = "URL of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.url
}

output "dead_letter_queue_arn" {
  description = "ARN of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.arn
}

output "dead_letter_queue_name" {
  description = "Name of the dead-letter queue."
  value       = aws_sqs_queue.dead_letter.name
}

output "producer_policy_arn" {
  description = "ARN of the policy that allows a producer to send and to do nothing else."
  value       = aws_iam_policy.producer.arn
}
