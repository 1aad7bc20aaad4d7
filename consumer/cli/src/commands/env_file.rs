//! `--env-file`: reads variables from a file, for example from the file that `local` writes.

use std::path::Path;

use domain_events_cli::Failure;

/// Returns the variables of a file: `NAME=value` per line, with an optional `export`, quotes
/// around the value, empty lines and comments.
pub(crate) fn read(path: &Path) -> Result<Vec<(String, String)>, Failure> {
    let text = std::fs::read_to_string(path).map_err(|e| Failure::file("read", path, &e))?;
    let mut variables = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        // The line itself is not printed: it may contain a secret.
        let Some((name, value)) = line.split_once('=') else {
            return Err(Failure::Usage(format!(
                "line {number} of {} is not of the form NAME=value; write one variable per line, and # before a comment",
                path.display()
            )));
        };
        let value = value.trim();
        let unquoted = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
        let value = unquoted('"').or_else(|| unquoted('\'')).unwrap_or(value);
        variables.push((name.trim().to_owned(), value.to_owned()));
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    #[test]
    fn exports_quotes_and_comments_are_read() {
        let path = std::env::temp_dir().join(format!("domain-events-env-{}", std::process::id()));
        std::fs::write(&path, "# a comment\nexport A=1\nB=\"two words\"\n\nC=x=y\n").unwrap();
        let variables = super::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let pairs: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (&**n, &**v)).collect();
        assert_eq!(pairs, [("A", "1"), ("B", "two words"), ("C", "x=y")]);
    }
}
