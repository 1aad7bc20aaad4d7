//! The state that all processes of a run share.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::retry::RetryPartition;
use aws_sdk_sqs::config::retry::RetryConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{Credentials, Region};
use domain_events::__internals::{behavior_version, timeouts};
use domain_events::EventStore;

use crate::endpoints::Service;
use crate::journal::Entry;
use crate::model::{Findings, Violation};
use crate::network::Network;
use crate::process::Panics;
use crate::virtual_time;

pub(crate) const TABLE: &str = "events";

/// The environment of a run: the state that survives a crash, and the observations of the
/// harness.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) fifo: bool,
    pub(crate) network: Arc<Network>,
    /// Holds the spools.
    pub(crate) folder: PathBuf,
    pub(crate) panics: Panics,
    journals: Mutex<BTreeMap<String, Vec<Entry>>>,
    broken: Mutex<Vec<String>>,
    /// The number of events that are still to be emitted.
    left: AtomicU64,
}

impl World {
    pub(crate) fn new(
        seed: u64,
        fifo: bool,
        events: u64,
        network: Arc<Network>,
        folder: PathBuf,
    ) -> Self {
        Self {
            seed,
            fifo,
            network,
            folder,
            panics: Panics::default(),
            journals: Mutex::default(),
            broken: Mutex::default(),
            left: AtomicU64::new(events),
        }
    }

    /// The name of a queue.
    pub(crate) fn queue(&self, name: &str) -> String {
        let suffix = if self.fifo { ".fifo" } else { "" };
        format!("{name}{suffix}")
    }

    pub(crate) fn queue_url(&self, name: &str) -> String {
        format!("{}/000000000000/{}", Service::Sqs.url(), self.queue(name))
    }

    /// Reserves up to `events` of the remaining events for a producer.
    pub(crate) fn take(&self, events: u64) -> u64 {
        let left = self.left.load(Ordering::Relaxed);
        let taken = events.min(left);
        self.left.store(left - taken, Ordering::Relaxed);
        taken
    }

    pub(crate) fn is_emitting(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn journal(&self, producer: &str, entry: Entry) {
        let mut journals = self.journals.lock().unwrap();
        journals.entry(producer.to_owned()).or_default().push(entry);
    }

    pub(crate) fn take_journals(&self) -> BTreeMap<String, Vec<Entry>> {
        std::mem::take(&mut self.journals.lock().unwrap())
    }

    pub(crate) fn report_broken(&self, what: String) {
        self.broken.lock().unwrap().push(what);
    }

    pub(crate) fn add_broken(&self, findings: &mut Findings) {
        let panics = self.panics.lock().unwrap();
        let panics = panics
            .iter()
            .map(|name| format!("a task of {name} panicked"));
        for what in self.broken.lock().unwrap().drain(..).chain(panics) {
            findings.violation(Violation::Broken, || what);
        }
    }

    /// The SQS client of a process, or of the observer.
    pub(crate) fn sqs(&self, process: Option<&str>) -> aws_sdk_sqs::Client {
        self.sqs_with(process, RetryConfig::standard(), timeouts())
    }

    pub(crate) fn sqs_with(
        &self,
        process: Option<&str>,
        retries: RetryConfig,
        timeouts: TimeoutConfig,
    ) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(behavior_version())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "simulation"))
            .endpoint_url(Service::Sqs.url())
            .http_client(self.network.client(Service::Sqs, process))
            .time_source(Network::time_source())
            .retry_config(retries)
            .retry_partition(retry_partition())
            .timeout_config(timeouts)
            .build();
        aws_sdk_sqs::Client::from_conf(config)
    }

    pub(crate) fn dynamodb(&self, process: Option<&str>) -> aws_sdk_dynamodb::Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(behavior_version())
            .region(Region::from_static("eu-west-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "simulation"))
            .endpoint_url(Service::DynamoDb.url())
            .http_client(self.network.client(Service::DynamoDb, process))
            .time_source(Network::time_source())
            .retry_partition(retry_partition())
            .timeout_config(timeouts())
            .build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    pub(crate) fn store(&self, process: Option<&str>) -> EventStore {
        EventStore::new(self.dynamodb(process), TABLE).with_clock(virtual_time::timestamp)
    }
}

/// Returns a new retry partition, so that every process has its own budget of retries. The AWS
/// SDK keeps the budgets in a static variable, so a run would otherwise depend on earlier
/// runs.
fn retry_partition() -> RetryPartition {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    RetryPartition::new(format!("simulation-{number}"))
}
