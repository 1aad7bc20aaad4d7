//! Families of message bodies, and the pipeline that processes them.
//!
//! Each family makes bodies of any size that grow in one direction, for example in
//! nesting or in the length of a key. The cost of the pipeline must be linear in the
//! size of the body.

use domain_events::__internals::{item_of, read_item};
use domain_events_consumer::__internals::decode_record;
use domain_events_consumer::Record;

type Family = (&'static str, fn(usize) -> String);

/// Every family: its name, and the function that makes a body of a given size.
pub const ALL: [Family; 22] = [
    ("nested arrays", |n| {
        data(&format!("[{}{}]", "[".repeat(n), "]".repeat(n)))
    }),
    ("nested objects", |n| {
        data(&format!("{}0{}", "{\"a\":".repeat(n), "}".repeat(n)))
    }),
    ("nesting cut off", |n| "[".repeat(n)),
    ("keys", |n| data(&object(n, |i| format!("\"k{i:07}\":0")))),
    ("keys with escapes", |n| {
        data(&object(n, |i| format!("\"\\u006b{i:07}\\n\":0")))
    }),
    ("one key many times", |n| {
        data(&object(n, |_| "\"same\":0".to_owned()))
    }),
    ("last key repeats the first", |n| {
        data(&object(n, |i| format!("\"k{:07}\":0", i % (n - 1))))
    }),
    ("one long key", |n| {
        data(&format!("{{\"{}\":1e999}}", "/~".repeat(n)))
    }),
    ("long keys above a fault", |n| {
        let key = format!("{{\"{}\":", "/".repeat(n));
        data(&format!("{}1e999{}", key.repeat(20), "}".repeat(20)))
    }),
    ("escapes", |n| text(&r"\n\u0041".repeat(n))),
    ("surrogate pairs", |n| text(&r"\ud83d\ude00".repeat(n))),
    ("characters that SQS refuses", |n| {
        text(&r"\uFFFE\uffff\u0000".repeat(n))
    }),
    ("plain text", |n| text(&"plain ".repeat(n))),
    ("an unclosed string", |n| {
        format!("{{\"Data\":\"{}", "x\\\\".repeat(n))
    }),
    ("digits", |n| data(&"9".repeat(n))),
    ("zeros around a digit", |n| {
        data(&format!("0.{}1{}", "0".repeat(60), "0".repeat(n)))
    }),
    ("digits of an exponent", |n| {
        data(&format!("1e{}", "9".repeat(n)))
    }),
    ("array", |n| {
        data(&format!("[{}]", vec!["1.5"; n].join(",")))
    }),
    ("top-level fields", |n| {
        event(
            &(0..n)
                .map(|i| format!(",\"f{i:07}\":1"))
                .collect::<String>(),
        )
    }),
    ("white space", |n| event(&" \n\t\r".repeat(n))),
    ("packed events", |n| {
        format!("[{}]", vec![event(",\"Data\":{\"a\":[1,2]}"); n].join(","))
    }),
    ("packed values that are not events", |n| {
        format!("[{}]", vec!["7"; n].join(","))
    }),
];

/// Makes a body of size `n`, or `None` if there is no family of that name.
pub fn body(family: &str, n: usize) -> Option<String> {
    let (_, make) = ALL.iter().find(|(name, _)| *name == family)?;
    Some(make(n))
}

/// Runs a message through the whole pipeline: decodes it, encodes its events, converts
/// each one to an item, reads the item, and encodes the result again.
pub fn run_pipeline(body: &str) {
    let record = Record::new("message-id", body);
    for event in decode_record(&record).into_iter().flatten() {
        if let Ok(envelope) = event.outcome {
            let message = domain_events::wire::encode(&envelope);
            let item = item_of(&envelope, 1);
            let read = read_item(item);
            let again = read.map(|stored| domain_events::wire::encode(stored.envelope()));
            std::hint::black_box((message.is_ok(), again.is_ok()));
        }
    }
}

fn event(more_fields: &str) -> String {
    format!(
        "{{\"Timestamp\":1,\"EventType\":\"A\",\"ID\":\"e\",\"EmitterId\":\"u\",\"EmitterType\":\"USER\"{more_fields}}}"
    )
}

fn data(value: &str) -> String {
    event(&format!(",\"Data\":{{\"a\":{value}}}"))
}

fn text(escaped: &str) -> String {
    data(&format!("\"{escaped}\""))
}

fn object(n: usize, member: impl Fn(usize) -> String) -> String {
    format!("{{{}}}", (0..n).map(member).collect::<Vec<_>>().join(","))
}
