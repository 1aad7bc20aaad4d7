use std::io::Write as _;
use std::path::PathBuf;

use domain_events_cli::output::{counted, line_of};
use domain_events_cli::progress::Progress;
use domain_events_cli::{Failure, Outcome, rejected};

use super::Printing;

/// Inspect, correct and resend rejected messages.
///
/// `pull` moves the messages of the dead-letter queue into a folder, because SQS cannot show
/// a message without hiding it from others. `list` and `show` print what is in the folder,
/// `set` corrects a value, and `push` sends the messages back to the queue.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:
  domain-events rejected pull --to letters
  domain-events rejected push letters --set /EventType=ORDER_PLACED")]
pub(crate) enum Command {
    Pull(Pull),
    List(List),
    Show(Show),
    Set(Set),
    Push(Push),
}

/// Move all messages of the dead-letter queue into a folder.
///
/// Each message is deleted from the queue only after it is on disk. At the end, the command
/// prints the messages of the folder as `list` does: what was rejected, and why.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events rejected pull --to letters")]
pub(crate) struct Pull {
    /// The folder; it is created if it does not exist.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// URL of the dead-letter queue.
    #[arg(long, env = "DEAD_LETTER_QUEUE_URL", value_name = "URL")]
    dead_letter_queue_url: Option<String>,
    #[command(flatten)]
    printing: Printing,
}

/// Print what was rejected, and why: one line per message of the folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events rejected list letters
  domain-events rejected list letters --json | jq -r .attributes.RejectionCode | sort | uniq -c")]
pub(crate) struct List {
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    printing: Printing,
}

/// Print a message with its attributes and its body, and mark what is wrong in it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events rejected show letters 02bcaf94")]
pub(crate) struct Show {
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Id of the message, or the first characters of the id.
    id: String,
    #[command(flatten)]
    printing: Printing,
}

/// Replace a value in the body of a message.
///
/// Only the value changes; every other byte of the body stays as it is. The empty pointer ""
/// stands for the whole body. To edit the body in another way, open the file that `show`
/// prints.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events rejected set letters 02bcaf94 /EventType ORDER_PLACED
  domain-events rejected set letters 02bcaf94 /Data/total 4990")]
pub(crate) struct Set {
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Id of the message, or the first characters of the id.
    id: String,
    /// JSON pointer to the value, for example /Data/total; "" for the whole body.
    pointer: String,
    /// The new value as JSON. Text that is not JSON becomes a string.
    #[arg(allow_hyphen_values = true)]
    value: String,
}

/// Send messages of the folder back to the queue.
///
/// A message that is still invalid stays in the folder, and its problems are printed. With
/// --set, a value is corrected first.
///
/// Without ids, --set corrects the value in the messages in which it is wrong, and all
/// messages of the folder are sent. The exit code is 1 if a message is still invalid.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  domain-events rejected push letters
  domain-events rejected push letters --set /EventType=ORDER_PLACED
  domain-events rejected push letters 02bcaf94 5f3a0c11")]
pub(crate) struct Push {
    /// The folder.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Ids of messages, or the first characters of ids. Without ids, all messages are sent.
    ids: Vec<String>,
    /// Correct the value at a JSON pointer first, as `set` does. Repeat the option for
    /// several values.
    #[arg(long, value_name = "POINTER=VALUE")]
    set: Vec<String>,
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
            printing,
        }) => {
            let queue = super::DEAD_LETTER_QUEUE.open(dead_letter_queue_url).await?;
            let progress = Progress::new("messages pulled", None);
            let (pulled, left) = rejected::pull(&queue, &to, |n| progress.set(n)).await?;
            progress.finish();
            rejected::list(&to, &mut out, printing.format())?;
            let mut log = std::io::stderr();
            let _ = writeln!(log, "{} pulled", counted(pulled, "message"));
            if left > 0 {
                let _ = writeln!(
                    log,
                    "still in the queue, because another consumer has received it: {}; pull again after the visibility timeout",
                    counted(left, "message")
                );
            }
        }
        Command::Push(Push {
            folder,
            ids,
            set,
            queue_url,
        }) => {
            let values = set.iter().map(|set| {
                set.split_once('=').ok_or_else(|| {
                    Failure::Usage(format!(
                        "--set is {set:?}; give a JSON pointer and a value, for example --set /EventType=ORDER_PLACED"
                    ))
                })
            });
            let values = values.collect::<Result<Vec<_>, _>>()?;
            let queue = super::QUEUE.open(queue_url).await?;
            if !values.is_empty() {
                let corrected = rejected::set_all(&folder, &ids, &values)?;
                let corrected = counted(corrected, "message");
                line_of(&mut out, &format!("{corrected} corrected"))?;
            }
            return rejected::push(&queue, &folder, &ids, &mut out).await;
        }
    }
    Ok(Outcome::Done)
}
