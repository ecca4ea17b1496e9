//! `cargo xtask demo`: a stack of its own, orders whose progress is shown, and the provider's own verdict.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use reqwest::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{
    console::{Console, Gauge},
    http::{Answer, Http, Unanswered},
    interrupt::Interrupts,
    services::{API, PROVIDER},
    up::{self, Wishes},
};

const ANSWER_LIMIT: Duration = Duration::from_secs(15);
/// What the API is asked to wait for a result, and some time for its answer.
const RESULT_SECONDS: u64 = 60;
const RESULT_LIMIT: Duration = Duration::from_secs(RESULT_SECONDS + 15);
const LOOK: Duration = Duration::from_millis(200);

/// What is ordered: SKU, quantity and price.
type Items = &'static [(&'static str, u32, f64)];

/// The orders of the demo, each with its total.
const ORDERS: [(Items, f64); 3] = [
    (&[("WIDGET-1", 2, 29.99)], 59.98),
    (&[("GADGET-7", 1, 149.5), ("CABLE-2M", 3, 4.25)], 162.25),
    (&[("STICKER", 10, 0.99)], 9.9),
];

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    #[error("{question}: {status} {body}")]
    Unexpected { question: String, status: StatusCode, body: Value },
    #[error("{question}: the answer isn't what it should be: {source}")]
    Unreadable { question: String, source: serde_json::Error },
    #[error("{0} hasn't ended after {RESULT_SECONDS} s")]
    NotEnded(String),
    #[error(transparent)]
    Task(#[from] tokio::task::JoinError),
}

/// Starts a stack without chaos, places the orders, and ends with the verdict: whether the ledger and the
/// orders agree, and all is as it should be.
///
/// # Errors
/// When the stack can't be started, or an order can't be placed or followed.
pub async fn run(
    console: &Console,
    interrupts: &mut Interrupts,
    free_ports: bool,
) -> Result<bool, up::Error> {
    let wishes = Wishes { chaos: "off".to_owned(), seed: None, fast: true, free_ports };
    let mut stack = interrupts.or(up::raise(console, &wishes)).await?;
    let shop = Shop { http: Http::new()?, api: stack.url(&API), provider: stack.url(&PROVIDER) };
    let traded = interrupts
        .or(async {
            tokio::select! {
                traded = trade(console, &shop) => Ok(traded?),
                ended = stack.watch() => Err(up::Error::from(ended)),
            }
        })
        .await;
    up::lower(console, interrupts, stack).await?;
    let (ended, verdict) = traded?;
    let faults = verdict.faults(&ended);
    for fault in &faults {
        console.say(&format!("contradiction: {fault}"));
    }
    println!("{verdict}");
    Ok(faults.is_empty())
}

async fn trade(console: &Console, shop: &Shop) -> Result<(Vec<Ended>, Verdict), Error> {
    let run = run_name();
    let mut orders = JoinSet::new();
    for (number, (items, total)) in (1..).zip(ORDERS) {
        let id = format!("demo-{run}-{number}");
        let gauge = console.gauge(format!("{id} ({total:>6.2} usd)"));
        let shop = shop.clone();
        orders.spawn(async move { shop.order(&id, items, total, gauge).await });
    }
    let mut ended = Vec::new();
    while let Some(order) = orders.join_next().await {
        ended.push(order??);
    }
    // Only who watches from outside tells the outcome: the order itself is what is judged.
    for order in &ended {
        shop.tell_outcome(order).await?;
    }
    Ok((ended, shop.verdict().await?))
}

/// Different in every run: orders and their workflows have names for ever.
fn run_name() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}", now.as_millis())
}

/// The side of the customer.
#[derive(Debug, Clone)]
struct Shop {
    http: Http,
    api: String,
    provider: String,
}

/// How an order ended, as the API tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Ended {
    id: String,
    shipped: bool,
    /// Status, and the error where there is one.
    how: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Placed {
    workflow_id: String,
}

/// An order's state: what we show of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    success: bool,
    status: String,
    progress: u64,
    current_step: String,
    error: Option<Failure>,
}

#[derive(Debug, Deserialize)]
struct Failure {
    code: String,
    message: String,
}

impl Shop {
    /// Places an order and follows it to its end.
    async fn order(&self, id: &str, items: Items, total: f64, mut gauge: Gauge) -> Result<Ended, Error> {
        let url = format!("{}/api/v1/order", self.api);
        let placed = self.http.post(&url, &order(id, items, total), ANSWER_LIMIT).await?;
        let Placed { workflow_id } = expect(StatusCode::CREATED, &format!("order {id}"), placed)?;

        let order = format!("{url}/{workflow_id}");
        let url = format!("{order}/result?timeout={RESULT_SECONDS}");
        let result = self.http.get(&url, RESULT_LIMIT);
        tokio::pin!(result);
        let answer = loop {
            tokio::select! {
                answer = &mut result => break answer?,
                // A status that can't be had now may be had next time; the result is what counts.
                Ok(state) = self.state(&order) => {
                    gauge.set(state.progress, &state.in_words());
                    tokio::time::sleep(LOOK).await;
                }
            }
        };
        if answer.status == StatusCode::ACCEPTED {
            return Err(Error::NotEnded(id.to_owned()));
        }
        let end: State = expect(StatusCode::OK, &format!("result of {id}"), answer)?;
        gauge.done(end.success, &end.in_words());
        Ok(Ended { id: id.to_owned(), shipped: end.success, how: end.in_words() })
    }

    async fn state(&self, order: &str) -> Result<State, Error> {
        let answer = self.http.get(&format!("{order}/status"), ANSWER_LIMIT).await?;
        expect(StatusCode::OK, "status", answer)
    }

    async fn tell_outcome(&self, Ended { id, shipped, .. }: &Ended) -> Result<(), Error> {
        let outcome = json!({ "outcome": if *shipped { "shipped" } else { "not_shipped" } });
        let url = format!("{}/ledger/orders/{id}/outcome", self.provider);
        let answer = self.http.put(&url, &outcome, ANSWER_LIMIT).await?;
        expect::<Value>(StatusCode::OK, &format!("outcome of {id}"), answer).map(drop)
    }

    async fn verdict(&self) -> Result<Verdict, Error> {
        let url = format!("{}/verdict?final=true", self.provider);
        expect(StatusCode::OK, "verdict", self.http.get(&url, ANSWER_LIMIT).await?)
    }
}

fn order(id: &str, items: Items, total: f64) -> Value {
    let items: Vec<_> = items
        .iter()
        .map(|(sku, quantity, price)| json!({ "sku": sku, "quantity": quantity, "price": price }))
        .collect();
    json!({
        "orderId": id,
        "customerId": "demo-customer",
        "customerEmail": "customer@example.com",
        "items": items,
        "totalAmount": total,
        "shippingAddress": {
            "street": "1 Infinite Loop", "city": "Cupertino", "state": "CA", "zip": "95014", "country": "US"
        },
        "requiresApproval": false,
    })
}

fn expect<T: DeserializeOwned>(status: StatusCode, question: &str, answer: Answer) -> Result<T, Error> {
    let question = question.to_owned();
    if answer.status != status {
        return Err(Error::Unexpected { question, status: answer.status, body: answer.body });
    }
    serde_json::from_value(answer.body).map_err(|source| Error::Unreadable { question, source })
}

impl State {
    fn in_words(&self) -> String {
        match &self.error {
            Some(Failure { code, message }) => format!("{}: {code}: {message}", self.status),
            None if self.current_step == "completed" => self.status.clone(),
            None => format!("{}: {}", self.status, self.current_step.replace('_', " ")),
        }
    }
}

/// What the provider says of all orders that it knows.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    orders: usize,
    shipped: usize,
    not_shipped: usize,
    open: usize,
    contradictions: Vec<Contradiction>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contradiction {
    /// None where it is the ledger as a whole that contradicts itself.
    order_id: Option<String>,
    rule: String,
    detail: String,
}

impl Verdict {
    /// Everything that keeps the verdict from being that exactly these orders shipped.
    fn faults(&self, ended: &[Ended]) -> Vec<String> {
        let shipped = ended.iter().filter(|order| order.shipped).count();
        let counts = [
            ("orders", self.orders, ended.len()),
            ("shipped", self.shipped, shipped),
            ("not shipped", self.not_shipped, ended.len() - shipped),
            ("open", self.open, 0),
        ];
        let contradictions = self.contradictions.iter().map(|Contradiction { order_id, rule, detail }| {
            let about = order_id.as_deref().unwrap_or("the ledger");
            format!("{about}: {rule}: {detail}")
        });
        let miscounts = counts.into_iter().filter(|(_, ledger, placed)| ledger != placed).map(
            |(what, ledger, placed)| {
                format!("{what}: {ledger} in the ledger, {placed} as we placed and saw them end")
            },
        );
        let unshipped = ended
            .iter()
            .filter(|order| !order.shipped)
            .map(|order| format!("{}: should have shipped, but: {}", order.id, order.how));
        contradictions.chain(miscounts).chain(unshipped).collect()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { orders, shipped, open, contradictions, .. } = self;
        write!(f, "orders={orders} shipped={shipped} open={open} contradictions={}", contradictions.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(id: &str, shipped: bool) -> Ended {
        let how = if shipped { "shipped" } else { "failed: OUT_OF_STOCK: none left" };
        Ended { id: id.to_owned(), shipped, how: how.to_owned() }
    }

    fn verdict(orders: usize, shipped: usize, open: usize) -> Verdict {
        Verdict { orders, shipped, not_shipped: orders - shipped - open, open, contradictions: Vec::new() }
    }

    #[test]
    fn the_verdict_is_one_line() {
        assert_eq!(verdict(3, 3, 0).to_string(), "orders=3 shipped=3 open=0 contradictions=0");
    }

    #[test]
    fn nothing_is_at_fault_where_the_ledger_has_exactly_the_orders_that_shipped() {
        assert!(verdict(2, 2, 0).faults(&[ended("a", true), ended("b", true)]).is_empty());
    }

    #[test]
    fn an_order_that_the_ledger_never_heard_of_is_a_fault() {
        let faults = verdict(1, 1, 0).faults(&[ended("a", true), ended("b", true)]);
        assert_eq!(
            faults,
            [
                "orders: 1 in the ledger, 2 as we placed and saw them end",
                "shipped: 1 in the ledger, 2 as we placed and saw them end"
            ]
        );
    }

    #[test]
    fn an_order_that_the_ledger_holds_open_is_a_fault() {
        assert_eq!(verdict(1, 0, 1).faults(&[ended("a", true)]).len(), 2);
    }

    #[test]
    fn an_order_that_did_not_ship_is_a_fault_even_if_the_ledger_agrees() {
        assert_eq!(
            verdict(1, 0, 0).faults(&[ended("a", false)]),
            ["a: should have shipped, but: failed: OUT_OF_STOCK: none left"]
        );
    }

    #[test]
    fn every_contradiction_is_a_fault() {
        let contradiction = |order: Option<&str>, detail: &str| Contradiction {
            order_id: order.map(str::to_owned),
            rule: "one_net_capture".to_owned(),
            detail: detail.to_owned(),
        };
        let verdict = Verdict {
            contradictions: vec![contradiction(Some("a"), "two captures"), contradiction(None, "none")],
            ..verdict(1, 1, 0)
        };
        assert_eq!(
            verdict.faults(&[ended("a", true)]),
            ["a: one_net_capture: two captures", "the ledger: one_net_capture: none"]
        );
        assert_eq!(verdict.to_string(), "orders=1 shipped=1 open=0 contradictions=2");
    }

    #[test]
    fn the_totals_of_the_orders_are_those_of_their_items() {
        for (items, total) in ORDERS {
            let cents: f64 =
                items.iter().map(|(_, quantity, price)| f64::from(*quantity) * (price * 100.0).round()).sum();
            assert!((cents - total * 100.0).abs() < 0.5, "{items:?}");
        }
    }

    #[test]
    fn prices_are_written_as_a_person_would() {
        let text = order("a", ORDERS[0].0, ORDERS[0].1).to_string();
        assert!(text.contains(r#""price":29.99"#) && text.contains(r#""totalAmount":59.98"#), "{text}");
    }
}
