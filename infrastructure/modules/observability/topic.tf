# An optional topic that every alarm notifies.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  topic_name = "${var.name}-alarms"
  topic_arn  = "arn:${data.aws_partition.current.partition}:sns:${var.region}:${data.aws_caller_identity.current.account_id}:${local.topic_name}"

  common_actions = var.create_alarm_topic ? concat(var.alarm_action_arns, [aws_sns_topic.alarms[0].arn]) : var.alarm_action_arns
}

resource "aws_sns_topic" "alarms" {
  # checkov:skip=CKV_AWS_26:Alarms contain names and numbers, no events. CloudWatch cannot publish to a topic that is encrypted with the key that AWS manages, so only a customer managed key is possible; `kms_key_arn` names it.
  count = var.create_alarm_topic ? 1 : 0

  name              = local.topic_name
  kms_master_key_id = var.kms_key_arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisAccountPublish"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = local.topic_arn
        Condition = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }
      },
    ]
  })

  tags = var.tags

  lifecycle {
    # If a topic of this name exists, SNS returns its ARN instead of an error, and
    # a state that does not contain the topic would take it over. Lambda refuses a
    # function that exists, and the topic is created after the function.
    precondition {
      condition     = var.function_name != ""
      error_message = "function_name must name the function that the alarms watch."
    }
  }
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.create_alarm_topic ? toset(var.alarm_emails) : toset([])

  topic_arn = aws_sns_topic.alarms[0].arn
  protocol  = "email"
  endpoint  = each.value
}
