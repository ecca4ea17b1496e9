//! Reads the logs of the stack's processes, and renders their JSON lines for people.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use anstyle::{AnsiColor, Style};
use serde_json::Value;

/// A log file that is read while it grows.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    file: Option<File>,
    unfinished: Vec<u8>,
}

impl Follower {
    /// Reads from the beginning of a file that may not exist yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, file: None, unfinished: Vec::new() }
    }

    /// Returns the lines that were completed since the last call.
    ///
    /// # Errors
    /// Returns an error when the file exists but can't be read.
    pub fn lines(&mut self) -> io::Result<Vec<String>> {
        let file = match &mut self.file {
            Some(file) => file,
            None => match File::open(&self.path) {
                Ok(file) => self.file.insert(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                Err(error) => return Err(error),
            },
        };
        file.read_to_end(&mut self.unfinished)?;
        let finished = self.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let finished: Vec<u8> = self.unfinished.drain(..finished).collect();
        Ok(String::from_utf8_lossy(&finished).lines().map(str::to_owned).collect())
    }
}

/// Returns the reason for a process's end from the end of its log, as one line. A plain line counts together with the
/// indented lines below it. A JSON line counts only if it is an error.
#[must_use]
pub fn last_log_error(path: &Path) -> Option<String> {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.last()?;
    if let Ok(Value::Object(members)) = serde_json::from_str(last) {
        let line = Line::from(members);
        return (line.level == "ERROR").then(|| line.without_time());
    }
    let begin = lines.iter().rposition(|line| !line.starts_with(char::is_whitespace)).unwrap_or_default();
    let (head, below) = lines[begin..].split_first()?;
    let below = below.iter().map(|line| line.trim()).collect::<Vec<_>>().join("; ");
    let separator = if below.is_empty() { "" } else { ": " };
    Some(printable(&format!("{}{separator}{below}", head.trim())))
}

/// Renders a line for people: time, level, message, correlation id, and all other members. A line that is no JSON
/// object stays as it is. Logged text may come from a client, so control characters are escaped.
#[must_use]
pub fn render(line: &str) -> String {
    match serde_json::from_str(line) {
        Ok(Value::Object(members)) => Line::from(members).to_string(),
        _ => printable(line),
    }
}

#[derive(Debug, Default)]
struct Line {
    time: String,
    level: String,
    message: String,
    correlation_id: Option<String>,
    others: BTreeMap<String, String>,
}

impl From<serde_json::Map<String, Value>> for Line {
    /// Reads the members of our services' lines, including those of the spans, and those of Temporal's server.
    fn from(members: serde_json::Map<String, Value>) -> Self {
        let mut line = Self::default();
        for (name, value) in members {
            match name.as_str() {
                "timestamp" | "time" => line.time = clock(&text(&value)),
                "level" => line.level = text(&value),
                "message" | "msg" => line.message = text(&value),
                "spans" => value.as_array().into_iter().flatten().for_each(|span| line.add_span(span)),
                "span" => line.add_span(&value),
                "target" => {}
                _ => line.add(&name, &value),
            }
        }
        line
    }
}

impl Line {
    /// Returns the line without time and level.
    fn without_time(&self) -> String {
        let others = self.others.iter().map(|(name, value)| format!(" {name}={value}"));
        std::iter::once(self.message.clone()).chain(others).collect()
    }

    fn add_span(&mut self, span: &Value) {
        let members = span.as_object().into_iter().flatten();
        members.filter(|(name, _)| *name != "name").for_each(|(name, value)| self.add(name, value));
    }

    fn add(&mut self, name: &str, value: &Value) {
        match name {
            "correlationId" | "correlation_id" => self.correlation_id = Some(text(value)),
            _ => drop(self.others.insert(printable(name), text(value))),
        }
    }
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { time, level, message, .. } = self;
        let (dim, colour) = (Style::new().dimmed(), level_style(level));
        write!(f, "{dim}{time}{dim:#} {colour}{level:<5}{colour:#} {message}")?;
        let mut rest = String::new();
        if let Some(id) = &self.correlation_id {
            write!(rest, " correlationId={id}")?;
        }
        for (name, value) in &self.others {
            write!(rest, " {name}={value}")?;
        }
        if rest.is_empty() { Ok(()) } else { write!(f, "{dim}{rest}{dim:#}") }
    }
}

fn level_style(level: &str) -> Style {
    match level {
        "ERROR" => AnsiColor::Red.on_default().bold(),
        "WARN" => AnsiColor::Yellow.on_default(),
        "INFO" => AnsiColor::Green.on_default(),
        _ => AnsiColor::Blue.on_default(),
    }
}

/// Returns the time of day of an RFC 3339 time, to the millisecond.
fn clock(time: &str) -> String {
    let time_of_day = time.split_once('T').map_or(time, |(_, time_of_day)| time_of_day);
    time_of_day.chars().take("00:00:00.000".len()).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        other => other.to_string(),
    }
}

fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut printable, character| {
        if character.is_control() {
            printable.extend(character.escape_default());
        } else {
            printable.push(character);
        }
        printable
    })
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io::Write};

    use super::*;

    fn plain(line: &str) -> String {
        anstream::adapter::strip_str(&render(line)).to_string()
    }

    #[test]
    fn a_line_of_a_service_shows_time_level_message_and_correlation_id_first() {
        let line = r#"{"timestamp":"2026-11-23T20:44:12.633628Z","level":"INFO","message":"answered","status":201,
            "target":"service_kit::serve","spans":[{"name":"request","correlationId":"abc","path":"/api/v1/order"}]}"#;
        assert_eq!(
            plain(line),
            "20:44:12.633 INFO  answered correlationId=abc path=/api/v1/order status=201"
        );
    }

    #[test]
    fn a_line_of_temporals_server_is_rendered_too() {
        let line =
            r#"{"time":"2026-11-23T20:44:12.6Z","level":"WARN","msg":"Failed to poll","service":"worker"}"#;
        assert_eq!(plain(line), "20:44:12.6Z WARN  Failed to poll service=worker");
    }

    #[test]
    fn a_line_that_is_no_json_object_stays_as_it_is() {
        assert_eq!(
            plain("thread 'main' panicked at src/main.rs:1"),
            "thread 'main' panicked at src/main.rs:1"
        );
        assert_eq!(plain("[1]"), "[1]");
    }

    #[test]
    fn no_control_character_reaches_the_terminal() {
        for line in
            ["\u{1b}]0;title\u{7}", r#"{"level":"INFO","message":"\u001b]0;title\u0007","a\u001b":"\u001b"}"#]
        {
            assert!(!plain(line).contains(char::is_control), "{:?}", plain(line));
        }
    }

    #[test]
    fn a_follower_returns_each_line_once_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut follower = Follower::new(path.clone());
        assert!(follower.lines().unwrap().is_empty());
        let mut log = OpenOptions::new().create(true).append(true).open(path).unwrap();
        log.write_all(b"one\ntw").unwrap();
        assert_eq!(follower.lines().unwrap(), ["one"]);
        log.write_all(b"o\nthree\n").unwrap();
        assert_eq!(follower.lines().unwrap(), ["two", "three"]);
        assert!(follower.lines().unwrap().is_empty());
    }

    fn last_log_error_of(log: &str) -> Option<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, log).unwrap();
        last_log_error(&path)
    }

    #[test]
    fn the_last_error_is_the_plain_line_at_the_end() {
        let log =
            "{\"level\":\"ERROR\",\"message\":\"cannot run\"}\nfounder: cannot listen on 127.0.0.1:3000\n\n";
        assert_eq!(last_log_error_of(log).unwrap(), "founder: cannot listen on 127.0.0.1:3000");
        let log = "before\nfounder: 2 faults in the configuration\n  PORT=x: no number\n  KEY is required\n";
        assert_eq!(
            last_log_error_of(log).unwrap(),
            "founder: 2 faults in the configuration: PORT=x: no number; KEY is required"
        );
    }

    #[test]
    fn a_json_line_counts_only_if_it_is_an_error() {
        let error = r#"{"level":"ERROR","message":"cannot run","error":"the port is taken"}"#;
        assert_eq!(last_log_error_of(error).unwrap(), "cannot run error=the port is taken");
        assert_eq!(last_log_error_of(r#"{"level":"INFO","message":"listening"}"#), None);
        assert_eq!(last_log_error_of(""), None);
        assert_eq!(last_log_error(Path::new("/no/such/log")), None);
    }
}
