//! Shows progress: spinners and bars on a terminal, plain lines elsewhere. It writes to standard error, so that
//! standard output has only results.

use std::{
    io::{self, IsTerminal},
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Style};
use indicatif::{MultiProgress, ProgressDrawTarget, ProgressStyle};

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Shows steps on standard error.
#[derive(Debug, Clone)]
pub struct Console {
    /// Present only on a terminal.
    bars: Option<MultiProgress>,
}

/// A step in progress.
#[derive(Debug)]
pub struct Step {
    console: Console,
    text: String,
    started_at: Instant,
    spinner: Option<indicatif::ProgressBar>,
}

/// A progress bar with a name and a text.
#[derive(Debug)]
pub struct ProgressBar {
    console: Console,
    name: String,
    bar: Option<indicatif::ProgressBar>,
    shown: String,
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl Console {
    #[must_use]
    pub fn new() -> Self {
        let terminal = io::stderr().is_terminal();
        Self { bars: terminal.then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr())) }
    }

    /// Shows that a step starts. The returned step shows its end.
    #[must_use]
    pub fn start_step(&self, text: impl Into<String>) -> Step {
        let text = text.into();
        let spinner = self.bars.as_ref().map(|bars| {
            let spinner = bars.add(indicatif::ProgressBar::new_spinner().with_message(text.clone()));
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        if spinner.is_none() {
            self.print(&format!("   {text} ..."));
        }
        Step { console: self.clone(), text, started_at: Instant::now(), spinner }
    }

    /// Shows a progress bar from 0 to 100.
    #[must_use]
    pub fn progress_bar(&self, name: impl Into<String>) -> ProgressBar {
        let name = name.into();
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(indicatif::ProgressBar::new(100).with_prefix(name.clone()));
            match ProgressStyle::with_template("   {prefix}  {bar:30.cyan}  {pos:>3} %  {msg}") {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        ProgressBar { console: self.clone(), name, bar, shown: String::new() }
    }

    /// Prints a line above the steps in progress.
    pub fn print(&self, line: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| anstream::eprintln!("{line}")),
            None => anstream::eprintln!("{line}"),
        }
    }

    /// Prints an error.
    pub fn fail(&self, error: &dyn std::error::Error) {
        self.print(&format!("{BAD}error{BAD:#}: {error}"));
    }
}

impl Step {
    pub fn done(self) {
        let elapsed = self.started_at.elapsed().as_secs_f32();
        let line = format!("{GOOD}ok{GOOD:#} {} ({elapsed:.1} s)", self.text);
        let console = self.console.clone();
        drop(self);
        console.print(&line);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }
}

impl ProgressBar {
    pub fn set(&mut self, percent: u64, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(percent);
            bar.set_message(text.to_owned());
            return;
        }
        let line = format!("   {}  {percent:>3} %  {text}", self.name);
        if line != self.shown {
            self.console.print(&line);
            self.shown = line;
        }
    }

    /// Replaces the bar with a final line.
    pub fn done(self, good: bool, text: &str) {
        let mark = if good { format!("{GOOD}ok{GOOD:#}") } else { format!("{BAD}!!{BAD:#}") };
        let line = format!("{mark} {}  {text}", self.name);
        let console = self.console.clone();
        drop(self);
        console.print(&line);
    }
}

impl Drop for ProgressBar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
