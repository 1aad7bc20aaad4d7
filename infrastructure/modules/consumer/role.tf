# The permissions of the function.

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

locals {
  partition    = data.aws_partition.current.partition
  function_arn = "arn:${local.partition}:lambda:${var.region}:${data.aws_caller_identity.current.account_id}:function:${var.name}"

  # The values of the condition key kms:ViaService.
  through_dynamodb = "dynamodb.${var.region}.${data.aws_partition.current.dns_suffix}"
  through_sqs      = "sqs.${var.region}.${data.aws_partition.current.dns_suffix}"

  # AWS Lambda Developer Guide, "Giving Lambda functions access to resources in
  # an Amazon VPC".
  network_interface_actions = [
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
  ]
}

resource "aws_iam_role" "consumer" {
  name                 = "${var.name}-${var.region}"
  path                 = var.iam_path
  description          = "Permissions of the function ${var.name} in ${var.region}."
  permissions_boundary = var.permissions_boundary_arn

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "LambdaRunsTheConsumer"
        Effect    = "Allow"
        Principal = { Service = "lambda.amazonaws.com" }
        Action    = "sts:AssumeRole"
      },
    ]
  })

  tags = var.tags

  lifecycle {
    # A renamed role exists before the former one is deleted, so that the
    # function has a role at any time.
    create_before_destroy = true
  }
}

resource "aws_iam_role_policy" "consumer" {
  name = "consumer"
  role = aws_iam_role.consumer.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TakeEvents"
        Effect   = "Allow"
        Action   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        Resource = var.queue_arn
      },
      {
        Sid      = "MoveRejectedEvents"
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = var.dead_letter_queue_arn
      },
      {
        # PartiQLInsert adds new keys and cannot change an existing item, so
        # these credentials can neither rewrite nor delete history.
        Sid      = "AppendEvents"
        Effect   = "Allow"
        Action   = ["dynamodb:GetItem", "dynamodb:PartiQLInsert"]
        Resource = var.table_arn
      },
      {
        # The wildcard stands for the log streams of this one group. IAM checks
        # both actions against a single log stream, whose name Lambda generates
        # when an instance starts (the date, the version and a random number),
        # so a policy cannot contain the name.
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.consumer.arn}:log-stream:*"
      },
    ]
  })
}

resource "aws_iam_role_policy" "key" {
  count = var.kms_key_arn == null ? 0 : 1

  name = "key"
  role = aws_iam_role.consumer.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "UseTheKeyThroughSqsAndDynamoDb"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = var.kms_key_arn
        Condition = { StringEquals = { "kms:ViaService" = [local.through_dynamodb, local.through_sqs] } }
      },
    ]
  })
}

# SQS never encrypts a message again (SQS Developer Guide, "Key management"), and
# DynamoDB encrypts a table with a new key in the background. Without this
# policy, the function could not read what is still encrypted with a former key.
resource "aws_iam_role_policy" "former_keys" {
  count = length(var.former_kms_key_arns) == 0 ? 0 : 1

  name = "former-keys"
  role = aws_iam_role.consumer.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "DecryptWithFormerKeys"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = sort(var.former_kms_key_arns)
        Condition = { StringEquals = { "kms:ViaService" = [local.through_dynamodb, local.through_sqs] } }
      },
    ]
  })
}

# EC2 accepts no other resource for these actions. Lambda uses them to attach
# the function to the VPC; the second statement refuses them to the function's
# own code.
resource "aws_iam_role_policy" "vpc" {
  # checkov:skip=CKV_AWS_355:The actions accept no other resource; the second statement refuses them to the function's code.
  # checkov:skip=CKV_AWS_290:As above.
  count = var.vpc == null ? 0 : 1

  name = "vpc"
  role = aws_iam_role.consumer.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "LambdaAttachesTheFunctionToTheVpc"
        Effect   = "Allow"
        Action   = local.network_interface_actions
        Resource = "*"
      },
      {
        Sid       = "TheFunctionItselfDoesNot"
        Effect    = "Deny"
        Action    = local.network_interface_actions
        Resource  = "*"
        Condition = { ArnEquals = { "lambda:SourceFunctionArn" = local.function_arn } }
      },
    ]
  })
}

resource "aws_iam_role_policy" "xray" {
  # checkov:skip=CKV_AWS_355:X-Ray accepts no other resource for these actions.
  # checkov:skip=CKV_AWS_290:As above.
  count = var.xray_tracing ? 1 : 0

  name = "xray"
  role = aws_iam_role.consumer.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "RecordTraces"
        Effect   = "Allow"
        Action   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
        Resource = "*"
      },
    ]
  })
}
