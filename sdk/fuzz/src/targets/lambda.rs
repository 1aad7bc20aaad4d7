//! Reads the payload of a Lambda invocation, and decodes its records.

use domain_events_consumer::__internals::{DecodeFailure, decode_record, read_payload};
use serde_json::value::RawValue;

use super::secrecy;

/// The consumer never panics on an SQS event, and no error quotes the payload.
pub fn check(input: &[u8]) {
    // Lambda sends JSON, and `lambda_runtime` rejects everything else.
    let Ok(payload) = serde_json::from_slice::<Box<RawValue>>(input) else {
        return;
    };
    let records = match read_payload(payload.get()) {
        Ok(records) => records,
        Err(error) => return secrecy::assert_not_quoted(&error.to_string(), payload.get()),
    };
    for record in &records {
        match decode_record(record) {
            Err(DecodeFailure::Panicked) => panic!("decoding panicked"),
            Err(DecodeFailure::NoMessageId) => {
                let id = record.message_id();
                assert!(
                    id.is_empty() || id.len() > 128,
                    "{id} is a valid message id"
                );
            }
            Ok(events) => {
                assert!(!events.is_empty());
                for event in &events {
                    match &event.outcome {
                        Ok(envelope) => super::decode::assert_round_trip(envelope),
                        Err(rejection) => {
                            assert!(record.body().contains(event.text));
                            for fault in rejection.reason.split("; also ") {
                                secrecy::assert_not_quoted(fault, record.body());
                            }
                        }
                    }
                }
            }
        }
    }
}
