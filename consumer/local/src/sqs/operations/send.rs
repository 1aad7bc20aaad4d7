//! SendMessage and SendMessageBatch.

use sha2::{Digest as _, Sha256};

use super::{Endpoint, queue_name};
use crate::sqs::changes::ChangeSet;
use crate::sqs::clock::Millis;
use crate::sqs::error::{SqsError, missing};
use crate::sqs::limits;
use crate::sqs::message::{Message, hex, md5_of_attributes, md5_of_body};
use crate::sqs::protocol::{Batch, BatchOutcome, Failed, SendEntry, SendMessage, Sent};
use crate::sqs::queues::Account;
use crate::sqs::settings::QueueSettings;

impl Endpoint {
    pub(super) async fn send_message(&self, request: SendMessage) -> Result<Sent, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        // The checks and the checksums are computed without holding the lock of all queues.
        let settings = self.queues.read(|account| account.settings(name))?;
        let draft = Draft::new(request.entry, &settings)?;
        let sent = self.queues.write(|account, now, changes| {
            let sent = draft.send(account, name, now, changes)?;
            account.wake(name);
            Ok(sent)
        });
        sent.await
    }

    pub(super) async fn send_message_batch(
        &self,
        request: Batch<SendEntry>,
    ) -> Result<BatchOutcome<Sent>, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let settings = self.queues.read(|account| account.settings(name))?;
        let entries = request.entries.unwrap_or_default();
        limits::check_batch(
            "SendMessageBatch",
            entries.iter().map(|entry| entry.id.as_deref()),
        )?;
        limits::check_batch_size(&entries)?;
        let mut drafts = Vec::new();
        let mut failed = Vec::new();
        for entry in entries {
            let id = entry.id.clone().unwrap_or_default();
            match Draft::new(entry, &settings) {
                Ok(draft) => drafts.push(draft),
                Err(error) => failed.push(Failed::new(id, error)),
            }
        }
        let sent = self.queues.write(|account, now, changes| {
            let sent: Result<Vec<Sent>, SqsError> = drafts
                .into_iter()
                .map(|draft| draft.send(account, name, now, changes))
                .collect();
            account.wake(name);
            sent
        });
        Ok(BatchOutcome {
            successful: sent.await?,
            failed,
        })
    }
}

/// A validated message that has not been sent yet.
pub(super) struct Draft {
    /// The message. Its id and its time are set when it is sent.
    message: Message,
    /// The id of an earlier message, which this message gets, too.
    kept_id: Option<String>,
    delay: Option<Millis>,
    response: Sent,
    fifo: bool,
}

impl Draft {
    pub(super) fn new(entry: SendEntry, settings: &QueueSettings) -> Result<Self, SqsError> {
        limits::check_message(&entry, settings)?;
        let body = entry.message_body.ok_or_else(|| missing("MessageBody"))?;
        let attributes = entry.message_attributes.unwrap_or_default();
        let system = entry.message_system_attributes.unwrap_or_default();
        let deduplication_id = match entry.message_deduplication_id {
            None if settings.fifo => Some(hex(&Sha256::digest(&body))),
            id => id,
        };
        let response = Sent {
            id: entry.id,
            message_id: String::new(),
            md5_of_message_body: md5_of_body(&body),
            md5_of_message_attributes: md5_of_attributes(&attributes),
            md5_of_message_system_attributes: md5_of_attributes(&system),
            sequence_number: None,
        };
        let delay = entry.delay_seconds.filter(|_| !settings.fifo);
        let trace_header = system
            .into_iter()
            .next()
            .and_then(|(_, value)| value.string_value);
        Ok(Self {
            message: Message {
                id: String::new(),
                md5_of_body: response.md5_of_message_body.clone(),
                body,
                attributes,
                trace_header,
                group: entry.message_group_id,
                deduplication_id,
                sent_at: 0,
                dead_letter_source: None,
            },
            kept_id: None,
            delay: delay
                .and_then(|delay| u64::try_from(delay).ok())
                .map(|delay| delay * 1_000),
            response,
            fifo: settings.fifo,
        })
    }

    /// Assigns the id of an earlier message to this message.
    pub(super) fn keep_message_id(&mut self, earlier: &Message) {
        self.kept_id = Some(earlier.id.clone());
    }

    pub(super) fn send(
        self,
        account: &mut Account,
        name: &str,
        now: Millis,
        changes: &mut ChangeSet,
    ) -> Result<Sent, SqsError> {
        let seq = account.next_seq();
        let id = self.kept_id.unwrap_or_else(|| account.new_message_id());
        let queue = account.queue(name, now, changes)?;
        let message = Message {
            id,
            sent_at: now,
            ..self.message
        };
        let original = queue.send(now, seq, message, self.delay, changes);
        Ok(Sent {
            message_id: original.message_id,
            sequence_number: self.fifo.then(|| sequence_number(original.seq)),
            ..self.response
        })
    }
}

/// Formats a sequence number with twenty digits, so that the texts sort like the numbers.
pub(super) fn sequence_number(seq: u64) -> String {
    format!("{seq:020}")
}
