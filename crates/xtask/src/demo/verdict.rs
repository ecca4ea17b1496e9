//! Compares the provider's verdict with the observed ends of the orders.

use std::fmt;

use serde::Deserialize;

use super::order_client::EndedOrder;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    orders: usize,
    shipped: usize,
    not_shipped: usize,
    open: usize,
    contradictions: Vec<Contradiction>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Contradiction {
    /// Absent when the contradiction is about the ledger as a whole.
    order_id: Option<String>,
    rule: String,
    detail: String,
}

impl Verdict {
    /// Returns all differences between the ledger and these orders with their ends.
    pub fn mismatches(&self, ended: &[EndedOrder]) -> Vec<String> {
        let shipped = ended.iter().filter(|order| order.end.success).count();
        self.count_mismatches(ended.len(), shipped)
    }

    fn count_mismatches(&self, placed: usize, shipped: usize) -> Vec<String> {
        let counts = [
            ("orders", self.orders, placed),
            ("shipped", self.shipped, shipped),
            ("not shipped", self.not_shipped, placed - shipped),
            ("open", self.open, 0),
        ];
        let contradictions = self.contradictions.iter().map(|Contradiction { order_id, rule, detail }| {
            let about = order_id.as_deref().unwrap_or("the ledger");
            format!("{about}: {rule}: {detail}")
        });
        let miscounts = counts
            .into_iter()
            .filter(|(_, ledger, seen)| ledger != seen)
            .map(|(name, ledger, seen)| format!("{name}: {ledger} in the ledger, {seen} observed"));
        contradictions.chain(miscounts).collect()
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

    fn verdict(orders: usize, shipped: usize, open: usize) -> Verdict {
        Verdict { orders, shipped, not_shipped: orders - shipped - open, open, contradictions: Vec::new() }
    }

    #[test]
    fn the_verdict_is_one_line() {
        assert_eq!(verdict(3, 2, 0).to_string(), "orders=3 shipped=2 open=0 contradictions=0");
    }

    #[test]
    fn a_ledger_with_exactly_the_observed_orders_has_no_mismatch() {
        assert_eq!(verdict(3, 2, 0).count_mismatches(3, 2), Vec::<String>::new());
    }

    #[test]
    fn an_order_that_the_ledger_lacks_is_a_mismatch() {
        assert_eq!(
            verdict(1, 1, 0).count_mismatches(2, 2),
            ["orders: 1 in the ledger, 2 observed", "shipped: 1 in the ledger, 2 observed"]
        );
    }

    #[test]
    fn an_order_with_another_end_in_the_ledger_is_a_mismatch() {
        assert_eq!(verdict(2, 2, 0).count_mismatches(2, 1).len(), 2);
    }

    #[test]
    fn an_order_that_is_open_in_the_ledger_is_a_mismatch() {
        assert_eq!(verdict(1, 0, 1).count_mismatches(1, 1).len(), 2);
    }

    #[test]
    fn every_contradiction_is_a_mismatch() {
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
            verdict.count_mismatches(1, 1),
            ["a: one_net_capture: two captures", "the ledger: one_net_capture: none"]
        );
        assert_eq!(verdict.to_string(), "orders=1 shipped=1 open=0 contradictions=2");
    }
}
