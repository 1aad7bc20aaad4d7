//! Bodies on standard input → a verdict each, a line of JSON, on standard output.
//!
//! A body stands behind its length, four bytes, the highest first. With
//! `cost FAMILY N` as arguments, one body is made and taken over the whole road
//! instead, for a tool that counts what it costs; `families` tells their names.

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
        let body =
            families::body(family, n).ok_or_else(|| io::Error::other("there is no such family"))?;
        families::road(&body);
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
