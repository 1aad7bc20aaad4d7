//! Entity ids, emitters, and events behind smart pointers.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::rc::Rc;
use std::sync::Arc;

use domain_events::{
    Context, DomainEvent, Emitter, Envelope, EventDefinition, InvalidEvent, RejectionCode,
};
use serde::{Deserialize, Serialize};

fn new(event: &impl DomainEvent) -> Result<Envelope, InvalidEvent> {
    Envelope::new(event, &Context::new(Emitter::user("u-1").unwrap()))
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, DomainEvent)]
#[event(emitter_type = "SYSTEM", emitter_id = "clock")]
struct Ticked {
    #[event(id)]
    id: u32,
}

#[test]
fn pointer_to_an_event_is_an_event() {
    fn check<E: DomainEvent + serde::de::DeserializeOwned + fmt::Debug + PartialEq>(event: E) {
        let envelope = new(&event).unwrap();
        assert_eq!(*envelope.event_type(), "TICKED");
        assert_eq!(*envelope.entity_id(), "7");
        assert_eq!(*envelope.emitter(), Emitter::system("clock").unwrap());
        assert_eq!(envelope.decode().unwrap(), Some(event));
    }
    let event = Ticked { id: 7 };
    check(Arc::new(event.clone()));
    check(Rc::new(event.clone()));
    check(Box::new(event.clone()));
    check::<Cow<'static, Ticked>>(Cow::Owned(event.clone()));
    assert!(new(&Cow::Borrowed(&event)).is_ok());
    assert!(new(&&event).is_ok());
}

/// An event implemented by hand. Its emitter may have no id, no type, or neither.
#[derive(Serialize)]
struct PartialEmitter {
    #[serde(skip)]
    id: Option<&'static str>,
    #[serde(skip)]
    kind: Option<&'static str>,
}

impl DomainEvent for PartialEmitter {
    const DEFINITIONS: &'static [EventDefinition] = &[EventDefinition::new("PARTIAL_EMITTER")];
    fn entity_id(&self) -> &dyn Display {
        &"e"
    }
    fn emitter_id(&self) -> Option<&dyn Display> {
        self.id.as_ref().map(|id| id as _)
    }
    fn emitter_type(&self) -> Option<&dyn Display> {
        self.kind.as_ref().map(|kind| kind as _)
    }
}

#[test]
fn incomplete_emitter_is_refused() {
    let emitter = |id, kind| new(&PartialEmitter { id, kind }).map(|event| event.emitter().clone());
    let own = Emitter::system("own").unwrap();
    assert_eq!(emitter(Some("own"), Some("SYSTEM")).unwrap(), own);
    assert_eq!(emitter(None, None).unwrap(), Emitter::user("u-1").unwrap());
    for (id, kind, pointer) in [
        (Some("own"), None, "/EmitterType"),
        (None, Some("SYSTEM"), "/EmitterId"),
    ] {
        let error = emitter(id, kind).unwrap_err();
        let found = (error.code(), error.pointer());
        assert_eq!(found, (RejectionCode::MissingField, pointer));
    }
}

#[derive(Serialize, DomainEvent)]
#[event(emitter_type = "SYSTEM", emitter_id = "billing")]
enum Mixed {
    Ticked(Ticked),
    Plain(Plain),
}

#[derive(Serialize, DomainEvent)]
struct Plain {
    #[event(id)]
    id: u32,
}

#[test]
fn wrapped_event_inherits_enum_emitter() {
    let emitter = |event| new(&event).unwrap().emitter().id().to_string();
    assert_eq!(emitter(Mixed::Ticked(Ticked { id: 1 })), "clock");
    assert_eq!(emitter(Mixed::Plain(Plain { id: 1 })), "billing");
    assert_eq!(
        new(&Plain { id: 1 }).unwrap().emitter().id().as_str(),
        "u-1"
    );
}

#[test]
fn emitter_and_timestamp_are_serialized() {
    let emitter = Emitter::user("u-1").unwrap();
    let json = serde_json::to_string(&emitter).unwrap();
    assert_eq!(json, r#"{"id":"u-1","type":"USER"}"#);
    assert_eq!(serde_json::from_str::<Emitter>(&json).unwrap(), emitter);
    let time: domain_events::Timestamp = "1596719980.000000001".parse().unwrap();
    let json = serde_json::to_string(&time).unwrap();
    assert_eq!(json, r#""1596719980.000000001""#);
    assert_eq!(
        serde_json::from_str::<domain_events::Timestamp>(&json).unwrap(),
        time
    );
}
