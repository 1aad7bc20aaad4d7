# A plan for a deployment other than the recorded one is refused. bad_day.sh proves that
# plan, apply, refresh and destroy are refused.

variables {
  deployment = {
    recorded        = { name = "domain-events", region = "eu-central-1", account = "123456789012" }
    name            = "domain-events"
    region          = "eu-central-1"
    account         = "123456789012"
    provider_region = "eu-central-1"
  }
}

run "recorded_deployment_is_accepted" {
  command = plan

  module {
    source = "./modules/deployment"
  }

  assert {
    condition     = output.name == "domain-events" && output.region == "eu-central-1"
    error_message = "The outputs must be the recorded name and region."
  }
}

run "provider_in_another_region_is_refused" {
  command = plan

  module {
    source = "./modules/deployment"
  }

  variables {
    deployment = {
      recorded        = { name = "domain-events", region = "eu-central-1", account = "123456789012" }
      name            = "domain-events"
      region          = "eu-central-1"
      account         = "123456789012"
      provider_region = "us-east-1"
    }
  }

  expect_failures = [var.deployment]
}

run "state_of_another_name_is_refused" {
  command = plan

  module {
    source = "./modules/deployment"
  }

  variables {
    deployment = {
      recorded        = { name = "domain-events", region = "eu-central-1", account = "123456789012" }
      name            = "shop-events"
      region          = "eu-central-1"
      account         = "123456789012"
      provider_region = "eu-central-1"
    }
  }

  expect_failures = [var.deployment]
}

run "state_of_another_region_is_refused" {
  command = plan

  module {
    source = "./modules/deployment"
  }

  variables {
    deployment = {
      recorded        = { name = "domain-events", region = "eu-central-1", account = "123456789012" }
      name            = "domain-events"
      region          = "us-east-1"
      account         = "123456789012"
      provider_region = "us-east-1"
    }
  }

  expect_failures = [var.deployment]
}

run "state_of_another_account_is_refused" {
  command = plan

  module {
    source = "./modules/deployment"
  }

  variables {
    deployment = {
      recorded        = { name = "domain-events", region = "eu-central-1", account = "123456789012" }
      name            = "domain-events"
      region          = "eu-central-1"
      account         = "210987654321"
      provider_region = "eu-central-1"
    }
  }

  expect_failures = [var.deployment]
}
