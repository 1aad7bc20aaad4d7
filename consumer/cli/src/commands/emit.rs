use std::path::PathBuf;
use std::time::Duration;

use domain_events::{
    CorrelationId, Emitter, EmitterId, EmitterType, EntityId, Envelope, EventType, Sdk,
};
use domain_events_cli::emit::{emit, read};
use domain_events_cli::output::{counted, line_of, lines_of};
use domain_events_cli::{Failure, Outcome};
use serde_json::value::RawValue;

/// Send events to the queue.
///
/// Reads one message per line from a file or from standard input. All events are checked
/// before the first is sent. With --type and --id, the command sends one event instead.
///
/// The exit code is 1 if the queue refuses an event.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events emit events.jsonl
  domain-events emit --type ORDER_PLACED --id order-7 --data '{\"cents\": 4990}'")]
pub(crate) struct Arguments {
    /// File of messages, one per line; standard input for `-` or without a file.
    #[arg(value_name = "FILE", conflicts_with_all = ["event_type", "id"])]
    file: Option<PathBuf>,
    /// URL of the queue.
    #[arg(long, env = "EVENT_QUEUE_URL", value_name = "URL")]
    queue_url: Option<String>,
    /// EventType of the event, for example ORDER_PLACED.
    #[arg(long = "type", value_name = "TYPE", requires = "id")]
    event_type: Option<String>,
    /// ID of the entity that the event is about.
    #[arg(long, requires = "event_type")]
    id: Option<String>,
    /// Data of the event: a JSON object or null.
    #[arg(long, value_name = "JSON", requires = "event_type")]
    data: Option<String>,
    /// Id of the user or system that causes the event. A file has its own emitters.
    #[arg(
        long,
        env = "EVENT_EMITTER_ID",
        default_value = "domain-events",
        value_name = "ID"
    )]
    emitter_id: String,
    /// Type of the emitter, by convention SYSTEM or USER.
    #[arg(
        long,
        env = "EVENT_EMITTER_TYPE",
        default_value = "SYSTEM",
        value_name = "TYPE"
    )]
    emitter_type: String,
    /// CorrelationId: the conversation that the event belongs to.
    #[arg(long, value_name = "ID", requires = "event_type")]
    correlation_id: Option<String>,
}

fn invalid(error: domain_events::InvalidEvent) -> Failure {
    Failure::Usage(error.to_string())
}

impl Arguments {
    fn emitter(&self) -> Result<Emitter, Failure> {
        let kind = EmitterType::new(self.emitter_type.clone()).map_err(invalid)?;
        let id = EmitterId::new(self.emitter_id.clone()).map_err(invalid)?;
        Ok(Emitter::new(kind, id))
    }

    fn envelopes(&self) -> Result<Vec<Envelope>, Failure> {
        let (Some(event_type), Some(id)) = (&self.event_type, &self.id) else {
            return read(super::input(self.file.as_deref())?);
        };
        let event_type = EventType::new(event_type.clone()).map_err(invalid)?;
        let id = EntityId::new(id.clone()).map_err(invalid)?;
        let mut builder = Envelope::builder(event_type, id, self.emitter()?);
        if let Some(correlation) = &self.correlation_id {
            builder =
                builder.correlation_id(CorrelationId::new(correlation.clone()).map_err(invalid)?);
        }
        let envelope = match &self.data {
            None => builder.build(),
            Some(data) => {
                let data: &RawValue = serde_json::from_str(data).map_err(|e| {
                    Failure::Usage(format!(
                        "--data is not JSON (column {}); give an object, for example --data '{{\"cents\": 4990}}'",
                        e.column()
                    ))
                })?;
                builder.build_with(data)
            }
        };
        Ok(vec![envelope.map_err(invalid)?])
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<Outcome, Failure> {
    let envelopes = arguments.envelopes()?;
    let emitter = arguments.emitter()?;
    let queue = super::QUEUE.open(arguments.queue_url).await?;
    let sdk = Sdk::builder(queue.url(), emitter).sqs_client(queue.client().clone());
    let sdk = sdk
        .build()
        .await
        .map_err(|e| Failure::Usage(e.to_string()))?;
    let progress =
        domain_events_cli::progress::Progress::new("events accepted", Some(envelopes.len() as u64));
    let (outcome, emitted) = emit(&sdk, envelopes, |count| progress.set(count)).await;
    progress.finish();
    let _ = sdk.shutdown(Duration::from_secs(10)).await;
    for problem in &emitted.failed {
        let _ = lines_of(&mut std::io::stderr(), problem);
    }
    line_of(
        &mut std::io::stdout(),
        &format!(
            "{} accepted, {} failed",
            emitted.accepted,
            emitted.failed.len()
        ),
    )?;
    if emitted.unavailable {
        return Err(Failure::Environment(format!(
            "the queue {} did not accept {}; correct the cause above, and emit again: events with an EventId are stored once",
            queue.label(),
            counted(emitted.failed.len() as u64, "event")
        )));
    }
    Ok(outcome)
}
