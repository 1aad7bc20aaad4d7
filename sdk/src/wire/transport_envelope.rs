//! Recognises the envelopes that other AWS services put around a message.

/// The keys of an object that help to recognise an envelope of another service.
#[derive(Debug, Default)]
pub(super) struct SeenKeys(u8);

const SNS: [&str; 3] = ["Type", "TopicArn", "Message"];
const EVENT_BRIDGE: [&str; 3] = ["detail-type", "source", "detail"];

impl SeenKeys {
    pub(super) fn add(&mut self, key: &str) {
        let all = SNS.iter().chain(&EVENT_BRIDGE);
        if let Some(bit) = all.clone().position(|known| *known == key) {
            self.0 |= 1 << bit;
        }
    }

    /// If an object with these keys is an envelope of another service, describes the
    /// envelope and the setting that removes it.
    pub(super) fn envelope(&self) -> Option<&'static str> {
        if self.0 & 0b000_111 == 0b000_111 {
            Some(
                "found an SNS notification around the message; enable raw message delivery on the \
                 subscription of the queue (RawMessageDelivery = true)",
            )
        } else if self.0 & 0b111_000 == 0b111_000 {
            Some(
                "found an EventBridge event around the message; make the rule's target send only \
                 the detail (InputPath = \"$.detail\")",
            )
        } else {
            None
        }
    }
}
