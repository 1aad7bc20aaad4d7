# What keeps an event from being lost, and who may send, in modules/queue.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { id = "eu-central-1" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  name                          = "orders"
  fifo                          = false
  producer_arns                 = []
  visibility_timeout_seconds    = 180
  message_retention_seconds     = 604800
  dead_letter_retention_seconds = 1209600
  max_receive_count             = 20
  max_message_size              = 1048576
  kms_key_arn                   = null
  tags                          = { team = "orders" }
}

run "standard_queues_lose_nothing" {
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
    error_message = "Messages that fail 20 times must move to the dead-letter queue."
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
    error_message = "No delay, and long polling for whoever receives by hand."
  }

  assert {
    condition = (
      keys(terraform_data.max_message_size) == ["dead_letter", "events"] &&
      alltrue([for size in terraform_data.max_message_size : size.triggers_replace[1] == 1048576])
    )
    error_message = "Both queues must get the maximum message size of 1 MiB."
  }

  # The provider must never be asked for more than its 5 series takes.
  assert {
    condition     = aws_sqs_queue.events.max_message_size == 262144 && aws_sqs_queue.dead_letter.max_message_size == 262144
    error_message = "The size that is set by the provider must be one that every version takes."
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

run "without_named_producers_the_queue_policy_allows_nobody" {
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
    error_message = "The queue's policy must deny what comes without TLS, and allow nobody."
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
    error_message = "The dead-letter queue's policy must deny what comes without TLS, and allow nobody."
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
    error_message = "Nobody gets at the dead-letter queue through its policy, named producers included."
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
    error_message = "Both queues must be FIFO, with the suffix that SQS demands."
  }

  assert {
    condition = alltrue([for queue in [aws_sqs_queue.events, aws_sqs_queue.dead_letter] :
      queue.deduplication_scope == "messageGroup" && queue.fifo_throughput_limit == "perMessageGroupId" && queue.content_based_deduplication == false
    ])
    error_message = "Both queues must be in high-throughput mode, and leave deduplication to the event's own id."
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

run "a_customer_key_replaces_sse_sqs_and_producers_may_use_it" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/0d990263-018e-4e65-a703-eff731de951e"
  }

  assert {
    condition     = aws_sqs_queue.events.kms_master_key_id == var.kms_key_arn && aws_sqs_queue.dead_letter.kms_master_key_id == var.kms_key_arn
    error_message = "Both queues must be encrypted with the customer's key."
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

run "without_a_size_the_cli_is_not_needed" {
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

run "a_dead_letter_queue_that_forgets_first_is_refused" {
  command = plan

  module {
    source = "./modules/queue"
  }

  variables {
    dead_letter_retention_seconds = 604800
  }

  expect_failures = [var.dead_letter_retention_seconds]
}
