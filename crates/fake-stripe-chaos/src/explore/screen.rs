//! What a person sees while orders are tried: a progress bar on a terminal, plain lines elsewhere. All of
//! it goes to standard error, so that standard output has the report alone.

use std::io::{self, IsTerminal};

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::trial::Trial;

pub const GOOD: Style = AnsiColor::Green.on_default();
pub const BAD: Style = AnsiColor::Red.on_default().bold();

#[derive(Debug)]
pub struct Screen {
    terminal: bool,
}

impl Default for Screen {
    fn default() -> Self {
        Self { terminal: io::stderr().is_terminal() }
    }
}

impl Screen {
    #[must_use]
    pub fn bar(&self, length: usize) -> Bar {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        if !self.terminal {
            return Bar(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        let template = "   {bar:40.cyan}  {pos}/{len}  {elapsed} gone, {eta} to go  {msg}";
        Bar(match ProgressStyle::with_template(template) {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        })
    }
}

/// Says something in a line.
pub fn say(line: &str) {
    anstream::eprintln!("{line}");
}

/// How far a wave has got.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// Counts an order, and says at once what is wrong with it.
    pub fn tried(&self, trial: &Trial) {
        self.0.inc(1);
        if !trial.passed() {
            let titles: Vec<_> = trial.meanings.iter().map(super::meaning::Meaning::title).collect();
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
