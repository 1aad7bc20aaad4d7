//! Receipt handles: proof of one receive of one message.

use super::error::{Kind, Refusal};
use super::queue::Seq;

/// Names one receive: which queue, which message, and which of its receives.
///
/// Everything in it is kept across restarts, so a handle stays valid over one.
/// To callers it is an opaque text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) queue: u64,
    pub(super) seq: Seq,
    pub(super) receive: u32,
}

impl Receipt {
    pub(super) fn encode(self) -> String {
        format!("{:016x}{:016x}{:08x}", self.queue, self.seq, self.receive)
    }

    /// Reads a handle that was issued by the queue `queue`.
    ///
    /// # Errors
    ///
    /// `ReceiptHandleIsInvalid` if it is no handle, or another queue's.
    pub(super) fn decode(handle: &str, queue: u64) -> Result<Self, Refusal> {
        let part = |range: std::ops::Range<usize>| {
            let digits = handle.get(range)?;
            // from_str_radix takes a sign; handles have none.
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
            _ => Err(Kind::ReceiptHandleIsInvalid.because(format!(
                "The input receipt handle \"{handle}\" is not a valid receipt handle."
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_read_back_by_its_own_queue_only() {
        let receipt = Receipt {
            queue: 7,
            seq: u64::MAX,
            receive: 3,
        };
        let handle = receipt.encode();
        assert_eq!(Receipt::decode(&handle, 7), Ok(receipt));
        assert!(Receipt::decode(&handle, 8).is_err());
    }

    #[test]
    fn what_is_no_handle_is_refused() {
        let signed = format!("+{}", "0".repeat(39));
        for handle in ["", "garbage", &"z".repeat(40), &"é".repeat(20), &signed] {
            let refusal = Receipt::decode(handle, 0).unwrap_err();
            assert_eq!(refusal.kind, Kind::ReceiptHandleIsInvalid, "{handle}");
        }
    }
}
