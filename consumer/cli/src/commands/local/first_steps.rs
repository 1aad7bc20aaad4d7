//! What a person can do after `local` has started.

use std::path::Path;

use domain_events_cli::output::printable;

/// Returns the lines for a person, below the variables.
pub(super) fn text(page: Option<&str>, data: Option<&Path>, env_file: Option<&Path>) -> String {
    let mut lines = String::new();
    let variables = match env_file {
        Some(file) => format!("the variables above, also in {}", path_of(file)),
        None => "the variables above, for your service and for other commands".to_owned(),
    };
    let data = match data {
        Some(folder) => format!("in {}", path_of(folder)),
        None => "in memory; --data DIR keeps it".to_owned(),
    };
    let rows = [
        ("Web page", page.unwrap_or("none").to_owned()),
        ("Set-up", variables),
        ("Data", data),
    ];
    lines.push('\n');
    for (name, value) in rows {
        lines += &format!("{name:<9} {value}\n");
    }
    let (place, option) = match env_file {
        Some(file) => ("", format!(" --env-file {}", path_of(file))),
        None => (" where the variables are set", String::new()),
    };
    lines += &format!(
        "
Next, in another terminal{place}:
  domain-events{option} emit --type ORDER_PLACED --id order-7 --data '{{\"cents\": 4990}}'
  domain-events{option} history order-7

Ctrl-C stops the stack. Each event and each rejected message has a line below.

"
    );
    lines
}

/// Returns the absolute path, because the other terminal may be in another folder. The path is
/// quoted if a shell would not read it as one word.
fn path_of(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = printable(&path.display().to_string());
    let is_word = |c: char| c.is_alphanumeric() || "/._-+@:,".contains(c);
    match text.chars().all(is_word) {
        true => text,
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_steps_name_the_page_and_the_commands() {
        let page = Some("http://127.0.0.1:8001");
        let printed = text(page, None, Some(Path::new("/tmp/it's/local.env")));
        for part in [
            "Web page  http://127.0.0.1:8001\n",
            "Data      in memory; --data DIR keeps it\n",
            r"domain-events --env-file '/tmp/it'\''s/local.env' history order-7",
        ] {
            assert!(printed.contains(part), "{printed}");
        }
        let printed = text(None, Some(Path::new("/data")), None);
        assert!(
            printed.contains("where the variables are set:\n"),
            "{printed}"
        );
        assert!(
            printed.contains("  domain-events history order-7\n"),
            "{printed}"
        );
        assert!(printed.contains("Data      in /data\n"), "{printed}");
    }
}
