//! Payments as JSON records in the store.

use serde::{Deserialize, Serialize};

use crate::{
    payment::domain::{AuthId, Charge, ChargeId, Payment, Refund, RefundId, State, Terms},
    shared::{
        clock::Timestamp,
        ids::{CustomerId, OrderId},
        money::{Amount, Money},
        resource::{Repository, Resource},
        store::{StoreError, Transaction, decode, encode},
    },
};

const KIND: &str = "payment";

#[derive(Debug, Clone, Copy)]
pub struct PaymentRecords;

impl Repository<Payment> for PaymentRecords {
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Payment>, StoreError> {
        let record = tx.get(KIND, id)?.map(|text| decode::<PaymentRecord>(KIND, id, &text)).transpose()?;
        Ok(record.map(Payment::from))
    }

    fn save(&self, tx: &mut dyn Transaction, payment: &Payment) -> Result<(), StoreError> {
        let text = encode(KIND, payment.id(), &PaymentRecord::from(payment))?;
        tx.put(KIND, payment.id(), text)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct PaymentRecord {
    auth_id: AuthId,
    money: Money,
    order_id: Option<OrderId>,
    customer_id: Option<CustomerId>,
    created_at: Timestamp,
    expires_at: Timestamp,
    charge: Option<ChargeRecord>,
    state: StateRecord,
}

#[derive(Debug, Serialize, Deserialize)]
struct ChargeRecord {
    id: ChargeId,
    description: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateRecord {
    Authorized,
    Released { at: Timestamp },
    Captured { at: Timestamp, refunds: Vec<RefundRecord> },
}

#[derive(Debug, Serialize, Deserialize)]
struct RefundRecord {
    id: RefundId,
    amount: Amount,
    reason: Option<String>,
    at: Timestamp,
}

impl From<&Payment> for PaymentRecord {
    fn from(payment: &Payment) -> Self {
        let terms = payment.terms().clone();
        let state = match payment.state() {
            State::Authorized => StateRecord::Authorized,
            State::Released { at } => StateRecord::Released { at: *at },
            State::Captured { at, refunds } => StateRecord::Captured {
                at: *at,
                refunds: refunds
                    .iter()
                    .cloned()
                    .map(|Refund { id, amount, reason, at }| RefundRecord { id, amount, reason, at })
                    .collect(),
            },
        };
        Self {
            auth_id: terms.auth_id,
            money: terms.money,
            order_id: terms.order_id,
            customer_id: terms.customer_id,
            created_at: terms.created_at,
            expires_at: terms.expires_at,
            charge: terms.charge.map(|Charge { id, description }| ChargeRecord { id, description }),
            state,
        }
    }
}

impl From<PaymentRecord> for Payment {
    fn from(record: PaymentRecord) -> Self {
        let terms = Terms {
            auth_id: record.auth_id,
            money: record.money,
            order_id: record.order_id,
            customer_id: record.customer_id,
            created_at: record.created_at,
            expires_at: record.expires_at,
            charge: record.charge.map(|ChargeRecord { id, description }| Charge { id, description }),
        };
        let state = match record.state {
            StateRecord::Authorized => State::Authorized,
            StateRecord::Released { at } => State::Released { at },
            StateRecord::Captured { at, refunds } => State::Captured {
                at,
                refunds: refunds
                    .into_iter()
                    .map(|RefundRecord { id, amount, reason, at }| Refund { id, amount, reason, at })
                    .collect(),
            },
        };
        Self::restored(terms, state)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        payment::domain::{AuthId, Charge, ChargeId, Refund, RefundId, State, Terms},
        shared::{
            clock::Timestamp,
            money::{Amount, Currency, Money},
            store::golden::assert_golden,
        },
    };

    #[test]
    fn every_state_of_a_payment_is_stored_as_the_golden_file_says() {
        let at = Timestamp::from_millis;
        let full = Terms {
            auth_id: AuthId::mint(Uuid::nil()),
            money: Money { amount: Amount::new(5998), currency: Currency::Mxn },
            order_id: "order-1".parse().ok(),
            customer_id: "customer-1".parse().ok(),
            created_at: at(1),
            expires_at: at(2),
            charge: Some(Charge { id: ChargeId::mint(Uuid::max()), description: Some("words".to_owned()) }),
        };
        let undescribed = Some(Charge { id: ChargeId::mint(Uuid::max()), description: None });
        let bare = Terms { order_id: None, customer_id: None, charge: None, ..full.clone() };
        let refund = |reason: Option<&str>| Refund {
            id: RefundId::mint(Uuid::nil()),
            amount: Amount::new(7),
            reason: reason.map(str::to_owned),
            at: at(4),
        };
        let captured = |refunds| State::Captured { at: at(3), refunds };
        let payments = vec![
            Payment::restored(bare.clone(), State::Authorized),
            Payment::restored(bare.clone(), State::Released { at: at(3) }),
            Payment::restored(bare, captured(Vec::new())),
            Payment::restored(Terms { charge: undescribed, ..full.clone() }, captured(vec![refund(None)])),
            Payment::restored(full, captured(vec![refund(None), refund(Some("a \"reason\""))])),
        ];
        let golden = include_str!("../../../tests/store/golden/payment.jsonl");
        assert_golden(PaymentRecords, KIND, golden, payments);
    }
}
