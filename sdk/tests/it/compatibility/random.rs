//! Random chains of random changes. Every value that an accepted step wrote must match the
//! schema of the values that the last step reads. The crate `jsonschema`, an independent
//! implementation of JSON Schema, checks this.

use proptest::prelude::RngExt as _;
use proptest::test_runner::{TestRng, TestRunner};
use serde_json::{Map, Value, json};

use super::*;

/// A model of a type, with the properties that matter to serde and `schemars`.
#[derive(Debug, Clone, PartialEq)]
enum Ty {
    Whole(&'static str, i64, i64),
    Text,
    Flag,
    Names(Vec<Name>),
    Option(Box<Ty>),
    List(Box<Ty>),
    Map(Box<Ty>),
    Pair(Box<Ty>, Box<Ty>),
    Struct(Vec<Field>),
    Variants(Vec<(Name, Ty)>),
}

/// The name of an enum variant.
#[derive(Debug, Clone, PartialEq)]
struct Name {
    name: &'static str,
    is_written: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Field {
    name: &'static str,
    ty: Ty,
    /// `skip_serializing_if`
    may_be_omitted: bool,
    /// `default`
    has_default: bool,
}

const WHOLE: &[Ty] = &[
    Ty::Whole("uint8", 0, 255),
    Ty::Whole("int16", -32_768, 32_767),
    Ty::Whole("uint32", 0, u32::MAX as i64),
    Ty::Whole("int64", i64::MIN, i64::MAX),
];
const NAMES: &[&str] = &["a", "b", "c"];

/// A number below `bound`.
fn below(rng: &mut TestRng, bound: usize) -> usize {
    rng.random_range(0..bound)
}

fn one_in(rng: &mut TestRng, bound: usize) -> bool {
    below(rng, bound) == 0
}

fn any_type(rng: &mut TestRng, depth: usize) -> Ty {
    let inner = |rng: &mut TestRng| Box::new(any_type(rng, depth - 1));
    match below(rng, if depth == 0 { 4 } else { 10 }) {
        0 => WHOLE[below(rng, WHOLE.len())].clone(),
        1 => Ty::Text,
        2 => Ty::Flag,
        3 => Ty::Names(some_names(rng)),
        4 => match inner(rng) {
            // A nested option has the same schema as a single option.
            inner if matches!(*inner, Ty::Option(_)) => *inner,
            inner => Ty::Option(inner),
        },
        5 => Ty::List(inner(rng)),
        6 => Ty::Map(inner(rng)),
        7 => Ty::Pair(inner(rng), inner(rng)),
        8 => Ty::Struct(any_fields(rng, depth - 1)),
        _ => {
            let names = some_names(rng).into_iter();
            Ty::Variants(names.map(|name| (name, any_type(rng, depth - 1))).collect())
        }
    }
}

fn some_names(rng: &mut TestRng) -> Vec<Name> {
    let mut names: Vec<_> = NAMES
        .iter()
        .map(|name| Name {
            name,
            is_written: true,
        })
        .collect();
    names.truncate(1 + below(rng, NAMES.len()));
    names
}

fn any_fields(rng: &mut TestRng, depth: usize) -> Vec<Field> {
    let names = some_names(rng).into_iter();
    names.map(|name| any_field(rng, name.name, depth)).collect()
}

fn any_field(rng: &mut TestRng, name: &'static str, depth: usize) -> Field {
    let has_default = one_in(rng, 2);
    Field {
        name,
        ty: any_type(rng, depth),
        may_be_omitted: has_default && one_in(rng, 2),
        has_default,
    }
}

/// The type with one random change.
fn changed(ty: &Ty, rng: &mut TestRng, depth: usize) -> Ty {
    let ty = ty.clone();
    if one_in(rng, 12) {
        return any_type(rng, depth);
    }
    match ty {
        Ty::Whole(..) => WHOLE[below(rng, WHOLE.len())].clone(),
        Ty::Text | Ty::Flag if one_in(rng, 2) && depth > 0 => Ty::Option(Box::new(ty)),
        Ty::Text | Ty::Flag => ty,
        Ty::Names(mut names) => {
            changed_names(rng, &mut names);
            Ty::Names(names)
        }
        Ty::Option(inner) if one_in(rng, 3) => *inner,
        Ty::Option(inner) => match changed(&inner, rng, depth.saturating_sub(1)) {
            option @ Ty::Option(_) => option,
            inner => Ty::Option(Box::new(inner)),
        },
        Ty::List(inner) => Ty::List(Box::new(changed(&inner, rng, depth.saturating_sub(1)))),
        Ty::Map(inner) => Ty::Map(Box::new(changed(&inner, rng, depth.saturating_sub(1)))),
        Ty::Pair(one, other) if one_in(rng, 3) && one == other => Ty::List(one),
        Ty::Pair(one, other) => {
            Ty::Pair(Box::new(changed(&one, rng, depth.saturating_sub(1))), other)
        }
        Ty::Struct(mut fields) => {
            changed_fields(rng, &mut fields, depth.saturating_sub(1));
            Ty::Struct(fields)
        }
        Ty::Variants(mut variants) => {
            let mut names: Vec<_> = variants.iter().map(|(name, _)| name.clone()).collect();
            if one_in(rng, 2) {
                changed_names(rng, &mut names);
            } else {
                let index = below(rng, variants.len());
                variants[index].1 = changed(&variants[index].1, rng, depth.saturating_sub(1));
            }
            let variant = |name: Name| {
                let known = variants.iter().find(|(other, _)| other.name == name.name);
                let ty = known.map_or(Ty::Flag, |(_, ty)| ty.clone());
                (name, ty)
            };
            Ty::Variants(names.into_iter().map(variant).collect())
        }
    }
}

fn changed_names(rng: &mut TestRng, names: &mut Vec<Name>) {
    let index = below(rng, names.len());
    let missing = NAMES
        .iter()
        .find(|name| names.iter().all(|other| other.name != **name));
    match (below(rng, 3), missing) {
        (0, _) if names.len() > 1 => drop(names.remove(index)),
        (1, Some(name)) => names.push(Name {
            name,
            is_written: true,
        }),
        _ => names[index].is_written ^= true,
    }
    if names.iter().all(|name| !name.is_written) {
        names[0].is_written = true;
    }
}

fn changed_fields(rng: &mut TestRng, fields: &mut Vec<Field>, depth: usize) {
    let index = below(rng, fields.len());
    let missing = NAMES
        .iter()
        .find(|name| fields.iter().all(|other| other.name != **name));
    match (below(rng, 5), missing) {
        (0, _) if fields.len() > 1 => drop(fields.remove(index)),
        (1, Some(name)) => fields.push(any_field(rng, name, depth)),
        (2, _) => fields[index].ty = changed(&fields[index].ty, rng, depth),
        (3, _) => fields[index].has_default ^= true,
        _ => fields[index].may_be_omitted ^= true,
    }
    // Every field must stay readable by its own type. Otherwise, the check would refuse the type
    // for that reason and would not compare it.
    for field in fields {
        field.may_be_omitted &= field.has_default || matches!(field.ty, Ty::Option(_));
    }
}

/// The schema that `schemars` generates for the type.
fn schema(ty: &Ty, is_written: bool) -> Value {
    let inner = |ty: &Ty| schema(ty, is_written);
    let is_listed = |name: &Name| name.is_written || !is_written;
    match ty {
        Ty::Whole(format, least, most) => {
            json!({"type": "integer", "format": format, "minimum": least, "maximum": most})
        }
        Ty::Text => json!({"type": "string"}),
        Ty::Flag => json!({"type": "boolean"}),
        Ty::Names(names) => {
            let names = names.iter().filter(|name| is_listed(name));
            let names: Vec<_> = names.map(|name| name.name).collect();
            json!({"type": "string", "enum": names})
        }
        Ty::Option(ty) => json!({"anyOf": [inner(ty), {"type": "null"}]}),
        Ty::List(ty) => json!({"type": "array", "items": inner(ty)}),
        Ty::Map(ty) => json!({"type": "object", "additionalProperties": inner(ty)}),
        Ty::Pair(one, other) => {
            json!({"type": "array", "prefixItems": [inner(one), inner(other)], "minItems": 2, "maxItems": 2})
        }
        Ty::Struct(fields) => {
            let is_required = |field: &&Field| match is_written {
                true => !field.may_be_omitted,
                false => !field.has_default && !matches!(field.ty, Ty::Option(_)),
            };
            let required: Vec<_> = fields.iter().filter(is_required).map(|f| f.name).collect();
            let properties = fields.iter().map(|f| (f.name.to_owned(), inner(&f.ty)));
            let properties: Map<_, _> = properties.collect();
            json!({"type": "object", "properties": properties, "required": required})
        }
        Ty::Variants(variants) => {
            let variants = variants.iter().filter(|(name, _)| is_listed(name));
            let all: Vec<_> = variants
                .map(|(name, ty)| {
                    json!({"type": "object", "properties": {name.name: inner(ty)},
                        "required": [name.name], "additionalProperties": false})
                })
                .collect();
            json!({"oneOf": all})
        }
    }
}

/// A random value that the type can write.
fn value(ty: &Ty, rng: &mut TestRng) -> Value {
    match ty {
        Ty::Whole(_, least, most) => match below(rng, 3) {
            0 => (*least).into(),
            1 => (*most).into(),
            _ => 1.into(),
        },
        Ty::Text => "text".into(),
        Ty::Flag => one_in(rng, 2).into(),
        Ty::Names(names) => {
            let written: Vec<_> = names.iter().filter(|name| name.is_written).collect();
            written[below(rng, written.len())].name.into()
        }
        Ty::Option(_) if one_in(rng, 2) => Value::Null,
        Ty::Option(ty) => value(ty, rng),
        Ty::List(ty) => (0..below(rng, 3)).map(|_| value(ty, rng)).collect(),
        Ty::Map(ty) => {
            let keys = NAMES.iter().take(below(rng, 4));
            let members = keys.map(|key| ((*key).to_owned(), value(ty, rng)));
            Value::Object(members.collect())
        }
        Ty::Pair(one, other) => json!([value(one, rng), value(other, rng)]),
        Ty::Struct(fields) => {
            let mut object = Map::new();
            for field in fields {
                if !(field.may_be_omitted && one_in(rng, 2)) {
                    object.insert(field.name.to_owned(), value(&field.ty, rng));
                }
            }
            object.into()
        }
        Ty::Variants(variants) => {
            let written: Vec<_> = variants
                .iter()
                .filter(|(name, _)| name.is_written)
                .collect();
            let (name, ty) = written[below(rng, written.len())];
            json!({name.name: value(ty, rng)})
        }
    }
}

/// The document that a program with this event prints for the check.
fn document(ty: &Ty) -> String {
    let version = json!({"data": schema(ty, true), "reads": schema(ty, false), "sample": {}});
    let events = json!({"CHANGED": {"versions": {"1": version}}});
    json!({"program": {"format": 1, "events": events}, "unread": []}).to_string()
}

#[test]
fn accepted_changes_read_what_was_ever_written() {
    let mut runner = TestRunner::deterministic();
    let rng = runner.rng();
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..120 {
        let path = lock_path();
        let mut ty = Ty::Struct(any_fields(rng, 3));
        let mut written: Vec<(Ty, Value)> = Vec::new();
        for _ in 0..12 {
            let next = match written.is_empty() {
                true => ty.clone(),
                false => changed(&ty, rng, 3),
            };
            match check_document(&document(&next), &path, Mode::Update) {
                Ok(_) => accepted += 1,
                Err(LockError::Incompatible { .. }) => {
                    refused += 1;
                    continue;
                }
                Err(error) => panic!("{error}"),
            }
            ty = next;
            let reads = jsonschema::validator_for(&schema(&ty, false)).unwrap();
            for _ in 0..20 {
                written.push((ty.clone(), value(&ty, rng)));
            }
            for (writer, value) in &written {
                assert!(
                    reads.is_valid(value),
                    "{value}, written by\n{writer:?}\ncannot be read by\n{ty:?}"
                );
            }
        }
    }
    assert!(
        accepted > 300 && refused > 300,
        "{accepted} accepted, {refused} refused"
    );
}
