environments = {
  production = {
    index_shards     = 4
    composite_alarm  = true
    critical_actions = ["arn:aws:sns:eu-central-1:123456789012:pager"]
  }
}
