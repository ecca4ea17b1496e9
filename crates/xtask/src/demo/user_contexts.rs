//! Shows a user context from founder for each strategy.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use super::{Error, order_client::expect};
use crate::{console::Console, http::Http};

const STRATEGIES: [&str; 3] = ["promise-allsettled", "async-sequential", "rxjs"];
/// Exceeds founder's own limit of 8 s.
const LIMIT: Duration = Duration::from_secs(15);

/// The part of a user context that the demo shows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    location: Option<Location>,
    weather: Option<Weather>,
    entertainment: Option<Entertainment>,
    processing_time_ms: u64,
    errors: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Location {
    city: String,
    country: String,
}

#[derive(Debug, Deserialize)]
struct Weather {
    description: String,
    temperature: f64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entertainment {
    cat_fact: String,
}

/// Gets a user context with each strategy, and shows each as a line.
///
/// # Errors
/// Returns an error when founder gives no valid answer.
pub async fn show(console: &Console, http: &Http, founder: &str) -> Result<(), Error> {
    for strategy in STRATEGIES {
        let step = console.progress_bar(format!("user context, {strategy:<19}"));
        let url = format!("{founder}/api/v1/user-context?strategy={strategy}");
        let answer = http.get(&url, LIMIT).await?;
        let context: Context = expect(StatusCode::OK, &format!("user context, {strategy}"), answer)?;
        step.done(context.errors.is_empty(), &context.summary());
    }
    Ok(())
}

impl Context {
    fn summary(&self) -> String {
        let Self { location, weather, entertainment, .. } = self;
        let place = location.as_ref().map(|Location { city, country }| format!("{city}, {country}"));
        let weather = weather
            .as_ref()
            .map(|Weather { description, temperature }| format!("{temperature} °C, {description}"));
        let fact = entertainment.as_ref().map(|Entertainment { cat_fact }| cat_fact.clone());
        let parts = [place, weather, fact].into_iter().flatten().chain(self.errors.iter().cloned());
        format!("{} ({} ms)", parts.collect::<Vec<_>>().join("; "), self.processing_time_ms)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_summary_is_one_line_with_the_parts_and_the_errors() {
        let context: Context = serde_json::from_value(json!({
            "location": {"city": "Vienna", "country": "AT", "ip": "203.0.113.7"},
            "weather": null,
            "entertainment": {"catFact": "A cat sleeps.", "source": "catfact.ninja"},
            "processingTimeMs": 12,
            "errors": ["weather failed: answered 503"],
        }))
        .unwrap();
        assert_eq!(context.summary(), "Vienna, AT; A cat sleeps.; weather failed: answered 503 (12 ms)");
    }
}
