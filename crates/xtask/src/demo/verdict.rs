//! What the provider says of all orders that it knows, held against what was seen of them.

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
    /// None where it is the ledger as a whole that contradicts itself.
    order_id: Option<String>,
    rule: String,
    detail: String,
}

impl Verdict {
    /// Everything that keeps the ledger from having exactly these orders, with these ends.
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
        let miscounts =
            counts.into_iter().filter(|(_, ledger, seen)| ledger != seen).map(|(what, ledger, seen)| {
                format!("{what}: {ledger} in the ledger, {seen} as we placed and saw them end")
            });
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
    fn nothing_is_at_fault_where_the_ledger_has_exactly_the_orders_and_their_ends() {
        assert_eq!(verdict(3, 2, 0).count_mismatches(3, 2), Vec::<String>::new());
    }

    #[test]
    fn an_order_that_the_ledger_never_heard_of_is_a_fault() {
        assert_eq!(
            verdict(1, 1, 0).count_mismatches(2, 2),
            [
                "orders: 1 in the ledger, 2 as we placed and saw them end",
                "shipped: 1 in the ledger, 2 as we placed and saw them end"
            ]
        );
    }

    #[test]
    fn an_order_that_ended_otherwise_than_the_ledger_has_it_is_a_fault() {
        assert_eq!(verdict(2, 2, 0).count_mismatches(2, 1).len(), 2);
    }

    #[test]
    fn an_order_that_the_ledger_holds_open_is_a_fault() {
        assert_eq!(verdict(1, 0, 1).count_mismatches(1, 1).len(), 2);
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
            verdict.count_mismatches(1, 1),
            ["a: one_net_capture: two captures", "the ledger: one_net_capture: none"]
        );
        assert_eq!(verdict.to_string(), "orders=1 shipped=1 open=0 contradictions=2");
    }
}
