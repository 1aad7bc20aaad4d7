//! The relay of a DynamoDB outbox as a Lambda function.
//!
//! - The event source mapping of the outbox table's stream invokes the function with new
//!   rows. The function sends the rows and deletes them.
//! - A schedule invokes the function once a minute. The function then sends the rows that the
//!   stream did not deliver, and writes the age of the oldest row as a metric.
//!
//! If the stream belongs to another table, the function sends the attribute `OutboxMessage`
//! of each new or changed item, and deletes nothing.

#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use domain_events_consumer::log;
use lambda_runtime::{LambdaEvent, service_fn};

mod config;
mod function;
mod payload;

use config::Config;
use function::Function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let config = match Config::from_env() {
        Ok(config) => config,
        Err(error) => return failed(&error),
    };
    log::init(config.log);
    let function = match Function::new(config).await {
        Ok(function) => function,
        Err(error) => return failed(&error),
    };
    let service = service_fn(|event: LambdaEvent<_>| {
        let function = &function;
        // Boxed, because the future of the publisher is large.
        Box::pin(async move {
            function
                .invoke(event)
                .await
                .map_err(lambda_runtime::Error::from)
        })
    });
    match lambda_runtime::run(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    // Lambda reports the exit code, and CloudWatch stores the message.
    let _ = writeln!(std::io::stderr(), "relay: {error}");
    ExitCode::FAILURE
}
