output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.events.dashboard_name
}

output "alarm_names" {
  description = "Names of all alarms."
  value       = sort([for alarm in local.alarms : alarm.alarm_name])
}

output "alarm_topic_arn" {
  description = "ARN of the topic that alarms notify; null when none was created."
  value       = var.create_alarm_topic ? aws_sns_topic.alarms[0].arn : null
}
