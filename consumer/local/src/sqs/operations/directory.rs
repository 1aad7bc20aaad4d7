//! The queues themselves: creating, finding, setting, emptying, deleting.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{Endpoint, queue_name};
use crate::sqs::arn::queue_arn;
use crate::sqs::error::{Kind, Refusal, invalid_value, missing};
use crate::sqs::limits::check_range;
use crate::sqs::protocol::{
    CreateQueue, Done, GetQueueAttributes, GetQueueUrl, ListQueues, OfQueue, QueueAttributes,
    QueueUrl, QueueUrls, SetQueueAttributes, TagQueue, Tags, UntagQueue,
};
use crate::sqs::queue::Queue;
use crate::sqs::settings::{Settings, Texts};

/// The most queues on a page, and the number if none is asked for.
const LARGEST_PAGE: u64 = 1_000;

const MOST_TAGS: usize = 50;

/// How long after a purge another one is refused.
const PURGE_TAKES: u64 = 60_000;

impl Endpoint {
    pub(super) async fn create_queue(&self, request: CreateQueue) -> Result<QueueUrl, Refusal> {
        let name = request.queue_name.ok_or_else(|| missing("QueueName"))?;
        let attributes = request.attributes.unwrap_or_default();
        let tags = request.tags.unwrap_or_default();
        check_tags(&name, &tags)?;
        let created = self
            .queues
            .apply(|state, now, journal| state.create(&name, &attributes, tags, now, journal));
        created.await?;
        Ok(QueueUrl {
            queue_url: self.url(&name),
        })
    }

    pub(super) async fn get_queue_url(&self, request: GetQueueUrl) -> Result<QueueUrl, Refusal> {
        let name = request.queue_name.ok_or_else(|| missing("QueueName"))?;
        self.queues.look(|state| state.settings(&name))?;
        Ok(QueueUrl {
            queue_url: self.url(&name),
        })
    }

    pub(super) async fn list_queues(&self, request: ListQueues) -> Result<QueueUrls, Refusal> {
        let prefix = request.queue_name_prefix.as_deref().unwrap_or_default();
        let (urls, next_token) = self.page(&request, |name, _| name.starts_with(prefix))?;
        Ok(QueueUrls {
            all: Some(urls),
            sources: None,
            next_token,
        })
    }

    pub(super) async fn list_dead_letter_source_queues(
        &self,
        request: ListQueues,
    ) -> Result<QueueUrls, Refusal> {
        let target = queue_name(request.queue_url.as_deref())?;
        self.queues.look(|state| state.settings(target))?;
        let (urls, next_token) = self.page(&request, |_, settings| {
            let redrive = settings.redrive.as_ref();
            redrive.is_some_and(|redrive| redrive.target == target)
        })?;
        Ok(QueueUrls {
            all: None,
            sources: Some(urls),
            next_token,
        })
    }

    /// One page of the queues that `belongs` is true for, and the next one's
    /// token: the name it begins after.
    fn page(
        &self,
        request: &ListQueues,
        belongs: impl Fn(&str, &Settings) -> bool,
    ) -> Result<(Vec<String>, Option<String>), Refusal> {
        let asked = check_range("MaxResults", request.max_results, 1..=LARGEST_PAGE)?;
        let size = usize::try_from(asked.unwrap_or(LARGEST_PAGE)).unwrap_or(usize::MAX);
        let after = match &request.next_token {
            None => String::new(),
            Some(token) => {
                let name = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
                let name = name.and_then(|name| String::from_utf8(name).ok());
                name.ok_or_else(|| {
                    invalid_value(token, "NextToken", "It is not a token of this endpoint.")
                })?
            }
        };
        self.queues.look(|state| {
            let names = state.names_after(&after);
            let mut names = names.filter(|(name, settings)| belongs(name, settings));
            let page: Vec<&str> = names.by_ref().take(size).map(|(name, _)| name).collect();
            // SQS pages only those who ask for a size.
            let more = asked.is_some() && names.next().is_some();
            let last = page.last().filter(|_| more);
            let token = last.map(|name| BASE64_URL_SAFE_NO_PAD.encode(name));
            Ok((page.into_iter().map(|name| self.url(name)).collect(), token))
        })
    }

    pub(super) async fn delete_queue(&self, request: OfQueue) -> Result<Done, Refusal> {
        let name = queue_name(request.queue_url.as_deref())?;
        let deleted = self
            .queues
            .apply(|state, now, journal| state.delete(name, now, journal));
        deleted.await.map(|()| Done {})
    }

    pub(super) async fn get_queue_attributes(
        &self,
        request: GetQueueAttributes,
    ) -> Result<QueueAttributes, Refusal> {
        let name = queue_name(request.queue_url.as_deref())?;
        let names = request.attribute_names.unwrap_or_default();
        let found = self.queues.apply(|state, now, journal| {
            let mut attributes = attributes_of(state.queue(name, now, journal)?);
            if names.iter().any(|name| name == "All") {
                return Ok(attributes);
            }
            for name in &names {
                let known = OPTIONAL.contains(&name.as_str()) || attributes.contains_key(name);
                if !known {
                    return Err(
                        Kind::InvalidAttributeName.because(format!("Unknown Attribute {name}."))
                    );
                }
            }
            attributes.retain(|name, _| names.contains(name));
            Ok(attributes)
        });
        Ok(QueueAttributes {
            attributes: found.await?,
        })
    }

    pub(super) async fn set_queue_attributes(
        &self,
        request: SetQueueAttributes,
    ) -> Result<Done, Refusal> {
        let name = queue_name(request.queue_url.as_deref())?;
        let attributes = request.attributes.ok_or_else(|| missing("Attributes"))?;
        let set = self
            .queues
            .apply(|state, now, journal| state.set_attributes(name, &attributes, now, journal));
        set.await.map(|()| Done {})
    }

    pub(super) async fn purge_queue(&self, request: OfQueue) -> Result<Done, Refusal> {
        let name = queue_name(request.queue_url.as_deref())?;
        let purged = self.queues.apply(|state, now, journal| {
            let queue = state.queue(name, now, journal)?;
            if queue.purged_at.is_some_and(|at| at + PURGE_TAKES > now) {
                return Err(Kind::PurgeQueueInProgress.because(format!(
                    "Only one PurgeQueue operation on {name} is allowed every 60 seconds."
                )));
            }
            queue.purge(now, journal);
            Ok(Done {})
        });
        purged.await
    }

    pub(super) async fn tag_queue(&self, request: TagQueue) -> Result<Done, Refusal> {
        let name = queue_name(request.queue_url.as_deref())?;
        let added = request.tags.ok_or_else(|| missing("Tags"))?;
        self.change_tags(name, |tags| tags.extend(added)).await
    }

    pub(super) async fn untag_queue(&self, request: UntagQueue) -> Result<Done, Refusal> {
        let name = queue_name(request.queue_url.as_deref())?;
        let removed = request.tag_keys.ok_or_else(|| missing("TagKeys"))?;
        self.change_tags(name, |tags| tags.retain(|key, _| !removed.contains(key)))
            .await
    }

    async fn change_tags(&self, name: &str, act: impl FnOnce(&mut Texts)) -> Result<Done, Refusal> {
        let changed = self.queues.apply(|state, now, journal| {
            let queue = state.queue(name, now, journal)?;
            let mut tags = queue.tags.clone();
            act(&mut tags);
            check_tags(name, &tags)?;
            queue.tags = tags;
            queue.save(journal);
            Ok(Done {})
        });
        changed.await
    }

    pub(super) async fn list_queue_tags(&self, request: OfQueue) -> Result<Tags, Refusal> {
        let name = queue_name(request.queue_url.as_deref())?;
        let tags = self
            .queues
            .apply(|state, now, journal| Ok(state.queue(name, now, journal)?.tags.clone()));
        Ok(Tags { tags: tags.await? })
    }
}

/// Attributes that may be asked for although the queue has no value for them.
const OPTIONAL: [&str; 9] = [
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "Policy",
    "RedriveAllowPolicy",
    "RedrivePolicy",
];

fn attributes_of(queue: &Queue) -> Texts {
    let counts = queue.counts();
    let mut attributes = queue.settings.texts().clone();
    for (name, value) in [
        ("QueueArn", queue_arn(&queue.name)),
        ("CreatedTimestamp", (queue.created_at / 1_000).to_string()),
        (
            "LastModifiedTimestamp",
            (queue.modified_at / 1_000).to_string(),
        ),
        ("ApproximateNumberOfMessages", counts.visible.to_string()),
        (
            "ApproximateNumberOfMessagesNotVisible",
            counts.in_flight.to_string(),
        ),
        (
            "ApproximateNumberOfMessagesDelayed",
            counts.delayed.to_string(),
        ),
    ] {
        attributes.insert(name.to_owned(), value);
    }
    attributes
}

fn check_tags(name: &str, tags: &Texts) -> Result<(), Refusal> {
    let refused = |reason: String| Err(Kind::InvalidParameterValue.because(reason));
    if tags.len() > MOST_TAGS {
        return refused(format!("Too many tags added for queue {name}."));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > 128 {
            return refused(format!("Tag key '{key}' must be 1 to 128 characters long."));
        }
        if value.chars().count() > 256 {
            return refused(format!(
                "The value of tag '{key}' must be at most 256 characters long."
            ));
        }
    }
    Ok(())
}
