//! The system under test: places orders with it and reads their final status.

use std::{fs, io, path::PathBuf, time::Duration};

use reqwest::{Client, Method};
use serde_json::Value;

use crate::{
    http::{self, Answer, Call, NoAnswer},
    poll,
};

/// The placeholder for the order's id in templates.
pub const ORDER_ID: &str = "{orderId}";

/// Lists the reasons why a template can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: {reason}", path.display())]
    Malformed { path: PathBuf, reason: String },
    #[error(
        "the request has no {ORDER_ID}, so every order would have the same id; write it where the id belongs"
    )]
    NoOrderId,
    #[error("{0:?} is not an HTTP method")]
    Method(String),
}

/// Holds a request with `{orderId}` in it.
#[derive(Debug, Clone)]
pub struct Template {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

impl Template {
    /// Reads a request in the `.http` format: `METHOD URL`, headers, an empty line, the body. Skips lines before
    /// it that begin with `#`, `//` or `@`, and stops at `###`.
    ///
    /// # Errors
    /// Returns an error when the file can't be read, or has no such request.
    pub fn read(path: &PathBuf) -> Result<Self, TemplateError> {
        let text = fs::read_to_string(path)
            .map_err(|source| TemplateError::Unreadable { path: path.clone(), source })?;
        Self::parse(&text).map_err(|reason| TemplateError::Malformed { path: path.clone(), reason })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let is_comment =
            |line: &&str| line.is_empty() || ["#", "//", "@"].iter().any(|mark| line.starts_with(mark));
        let mut lines = text.lines().map(str::trim_end).skip_while(is_comment);
        let first = lines.next().ok_or("the file has no request")?;
        let (method, url) = match first.split_whitespace().collect::<Vec<_>>().as_slice() {
            [url] => (Method::POST, (*url).to_owned()),
            [method, url, ..] => {
                let known = method.parse().map_err(|_| format!("{method:?} is not an HTTP method"))?;
                (known, (*url).to_owned())
            }
            [] => return Err("the file has no request".to_owned()),
        };
        let mut headers = Vec::new();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            headers.push(header(line)?);
        }
        let body: Vec<_> = lines.take_while(|line| !line.starts_with("###")).collect();
        let body = body.join("\n").trim().to_owned();
        Ok(Self { method, url, headers, body: (!body.is_empty()).then_some(body) })
    }

    /// Checks the template, and adds the content type when it has a body.
    ///
    /// # Errors
    /// Returns an error when the template has no `{orderId}`.
    pub fn validated(mut self) -> Result<Self, TemplateError> {
        let headers = self.headers.iter().map(|(_, value)| value);
        if !headers.chain([&self.url]).chain(&self.body).any(|text| text.contains(ORDER_ID)) {
            return Err(TemplateError::NoOrderId);
        }
        if self.body.is_some()
            && !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        {
            self.headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        Ok(self)
    }

    fn render(&self, order: &str) -> Call {
        let fill = |text: &String| text.replace(ORDER_ID, order);
        Call {
            method: self.method.clone(),
            url: fill(&self.url),
            headers: self.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect(),
            body: self.body.as_ref().map(fill),
        }
    }
}

/// Parses `Name: value`.
///
/// # Errors
/// Returns a message that shows the format.
pub fn header(line: &str) -> Result<(String, String), String> {
    match line.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("{line:?} is not a header; write Name: value")),
    }
}

/// Holds the final status of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalStatus {
    pub shipped: bool,
    /// The status in the system's own words.
    pub status: String,
}

/// Lists how following an order can end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Ended(FinalStatus),
    /// The order didn't end within the time limit; holds the last status.
    Never(String),
}

/// Maps the system's statuses to final ones.
#[derive(Debug, Clone)]
pub struct StatusRules {
    /// The status request; none when the answer to the order is its final status.
    pub status: Option<Template>,
    /// JSON pointer to the status.
    pub pointer: String,
    pub shipped: Vec<String>,
    pub not_shipped: Vec<String>,
}

impl StatusRules {
    fn status(&self, answer: &Answer) -> Option<String> {
        match answer.json().pointer(&self.pointer)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    fn ended(&self, status: &str) -> Option<FinalStatus> {
        let is = |list: &[String]| list.iter().any(|known| known == status);
        let ended = |shipped| Some(FinalStatus { shipped, status: status.to_owned() });
        if is(&self.shipped) {
            ended(true)
        } else if is(&self.not_shipped) {
            ended(false)
        } else {
            None
        }
    }

    /// Reads the final status from the answer to the order: from its status member, or from its code.
    fn answered(&self, answer: &Answer) -> End {
        match self.status(answer).map(|status| (self.ended(&status), status)) {
            Some((Some(ended), _)) => End::Ended(ended),
            _ if !answer.is_success() => End::Ended(FinalStatus { shipped: false, status: answer.summary() }),
            Some((None, status)) => End::Never(format!("{status:?} at {}", self.pointer)),
            None => End::Ended(FinalStatus { shipped: true, status: answer.summary() }),
        }
    }
}

/// Holds the result of placing an order.
#[derive(Debug, Clone)]
pub struct PlacedOrder {
    pub end: End,
    /// The answer, when the system refused the order or its answer was lost.
    pub refused: Option<String>,
}

/// Calls the system under test.
#[derive(Debug, Clone)]
pub struct System {
    pub client: Client,
    pub order: Template,
    pub status_rules: StatusRules,
    pub time_limit: Duration,
}

/// The time limit for the status of a refused order: some systems run it nevertheless.
const REFUSED_ORDER_TIMEOUT: Duration = Duration::from_secs(3);
const STATUS_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

impl System {
    /// Places an order and follows it to its end.
    pub async fn place(&self, order: &str) -> PlacedOrder {
        let answer = http::send(&self.client, self.order.render(order), self.time_limit).await;
        let Some(status) = &self.status_rules.status else {
            return self.end_from_answer(answer);
        };
        let refused = match &answer {
            Ok(answer) if answer.is_success() => None,
            Ok(answer) => Some(answer.summary()),
            Err(error) => Some(error.to_string()),
        };
        let is_refused = answer.is_ok() && refused.is_some();
        let time_limit =
            if is_refused { REFUSED_ORDER_TIMEOUT.min(self.time_limit) } else { self.time_limit };
        let mut last_status = "nothing".to_owned();
        let read_status = async || {
            let current = match http::send(
                &self.client,
                status.render(order),
                STATUS_REQUEST_TIMEOUT.min(self.time_limit),
            )
            .await
            {
                Ok(answer) => match self.status_rules.status(&answer) {
                    Some(status) => status,
                    None => answer.summary(),
                },
                Err(error) => error.to_string(),
            };
            let ended = self.status_rules.ended(&current);
            last_status = current;
            Ok::<_, NoAnswer>(ended)
        };
        let seen = poll::until_some(time_limit, read_status).await.ok().flatten();
        let end = match (seen, &refused) {
            (Some(ended), _) => End::Ended(ended),
            // A refused order without a status doesn't ship.
            (None, Some(refusal)) if is_refused => {
                End::Ended(FinalStatus { shipped: false, status: refusal.clone() })
            }
            (None, _) => End::Never(last_status),
        };
        PlacedOrder { end, refused }
    }

    fn end_from_answer(&self, answer: Result<Answer, NoAnswer>) -> PlacedOrder {
        match answer {
            Ok(answer) => {
                let refused = (!answer.is_success()).then(|| answer.summary());
                PlacedOrder { end: self.status_rules.answered(&answer), refused }
            }
            Err(error) => {
                PlacedOrder { end: End::Never(error.to_string()), refused: Some(error.to_string()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_in_the_http_format() {
        let text =
            "# comment\n\nPUT http://host/orders/{orderId}\nX-A: b: c\n\n{\n  \"a\": 1\n}\n\n### next\nGET /";
        let template = Template::parse(text).unwrap();
        assert_eq!((template.method, template.url.as_str()), (Method::PUT, "http://host/orders/{orderId}"));
        assert_eq!(template.headers, [("X-A".to_owned(), "b: c".to_owned())]);
        assert_eq!(template.body.as_deref(), Some("{\n  \"a\": 1\n}"));
        for bad in ["", "# nothing", "POST http://host\nno header"] {
            assert!(Template::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_request_without_the_orders_id_is_refused() {
        let fixed = Template::parse("POST http://host/orders\n\n{}").unwrap();
        assert!(matches!(fixed.validated(), Err(TemplateError::NoOrderId)));
        let template = Template::parse("POST http://host/orders\n\n{\"id\": \"{orderId}\"}")
            .unwrap()
            .validated()
            .unwrap();
        let call = template.render("o-1");
        assert_eq!(call.body.as_deref(), Some("{\"id\": \"o-1\"}"));
        assert_eq!(call.headers, [("content-type".to_owned(), "application/json".to_owned())]);
    }

    fn answered(status: u16, text: &str) -> End {
        let status_rules = StatusRules {
            status: None,
            pointer: "/status".to_owned(),
            shipped: vec!["shipped".to_owned()],
            not_shipped: vec!["failed".to_owned()],
        };
        status_rules.answered(&Answer { status, text: text.to_owned() })
    }

    #[test]
    fn a_final_answer_is_read_by_its_status_or_its_code() {
        let shipped = |end| match end {
            End::Ended(ended) => Some(ended.shipped),
            End::Never(_) => None,
        };
        assert_eq!(shipped(answered(200, r#"{"status":"shipped"}"#)), Some(true));
        assert_eq!(shipped(answered(200, r#"{"status":"failed"}"#)), Some(false));
        assert_eq!(shipped(answered(201, "done")), Some(true));
        assert_eq!(shipped(answered(402, r#"{"status":"weird"}"#)), Some(false));
        assert_eq!(shipped(answered(202, r#"{"status":"processing"}"#)), None);
    }
}
