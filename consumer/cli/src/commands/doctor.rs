use std::num::NonZeroU16;

use domain_events_cli::connection::Queue;
use domain_events_cli::doctor::{Setup, doctor, print};
use domain_events_cli::{Failure, Outcome, connection};

use super::{Printing, given};

/// Check a live set-up, and say what to change.
///
/// Checks the queue (redrive, retention, message size, clock), the dead-letter queue, the
/// table (keys, index, expiry, recovery, deletion protection), the function (partial batch
/// responses, timeouts, variables) and what these credentials may do. Each finding says what
/// follows from it and what to change.
///
/// No check changes anything. The checks need the permissions of the operator's policy (the
/// Terraform output operator_policy_arn). The exit code is 1 if there is something to change.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events doctor --function domain-events
  domain-events --env-file staging.env doctor --json")]
pub(crate) struct Arguments {
    /// URL of the queue.
    #[arg(long, env = "EVENT_QUEUE_URL", value_name = "URL")]
    queue_url: Option<String>,
    /// URL of the dead-letter queue.
    #[arg(long, env = "DEAD_LETTER_QUEUE_URL", value_name = "URL")]
    dead_letter_queue_url: Option<String>,
    /// Name of the table.
    #[arg(long, env = "EVENT_TABLE", value_name = "NAME")]
    table: Option<String>,
    /// Name of the Lambda function (the Terraform output function_name). Without it, the
    /// function is not checked.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Shards of the index by event type, as many as the consumer uses.
    #[arg(long, env = "EVENT_INDEX_SHARDS", value_name = "N")]
    index_shards: Option<String>,
    #[command(flatten)]
    printing: Printing,
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let Arguments {
        queue_url,
        dead_letter_queue_url,
        table,
        function,
        index_shards,
        printing,
    } = arguments;
    let setup = Setup {
        queue: match given(&queue_url) {
            Some(url) => Some(Queue::open(url, &super::QUEUE.name()).await?),
            None => None,
        },
        dead_letter_queue: match given(&dead_letter_queue_url) {
            Some(url) => Some(Queue::open(url, &super::DEAD_LETTER_QUEUE.name()).await?),
            None => None,
        },
        table: given(&table)
            .map(|name| connection::table_name(name.to_owned(), &super::TABLE.name()))
            .transpose()?,
        function,
        index_shards: super::index_shards(&index_shards)?.map(NonZeroU16::get),
    };
    let findings = doctor(&connection::load().await?, &setup).await;
    print(&findings, &mut std::io::stdout(), printing.format())
}
