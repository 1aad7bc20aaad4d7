//! Changes to batch requests and to their responses. The real services could make the same
//! changes.

use fastrand::Rng;
use serde_json::{Value, json};

use crate::proxy::{Change, Request};

/// Fails some entries of a batch request. With `denied`, these entries are executed and
/// only reported as failed. Returns `None` if the request is not a batch of several
/// entries.
pub(crate) fn fail_some(request: &mut Request, denied: bool, random: &mut Rng) -> Option<Change> {
    let list = match &*request.operation {
        "BatchExecuteStatement" => "Statements",
        "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => "Entries",
        _ => return None,
    };
    let mut body: Value = serde_json::from_slice(&request.body).ok()?;
    let entries = body.get_mut(list)?.as_array_mut()?;
    let fails: Vec<bool> = entries.iter().map(|_| random.u8(0..3) == 0).collect();
    // A batch without entries is not a valid request.
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
        "Statements" => Box::new(move |response| fail_statements(&response, &fails, denied)),
        _ => Box::new(move |response| fail_entries(&response, &ids, &fails)),
    })
}

fn fail_statements(response: &[u8], fails: &[bool], denied: bool) -> Vec<u8> {
    changed(response, |response| {
        let Some(responses) = response.get_mut("Responses").and_then(Value::as_array_mut) else {
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

fn fail_entries(response: &[u8], ids: &[Value], fails: &[bool]) -> Vec<u8> {
    changed(response, |response| {
        let failing: Vec<&Value> = ids
            .iter()
            .zip(fails)
            .filter(|(_, f)| **f)
            .map(|(id, _)| id)
            .collect();
        if let Some(successful) = response.get_mut("Successful").and_then(Value::as_array_mut) {
            successful.retain(|entry| !failing.contains(&&entry["Id"]));
        }
        let failed = failing.iter().map(|id| {
            json!({"Id": id, "SenderFault": false, "Code": "InternalError", "Message": "by plan"})
        });
        match response.get_mut("Failed").and_then(Value::as_array_mut) {
            Some(already) => already.extend(failed),
            None => response["Failed"] = failed.collect(),
        }
    })
}

/// Changes the messages of a response to `ReceiveMessage`.
pub(crate) fn change_messages(response: &[u8], change: impl FnOnce(&mut Vec<Value>)) -> Vec<u8> {
    changed(response, |response| {
        let mut messages = match response.get_mut("Messages").map(Value::take) {
            Some(Value::Array(messages)) => messages,
            _ => Vec::new(),
        };
        change(&mut messages);
        response["Messages"] = messages.into();
    })
}

/// Shortens the visibility timeouts in a request. Another consumer then receives the
/// messages of a stopped consumer soon, and also messages that are still being handled.
pub(crate) fn shorten_visibility(request: &mut Request, seconds: u64) -> bool {
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

/// Applies a change to a JSON text. A text that is not JSON is returned unchanged.
fn changed(json: &[u8], change: impl FnOnce(&mut Value)) -> Vec<u8> {
    match serde_json::from_slice(json) {
        Ok(mut value) => {
            change(&mut value);
            value.to_string().into_bytes()
        }
        Err(_) => json.to_vec(),
    }
}
