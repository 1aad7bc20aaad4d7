//! Reads bodies from standard input, and writes one line of JSON with the verdict on each
//! body to standard output.
//!
//! Each body is preceded by its length as a big-endian `u32`.
//!
//! `verdicts cost FAMILY N` instead makes one body of size `N` and runs it through the
//! whole pipeline, for a tool that counts instructions. `verdicts families` lists the
//! names of the families.

#![forbid(unsafe_code)]

use domain_events_fuzz::{families, verdicts};
use std::io::{self, BufReader, BufWriter, Read, Write};

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments == ["families"] {
        for (family, _) in families::ALL {
            writeln!(io::stdout(), "{family}")?;
        }
        return Ok(());
    }
    if let [cost, family, n] = &arguments[..]
        && cost == "cost"
    {
        let n = n.parse().map_err(io::Error::other)?;
        let body = families::body(family, n).ok_or_else(|| io::Error::other("unknown family"))?;
        families::run_pipeline(&body);
        return Ok(());
    }
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());
    let mut length = [0; 4];
    let mut body = Vec::new();
    loop {
        match input.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return output.flush(),
            other => other?,
        }
        body.resize(u32::from_be_bytes(length) as usize, 0);
        input.read_exact(&mut body)?;
        serde_json::to_writer(&mut output, &verdicts::of(&body))?;
        output.write_all(b"\n")?;
    }
}
