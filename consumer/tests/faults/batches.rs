//! Changes to batch requests and their answers, as their services could make
//! them.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::proxy::{Change, Request};

/// Fails some entries of a batch request. Where they are `denied` they are
/// carried out all the same. `None` if the request is no batch of several.
pub(crate) fn fail_some(request: &mut Request, denied: bool, random: &mut Rng) -> Option<Change> {
    let list = match &*request.operation {
        "BatchExecuteStatement" => "Statements",
        "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => "Entries",
        _ => return None,
    };
    let mut body: Value = serde_json::from_slice(&request.body).ok()?;
    let entries = body.get_mut(list)?.as_array_mut()?;
    let fails: Vec<bool> = entries.iter().map(|_| random.u8(0..3) == 0).collect();
    // A batch of which nothing is left is no request.
    if !fails.contains(&true) || !(denied || fails.contains(&false)) {
        return None;
    }
    let ids: Vec<Value> = entries.iter().map(|entry| entry["Id"].clone()).collect();
    if !denied {
        let mut fail = fails.iter();
        entries.retain(|_| !fail.next().copied().unwrap_or_default());
        request.body = body.to_string().into_bytes();
    }
    Some(match list {
        "Statements" => Box::new(move |answer| fail_statements(&answer, &fails, denied)),
        _ => Box::new(move |answer| fail_entries(&answer, &ids, &fails)),
    })
}

fn fail_statements(answer: &[u8], fails: &[bool], denied: bool) -> Vec<u8> {
    changed(answer, |answer| {
        let Some(responses) = answer.get_mut("Responses").and_then(Value::as_array_mut) else {
            return;
        };
        let mut carried_out = std::mem::take(responses).into_iter();
        for fails in fails {
            if *fails && denied {
                carried_out.next();
            }
            responses.extend(match fails {
                true => {
                    Some(json!({"Error": {"Code": "InternalServerError", "Message": "by plan"}}))
                }
                false => carried_out.next(),
            });
        }
    })
}

fn fail_entries(answer: &[u8], ids: &[Value], fails: &[bool]) -> Vec<u8> {
    changed(answer, |answer| {
        let failing: Vec<&Value> = ids
            .iter()
            .zip(fails)
            .filter(|(_, f)| **f)
            .map(|(id, _)| id)
            .collect();
        if let Some(successful) = answer.get_mut("Successful").and_then(Value::as_array_mut) {
            successful.retain(|entry| !failing.contains(&&entry["Id"]));
        }
        let failed = failing.iter().map(|id| {
            json!({"Id": id, "SenderFault": false, "Code": "InternalError", "Message": "by plan"})
        });
        match answer.get_mut("Failed").and_then(Value::as_array_mut) {
            Some(already) => already.extend(failed),
            None => answer["Failed"] = failed.collect(),
        }
    })
}

/// Changes the messages of an answer to `ReceiveMessage`.
pub(crate) fn change_messages(answer: &[u8], change: impl FnOnce(&mut Vec<Value>)) -> Vec<u8> {
    changed(answer, |answer| {
        let mut messages = match answer.get_mut("Messages").map(Value::take) {
            Some(Value::Array(messages)) => messages,
            _ => Vec::new(),
        };
        change(&mut messages);
        answer["Messages"] = messages.into();
    })
}

/// Lets messages be seen again after some seconds, whatever the request says:
/// what a consumer that stopped had taken is then soon another's, and what one
/// still works at as well.
pub(crate) fn show_early(request: &mut Request, seconds: u64) -> bool {
    if !["ReceiveMessage", "ChangeMessageVisibilityBatch"].contains(&&*request.operation) {
        return false;
    }
    let mut early = false;
    request.body = changed(&request.body, |body| {
        let shorten = |of: &mut Value| match of.get_mut("VisibilityTimeout") {
            Some(timeout) if timeout.as_u64() > Some(seconds) => {
                *timeout = seconds.into();
                true
            }
            _ => false,
        };
        early |= shorten(body);
        let entries = body.get_mut("Entries").and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten() {
            early |= shorten(entry);
        }
    });
    early
}

/// The JSON with a change; as it is if it is none.
fn changed(json: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    match serde_json::from_slice(json) {
        Ok(mut value) => {
            change(&mut value);
            value.to_string().into_bytes()
        }
        Err(_) => json.to_vec(),
    }
}
