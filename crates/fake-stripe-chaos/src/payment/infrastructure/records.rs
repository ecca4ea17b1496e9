//! Payments as JSON records in the store.

use crate::{
    payment::domain::Payment,
    shared::{
        resource::{Repository, Resource},
        store::{StoreError, Transaction, decode, encode},
    },
};

const KIND: &str = "payment";

#[derive(Debug, Clone, Copy)]
pub struct PaymentRecords;

impl Repository<Payment> for PaymentRecords {
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Payment>, StoreError> {
        tx.get(KIND, id)?.map(|text| decode(KIND, id, &text)).transpose()
    }

    fn save(&self, tx: &mut dyn Transaction, payment: &Payment) -> Result<(), StoreError> {
        tx.put(KIND, payment.id(), encode(KIND, payment.id(), payment)?)
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
