# The queue that producers send to, its dead-letter queue, and the policy that
# lets a producer send and do nothing else.

data "aws_partition" "current" {}

data "aws_region" "current" {}

data "aws_caller_identity" "current" {}

locals {
  suffix           = var.fifo ? ".fifo" : ""
  queue_name       = "${var.name}${local.suffix}"
  dead_letter_name = "${var.name}-dead-letter${local.suffix}"

  # Each queue's policy names the queue itself, and the dead-letter queue names
  # its only source. Built from names, both are in place from the first second:
  # no queue ever exists without its policy.
  arn_prefix      = "arn:${data.aws_partition.current.partition}:sqs:${data.aws_region.current.id}:${data.aws_caller_identity.current.account_id}"
  queue_arn       = "${local.arn_prefix}:${local.queue_name}"
  dead_letter_arn = "${local.arn_prefix}:${local.dead_letter_name}"

  # What every provider of the 5 series takes, and the default of all of them.
  provider_max_message_size = 262144
}

resource "aws_sqs_queue" "events" {
  # checkov:skip=CKV_AWS_27:Encrypted with SSE-SQS unless `kms_key_arn` names a customer key; the check accepts only the latter.
  name                       = local.queue_name
  visibility_timeout_seconds = var.visibility_timeout_seconds
  message_retention_seconds  = var.message_retention_seconds
  receive_wait_time_seconds  = 20
  max_message_size           = min(local.provider_max_message_size, coalesce(var.max_message_size, local.provider_max_message_size))

  # High-throughput FIFO: deduplication and throughput count per message group,
  # which is the entity's id. Producers send a deduplication id of their own.
  fifo_queue                  = var.fifo
  content_based_deduplication = false
  deduplication_scope         = var.fifo ? "messageGroup" : null
  fifo_throughput_limit       = var.fifo ? "perMessageGroupId" : null

  sqs_managed_sse_enabled = var.kms_key_arn == null ? true : null
  kms_master_key_id       = var.kms_key_arn

  redrive_policy = jsonencode({
    deadLetterTargetArn = local.dead_letter_arn
    maxReceiveCount     = var.max_receive_count
  })

  # Two whole documents instead of one put together from parts: this is what
  # AWS gets, and static scanners read it as it stands.
  policy = length(var.producer_arns) == 0 ? jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # A wildcard that takes away and gives nothing. A list of today's
        # actions (three statements, since SQS takes seven actions in each)
        # would let those that SQS gains later through without TLS.
        Sid       = "DenyWithoutTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.queue_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
    }) : jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "DenyWithoutTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sqs:*"
        Resource  = local.queue_arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
      {
        Sid       = "ProducersSend"
        Effect    = "Allow"
        Principal = { AWS = sort(var.producer_arns) }
        Action    = "sqs:SendMessage"
        Resource  = local.queue_arn
      },
    ]
  })

  tags = var.tags

  # The dead-letter queue is there before the first message can fail.
  depends_on = [aws_sqs_queue.dead_letter]

  lifecycle {
    # Owned by `terraform_data.max_message_size` below.
    ignore_changes = [max_message_size]
  }
}

resource "aws_sqs_queue" "dead_letter" {
  # checkov:skip=CKV_AWS_27:Encrypted with SSE-SQS unless `kms_key_arn` names a customer key; the check accepts only the latter.
  name                      = local.dead_letter_name
  message_retention_seconds = var.dead_letter_retention_seconds
  receive_wait_time_seconds = 20
  max_message_size          = min(local.provider_max_message_size, coalesce(var.max_message_size, local.provider_max_message_size))

  # SQS accepts only a FIFO queue as the dead-letter queue of a FIFO queue.
  fifo_queue                  = var.fifo
  content_based_deduplication = false
  deduplication_scope         = var.fifo ? "messageGroup" : null
  fifo_throughput_limit       = var.fifo ? "perMessageGroupId" : null

  sqs_managed_sse_enabled = var.kms_key_arn == null ? true : null
  kms_master_key_id       = var.kms_key_arn

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

  lifecycle {
    ignore_changes = [max_message_size]
  }
}

# SQS takes messages of 1 MiB, but the provider fills in 256 KiB when the
# attribute is left out, and its 5 series refuses a larger value. A queue that
# refuses what the SDK accepts loses events, so the size is set through the AWS
# CLI, for the dead-letter queue too: a rejected body is moved there unchanged.
# A failure here fails the apply, and the next apply tries again.
resource "terraform_data" "max_message_size" {
  for_each = var.max_message_size == null ? {} : {
    events      = aws_sqs_queue.events.url
    dead_letter = aws_sqs_queue.dead_letter.url
  }

  triggers_replace = [each.value, var.max_message_size]

  provisioner "local-exec" {
    interpreter = ["/bin/sh", "-euc"]
    command     = <<-EOT
      command -v aws >/dev/null || {
        echo "The AWS CLI (command: aws) is missing; it sets the queue's maximum message size. Install it, or set max_message_size = null to stay at 256 KiB." >&2
        exit 1
      }
      # The CLI does not read AWS_ENDPOINT_URL for SQS.
      aws sqs set-queue-attributes --region "$QUEUE_REGION" $${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} \
        --queue-url "$QUEUE_URL" --attributes "MaximumMessageSize=$MAX_MESSAGE_SIZE"
    EOT
    environment = {
      QUEUE_URL        = each.value
      QUEUE_REGION     = data.aws_region.current.id
      MAX_MESSAGE_SIZE = var.max_message_size
    }
  }
}

resource "aws_iam_policy" "producer" {
  name        = "${var.name}-producer"
  description = "Send domain events to ${local.queue_name}, and nothing else."

  policy = var.kms_key_arn == null ? jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "SendEvents"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = local.queue_arn
      },
    ]
    }) : jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "SendEvents"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = local.queue_arn
      },
      {
        # SQS checks Decrypt as well as GenerateDataKey when a message is sent.
        Sid       = "EncryptEvents"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.kms_key_arn
        Condition = { StringEquals = { "kms:ViaService" = "sqs.${data.aws_region.current.id}.amazonaws.com" } }
      },
    ]
  })

  tags = var.tags
}
