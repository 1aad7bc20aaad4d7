# The settings that prevent loss, and the permissions to send, in modules/queue.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    defaults = { partition = "aws", dns_suffix = "amazonaws.com" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

# Every other variable has a default, so that the module can be used alone.
variables {
  region = "eu-central-1"
  name   = "orders"
  tags   = { team = "orders" }
}

run "standard_queues_prevent_loss" {
  command = plan

  module {
    source = "./modules/queue"
  }

  assert {
    condition     = aws_sqs_queue.events.name == "orders" && aws_sqs_queue.events.fifo_queue == false
    error_message = "The queue must be a standard queue named after the deployment."
  }

  assert {
    condition     = aws_sqs_queue.events.visibility_timeout_seconds == 180
    error_message = "The visibility timeout must be the one given."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.events.redrive_policy) == {
      deadLetterTargetArn = "arn:aws:sqs:eu-central-1:123456789012:orders-dead-letter"
      maxReceiveCount     = 20
    }
    error_message = "Messages must move to the dead-letter queue after 20 receives."
  }

  assert {
    condition     = aws_sqs_queue.dead_letter.name == "orders-dead-letter" && aws_sqs_queue.dead_letter.fifo_queue == false
    error_message = "The dead-letter queue must be a standard queue too."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead_letter.redrive_allow_policy) == {
      redrivePermission = "byQueue"
      sourceQueueArns   = ["arn:aws:sqs:eu-central-1:123456789012:orders"]
    }
    error_message = "Only this queue may use the dead-letter queue."
  }

  assert {
    condition     = aws_sqs_queue.events.message_retention_seconds == 604800 && aws_sqs_queue.dead_letter.message_retention_seconds == 1209600
    error_message = "The dead-letter queue must keep messages for 14 days, longer than the queue."
  }

  assert {
    condition     = aws_sqs_queue.events.delay_seconds == null && aws_sqs_queue.events.receive_wait_time_seconds == 20
    error_message = "The queue must not delay messages, and must use long polling by default."
  }

  assert {
    condition = (
      keys(terraform_data.max_message_size) == ["dead_letter", "events"] &&
      alltrue([for size in terraform_data.max_message_size : size.triggers_replace[1] == 1048576])
    )
    error_message = "Both queues must get the maximum message size of 1 MiB."
  }

  # Before version 6.8, the provider refuses a larger value.
  assert {
    condition     = aws_sqs_queue.events.max_message_size == 262144 && aws_sqs_queue.dead_letter.max_message_size == 262144
    error_message = "The provider must set a size that each of its versions accepts."
  }

  assert {
    condition = (
      aws_sqs_queue.events.sqs_managed_sse_enabled == true && aws_sqs_queue.events.kms_master_key_id == null &&
      aws_sqs_queue.dead_letter.sqs_managed_sse_enabled == true && aws_sqs_queue.dead_letter.kms_master_key_id == null
    )
    error_message = "Both queues must be encrypted with SSE-SQS."
  }

  assert {
    condition     = aws_sqs_queue.events.tags == tomap({ team = "orders" }) && aws_sqs_queue.dead_letter.tags == tomap({ team = "orders" })
    error_message = "Both queues must carry the tags."
  }
}

run "queue_policy_allows_no_principal_by_default" {
  command = plan

  module {
    source = "./modules/queue"
  }

  assert {
    condition = jsondecode(aws_sqs_queue.events.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "DenyWithoutTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "sqs:*"
          Resource  = "arn:aws:sqs:eu-central-1:123456789012:orders"
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
      ]
    }
    error_message = "The queue's policy must deny requests without TLS, and allow no principal."
  }

  assert {
    condition = jsondecode(aws_sqs_queue.dead_letter.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "DenyWithoutTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "sqs:*"
          Resource  = "arn:aws:sqs:eu-central-1:123456789012:orders-dead-letter"
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
      ]
    }
    error_message = "The dead-letter queue's policy must deny requests without TLS, and allow no principal."
  }

  assert {
    condition = jsondecode(aws_iam_policy.producer.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "SendEvents"
          Effect   = "Allow"
          Action   = "sqs:SendMessage"
          Resource = "arn:aws:sqs:eu-central-1:123456789012:orders"
        },
      ]
    }
    error_message = "The producer's policy must allow sending to the queue, and nothing else."
  }
}

run "named_producers_may_send_and_nothing_else" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    producer_arns = ["arn:aws:iam::123456789012:role/shop", "arn:aws:iam::210987654321:role/billing"]
  }

  assert {
    condition = jsondecode(aws_sqs_queue.events.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid       = "DenyWithoutTls"
          Effect    = "Deny"
          Principal = "*"
          Action    = "sqs:*"
          Resource  = "arn:aws:sqs:eu-central-1:123456789012:orders"
          Condition = { Bool = { "aws:SecureTransport" = "false" } }
        },
        {
          Sid       = "ProducersSend"
          Effect    = "Allow"
          Principal = { AWS = ["arn:aws:iam::123456789012:role/shop", "arn:aws:iam::210987654321:role/billing"] }
          Action    = "sqs:SendMessage"
          Resource  = "arn:aws:sqs:eu-central-1:123456789012:orders"
        },
      ]
    }
    error_message = "The queue's policy must let the named producers send, and nothing else."
  }

  assert {
    condition     = !strcontains(aws_sqs_queue.dead_letter.policy, "Allow")
    error_message = "The dead-letter queue's policy must not allow anything, even for the named producers."
  }
}

run "fifo_is_one_variable" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    fifo = true
  }

  assert {
    condition = (
      aws_sqs_queue.events.name == "orders.fifo" && aws_sqs_queue.events.fifo_queue &&
      aws_sqs_queue.dead_letter.name == "orders-dead-letter.fifo" && aws_sqs_queue.dead_letter.fifo_queue
    )
    error_message = "Both queues must be FIFO queues, with the suffix that SQS requires."
  }

  assert {
    condition = alltrue([for queue in [aws_sqs_queue.events, aws_sqs_queue.dead_letter] :
      queue.deduplication_scope == "messageGroup" && queue.fifo_throughput_limit == "perMessageGroupId" && queue.content_based_deduplication == false
    ])
    error_message = "Both queues must be in high-throughput mode, and deduplicate by the id that the producer sends."
  }

  assert {
    condition = (
      jsondecode(aws_sqs_queue.events.redrive_policy).deadLetterTargetArn == "arn:aws:sqs:eu-central-1:123456789012:orders-dead-letter.fifo" &&
      jsondecode(aws_sqs_queue.dead_letter.redrive_allow_policy).sourceQueueArns == ["arn:aws:sqs:eu-central-1:123456789012:orders.fifo"] &&
      jsondecode(aws_iam_policy.producer.policy).Statement[0].Resource == "arn:aws:sqs:eu-central-1:123456789012:orders.fifo"
    )
    error_message = "Redrive and permissions must follow the suffix."
  }
}

run "key_encrypts_queues_for_producers" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"
  }

  assert {
    condition     = aws_sqs_queue.events.kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dead_letter.kms_master_key_id == var.kms_key_arn
    error_message = "Both queues must be encrypted with the customer managed key."
  }

  assert {
    condition = jsondecode(aws_iam_policy.producer.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "SendEvents"
          Effect   = "Allow"
          Action   = "sqs:SendMessage"
          Resource = "arn:aws:sqs:eu-central-1:123456789012:orders"
        },
        {
          Sid       = "EncryptEvents"
          Effect    = "Allow"
          Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
          Resource  = "arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"
          Condition = { StringEquals = { "kms:ViaService" = "sqs.eu-central-1.amazonaws.com" } }
        },
      ]
    }
    error_message = "A producer must be able to use the key, through SQS only."
  }
}

run "message_size_null_needs_no_cli" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    max_message_size = null
  }

  assert {
    condition     = length(terraform_data.max_message_size) == 0 && aws_sqs_queue.events.max_message_size == 262144
    error_message = "null must leave both queues at 256 KiB."
  }
}

run "shorter_dead_letter_retention_is_refused" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    dead_letter_retention_seconds = 604800
  }

  expect_failures = [var.dead_letter_retention_seconds]
}

run "provider_sets_the_size_without_the_cli" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    provider_sets_message_size = true
    max_message_size           = 200000
  }

  assert {
    condition     = length(terraform_data.max_message_size) == 0 && aws_sqs_queue.events.max_message_size == 200000 && aws_sqs_queue.dead_letter.max_message_size == 200000
    error_message = "The provider must create both queues with the given size, without the AWS CLI."
  }
}

run "services_send_with_their_source_arn_only" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    producer_organization_ids = ["o-a1b2c3d4e5"]
    producer_topic_arns       = ["arn:aws:sns:eu-central-1:123456789012:orders"]
    producer_rule_arns        = ["arn:aws:events:eu-central-1:123456789012:rule/orders"]
  }

  assert {
    condition = slice(jsondecode(aws_sqs_queue.events.policy).Statement, 1, 4) == [
      {
        Sid       = "OrganizationsSend"
        Effect    = "Allow"
        Principal = { AWS = "*" }
        Action    = "sqs:SendMessage"
        Resource  = "arn:aws:sqs:eu-central-1:123456789012:orders"
        Condition = { StringEquals = { "aws:PrincipalOrgID" = ["o-a1b2c3d4e5"] } }
      },
      {
        Sid       = "TopicsSend"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = "arn:aws:sqs:eu-central-1:123456789012:orders"
        Condition = { ArnEquals = { "aws:SourceArn" = ["arn:aws:sns:eu-central-1:123456789012:orders"] } }
      },
      {
        Sid       = "RulesSend"
        Effect    = "Allow"
        Principal = { Service = "events.amazonaws.com" }
        Action    = "sqs:SendMessage"
        Resource  = "arn:aws:sqs:eu-central-1:123456789012:orders"
        Condition = { ArnEquals = { "aws:SourceArn" = ["arn:aws:events:eu-central-1:123456789012:rule/orders"] } }
      },
    ]
    error_message = "Organizations, topics and rules must be allowed to send by their id or ARN only."
  }
}

run "data_key_reuse_needs_a_key" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    kms_key_arn                = "arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"
    kms_data_key_reuse_seconds = 3600
  }

  assert {
    condition     = aws_sqs_queue.events.kms_data_key_reuse_period_seconds == 3600 && aws_sqs_queue.dead_letter.kms_data_key_reuse_period_seconds == 3600
    error_message = "Both queues must reuse a data key for the given time."
  }
}

run "producer_policy_name_contains_the_region" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    iam_path = "/applications/"
  }

  assert {
    condition     = aws_iam_policy.producer.name == "orders-producer-eu-central-1" && aws_iam_policy.producer.path == "/applications/"
    error_message = "IAM names are global in an account, so the policy's name must contain the region."
  }
}
