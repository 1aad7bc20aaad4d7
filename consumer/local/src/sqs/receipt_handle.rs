//! Receipt handles.

use super::error::{ErrorCode, SqsError};
use super::message::Seq;

/// Identifies one receive: the queue, the message, and the number of the receive.
///
/// All parts survive a restart, so a handle stays valid after a restart. For clients, a
/// handle is opaque text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReceiptHandle {
    pub(super) queue: u64,
    pub(super) seq: Seq,
    pub(super) receive: u32,
}

impl ReceiptHandle {
    pub(super) fn encode(self) -> String {
        format!("{:016x}{:016x}{:08x}", self.queue, self.seq, self.receive)
    }

    /// Decodes a handle that was issued by the queue with the id `queue`.
    ///
    /// # Errors
    ///
    /// `ReceiptHandleIsInvalid` if the text is not a handle, or is a handle of another queue.
    pub(super) fn decode(handle: &str, queue: u64) -> Result<Self, SqsError> {
        let part = |range: std::ops::Range<usize>| {
            let digits = handle.get(range)?;
            // `from_str_radix` accepts a sign; a handle has none.
            let hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            hex.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
        };
        let receipt = (handle.len() == 40)
            .then(|| {
                Some(Self {
                    queue: part(0..16)?,
                    seq: part(16..32)?,
                    receive: u32::try_from(part(32..40)?).ok()?,
                })
            })
            .flatten();
        match receipt {
            Some(receipt) if receipt.queue == queue => Ok(receipt),
            _ => Err(ErrorCode::ReceiptHandleIsInvalid.error(format!(
                "The input receipt handle \"{handle}\" is not a valid receipt handle."
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handle_of_another_queue_is_refused() {
        let receipt = ReceiptHandle {
            queue: 7,
            seq: u64::MAX,
            receive: 3,
        };
        let handle = receipt.encode();
        assert_eq!(ReceiptHandle::decode(&handle, 7), Ok(receipt));
        assert!(ReceiptHandle::decode(&handle, 8).is_err());
    }

    #[test]
    fn malformed_handle_is_refused() {
        let signed = format!("+{}", "0".repeat(39));
        for handle in ["", "garbage", &"z".repeat(40), &"é".repeat(20), &signed] {
            let error = ReceiptHandle::decode(handle, 0).unwrap_err();
            assert_eq!(error.code, ErrorCode::ReceiptHandleIsInvalid, "{handle}");
        }
    }
}
