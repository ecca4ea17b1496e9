//! Reads and checks the command line of `explore`.

use std::{
    fs, io,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::Method;
use service_kit::config::{base_url, duration};

use crate::{
    explorer::{Selection, Settings},
    system::{StatusRules, Template, TemplateError, header},
};

/// Finds the faults that a system's orders don't survive.
///
/// Places one order without faults and learns which operations it calls. Then tries every single fault of each
/// operation on a fresh order. Reports the faults after which the ledger contradicts how the order ended. Learns
/// undo operations as they appear, and tries their faults too.
///
/// The system under test must call the provider. Each call must have the order's id, as `orderId` in the body or as
/// header `X-Order-Id`.
///
/// Exit code: 0 nothing found, 1 something found, 2 the system couldn't be explored. 130 or 143: Ctrl-C or SIGTERM
/// ended it early; the report then has the findings so far.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  fake-stripe-chaos explore \\\n    --post http://127.0.0.1:8000/orders --body '{\"id\": \"{orderId}\", \"total\": 5998}' \\\n    --status 'http://127.0.0.1:8000/orders/{orderId}' --shipped done --not-shipped failed,refused"
)]
pub struct Arguments {
    /// The provider; with /runs/NAME at its end, that run of it, which is created if need be
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3001", value_parser = base_url)]
    provider: String,
    /// Places an order with this file: one request in the .http format, with {orderId} in place of the id
    #[arg(long, value_name = "FILE", conflicts_with_all = ["post", "body"])]
    request: Option<PathBuf>,
    /// Places an order with a POST of --body to this URL
    #[arg(long, value_name = "URL", required_unless_present = "request")]
    post: Option<String>,
    /// The body for --post: JSON, or @FILE; {orderId} is replaced by the order's id
    #[arg(long, value_name = "JSON", requires = "post")]
    body: Option<String>,
    /// A header for the order's request and the status request; may be given several times
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The URL of an order's status, with {orderId}; without it, the answer to the order is its final status
    #[arg(long, value_name = "URL")]
    status: Option<String>,
    /// JSON pointer to the status in that answer
    #[arg(long, value_name = "POINTER", default_value = "/status")]
    pointer: String,
    /// The statuses of a shipped order
    #[arg(long, value_name = "STATUS", value_delimiter = ',', default_value = "shipped")]
    shipped: Vec<String>,
    /// The final statuses of an order that didn't ship; with any other status an order still runs
    #[arg(long, value_name = "STATUS", value_delimiter = ',', default_value = "failed,rejected,cancelled")]
    not_shipped: Vec<String>,
    /// The time limit of an order; without an end within it, the order counts as one that never ends
    // prose: off
    #[arg(long = "order-timeout", alias = "patience", value_name = "DURATION", default_value = "2m", value_parser = duration)]
    // prose: on
    time_limit: Duration,
    /// The time after its end in which an order may still run compensations
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    settle: Duration,
    /// The number of orders that run at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Tries all pairs of faults as well
    #[arg(long)]
    pairs: bool,
    /// The number of attempts in a row that a lasting fault affects; 1 turns lasting faults off
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    lasting: u32,
    /// Only faults of these operations
    #[arg(long = "operation", value_name = "NAME", value_delimiter = ',')]
    operations: Vec<String>,
    /// Only these faults
    #[arg(long = "scenario", value_name = "NAME", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// The prefix of the orders' ids
    #[arg(long, default_value = "explore")]
    prefix: String,
    /// Writes the report as JSON
    #[arg(long)]
    json: bool,
    /// Writes a report as JUnit's XML to this file, too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// Lists the reasons why the arguments can't be used.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("--body: cannot read {}: {source}", path.display())]
    Body { path: PathBuf, source: io::Error },
    #[error("{0}: must be a URL such as http://127.0.0.1:8000/orders")]
    Url(String),
    #[error("--pointer {0:?}: must begin with a slash, as in /status")]
    Pointer(String),
    #[error("--status {0}: has no {{orderId}}; write it in place of the order's id")]
    Status(String),
    #[error("status {0:?} is among --shipped and among --not-shipped; remove it from one of them")]
    Ambiguous(String),
    #[error("--prefix {0:?}: must be 1 to 100 letters, digits, hyphens and underscores")]
    Prefix(String),
    #[error("the HTTP client can't be set up: {0}")]
    Client(reqwest::Error),
}

/// Holds the checked arguments.
#[derive(Debug)]
pub struct Task {
    pub provider: String,
    pub order: Template,
    pub status_rules: StatusRules,
    pub time_limit: Duration,
    pub settle: Duration,
    pub settings: Settings,
    pub json: bool,
    /// The file for the report as JUnit's XML.
    pub junit: Option<PathBuf>,
}

impl Arguments {
    /// Checks the arguments and reads the files that they name.
    ///
    /// # Errors
    /// Returns the first argument that can't be used.
    pub fn task(self) -> Result<Task, UsageError> {
        let order = self.order()?;
        let status = self.status_template()?;
        if !self.pointer.is_empty() && !self.pointer.starts_with('/') {
            return Err(UsageError::Pointer(self.pointer));
        }
        if let Some(both) = self.shipped.iter().find(|status| self.not_shipped.contains(status)) {
            return Err(UsageError::Ambiguous(both.clone()));
        }
        let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
        if !(1..=100).contains(&self.prefix.len()) || !self.prefix.chars().all(fits) {
            return Err(UsageError::Prefix(self.prefix));
        }
        // The provider keeps every order, so each exploration needs new ids.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Task {
            provider: self.provider,
            order,
            status_rules: StatusRules {
                status,
                pointer: self.pointer,
                shipped: self.shipped,
                not_shipped: self.not_shipped,
            },
            time_limit: self.time_limit,
            settle: self.settle,
            settings: Settings {
                prefix: format!("{}-{:x}", self.prefix, now.as_millis()),
                jobs: usize::from(self.jobs),
                lasting: self.lasting,
                pairs: self.pairs,
                selection: Selection { operations: self.operations, scenarios: self.scenarios },
            },
            json: self.json,
            junit: self.junit,
        })
    }

    fn order(&self) -> Result<Template, UsageError> {
        let mut template = match (&self.request, &self.post) {
            (Some(file), _) => Template::read(file)?,
            (None, Some(url)) => {
                let body = self.body.as_deref().map(text_or_file).transpose()?;
                Template { method: Method::POST, url: url.clone(), headers: Vec::new(), body }
            }
            (None, None) => return Err(UsageError::Url("--post".to_owned())),
        };
        template.headers.extend(self.headers.iter().cloned());
        check_url(&template.url)?;
        Ok(template.validated()?)
    }

    fn status_template(&self) -> Result<Option<Template>, UsageError> {
        let Some(url) = &self.status else { return Ok(None) };
        check_url(url)?;
        let (method, headers) = (Method::GET, self.headers.clone());
        let template = Template { method, url: url.clone(), headers, body: None };
        template.validated().map(Some).map_err(|_| UsageError::Status(url.clone()))
    }
}

fn check_url(text: &str) -> Result<(), UsageError> {
    base_url(&text.replace(crate::system::ORDER_ID, "x"))
        .map(drop)
        .map_err(|_| UsageError::Url(text.to_owned()))
}

fn text_or_file(body: &str) -> Result<String, UsageError> {
    match body.strip_prefix('@') {
        Some(path) => {
            fs::read_to_string(path).map_err(|source| UsageError::Body { path: PathBuf::from(path), source })
        }
        None => Ok(body.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn task(extra: &[&str]) -> Result<Task, String> {
        let base = ["explore", "--post", "http://host/orders", "--body", r#"{"id":"{orderId}"}"#];
        let line = Cli::try_parse_from(base.iter().chain(extra)).map_err(|error| error.to_string())?;
        line.arguments.task().map_err(|error| error.to_string())
    }

    #[test]
    fn a_body_and_a_url_are_enough() {
        let task = task(&[]).unwrap();
        assert_eq!(task.provider, "http://127.0.0.1:3001");
        assert!(task.status_rules.status.is_none() && !task.settings.pairs);
        assert_eq!((task.settings.jobs, task.settings.lasting), (8, 5));
    }

    #[test]
    fn contradictory_arguments_are_refused() {
        for (extra, reason) in [
            (&["--status", "http://host/orders"][..], "has no {orderId}"),
            (&["--status", "host/{orderId}"], "must be a URL such as"),
            (&["--pointer", "status"], "must begin with a slash"),
            (&["--not-shipped", "shipped"], "is among --shipped and"),
            (&["--prefix", "a b"], "--prefix"),
            (&["--jobs", "0"], "--jobs"),
            (&["--header", "nothing"], "write Name: value"),
            (&["--request", "file"], "cannot be used with"),
            (&["--provider", "nowhere"], "must be a URL"),
        ] {
            let refused = task(extra).unwrap_err();
            assert!(refused.contains(reason), "{extra:?}: {refused}");
        }
    }
}
