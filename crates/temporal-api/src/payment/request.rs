//! A payment as it is asked for: read and checked whole, with all faults at once.

use std::time::Duration;

use service_kit::{
    correlation::CorrelationId,
    json::{Faults, FromJson, Node},
};
use workflows::{payment::messages::PaymentInput, policies::Timing};

use crate::fields::{Correlation, Id, Text};

/// Minor units; 999 999.99 of the currency.
const AMOUNTS: std::ops::RangeInclusive<i64> = 1..=99_999_999;
const CURRENCIES: [&str; 4] = ["usd", "eur", "gbp", "mxn"];

/// A payment that may be started.
#[derive(Debug)]
pub struct PaymentRequest {
    order_id: Option<String>,
    amount: u64,
    currency: &'static str,
    source: String,
    description: Option<String>,
    pub correlation: Option<CorrelationId>,
}

impl PaymentRequest {
    /// What names the payment: the order that is paid, else the work it is part of.
    pub fn reference(&self, correlation: &CorrelationId) -> String {
        self.order_id.clone().unwrap_or_else(|| correlation.to_string())
    }

    /// The input of the payment's workflow.
    pub fn into_input(
        self,
        correlation: &CorrelationId,
        timing: Timing,
        cancel_window: Duration,
    ) -> PaymentInput {
        PaymentInput {
            order_id: self.reference(correlation),
            amount: self.amount,
            currency: self.currency.to_owned(),
            source: self.source,
            description: self.description,
            correlation_id: correlation.to_string(),
            cancel_window_ms: u64::try_from(cancel_window.as_millis()).unwrap_or(u64::MAX),
            timing,
            resumed: None,
        }
    }
}

impl FromJson for PaymentRequest {
    fn from_json(node: &Node<'_>, faults: &mut Faults) -> Option<Self> {
        let object = node
            .object(&["orderId", "amount", "currency", "source", "description", "correlationId"], faults)?;
        let order_id = object.optional::<Id>("orderId", faults);
        let amount = object.required_with("amount", faults, |node, faults| {
            node.integer(AMOUNTS, faults).and_then(|amount| u64::try_from(amount).ok())
        });
        let currency = object.required_with("currency", faults, |node, faults| {
            let code = node.string(faults)?;
            CURRENCIES
                .into_iter()
                .find(|known| *known == code)
                .or_else(|| node.fault(faults, format!("must be one of {}", CURRENCIES.join(", "))))
        });
        let source: Option<Text<255>> = object.required("source", faults);
        let description = object.optional::<Text<500>>("description", faults);
        let correlation = object.optional::<Correlation>("correlationId", faults);
        Some(Self {
            order_id: order_id?.map(|id| id.0),
            amount: amount?,
            currency: currency?,
            source: source?.0,
            description: description?.map(|text| text.0),
            correlation: correlation?.map(|id| id.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<PaymentRequest, Vec<(String, String)>> {
        service_kit::json::read::<PaymentRequest>(body.as_bytes()).map_err(|problem| {
            problem.faults().iter().map(|fault| (fault.pointer.clone(), fault.message.clone())).collect()
        })
    }

    #[test]
    fn a_payment_is_named_by_its_order_else_by_its_correlation_id() {
        let correlation = CorrelationId::parse("corr-1").unwrap();
        let body = r#"{"amount": 5998, "currency": "usd", "source": "tok_visa"}"#;
        assert_eq!(read(body).unwrap().reference(&correlation), "corr-1");
        let body = body.replace('{', r#"{"orderId": "order-1", "#);
        assert_eq!(read(&body).unwrap().reference(&correlation), "order-1");
    }

    #[test]
    fn every_fault_is_named_at_once() {
        let body = r#"{"orderId": "a/b", "amount": 0, "currency": "yen", "source": "", "description": 7, "correlationId": "a b"}"#;
        let pointers: Vec<String> = read(body).unwrap_err().into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(
            pointers,
            ["/orderId", "/amount", "/currency", "/source", "/description", "/correlationId"]
        );
        let missing: Vec<String> = read("{}").unwrap_err().into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(missing, ["/amount", "/currency", "/source"]);
    }
}
