//! Progress of a long operation, on standard error.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A progress bar on a terminal. If standard error is not a terminal, nothing is shown.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Creates a bar for `what`, with the total if it is known.
    pub fn new(what: &'static str, of: Option<u64>) -> Self {
        let bar = match of {
            Some(of) => ProgressBar::new(of),
            None => ProgressBar::no_length(),
        };
        // A pipe or a file gets no bar.
        if !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        let template = match of {
            Some(_) => "{wide_bar} {pos}/{len} {msg} ({rate}, {eta})",
            None => "{spinner} {pos} {msg} ({rate})",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{:.0}/s", state.per_sec());
            };
            bar.set_style(style.with_key("rate", rate));
        }
        bar.set_message(what);
        Self(bar)
    }

    /// Sets the number of completed steps.
    pub fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
