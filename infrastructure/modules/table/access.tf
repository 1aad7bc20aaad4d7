# The policies that allow a reader to read events.

data "aws_partition" "current" {}

locals {
  # Both indexes, whether they exist or not, so that a reader's permissions do not
  # change with the variables.
  index_arns = [for name in ["by-correlation", "by-type"] : "${aws_dynamodb_table.events.arn}/index/${name}"]

  # DynamoDB encrypts the table with a new key in the background. Until it has
  # finished, reading needs the former key.
  key_arns = distinct(concat(var.kms_key_arn[*], sort(var.former_kms_key_arns)))

  read_actions = ["dynamodb:GetItem", "dynamodb:Query"]
}

# Readers in other accounts need a policy on the table besides their own.
resource "aws_dynamodb_resource_policy" "readers" {
  count = length(var.reader_arns) == 0 ? 0 : 1

  resource_arn = aws_dynamodb_table.events.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "ReadersRead"
        Effect    = "Allow"
        Principal = { AWS = sort(var.reader_arns) }
        Action    = local.read_actions
        Resource  = concat([aws_dynamodb_table.events.arn], local.index_arns)
      },
    ]
  })
}

resource "aws_iam_policy" "reader" {
  name        = "${coalesce(var.policy_name, var.name)}-reader-${var.region}"
  path        = var.iam_path
  description = "Read the events of ${coalesce(var.policy_name, var.name)} in ${var.region}, and nothing else."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [for statement in [
      {
        Sid      = "ReadHistory"
        Effect   = "Allow"
        Action   = local.read_actions
        Resource = aws_dynamodb_table.events.arn
      },
      {
        Sid      = "ReadIndexes"
        Effect   = "Allow"
        Action   = "dynamodb:Query"
        Resource = local.index_arns
      },
      length(local.key_arns) == 0 ? null : {
        Sid       = "DecryptHistory"
        Effect    = "Allow"
        Action    = "kms:Decrypt"
        Resource  = local.key_arns
        Condition = { StringEquals = { "kms:ViaService" = "dynamodb.${var.region}.${data.aws_partition.current.dns_suffix}" } }
      },
    ] : statement if statement != null]
  })

  tags = var.tags

  lifecycle {
    # A renamed policy exists before the former one is deleted, so that an apply
    # never leaves a reader without permission. IAM cannot change a description, so
    # a new one would replace the policy by one of the same name, which IAM refuses.
    create_before_destroy = true
    ignore_changes        = [description]
  }
}
