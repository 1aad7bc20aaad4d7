use std::path::PathBuf;

use domain_events_cli::progress::Progress;
use domain_events_cli::{Failure, Outcome, rejected};

use super::Printing;

/// Inspect, correct and resend rejected messages.
///
/// `pull` moves the messages of the dead-letter queue into a folder, because SQS cannot show
/// a message without hiding it from others. `list` and `show` print what is in the folder,
/// `set` corrects a value, and `push` sends the messages back to the queue.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Pull(Pull),
    List(List),
    Show(Show),
    Set(Set),
    Push(Push),
}

/// Move all messages of the dead-letter queue into a folder.
///
/// Each message is written and synced before it is deleted from the queue.
#[derive(Debug, clap::Args)]
pub(crate) struct Pull {
    /// The folder; it is created if it does not exist.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// URL of the dead-letter queue.
    #[arg(long, env = "DEAD_LETTER_QUEUE_URL", value_name = "URL")]
    dead_letter_queue_url: Option<String>,
}

/// Print one line per message of the folder.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

/// Print a message, its attributes and its body, and mark the offending value.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The message's id, or the beginning of it.
    id: String,
    #[command(flatten)]
    printing: Printing,
}

/// Replace a value in the body of a message.
///
///   domain-events rejected set letters 02bcaf94 /EventType ORDER_PLACED
///
/// The empty pointer "" stands for the whole body. Only the value changes; every other byte of the body stays as it is. To edit the body in
/// another way, open the file that `show` names.
#[derive(Debug, clap::Args)]
pub(crate) struct Set {
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The message's id, or the beginning of it.
    id: String,
    /// JSON pointer to the value, for example /Data/total; "" for the whole body.
    pointer: String,
    /// The new value as JSON; a text that is not JSON is taken as a string.
    #[arg(allow_hyphen_values = true)]
    value: String,
}

/// Send messages of the folder back to the queue.
///
/// A message that is still invalid stays in the folder, and its problems are printed.
#[derive(Debug, clap::Args)]
pub(crate) struct Push {
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Ids of messages, or the beginnings of them; all messages without one.
    ids: Vec<String>,
    /// URL of the queue.
    #[arg(long, env = "EVENT_QUEUE_URL", value_name = "URL")]
    queue_url: Option<String>,
}

pub(crate) async fn run(command: Command) -> Result<Outcome, Failure> {
    let mut out = std::io::stdout();
    match command {
        Command::List(List { folder, printing }) => {
            rejected::list(&folder, &mut out, printing.format())?;
        }
        Command::Show(Show {
            folder,
            id,
            printing,
        }) => {
            rejected::show(&folder, &id, &mut out, printing.format())?;
        }
        Command::Set(Set {
            folder,
            id,
            pointer,
            value,
        }) => {
            rejected::set(&folder, &id, &pointer, &value)?;
        }
        Command::Pull(Pull {
            to,
            dead_letter_queue_url,
        }) => {
            let queue = super::DEAD_LETTER_QUEUE.open(dead_letter_queue_url).await?;
            let progress = Progress::new("messages pulled", None);
            let (pulled, left) = rejected::pull(&queue, &to, |n| progress.set(n)).await?;
            progress.finish();
            domain_events_cli::output::line_of(
                &mut out,
                &format!("{pulled} messages in {}", to.display()),
            )?;
            if left > 0 {
                domain_events_cli::output::line_of(
                    &mut out,
                    &format!(
                        "{left} messages stay in the queue, because another consumer has received them; pull again after its visibility timeout"
                    ),
                )?;
            }
        }
        Command::Push(Push {
            folder,
            ids,
            queue_url,
        }) => {
            let queue = super::QUEUE.open(queue_url).await?;
            return rejected::push(&queue, &folder, &ids, &mut out).await;
        }
    }
    Ok(Outcome::Done)
}
