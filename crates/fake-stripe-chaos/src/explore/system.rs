//! The system under test: how an order is placed with it, and how its end is told.

use std::{fs, io, path::PathBuf, time::Duration};

use reqwest::{Client, Method};
use serde_json::Value;

use super::{
    http::{self, Answer, Call, Unanswered},
    patience,
};

/// What stands for the order's id in templates.
pub const ORDER_ID: &str = "{orderId}";

#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: {why}", path.display())]
    Malformed { path: PathBuf, why: String },
    #[error(
        "the request has no {ORDER_ID}, so every order would have the same id; write it where the id belongs"
    )]
    NoOrderId,
    #[error("{0:?} is no HTTP method")]
    Method(String),
}

/// A request with `{orderId}` in it.
#[derive(Debug, Clone)]
pub struct Template {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub body: Option<String>,
}

impl Template {
    /// A request as it is written in `.http` files: `METHOD URL`, headers, an empty line, the body. Lines
    /// before it that begin with `#`, `//` or `@` are passed over; a further request after `###` is not read.
    ///
    /// # Errors
    /// When the file can't be read, or isn't such a request.
    pub fn read(path: &PathBuf) -> Result<Self, TemplateError> {
        let text = fs::read_to_string(path)
            .map_err(|source| TemplateError::Unreadable { path: path.clone(), source })?;
        Self::parse(&text).map_err(|why| TemplateError::Malformed { path: path.clone(), why })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let is_comment =
            |line: &&str| line.is_empty() || ["#", "//", "@"].iter().any(|mark| line.starts_with(mark));
        let mut lines = text.lines().map(str::trim_end).skip_while(is_comment);
        let first = lines.next().ok_or("there is no request")?;
        let (method, url) = match first.split_whitespace().collect::<Vec<_>>().as_slice() {
            [url] => (Method::POST, (*url).to_owned()),
            [method, url, ..] => {
                let known = method.parse().map_err(|_| format!("{method:?} is no HTTP method"))?;
                (known, (*url).to_owned())
            }
            [] => return Err("there is no request".to_owned()),
        };
        let mut headers = Vec::new();
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            headers.push(header(line)?);
        }
        let body: Vec<_> = lines.take_while(|line| !line.starts_with("###")).collect();
        let body = body.join("\n").trim().to_owned();
        Ok(Self { method, url, headers, body: (!body.is_empty()).then_some(body) })
    }

    /// # Errors
    /// When nothing in it differs from order to order.
    pub fn checked(mut self) -> Result<Self, TemplateError> {
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

    fn of(&self, order: &str) -> Call {
        let fill = |text: &String| text.replace(ORDER_ID, order);
        Call {
            method: self.method.clone(),
            url: fill(&self.url),
            headers: self.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect(),
            body: self.body.as_ref().map(fill),
        }
    }
}

/// `Name: value`.
///
/// # Errors
/// Says what a header looks like.
pub fn header(line: &str) -> Result<(String, String), String> {
    match line.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("{line:?} is no header; one looks like Name: value")),
    }
}

/// What the system says of an order that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub shipped: bool,
    /// In its own words.
    pub said: String,
}

/// How it was after all our patience.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Ended(Ended),
    /// What was heard last.
    Never(String),
}

/// How an order's end is told.
#[derive(Debug, Clone)]
pub struct Ends {
    /// Where to look; none where the answer to the order is the end.
    pub status: Option<Template>,
    /// JSON pointer to the status.
    pub pointer: String,
    pub shipped: Vec<String>,
    pub not_shipped: Vec<String>,
}

impl Ends {
    fn status(&self, answer: &Answer) -> Option<String> {
        match answer.json().pointer(&self.pointer)? {
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        }
    }

    fn ended(&self, said: &str) -> Option<Ended> {
        let is = |list: &[String]| list.iter().any(|known| known == said);
        let ended = |shipped| Some(Ended { shipped, said: said.to_owned() });
        if is(&self.shipped) {
            ended(true)
        } else if is(&self.not_shipped) {
            ended(false)
        } else {
            None
        }
    }

    /// Without a status to look at: what the answer to the order says, by its status member or by its code.
    fn answered(&self, answer: &Answer) -> End {
        match self.status(answer).map(|said| (self.ended(&said), said)) {
            Some((Some(ended), _)) => End::Ended(ended),
            _ if !answer.is_success() => End::Ended(Ended { shipped: false, said: answer.told() }),
            Some((None, said)) => End::Never(format!("{said:?} at {}", self.pointer)),
            None => End::Ended(Ended { shipped: true, said: answer.told() }),
        }
    }
}

/// What became of an order that was placed.
#[derive(Debug, Clone)]
pub struct Placed {
    pub end: End,
    /// The system didn't take the order, or its answer is lost.
    pub refused: Option<String>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct System {
    pub client: Client,
    pub order: Template,
    pub ends: Ends,
    pub patience: Duration,
}

/// How long a system that refused an order is asked about it nevertheless.
const AFTER_REFUSAL: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_secs(10);

impl System {
    /// Places an order and follows it to its end.
    pub async fn place(&self, order: &str) -> Placed {
        let answer = http::send(&self.client, self.order.of(order), self.patience).await;
        let Some(status) = &self.ends.status else {
            return self.ended_at_once(answer);
        };
        let refused = match &answer {
            Ok(answer) if answer.is_success() => None,
            Ok(answer) => Some(answer.told()),
            Err(error) => Some(error.to_string()),
        };
        let is_refused = answer.is_ok() && refused.is_some();
        let patience = if is_refused { AFTER_REFUSAL.min(self.patience) } else { self.patience };
        let mut heard = "nothing".to_owned();
        let look = async || {
            let said = match http::send(&self.client, status.of(order), LOOK.min(self.patience)).await {
                Ok(answer) => match self.ends.status(&answer) {
                    Some(said) => said,
                    None => answer.told(),
                },
                Err(error) => error.to_string(),
            };
            let ended = self.ends.ended(&said);
            heard = said;
            Ok::<_, Unanswered>(ended)
        };
        let seen = patience::until(patience, look).await.ok().flatten();
        let end = match (seen, &refused) {
            (Some(ended), _) => End::Ended(ended),
            // A system that refuses an order and knows nothing of it says that it doesn't ship.
            (None, Some(refusal)) if is_refused => {
                End::Ended(Ended { shipped: false, said: refusal.clone() })
            }
            (None, _) => End::Never(heard),
        };
        Placed { end, refused }
    }

    fn ended_at_once(&self, answer: Result<Answer, Unanswered>) -> Placed {
        match answer {
            Ok(answer) => {
                let refused = (!answer.is_success()).then(|| answer.told());
                Placed { end: self.ends.answered(&answer), refused }
            }
            Err(error) => Placed { end: End::Never(error.to_string()), refused: Some(error.to_string()) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_http_files_have_it() {
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
    fn a_request_that_never_differs_is_refused() {
        let fixed = Template::parse("POST http://host/orders\n\n{}").unwrap();
        assert!(matches!(fixed.checked(), Err(TemplateError::NoOrderId)));
        let template =
            Template::parse("POST http://host/orders\n\n{\"id\": \"{orderId}\"}").unwrap().checked().unwrap();
        let call = template.of("o-1");
        assert_eq!(call.body.as_deref(), Some("{\"id\": \"o-1\"}"));
        assert_eq!(call.headers, [("content-type".to_owned(), "application/json".to_owned())]);
    }

    fn answered(status: u16, text: &str) -> End {
        let ends = Ends {
            status: None,
            pointer: "/status".to_owned(),
            shipped: vec!["shipped".to_owned()],
            not_shipped: vec!["failed".to_owned()],
        };
        ends.answered(&Answer { status, text: text.to_owned() })
    }

    #[test]
    fn an_answer_that_is_the_end_tells_it_by_its_status_or_its_code() {
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
