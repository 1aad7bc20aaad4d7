//! The payload of an invocation → records → verdicts.

use aws_lambda_events::event::sqs::SqsEvent;
use domain_events_consumer::hosts::lambda::records;
use domain_events_consumer::record::{DecodeFailure, DecodedRecord, decode_record};

use super::secrecy;

/// No payload that is an SQS event makes the consumer fail.
pub fn check(input: &[u8]) {
    // The runtime answers Lambda by itself where the payload is none.
    let Ok(event) = serde_json::from_slice::<SqsEvent>(input) else {
        return;
    };
    let count = event.records.len();
    let records = records(event);
    assert_eq!(records.len(), count);
    for record in &records {
        match decode_record(record) {
            Err(DecodeFailure::Panicked) => panic!("decoding panicked"),
            Err(DecodeFailure::NoMessageId) => {
                let id = &record.message_id;
                assert!(id.is_empty() || id.len() > 128, "{id} is an id");
            }
            Ok(events) => {
                assert!(!events.is_empty());
                for event in &events {
                    match event {
                        DecodedRecord::Valid(envelope) => super::decode::comes_back(envelope),
                        DecodedRecord::Rejected(text, rejection) => {
                            assert!(record.body.contains(text));
                            secrecy::assert_keeps(&rejection.reason, &record.body);
                        }
                    }
                }
            }
        }
    }
}
