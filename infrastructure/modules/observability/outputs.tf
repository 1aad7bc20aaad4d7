output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = aws_cloudwatch_dashboard.events.dashboard_name
}

output "alarm_names" {
  description = "Names of all alarms."
  value       = sort(concat([for alarm in aws_cloudwatch_metric_alarm.alarms : alarm.alarm_name], aws_cloudwatch_composite_alarm.critical[*].alarm_name))
}

output "alarm_arns" {
  description = "ARNs of all alarms."
  value       = concat([for alarm in aws_cloudwatch_metric_alarm.alarms : alarm.arn], aws_cloudwatch_composite_alarm.critical[*].arn)
}

output "alarm_topic_arn" {
  description = "ARN of the topic that alarms notify. null if it was not created."
  value       = one(aws_sns_topic.alarms[*].arn)
}
