//! What `explore` is told on its command line.

use std::{
    fs, io,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::Method;
use service_kit::config::{base_url, duration};

use super::{
    explorer::{Choice, Way},
    system::{Ends, Template, TemplateError, header},
};

/// Finds the faults that a system's orders don't survive.
///
/// Places one order without faults, learns which operations it calls, then tries every single fault of each on a
/// fresh order, and says which leave money, stock or labels behind that contradict how the order ended. Undos are
/// learned as they appear, and faulted too.
///
/// The system under test has to be pointed at the provider, and has to send the order's id with each call, as
/// `orderId` in the body or as header `X-Order-Id`.
///
/// Exit code: 0 nothing found, 1 something found, 2 it couldn't be explored; 130 or 143 where Ctrl-C or SIGTERM cut
/// it short, with what was found till then.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  fake-stripe-chaos explore \\\n    --post http://127.0.0.1:8000/orders --body '{\"id\": \"{orderId}\", \"total\": 5998}' \\\n    --status 'http://127.0.0.1:8000/orders/{orderId}' --shipped done --not-shipped failed,refused"
)]
pub struct Arguments {
    /// The provider; with /runs/NAME at its end, that run of it
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:3001", value_parser = base_url)]
    provider: String,
    /// How to place an order: a file with a request as .http files have it, and {orderId} where the id belongs
    #[arg(long, value_name = "FILE", conflicts_with_all = ["post", "body"])]
    request: Option<PathBuf>,
    /// How to place an order: a POST of --body to this URL
    #[arg(long, value_name = "URL", required_unless_present = "request")]
    post: Option<String>,
    /// What is posted: JSON, or @FILE; {orderId} stands for the order's id
    #[arg(long, value_name = "JSON", requires = "post")]
    body: Option<String>,
    /// A header for placing an order and for asking about it; as often as needed
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// Where an order's status is told, with {orderId}; without it, the answer to the order is its end
    #[arg(long, value_name = "URL")]
    status: Option<String>,
    /// JSON pointer to the status in that answer
    #[arg(long, value_name = "POINTER", default_value = "/status")]
    pointer: String,
    /// The statuses that mean that the order shipped
    #[arg(long, value_name = "STATUS", value_delimiter = ',', default_value = "shipped")]
    shipped: Vec<String>,
    /// The statuses that mean that it ended and didn't ship; all others mean that it goes on
    #[arg(long, value_name = "STATUS", value_delimiter = ',', default_value = "failed,rejected,cancelled")]
    not_shipped: Vec<String>,
    /// How long an order may take before it counts as one that never ends
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration)]
    patience: Duration,
    /// How long after its end an order may still clean up
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    settle: Duration,
    /// How many orders are tried at a time
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: u16,
    /// Tries all pairs of faults, too
    #[arg(long)]
    pairs: bool,
    /// How many attempts a fault lasts where the system tries again; 1 for none that last
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    lasting: u32,
    /// Only faults of these operations
    #[arg(long = "operation", value_name = "NAME", value_delimiter = ',')]
    operations: Vec<String>,
    /// Only these faults
    #[arg(long = "scenario", value_name = "NAME", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// What the orders' ids begin with
    #[arg(long, default_value = "explore")]
    prefix: String,
    /// Writes the report as JSON
    #[arg(long)]
    json: bool,
}

/// Why nothing can be explored with what was told.
#[derive(Debug, thiserror::Error)]
pub enum Misuse {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("--body: cannot read {}: {source}", path.display())]
    Body { path: PathBuf, source: io::Error },
    #[error("{0} is needed to be a URL such as http://127.0.0.1:8000/orders")]
    Url(String),
    #[error("--pointer {0:?}: a JSON pointer begins with a slash, as in /status")]
    Pointer(String),
    #[error("--status {0} has no {{orderId}}")]
    Status(String),
    #[error("{0:?} is among --shipped and among --not-shipped")]
    Ambiguous(String),
    #[error("--prefix {0:?}: must be 1 to 100 letters, digits, hyphens and underscores")]
    Prefix(String),
    #[error("the HTTP client can't be set up: {0}")]
    Client(reqwest::Error),
}

/// What was told, read.
#[derive(Debug)]
pub struct Task {
    pub provider: String,
    pub order: Template,
    pub ends: Ends,
    pub patience: Duration,
    pub settle: Duration,
    pub way: Way,
    pub json: bool,
}

impl Arguments {
    /// # Errors
    /// Where it doesn't fit together.
    pub fn task(self) -> Result<Task, Misuse> {
        let order = self.order()?;
        let status = self.status_template()?;
        if !self.pointer.is_empty() && !self.pointer.starts_with('/') {
            return Err(Misuse::Pointer(self.pointer));
        }
        if let Some(both) = self.shipped.iter().find(|status| self.not_shipped.contains(status)) {
            return Err(Misuse::Ambiguous(both.clone()));
        }
        let fits = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
        if !(1..=100).contains(&self.prefix.len()) || !self.prefix.chars().all(fits) {
            return Err(Misuse::Prefix(self.prefix));
        }
        // Orders have their ids for ever, also those of the exploration before.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Task {
            provider: self.provider,
            order,
            ends: Ends {
                status,
                pointer: self.pointer,
                shipped: self.shipped,
                not_shipped: self.not_shipped,
            },
            patience: self.patience,
            settle: self.settle,
            way: Way {
                prefix: format!("{}-{:x}", self.prefix, now.as_millis()),
                jobs: usize::from(self.jobs),
                lasting: self.lasting,
                pairs: self.pairs,
                choice: Choice { operations: self.operations, scenarios: self.scenarios },
            },
            json: self.json,
        })
    }

    fn order(&self) -> Result<Template, Misuse> {
        let mut template = match (&self.request, &self.post) {
            (Some(file), _) => Template::read(file)?,
            (None, Some(url)) => {
                let body = self.body.as_deref().map(text_or_file).transpose()?;
                Template { method: Method::POST, url: url.clone(), headers: Vec::new(), body }
            }
            (None, None) => return Err(Misuse::Url("--post".to_owned())),
        };
        template.headers.extend(self.headers.iter().cloned());
        is_url(&template.url)?;
        Ok(template.checked()?)
    }

    fn status_template(&self) -> Result<Option<Template>, Misuse> {
        let Some(url) = &self.status else { return Ok(None) };
        is_url(url)?;
        let (method, headers) = (Method::GET, self.headers.clone());
        let template = Template { method, url: url.clone(), headers, body: None };
        template.checked().map(Some).map_err(|_| Misuse::Status(url.clone()))
    }
}

fn is_url(text: &str) -> Result<(), Misuse> {
    base_url(&text.replace(super::system::ORDER_ID, "x")).map(drop).map_err(|_| Misuse::Url(text.to_owned()))
}

fn text_or_file(body: &str) -> Result<String, Misuse> {
    match body.strip_prefix('@') {
        Some(path) => {
            fs::read_to_string(path).map_err(|source| Misuse::Body { path: PathBuf::from(path), source })
        }
        None => Ok(body.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn task(extra: &[&str]) -> Result<Task, String> {
        let base = ["explore", "--post", "http://host/orders", "--body", r#"{"id":"{orderId}"}"#];
        let line = Line::try_parse_from(base.iter().chain(extra)).map_err(|error| error.to_string())?;
        line.arguments.task().map_err(|error| error.to_string())
    }

    #[test]
    fn a_body_and_a_url_are_enough() {
        let task = task(&[]).unwrap();
        assert_eq!(task.provider, "http://127.0.0.1:3001");
        assert!(task.ends.status.is_none() && !task.way.pairs);
        assert_eq!((task.way.jobs, task.way.lasting), (8, 5));
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        for (extra, why) in [
            (&["--status", "http://host/orders"][..], "has no {orderId}"),
            (&["--status", "host/{orderId}"], "is needed to be a URL"),
            (&["--pointer", "status"], "begins with a slash"),
            (&["--not-shipped", "shipped"], "is among --shipped and"),
            (&["--prefix", "a b"], "--prefix"),
            (&["--jobs", "0"], "--jobs"),
            (&["--header", "nothing"], "looks like Name: value"),
            (&["--request", "file"], "cannot be used with"),
            (&["--provider", "nowhere"], "must be a URL"),
        ] {
            let refused = task(extra).unwrap_err();
            assert!(refused.contains(why), "{extra:?}: {refused}");
        }
    }
}
