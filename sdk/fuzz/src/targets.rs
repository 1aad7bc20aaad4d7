//! The list of all fuzz targets.

pub mod decode;
pub mod derive;
pub mod item;
pub mod lambda;
pub mod page;
pub mod sort_key;

mod secrecy;

/// Checks a property of an input, and panics if it does not hold.
pub type Target = fn(&[u8]);

/// Every target, with its name and the maximum length of an input that is worth trying.
pub const ALL: [(&str, Target, usize); 6] = [
    ("decode", decode::check, 4096),
    ("derive", derive::check, 2048),
    ("item", item::check, 4096),
    ("lambda", lambda::check, 4096),
    ("page", page::check, 4096),
    ("sort_key", sort_key::check, 256),
];

/// The target with this name.
pub fn named(name: &str) -> Option<Target> {
    ALL.iter()
        .find(|(known, ..)| *known == name)
        .map(|(_, target, _)| *target)
}

#[cfg(test)]
mod tests {
    use std::fs;

    /// `cargo test` replays every input that fuzzing has found, without a fuzzer.
    #[test]
    fn every_target_accepts_its_corpus() {
        for (name, target, _) in super::ALL {
            let file = format!("{}/corpus/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
            let lines = fs::read_to_string(&file).unwrap();
            assert!(!lines.is_empty(), "{file} is empty");
            for (number, line) in lines.lines().enumerate() {
                println!("{file}:{}", number + 1);
                // Each character stands for one byte (see corpus.py).
                let input: String = serde_json::from_str(line).unwrap();
                let input: Vec<u8> = input.chars().map(|c| u8::try_from(c).unwrap()).collect();
                target(&input);
            }
        }
    }
}
