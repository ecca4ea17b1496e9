//! Renders pages from templates.

use std::sync::Arc;

use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig};

use crate::{Error, Settings, Site, assets, failure::Failure, live::Part, visitor::Visitor};

/// Makes the context of a template from values that serialize, and from another context.
macro_rules! context {
    ($($name:ident => $value:expr),* $(, ..$rest:expr)? $(,)?) => {
        minijinja::context! { $($name => minijinja::value::Serde(&$value)),* $(, ..$rest)? }
    };
}
pub(crate) use context;

/// A template and its text.
macro_rules! templates {
    ($($name:literal),+ $(,)?) => {
        const TEMPLATES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../templates/", $name)))),+];
    };
}

templates![
    "base.html",
    "macros.html",
    "failure.html",
    "orders.html",
    "orders.part.html",
    "order.html",
    "order.part.html",
    "form.html",
    "action.html",
    "workflows.html",
    "workflow.html",
    "workflow.part.html",
    "reconciliation.html",
    "founder.html",
    "login.html",
    "chaos.html",
    "chaos.part.html",
    "verdict.html",
    "verdict.part.html",
];

/// The templates with what all of them use.
#[derive(Clone)]
pub struct Pages(Arc<Environment<'static>>);

impl Pages {
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.add_filter("moment", moment);
        environment.add_filter("words", words);
        environment.add_filter("tone", tone);
        environment.add_filter("path", |text: String| path_segment(&text));
        environment.add_filter("major", |amount: f64, currency: String| match decimals(&currency) {
            0 => format!("{amount:.0} {}", currency.to_uppercase()),
            _ => format!("{amount:.2} {}", currency.to_uppercase()),
        });
        environment.add_filter("minor", |amount: i64, currency: String| minor_units(amount, &currency));
        environment.add_filter("rule", rule);
        environment.add_filter("percent", |text: String| text.trim_end_matches('%').to_owned());
        environment.add_global("version", assets::version());
        environment.add_global("temporal_ui", settings.temporal_ui);
        environment.add_global("traces", settings.traces);
        environment.add_global("has_provider", settings.provider.is_some());
        for (name, text) in TEMPLATES {
            environment.add_template(name, text)?;
        }
        Ok(Self(Arc::new(environment)))
    }

    fn render(&self, template: &str, context: &Value) -> Result<String, Failure> {
        let rendered = self.0.get_template(template).and_then(|template| template.render(context));
        rendered.map_err(|error| Failure::internal(&format_args!("{error:#}")))
    }
}

impl Site {
    /// Renders a whole page.
    pub fn page(&self, template: &str, visitor: &Visitor, context: Value) -> Result<Response, Refusal> {
        self.page_after(None, template, visitor, context)
    }

    /// Renders a page after an action that may have failed. Then the page shows the failure and has its status.
    pub fn page_after(
        &self,
        failure: Option<&Failure>,
        template: &str,
        visitor: &Visitor,
        context: Value,
    ) -> Result<Response, Refusal> {
        let status = failure.map_or(StatusCode::OK, Failure::status);
        let mut context = context! { visitor => visitor, ..context };
        if let Some(failure) = failure {
            context = context! { failure => failure, ..context };
        }
        let html = self.pages.render(template, &context).map_err(|failure| self.refuse(visitor, &failure))?;
        Ok((status, Html(html)).into_response())
    }

    /// Renders a part of a page.
    pub fn part(&self, template: &str, is_final: bool, context: &Value) -> Option<Part> {
        let html = self.pages.render(template, context).ok()?;
        Some(Part { html, is_final })
    }

    /// Makes the page of a failure.
    pub fn refuse(&self, visitor: &Visitor, failure: &Failure) -> Refusal {
        let status = failure.status();
        let context = context! { visitor => visitor, failure => failure };
        let html = self.pages.render("failure.html", &context);
        let html = html.unwrap_or_else(|failure| failure.detail);
        Refusal(Box::new((status, Html(html)).into_response()))
    }
}

/// The answer to a request that failed.
#[derive(Debug)]
pub struct Refusal(Box<Response>);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

/// Sends the browser to a page after an action.
pub fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// Writes a time of the services for people: `2026-05-01 12:00:00`.
fn moment(text: &str) -> String {
    let short: String = text.chars().take(19).collect();
    short.replace('T', " ")
}

/// Writes a machine name for people: `pending_approval` → `pending approval`.
fn words(name: &str) -> String {
    name.replace('_', " ")
}

/// Returns the colour of a status.
fn tone(status: &str) -> &'static str {
    match status {
        "shipped" | "completed" | "succeeded" | "returned" | "fits" | "success" | "active" | "resolved" => {
            "good"
        }
        "failed" | "compensation_failed" | "terminated" | "timed_out" | "deviates" => "bad",
        "pending_approval" | "compensating" | "waiting" | "paused" | "rejected" | "cancelled" | "skip" => {
            "warn"
        }
        "processing" | "approved" | "running" | "pending" => "busy",
        _ => "plain",
    }
}

/// Encodes a text as one segment of a path, or as one value of a query.
pub fn path_segment(text: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(text, KEPT).to_string()
}

/// Explains a rule of the verdict.
fn rule(name: &str) -> &'static str {
    match name {
        "shipped_is_paid_once_in_full" => "An order that shipped has exactly one payment, captured in full.",
        "shipped_leaves_no_hold" => "An order that shipped has no authorization that still holds money.",
        "shipped_has_one_reservation" => "An order that shipped has exactly one reservation of its goods.",
        "shipped_has_one_label" => "An order that shipped has exactly one live shipping label.",
        "returned_is_refunded" => "An order that came back is refunded.",
        "returned_leaves_no_hold" => "An order that came back has no authorization that still holds money.",
        "returned_is_restocked" => "The goods of an order that came back are in stock again.",
        "returned_has_a_label_each_way" => "An order that came back has one label for each way.",
        "paid_is_captured_once_in_full" => "A payment without goods is captured exactly once, in full.",
        "paid_leaves_no_hold" => "A payment without goods leaves no money held.",
        "paid_leaves_no_reservation" => "A payment without goods reserves nothing.",
        "paid_leaves_no_label" => "A payment without goods has no label.",
        "not_shipped_leaves_no_money_captured" => {
            "An order that did not ship keeps no money of the customer."
        }
        "not_shipped_leaves_no_hold" => "An order that did not ship leaves no money held.",
        "not_shipped_leaves_no_reservation" => "An order that did not ship leaves no stock reserved.",
        "not_shipped_leaves_no_label" => "An order that did not ship leaves no label open.",
        "refunds_stay_within_captures" => "Refunds never exceed the captured money.",
        "no_effect_after_a_tombstone" => "A step that was undone before it arrived has no effect later.",
        "a_retry_keeps_its_key" => {
            "A retry has the idempotency key of the first try. Two equal payments by different calls are a double charge."
        }
        "totals_equal_the_sum_of_entries" => "The sums of the ledger equal the sum of its entries.",
        "outcome_is_told" => "Each order has a recorded outcome at the end.",
        _ => "docs/chaos.md lists the rules of the verdict.",
    }
}

/// Writes minor units as an amount: 5998 `usd` → `59.98 USD`.
fn minor_units(amount: i64, currency: &str) -> String {
    format!("{} {}", rust_decimal::Decimal::new(amount, decimals(currency)), currency.to_uppercase())
}

fn decimals(currency: &str) -> u32 {
    if matches!(currency, "jpy" | "krw") { 0 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        assert_eq!(minor_units(5998, "usd"), "59.98 USD");
        assert_eq!(minor_units(5, "eur"), "0.05 EUR");
        assert_eq!(minor_units(5998, "jpy"), "5998 JPY");
    }

    #[test]
    fn an_id_stays_within_its_segment() {
        assert_eq!(path_segment("a/../b?c"), "a%2F..%2Fb%3Fc");
    }
}
