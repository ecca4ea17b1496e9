//! The use cases of payments. Each changes a payment and posts to the ledger. The protocol brings the replay,
//! chaos, the transaction and the journal.

use std::sync::Arc;

use super::{
    commands::{Authorize, Capture, ChargeCard, RefundPayment, Release},
    ports::PaymentRepository,
};
use crate::{
    payment::domain::{AUTHORIZATION_TTL, AuthId, Charge, ChargeId, Payment, RefundId, Terms},
    shared::{
        deps::Deps,
        ledger::Posting,
        protocol::{Call, Protocol, Reply, Target},
        resource::{Part, Snapshot},
        store::StoreError,
    },
};

pub struct PaymentService {
    payments: Protocol<Payment>,
}

impl PaymentService {
    #[must_use]
    pub fn new(deps: &Deps, repository: Arc<PaymentRepository>) -> Self {
        Self { payments: Protocol::new(deps, repository) }
    }

    pub async fn authorize(&self, call: Call, command: Authorize) -> Reply<Payment> {
        let order = command.order_id.clone();
        self.payments
            .create(call, order, move |work| {
                let until = work.now.saturating_add(AUTHORIZATION_TTL);
                work.post(Posting::Held { money: command.money, until });
                Payment::authorized(Terms {
                    auth_id: AuthId::mint(work.new_id()),
                    money: command.money,
                    order_id: command.order_id,
                    customer_id: command.customer_id,
                    created_at: work.now,
                    expires_at: until,
                    charge: None,
                })
            })
            .await
    }

    pub async fn charge(&self, call: Call, command: ChargeCard) -> Reply<Payment> {
        let order = command.order_id.clone();
        self.payments
            .create(call, order, move |work| {
                let until = work.now.saturating_add(AUTHORIZATION_TTL);
                work.post(Posting::Held { money: command.money, until });
                work.post(Posting::Captured(command.money));
                let charge = Charge { id: ChargeId::mint(work.new_id()), description: command.description };
                Payment::charged(Terms {
                    auth_id: AuthId::mint(work.new_id()),
                    money: command.money,
                    order_id: command.order_id,
                    customer_id: None,
                    created_at: work.now,
                    expires_at: until,
                    charge: Some(charge),
                })
            })
            .await
    }

    pub async fn capture(&self, call: Call, command: Capture) -> Reply<Payment> {
        self.payments
            .change(call, Target::Id(command.auth_id), |work, payment| {
                payment.capture(work.now)?;
                work.post(Posting::Captured(payment.terms().money));
                Ok(None)
            })
            .await
    }

    pub async fn release(&self, call: Call, command: Release) -> Reply<Payment> {
        self.payments
            .change(call, command.target, |work, payment| {
                payment.release(work.now)?;
                work.post(Posting::Released(payment.terms().money));
                Ok(None)
            })
            .await
    }

    pub async fn refund(&self, call: Call, command: RefundPayment) -> Reply<Payment> {
        self.payments
            .change(call, command.target, move |work, payment| {
                let id = RefundId::mint(work.new_id());
                let amount = payment.refund(id.clone(), command.amount, command.reason, work.now)?;
                work.post(Posting::Refunded(payment.terms().money.with_amount(amount)));
                Ok(Some(Part(id.to_string())))
            })
            .await
    }

    /// Finds a resource by its id.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn find(&self, auth_id: String) -> Result<Option<Snapshot<Payment>>, StoreError> {
        self.payments.find(auth_id).await
    }
}
