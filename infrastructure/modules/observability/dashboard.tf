# One page that answers, from top to bottom: whether events are stored, what goes
# wrong, which part is the cause, and what it costs.

locals {
  # List prices of us-east-1 in dollars for a GB-second.
  lambda_gb_second = coalesce(var.prices.lambda_gb_second, var.architecture == "arm64" ? 0.0000133334 : 0.0000166667)

  # Dollars per period. Each sent message counts as one request, so a producer
  # that sends in batches pays less than shown.
  cost_sqs      = "(FILL(sent, 0) + FILL(empty, 0) + ${2 * ceil(var.batch_size / 10)} * FILL(invocations, 0)) * ${var.prices.sqs_million_requests} / 1000000"
  cost_lambda   = "FILL(invocations, 0) * ${var.prices.lambda_million_requests} / 1000000 + FILL(duration, 0) / 1000 * ${var.memory_size / 1024} * ${format("%.10f", local.lambda_gb_second)}"
  cost_dynamodb = "FILL(written, 0) * ${var.prices.dynamodb_million_writes} / 1000000 + FILL(read, 0) * ${var.prices.dynamodb_million_reads} / 1000000"
  cost_logs     = "FILL(logged, 0) / 1000000000 * ${var.prices.cloudwatch_gb_of_log_lines}"

  # Three graphs in a row.
  graphs = [
    {
      title   = "Flow: events sent, received, stored"
      stat    = "Sum"
      metrics = [["AWS/SQS", "NumberOfMessagesSent", "QueueName", var.queue_name, { label = "Sent" }], ["AWS/SQS", "NumberOfMessagesReceived", "QueueName", var.queue_name, { label = "Received" }], ["DomainEvents", "Stored", "Function", var.function_name, { label = "Stored", color = "#2ca02c" }]]
      axis    = "Events per minute"
    },
    {
      title   = "Age of events when stored"
      stat    = "p50"
      metrics = [["DomainEvents", "AgeWhenStored", "Function", var.function_name, { label = "p50" }], ["DomainEvents", "AgeWhenStored", "Function", var.function_name, { label = "p99", stat = "p99" }], ["DomainEvents", "AgeWhenStored", "Function", var.function_name, { label = "Oldest", stat = "Maximum" }]]
      axis    = "Milliseconds"
    },
    {
      title   = "Duplicates and ties (neither needs action)"
      stat    = "Sum"
      metrics = [["DomainEvents", "Duplicate", "Function", var.function_name, { label = "Delivered again" }], ["DomainEvents", "Tie", "Function", var.function_name, { label = "Two events of one entity with one timestamp" }]]
      axis    = "Events per minute"
    },
    {
      title   = "Rejected events, by code"
      stat    = "Sum"
      metrics = [[{ expression = "SEARCH('{DomainEvents,Function,Code} MetricName=\"Rejected\" Function=\"${var.function_name}\"', 'Sum', 60)", id = "rejected", label = "" }]]
      axis    = "Events per minute"
    },
    {
      title   = "Failed events (SQS delivers them again)"
      stat    = "Sum"
      metrics = [["DomainEvents", "Failed", "Function", var.function_name, { label = "Failed", color = "#d62728" }]]
      axis    = "Events per minute"
    },
    {
      title   = "Dead-letter queue: depth"
      stat    = "Maximum"
      metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.dead_letter_queue_name, { label = "Need an operator", color = "#d62728" }]]
      axis    = "Messages"
    },
    {
      title   = "Queue: depth"
      stat    = "Maximum"
      metrics = [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.queue_name, { label = "Waiting" }], ["AWS/SQS", "ApproximateNumberOfMessagesNotVisible", "QueueName", var.queue_name, { label = "In the function, or waiting for the next attempt" }]]
      axis    = "Messages"
    },
    {
      title   = "Queue: age of the oldest message"
      stat    = "Maximum"
      metrics = [["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", var.queue_name, { label = "Oldest" }]]
      axis    = "Seconds"
    },
    {
      title   = "Function: duration"
      stat    = "p50"
      metrics = [["AWS/Lambda", "Duration", "FunctionName", var.function_name, { label = "p50" }], ["AWS/Lambda", "Duration", "FunctionName", var.function_name, { label = "p99", stat = "p99" }], ["AWS/Lambda", "Duration", "FunctionName", var.function_name, { label = "Longest", stat = "Maximum" }]]
      axis    = "Milliseconds"
    },
    {
      title   = "Function: errors, throttles, concurrency"
      stat    = "Sum"
      metrics = [["AWS/Lambda", "Errors", "FunctionName", var.function_name, { label = "Errors", color = "#d62728" }], ["AWS/Lambda", "Throttles", "FunctionName", var.function_name, { label = "Throttles", color = "#ff7f0e" }], ["AWS/Lambda", "ConcurrentExecutions", "FunctionName", var.function_name, { label = "Concurrency", stat = "Maximum" }]]
      axis    = "Count"
    },
    {
      title = "Table: throttles"
      stat  = "Sum"
      metrics = concat(
        [["AWS/DynamoDB", "WriteThrottleEvents", "TableName", var.table_name, { label = "Writes" }]],
        [["AWS/DynamoDB", "ReadThrottleEvents", "TableName", var.table_name, { label = "Reads" }]],
        [for index in var.index_names : ["AWS/DynamoDB", "WriteThrottleEvents", "TableName", var.table_name, "GlobalSecondaryIndexName", index, { label = "Writes of ${index}" }]],
        [for index in var.index_names : ["AWS/DynamoDB", "ReadThrottleEvents", "TableName", var.table_name, "GlobalSecondaryIndexName", index, { label = "Reads of ${index}" }]],
        [["DomainEvents", "DynamoDbRetries", "Function", var.function_name, { label = "Retries by the function" }]],
      )
      axis = "Count per minute"
    },
    {
      title   = "Table: consumed capacity, requests"
      stat    = "Sum"
      metrics = [["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", var.table_name, { label = "Write units" }], ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", var.table_name, { label = "Read units" }], ["DomainEvents", "DynamoDbRequests", "Function", var.function_name, { label = "Requests by the function" }]]
      axis    = "Units per minute"
    },
  ]

  graph_widgets = [for position, graph in local.graphs : {
    type   = "metric"
    x      = 8 * (position % 3)
    y      = 5 + 6 * floor(position / 3)
    width  = 8
    height = 6
    properties = {
      title   = graph.title
      region  = var.region
      view    = "timeSeries"
      stacked = false
      period  = 60
      stat    = graph.stat
      metrics = graph.metrics
      yAxis   = { left = { min = 0, label = graph.axis, showUnits = false } }
    }
  }]

  below_graphs = 5 + 6 * ceil(length(local.graphs) / 3)
}

resource "aws_cloudwatch_dashboard" "events" {
  dashboard_name = "${var.name}-${var.region}"

  dashboard_body = jsonencode({
    start          = "-PT6H"
    periodOverride = "inherit"
    widgets = concat(
      [
        {
          type   = "text"
          x      = 0
          y      = 0
          width  = 8
          height = 5
          properties = {
            markdown = join("\n", [
              "# ${var.name}",
              "producers → `${var.queue_name}` → `${var.function_name}` → `${var.table_name}`",
              "",
              "Events that cannot be stored are in `${var.dead_letter_queue_name}`.",
              "",
              "Runbook: ${var.runbook_url}",
            ])
          }
        },
        {
          type   = "alarm"
          x      = 8
          y      = 0
          width  = 16
          height = 5
          properties = {
            title  = "Alarms"
            alarms = [for alarm in aws_cloudwatch_metric_alarm.alarms : alarm.arn]
          }
        },
      ],
      local.graph_widgets,
      [
        {
          type   = "metric"
          x      = 0
          y      = local.below_graphs
          width  = 24
          height = 6
          properties = {
            title   = "Estimated cost in dollars per hour (list prices, capacity on demand, each sent message counted as one request)"
            region  = var.region
            view    = "timeSeries"
            stacked = true
            period  = 3600
            stat    = "Sum"
            metrics = [
              [{ expression = local.cost_dynamodb, id = "cost_dynamodb", label = "DynamoDB" }],
              [{ expression = local.cost_sqs, id = "cost_sqs", label = "SQS" }],
              [{ expression = local.cost_lambda, id = "cost_lambda", label = "Lambda" }],
              [{ expression = local.cost_logs, id = "cost_logs", label = "Logs" }],
              ["AWS/SQS", "NumberOfMessagesSent", "QueueName", var.queue_name, { id = "sent", visible = false }],
              ["AWS/SQS", "NumberOfEmptyReceives", "QueueName", var.queue_name, { id = "empty", visible = false }],
              ["AWS/Lambda", "Invocations", "FunctionName", var.function_name, { id = "invocations", visible = false }],
              ["AWS/Lambda", "Duration", "FunctionName", var.function_name, { id = "duration", visible = false }],
              ["AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", var.table_name, { id = "written", visible = false }],
              ["AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", var.table_name, { id = "read", visible = false }],
              ["AWS/Logs", "IncomingBytes", "LogGroupName", var.log_group_name, { id = "logged", visible = false }],
            ]
            yAxis = { left = { min = 0, label = "Dollars per hour", showUnits = false } }
          }
        },
      ],
    )
  })
}
