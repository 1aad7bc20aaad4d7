//! Runs the target that `FUZZ_TARGET` names.
//!
//! `run.sh` builds this program as a libFuzzer binary. Built in any other way, it runs the
//! target on each file and on each file of each folder in its arguments, and needs no C++.

#![cfg_attr(not(fuzzing), forbid(unsafe_code))]
#![cfg_attr(fuzzing, no_main)]
#![cfg_attr(
    fuzzing,
    allow(
        unsafe_code,
        reason = "`fuzz_target!` generates the `extern \"C\"` function that libFuzzer calls"
    )
)]

use domain_events_fuzz::targets;

fn target() -> targets::Target {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    targets::named(&name).unwrap_or_else(|| {
        let known: Vec<_> = targets::ALL.iter().map(|(name, ..)| *name).collect();
        panic!("FUZZ_TARGET is {name:?}, but must be one of {known:?}")
    })
}

#[cfg(fuzzing)]
mod libfuzzer {
    use std::sync::LazyLock;

    static TARGET: LazyLock<super::targets::Target> = LazyLock::new(super::target);

    libfuzzer_sys::fuzz_target!(|input: &[u8]| TARGET(input));
}

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    let target = target();
    for path in std::env::args().skip(1).map(std::path::PathBuf::from) {
        let files = match path.is_dir() {
            true => std::fs::read_dir(path)?
                .map(|entry| Ok(entry?.path()))
                .collect::<std::io::Result<Vec<_>>>()?,
            false => vec![path],
        };
        for file in files {
            target(&std::fs::read(file)?);
        }
    }
    Ok(())
}
