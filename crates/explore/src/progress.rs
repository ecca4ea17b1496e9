//! Shows the progress: a bar on a terminal, plain lines elsewhere. It writes to standard error, so that standard
//! output has the report only.

use std::io::{self, IsTerminal};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::trial::Trial;

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();

/// Knows whether standard error is a terminal.
#[derive(Debug)]
pub struct Progress {
    terminal: bool,
}

impl Default for Progress {
    fn default() -> Self {
        Self { terminal: io::stderr().is_terminal() }
    }
}

impl Progress {
    #[must_use]
    pub fn bar(&self, length: usize) -> Bar {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        if !self.terminal {
            return Bar(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        let template = "   {bar:40.cyan}  {pos}/{len}  {elapsed} elapsed, {eta} left  {msg}";
        Bar(match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }
}

/// Prints a line to standard error.
pub fn print_line(line: &str) {
    anstream::eprintln!("{line}");
}

/// Shows how many orders of a batch have ended.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// Counts an order, and prints its finding at once.
    pub fn record(&self, trial: &Trial) {
        self.0.inc(1);
        if !trial.passed() {
            let titles: Vec<_> = trial.kinds.iter().map(crate::finding::FindingKind::title).collect();
            let line = format!("{BAD}!!{BAD:#} {}: {}", titles.join(", "), trial.schedule);
            self.0.suspend(|| anstream::eprintln!("{line}"));
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
