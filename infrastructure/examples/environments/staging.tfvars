environments = {
  staging = {
    index_shards            = 1
    max_write_request_units = 100
    deletion_protection     = false
  }
}
