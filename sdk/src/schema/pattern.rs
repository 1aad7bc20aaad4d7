//! Regular expressions in schemas: matches texts, and generates a text that matches.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

/// Returns whether the text matches, or `None` if the expression cannot be evaluated: JSON
/// Schema uses the regular expressions of ECMAScript, which have features that the crate
/// `regex` does not support.
pub(super) fn matches(pattern: &str, text: &str) -> Option<bool> {
    Some(compile(pattern)?.is_match(text))
}

pub(super) fn compile(pattern: &str) -> Option<Regex> {
    Regex::new(pattern).ok()
}

/// Returns a short text that matches the expression, if one can be generated.
pub(super) fn example(pattern: &str) -> Option<String> {
    let expression = regex_syntax::parse(pattern).ok()?;
    let mut text = String::new();
    write(&expression, &mut text)?;
    // Check the text: assertions such as `\b` were ignored and may not hold.
    matches(pattern, &text)?.then_some(text)
}

/// The maximum number of repetitions, so that `a{1000000000}` does not fill the memory.
const MAX_REPETITIONS: u32 = 1_000;

fn write(expression: &Hir, text: &mut String) -> Option<()> {
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => Some(()),
        HirKind::Literal(literal) => {
            text.push_str(std::str::from_utf8(&literal.0).ok()?);
            Some(())
        }
        HirKind::Class(class) => {
            text.push(of_class(class)?);
            Some(())
        }
        HirKind::Repetition(Repetition { min, sub, .. }) if *min <= MAX_REPETITIONS => {
            (0..*min).try_for_each(|_| write(sub, text))
        }
        HirKind::Repetition(_) => None,
        HirKind::Capture(capture) => write(&capture.sub, text),
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| write(part, text)),
        HirKind::Alternation(parts) => write(parts.first()?, text),
    }
}

/// Returns a character of the class, preferably a letter or a digit.
fn of_class(class: &Class) -> Option<char> {
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.iter().map(|r| (r.start(), r.end())).collect(),
        Class::Bytes(class) => {
            let ascii = class.iter().filter(|r| r.end() < 128);
            ascii
                .map(|r| (char::from(r.start()), char::from(r.end())))
                .collect()
        }
    };
    let contains = |c: &char| ranges.iter().any(|(from, to)| (from..=to).contains(&c));
    let preferred = ['e', '1', 'E', '0', 'a', 'A', '-', '_'];
    let preferred = preferred.into_iter().find(contains);
    preferred.or(ranges.first().map(|(from, _)| *from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_a_pattern_matches_it() {
        for pattern in [
            r"^-?\d+(\.\d+)?$",
            r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9a-z]+))?$",
            "^[A-Z]{3}$",
            "^(?:EUR|USD)$",
            "x",
            "",
            r"\p{Lu}+",
            r"^[^a-z]$",
        ] {
            let text = example(pattern);
            assert!(text.is_some(), "{pattern}");
        }
    }

    #[test]
    fn unsupported_pattern_has_no_example() {
        for pattern in ["(?=x)", "(", "a{1000000000}", r"a\bb", "[^\\s\\S]"] {
            assert_eq!(example(pattern), None, "{pattern}");
        }
    }
}
