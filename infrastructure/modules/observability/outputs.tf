output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.events.dashboard_name
}

output "alarm_names" {
  description = "Names of all alarms."
  value       = [for name in local.alarm_names : "${var.name}-${name}"]
}

output "alarm_arns" {
  description = "ARNs of all alarms."
  value       = [for name in local.alarm_names : "${local.alarm_arn_prefix}:${var.name}-${name}"]
}

output "alarm_topic_arn" {
  description = "ARN of the topic that alarms notify. null if it was not created."
  value       = one(aws_sns_topic.alarms[*].arn)
}
