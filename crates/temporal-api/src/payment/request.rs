//! Reads and checks the request for a payment as a whole, and reports all faults at once.

use std::time::Duration;

use serde::Serialize;
use service_kit::{
    correlation::CorrelationId,
    json::{Faults, FromJson, Node},
};
use workflows::{payment::messages::PaymentInput, policies::Timing};

use crate::{
    fields::{self, Correlation, Id, Text},
    idempotency::{Fingerprint, KeyDigest},
    money::Currency,
};

/// Limits the amount in minor units.
const AMOUNTS: std::ops::RangeInclusive<i64> = 1..=99_999_999;

/// Holds a payment that may be started. Its serialized form is its fingerprint. So a new member must be
/// omitted while it has its default.
#[derive(Debug, Serialize)]
pub struct PaymentRequest {
    order_id: Option<String>,
    amount: u64,
    currency: &'static str,
    source: String,
    description: Option<String>,
    #[serde(serialize_with = "fields::correlation_text")]
    pub correlation: Option<CorrelationId>,
}

impl PaymentRequest {
    /// Returns the value that distinguishes this payment from others, for any spelling of both.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("payment", self)
    }

    /// Holds the name of the payment: the paid order, else the work around it. If the body names
    /// neither, the caller's key is the name. The key stays the same when the request arrives again.
    pub fn reference(&self, correlation: &CorrelationId, key: Option<&KeyDigest>) -> String {
        fields::reference(self.order_id.as_deref(), self.correlation.as_ref(), key, correlation)
    }

    /// Returns the input of the payment's workflow.
    pub fn into_input(
        self,
        reference: String,
        correlation: &CorrelationId,
        timing: Timing,
        cancel_window: Duration,
    ) -> PaymentInput {
        PaymentInput {
            order_id: reference,
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
        let currency = object.required::<Currency>("currency", faults);
        let source: Option<Text<255>> = object.required("source", faults);
        let description = object.optional::<Text<500>>("description", faults);
        let correlation = object.optional::<Correlation>("correlationId", faults);
        Some(Self {
            order_id: order_id?.map(|id| id.0),
            amount: amount?,
            currency: currency?.code(),
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
    fn a_payment_is_named_by_its_order_its_correlation_id_or_its_key() {
        let header = CorrelationId::parse("corr-1").unwrap();
        let key = KeyDigest::of("a key");
        let body = r#"{"amount": 5998, "currency": "usd", "source": "tok_visa"}"#;
        assert_eq!(read(body).unwrap().reference(&header, None), "corr-1");
        // The header may differ when the request arrives again.
        assert_eq!(read(body).unwrap().reference(&header, Some(&key)), key.reference());
        let body = body.replace('{', r#"{"correlationId": "corr-2", "#);
        assert_eq!(read(&body).unwrap().reference(&header, Some(&key)), "corr-2");
        let body = body.replace('{', r#"{"orderId": "order-1", "#);
        assert_eq!(read(&body).unwrap().reference(&header, Some(&key)), "order-1");
    }

    #[test]
    fn two_spellings_of_a_payment_are_one() {
        let body = r#"{"amount": 5998, "currency": "usd", "source": "tok_visa"}"#;
        let print = |body: &str| read(body).unwrap().fingerprint();
        assert_eq!(print(body), print(&body.replace("5998", "5998.0").replace("usd", "USD")));
        assert_eq!(print(body), print(&body.replace("5998", "59.98e2")));
        assert_ne!(print(body), print(&body.replace("5998", "5999")));
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
