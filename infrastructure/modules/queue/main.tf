# The queue that producers send to, its dead-letter queue, and the policy that
# allows a producer to send and to do nothing else.

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

locals {
  suffix           = var.fifo ? ".fifo" : ""
  queue_name       = "${var.name}${local.suffix}"
  dead_letter_name = "${var.name}-dead-letter${local.suffix}"

  # The policy of a queue names the queue itself, and the dead-letter queue
  # names its only source. Their ARNs are built from names instead of read from
  # the resources, so that each queue has its policy from its creation on.
  arn_prefix      = "arn:${data.aws_partition.current.partition}:sqs:${var.region}:${data.aws_caller_identity.current.account_id}"
  queue_arn       = "${local.arn_prefix}:${local.queue_name}"
  dead_letter_arn = "${local.arn_prefix}:${local.dead_letter_name}"

  # The default of the provider's argument, and the maximum before version 6.8.
  provider_default_size = 262144
  size_at_creation = coalesce(
    var.provider_sets_message_size ? var.max_message_size : null,
    min(local.provider_default_size, coalesce(var.max_message_size, local.provider_default_size)),
  )

  # The policy of the producers and the queue's policy must name the same action.
  send = "sqs:SendMessage"
}

resource "aws_sqs_queue" "events" {
  # checkov:skip=CKV_AWS_27:SSE-SQS encrypts the queue unless `kms_key_arn` names a customer managed key; the check accepts only the latter.
  name                       = local.queue_name
  visibility_timeout_seconds = var.visibility_timeout_seconds
  message_retention_seconds  = var.message_retention_seconds
  receive_wait_time_seconds  = 20
  max_message_size           = local.size_at_creation

  # High-throughput FIFO: deduplication and quota apply to each message group,
  # which is the id of the entity. Producers send a deduplication id.
  fifo_queue                  = var.fifo
  content_based_deduplication = false
  deduplication_scope         = var.fifo ? "messageGroup" : null
  fifo_throughput_limit       = var.fifo ? "perMessageGroupId" : null

  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : var.kms_data_key_reuse_seconds

  redrive_policy = jsonencode({
    deadLetterTargetArn = local.dead_letter_arn
    maxReceiveCount     = var.max_receive_count
  })

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for statement in [
      {
        # A wildcard is safe in a Deny. A list of all actions of today (three
        # statements, because SQS accepts seven actions in each) would allow
        # actions that SQS adds later without TLS.
        Sid       = "DenyWithoutTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.queue_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      length(var.producer_arns) == 0 ? null : {
        Sid       = "ProducersSend"
        Effect    = "Allow"
        Principal = { AWS = sort(var.producer_arns) }
        Action    = local.send
        Resource  = local.queue_arn
      },
      length(var.producer_organization_ids) == 0 ? null : {
        Sid       = "OrganizationsSend"
        Effect    = "Allow"
        Principal = { AWS = "*" }
        Action    = local.send
        Resource  = local.queue_arn
        Condition = { StringEquals = { "aws:PrincipalOrgID" = sort(var.producer_organization_ids) } }
      },
      length(var.producer_topic_arns) == 0 ? null : {
        Sid       = "TopicsSend"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = local.send
        Resource  = local.queue_arn
        Condition = { ArnEquals = { "aws:SourceArn" = sort(var.producer_topic_arns) } }
      },
      length(var.producer_rule_arns) == 0 ? null : {
        Sid       = "RulesSend"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = local.send
        Resource  = local.queue_arn
        Condition = { ArnEquals = { "aws:SourceArn" = sort(var.producer_rule_arns) } }
      },
    ] : statement if statement != null]
  })

  tags = var.tags

  # The dead-letter queue must exist before the first message can fail.
  depends_on = [aws_sqs_queue.dead_letter]

  lifecycle {
    # Without provider_sets_message_size, terraform_data.max_message_size sets it.
    ignore_changes = [max_message_size]

    postcondition {
      condition     = !var.provider_sets_message_size || var.max_message_size == null || self.max_message_size == var.max_message_size
      error_message = "The queue ${self.name} has a maximum message size of ${self.max_message_size} bytes instead of ${coalesce(var.max_message_size, 0)}. The provider sets the size only when it creates the queue. Run: aws sqs set-queue-attributes --queue-url ${self.url} --attributes MaximumMessageSize=${coalesce(var.max_message_size, 0)}"
    }
  }
}

resource "aws_sqs_queue" "dead_letter" {
  # checkov:skip=CKV_AWS_27:SSE-SQS encrypts the queue unless `kms_key_arn` names a customer managed key; the check accepts only the latter.
  name                      = local.dead_letter_name
  message_retention_seconds = var.dead_letter_retention_seconds
  receive_wait_time_seconds = 20
  max_message_size          = local.size_at_creation

  # SQS accepts only a FIFO queue as the dead-letter queue of a FIFO queue.
  fifo_queue                  = var.fifo
  content_based_deduplication = false
  deduplication_scope         = var.fifo ? "messageGroup" : null
  fifo_throughput_limit       = var.fifo ? "perMessageGroupId" : null

  sqs_managed_sse_enabled           = var.kms_key_arn == null ? true : null
  kms_master_key_id                 = var.kms_key_arn
  kms_data_key_reuse_period_seconds = var.kms_key_arn == null ? null : var.kms_data_key_reuse_seconds

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arn]
  })

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "DenyWithoutTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.dead_letter_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })

  tags = var.tags

  # If a queue of this name exists, SQS returns its URL instead of an error, and a
  # state that does not contain the queue would take it over; a destroy would then
  # delete it. IAM refuses a policy that exists, so the policy is created first.
  depends_on = [aws_iam_policy.producer]

  lifecycle {
    ignore_changes = [max_message_size]

    postcondition {
      condition     = !var.provider_sets_message_size || var.max_message_size == null || self.max_message_size == var.max_message_size
      error_message = "The queue ${self.name} has a maximum message size of ${self.max_message_size} bytes instead of ${coalesce(var.max_message_size, 0)}. The provider sets the size only when it creates the queue. Run: aws sqs set-queue-attributes --queue-url ${self.url} --attributes MaximumMessageSize=${coalesce(var.max_message_size, 0)}"
    }
  }
}

# SQS accepts messages of 1 MiB, but the provider sets 256 KiB when the argument
# is left out, and refuses a larger value before version 6.8. A queue that
# refuses what the SDK accepts loses events, so the AWS CLI sets the size. The
# dead-letter queue needs it too, because a rejected body is moved unchanged.
# If this fails, the apply fails, and the next apply tries again.
resource "terraform_data" "max_message_size" {
  for_each = var.max_message_size == null || var.provider_sets_message_size ? {} : {
    events      = aws_sqs_queue.events.url
    dead_letter = aws_sqs_queue.dead_letter.url
  }

  triggers_replace = [each.value, var.max_message_size]

  provisioner "local-exec" {
    interpreter = ["/bin/sh", "-euc"]
    command     = <<-EOT
      command -v aws >/dev/null || {
        echo "The AWS CLI (command: aws) is missing. It sets the maximum message size of the queue. Install it; or set provider_sets_message_size = true with AWS provider 6.8 or later; or set max_message_size = null to stay at 256 KiB." >&2
        exit 1
      }
      # Version 1 of the CLI does not read AWS_ENDPOINT_URL for SQS.
      aws sqs set-queue-attributes --region "$QUEUE_REGION" $${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} \
        --queue-url "$QUEUE_URL" --attributes "MaximumMessageSize=$MAX_MESSAGE_SIZE"
    EOT
    environment = {
      QUEUE_URL        = each.value
      QUEUE_REGION     = var.region
      MAX_MESSAGE_SIZE = var.max_message_size
    }
  }
}

resource "aws_iam_policy" "producer" {
  name        = "${var.name}-producer-${var.region}"
  path        = var.iam_path
  description = "Send events to ${var.name} in ${var.region}, and nothing else."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for statement in [
      {
        Sid      = "SendEvents"
        Effect   = "Allow"
        Action   = local.send
        Resource = local.queue_arn
      },
      var.kms_key_arn == null ? null : {
        # SQS checks Decrypt as well as GenerateDataKey when a message is sent.
        Sid       = "EncryptEvents"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.kms_key_arn
        Condition = { StringEquals = { "kms:ViaService" = "sqs.${var.region}.${data.aws_partition.current.dns_suffix}" } }
      },
    ] : statement if statement != null]
  })

  tags = var.tags

  lifecycle {
    # A renamed policy exists before the former one is deleted, so that an apply
    # never leaves a producer without permission. IAM cannot change a description, so
    # a new one would replace the policy by one of the same name, which IAM refuses.
    create_before_destroy = true
    ignore_changes        = [description]
  }
}
