//! The Lambda function.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use domain_events_consumer::config::Config;
use domain_events_consumer::hosts::lambda;
use domain_events_consumer::log;

// One thread, because a small function has less than one CPU: a second thread would only
// take turns with the first.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return failed(&error),
    };
    log::init(config.log);
    match lambda::run(config).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    // Lambda reports the exit code, and CloudWatch stores the message.
    let _ = writeln!(std::io::stderr(), "bootstrap: {error}");
    ExitCode::FAILURE
}
