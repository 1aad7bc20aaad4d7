//! The operations on queues: create, list, configure, tag, purge and delete.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::{Endpoint, queue_name};
use crate::sqs::arn::queue_arn;
use crate::sqs::error::{ErrorCode, SqsError, invalid_value, missing};
use crate::sqs::limits::check_range;
use crate::sqs::protocol::{
    CreateQueue, Empty, GetQueueAttributes, GetQueueUrl, ListQueues, QueueAttributes, QueueRequest,
    QueueUrl, QueueUrls, SetQueueAttributes, TagQueue, Tags, UntagQueue,
};
use crate::sqs::queue::Queue;
use crate::sqs::settings::{AttributeMap, QueueSettings};

/// The maximum size of a page of queues, which is also the default.
const MAX_PAGE_SIZE: u64 = 1_000;

const MAX_TAGS: usize = 50;

/// The minimum time between two purges of a queue, in milliseconds.
const PURGE_INTERVAL: u64 = 60_000;

impl Endpoint {
    pub(super) async fn create_queue(&self, request: CreateQueue) -> Result<QueueUrl, SqsError> {
        let name = request.queue_name.ok_or_else(|| missing("QueueName"))?;
        let attributes = request.attributes.unwrap_or_default();
        let tags = request.tags.unwrap_or_default();
        check_tags(&name, &tags)?;
        let created = self
            .queues
            .write(|account, now, changes| account.create(&name, &attributes, tags, now, changes));
        created.await?;
        Ok(QueueUrl {
            queue_url: self.url(&name),
        })
    }

    pub(super) async fn get_queue_url(&self, request: GetQueueUrl) -> Result<QueueUrl, SqsError> {
        let name = request.queue_name.ok_or_else(|| missing("QueueName"))?;
        self.queues.read(|account| account.settings(&name))?;
        Ok(QueueUrl {
            queue_url: self.url(&name),
        })
    }

    pub(super) async fn list_queues(&self, request: ListQueues) -> Result<QueueUrls, SqsError> {
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
    ) -> Result<QueueUrls, SqsError> {
        let target = queue_name(request.queue_url.as_deref())?;
        self.queues.read(|account| account.settings(target))?;
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

    /// Returns one page of the queues for which `belongs` is true, and the token of the next
    /// page. The token is the name of the last queue on this page.
    fn page(
        &self,
        request: &ListQueues,
        belongs: impl Fn(&str, &QueueSettings) -> bool,
    ) -> Result<(Vec<String>, Option<String>), SqsError> {
        let asked = check_range("MaxResults", request.max_results, 1..=MAX_PAGE_SIZE)?;
        let size = usize::try_from(asked.unwrap_or(MAX_PAGE_SIZE)).unwrap_or(usize::MAX);
        let after = match &request.next_token {
            None => String::new(),
            Some(token) => {
                let name = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
                let name = name.and_then(|name| String::from_utf8(name).ok());
                name.ok_or_else(|| {
                    invalid_value(
                        token,
                        "NextToken",
                        "The token was not issued by this endpoint.",
                    )
                })?
            }
        };
        self.queues.read(|account| {
            let names = account.names_after(&after);
            let mut names = names.filter(|(name, settings)| belongs(name, settings));
            let page: Vec<&str> = names.by_ref().take(size).map(|(name, _)| name).collect();
            // SQS returns a token only if the request limits the page size.
            let more = asked.is_some() && names.next().is_some();
            let last = page.last().filter(|_| more);
            let token = last.map(|name| BASE64_URL_SAFE_NO_PAD.encode(name));
            Ok((page.into_iter().map(|name| self.url(name)).collect(), token))
        })
    }

    pub(super) async fn delete_queue(&self, request: QueueRequest) -> Result<Empty, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let deleted = self
            .queues
            .write(|account, now, changes| account.delete(name, now, changes));
        deleted.await.map(|()| Empty {})
    }

    pub(super) async fn get_queue_attributes(
        &self,
        request: GetQueueAttributes,
    ) -> Result<QueueAttributes, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let names = request.attribute_names.unwrap_or_default();
        let found = self.queues.write(|account, now, changes| {
            let mut attributes = attributes_of(account.queue(name, now, changes)?);
            if names.iter().any(|name| name == "All") {
                return Ok(attributes);
            }
            for name in &names {
                let known = OPTIONAL.contains(&name.as_str()) || attributes.contains_key(name);
                if !known {
                    return Err(
                        ErrorCode::InvalidAttributeName.error(format!("Unknown Attribute {name}."))
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
    ) -> Result<Empty, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let attributes = request.attributes.ok_or_else(|| missing("Attributes"))?;
        let set = self
            .queues
            .write(|account, now, changes| account.set_attributes(name, &attributes, now, changes));
        set.await.map(|()| Empty {})
    }

    pub(super) async fn purge_queue(&self, request: QueueRequest) -> Result<Empty, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let purged = self.queues.write(|account, now, changes| {
            let queue = account.queue(name, now, changes)?;
            if queue.purged_at.is_some_and(|at| at + PURGE_INTERVAL > now) {
                return Err(ErrorCode::PurgeQueueInProgress.error(format!(
                    "Only one PurgeQueue operation on {name} is allowed every 60 seconds."
                )));
            }
            queue.purge(now, changes);
            Ok(Empty {})
        });
        purged.await
    }

    pub(super) async fn tag_queue(&self, request: TagQueue) -> Result<Empty, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let added = request.tags.ok_or_else(|| missing("Tags"))?;
        self.change_tags(name, |tags| tags.extend(added)).await
    }

    pub(super) async fn untag_queue(&self, request: UntagQueue) -> Result<Empty, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let removed = request.tag_keys.ok_or_else(|| missing("TagKeys"))?;
        self.change_tags(name, |tags| tags.retain(|key, _| !removed.contains(key)))
            .await
    }

    async fn change_tags(
        &self,
        name: &str,
        act: impl FnOnce(&mut AttributeMap),
    ) -> Result<Empty, SqsError> {
        let changed = self.queues.write(|account, now, changes| {
            let queue = account.queue(name, now, changes)?;
            let mut tags = queue.tags.clone();
            act(&mut tags);
            check_tags(name, &tags)?;
            queue.tags = tags;
            queue.save(changes);
            Ok(Empty {})
        });
        changed.await
    }

    pub(super) async fn list_queue_tags(&self, request: QueueRequest) -> Result<Tags, SqsError> {
        let name = queue_name(request.queue_url.as_deref())?;
        let tags = self
            .queues
            .write(|account, now, changes| Ok(account.queue(name, now, changes)?.tags.clone()));
        Ok(Tags { tags: tags.await? })
    }
}

/// The attributes that a request may name although the queue has no value for them.
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

fn attributes_of(queue: &Queue) -> AttributeMap {
    let counts = queue.counts();
    let mut attributes = queue.settings.attributes().clone();
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

fn check_tags(name: &str, tags: &AttributeMap) -> Result<(), SqsError> {
    let refused = |reason: String| Err(ErrorCode::InvalidParameterValue.error(reason));
    if tags.len() > MAX_TAGS {
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
