//! The payload of an invocation → records → verdicts.

use domain_events_consumer::__internals::{DecodeFailure, decode_record, read_payload};
use serde_json::value::RawValue;

use super::secrecy;

/// No payload that is an SQS event makes the consumer fail, and no error quotes one.
pub fn check(input: &[u8]) {
    // Lambda sends JSON, and `lambda_runtime` refuses anything else.
    let Ok(payload) = serde_json::from_slice::<Box<RawValue>>(input) else {
        return;
    };
    let records = match read_payload(payload.get()) {
        Ok(records) => records,
        Err(error) => return secrecy::assert_keeps(&error.to_string(), payload.get()),
    };
    for record in &records {
        match decode_record(record) {
            Err(DecodeFailure::Panicked) => panic!("decoding panicked"),
            Err(DecodeFailure::NoMessageId) => {
                let id = record.message_id();
                assert!(id.is_empty() || id.len() > 128, "{id} is an id");
            }
            Ok(events) => {
                assert!(!events.is_empty());
                for event in &events {
                    match &event.outcome {
                        Ok(envelope) => super::decode::comes_back(envelope),
                        Err(rejection) => {
                            assert!(record.body().contains(event.text));
                            for fault in rejection.reason.split("; also ") {
                                secrecy::assert_keeps(fault, record.body());
                            }
                        }
                    }
                }
            }
        }
    }
}
