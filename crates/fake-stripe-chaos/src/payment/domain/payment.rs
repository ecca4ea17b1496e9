//! A payment: authorized → captured → refunded, in part or whole; or authorized → released (voided); or
//! authorized → expired.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::PaymentError;
use crate::shared::{
    clock::Timestamp,
    ids::{CustomerId, OrderId, id},
    money::{Amount, Money},
};

/// The time until an authorization expires.
pub const AUTHORIZATION_TTL: Duration = Duration::from_hours(7 * 24);

id! { AuthId, "auth_" }
id! { ChargeId, "ch_" }
id! { RefundId, "re_" }

/// The facts of a payment that never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    pub auth_id: AuthId,
    pub money: Money,
    pub order_id: Option<OrderId>,
    pub customer_id: Option<CustomerId>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Present if the payment was authorized and captured in one call.
    pub charge: Option<Charge>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    pub id: ChargeId,
    pub description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    pub id: RefundId,
    pub amount: Amount,
    pub reason: Option<String>,
    pub at: Timestamp,
}

/// The recorded state of a payment. Expiry is not in it, because only the clock decides it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Authorized,
    Released { at: Timestamp },
    Captured { at: Timestamp, refunds: Vec<Refund> },
}

/// The status of a payment at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    Authorized,
    Captured,
    PartiallyRefunded,
    Refunded,
    Released,
    Expired,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    #[serde(flatten)]
    terms: Terms,
    state: State,
}

impl Payment {
    /// Returns a payment with an authorized amount.
    #[must_use]
    pub const fn authorized(terms: Terms) -> Self {
        Self { terms, state: State::Authorized }
    }

    /// Returns a payment that is captured from its first moment.
    #[must_use]
    pub const fn charged(terms: Terms) -> Self {
        let at = terms.created_at;
        Self { terms, state: State::Captured { at, refunds: Vec::new() } }
    }

    /// Returns a payment with a stored state.
    #[cfg(test)]
    #[must_use]
    pub const fn restored(terms: Terms, state: State) -> Self {
        Self { terms, state }
    }

    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    #[must_use]
    pub fn status(&self, now: Timestamp) -> Status {
        match &self.state {
            State::Authorized if now >= self.terms.expires_at => Status::Expired,
            State::Authorized => Status::Authorized,
            State::Released { .. } => Status::Released,
            State::Captured { refunds, .. } if refunds.is_empty() => Status::Captured,
            State::Captured { .. } if self.remaining() == Amount::ZERO => Status::Refunded,
            State::Captured { .. } => Status::PartiallyRefunded,
        }
    }

    #[must_use]
    pub fn refunds(&self) -> &[Refund] {
        match &self.state {
            State::Captured { refunds, .. } => refunds,
            State::Authorized | State::Released { .. } => &[],
        }
    }

    #[must_use]
    pub fn refunded(&self) -> Amount {
        self.refunds().iter().fold(Amount::ZERO, |sum, refund| {
            // Refunds never exceed the payment, whose amount fits.
            sum.checked_add(refund.amount).unwrap_or(self.terms.money.amount)
        })
    }

    /// Returns the captured amount that is not refunded.
    fn remaining(&self) -> Amount {
        self.terms.money.amount.checked_sub(self.refunded()).unwrap_or(Amount::ZERO)
    }

    /// Captures the authorized amount.
    ///
    /// # Errors
    /// Fails unless the payment is authorized.
    pub fn capture(&mut self, now: Timestamp) -> Result<(), PaymentError> {
        match self.status(now) {
            Status::Authorized => {
                self.state = State::Captured { at: now, refunds: Vec::new() };
                Ok(())
            }
            Status::Captured | Status::PartiallyRefunded => Err(PaymentError::AlreadyCaptured),
            Status::Refunded => Err(PaymentError::Refunded),
            Status::Released => Err(PaymentError::Released),
            Status::Expired => Err(PaymentError::Expired),
        }
    }

    /// Voids the authorization.
    ///
    /// # Errors
    /// Fails unless the payment is authorized.
    pub fn release(&mut self, now: Timestamp) -> Result<(), PaymentError> {
        match self.status(now) {
            Status::Authorized => {
                self.state = State::Released { at: now };
                Ok(())
            }
            Status::Captured | Status::PartiallyRefunded => Err(PaymentError::Captured),
            Status::Refunded => Err(PaymentError::Refunded),
            Status::Released => Err(PaymentError::AlreadyReleased),
            Status::Expired => Err(PaymentError::Expired),
        }
    }

    /// Refunds `amount`, or the remaining amount if it is none. Returns the refunded amount.
    ///
    /// # Errors
    /// Fails unless at least this amount remains.
    pub fn refund(
        &mut self,
        id: RefundId,
        amount: Option<Amount>,
        reason: Option<String>,
        now: Timestamp,
    ) -> Result<Amount, PaymentError> {
        let (status, remaining) = (self.status(now), self.remaining());
        match (&mut self.state, status) {
            (State::Captured { refunds, .. }, Status::Captured | Status::PartiallyRefunded) => {
                let amount = amount.unwrap_or(remaining);
                if amount > remaining || amount == Amount::ZERO {
                    return Err(PaymentError::ExceedsRemaining { remaining });
                }
                refunds.push(Refund { id, amount, reason, at: now });
                Ok(amount)
            }
            (State::Captured { .. }, _) => Err(PaymentError::AlreadyRefunded),
            (State::Released { .. }, _) => Err(PaymentError::Released),
            (State::Authorized, Status::Expired) => Err(PaymentError::Expired),
            (State::Authorized, _) => Err(PaymentError::NotCaptured),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::shared::money::Currency;

    const START: Timestamp = Timestamp::from_millis(1_000);

    fn payment(amount: u64) -> Payment {
        Payment::authorized(Terms {
            auth_id: AuthId::mint(Uuid::nil()),
            money: Money { amount: Amount::new(amount), currency: Currency::Usd },
            order_id: None,
            customer_id: None,
            created_at: START,
            expires_at: START.saturating_add(AUTHORIZATION_TTL),
            charge: None,
        })
    }

    fn refund(payment: &mut Payment, amount: Option<u64>) -> Result<Amount, PaymentError> {
        payment.refund(RefundId::mint(Uuid::nil()), amount.map(Amount::new), None, START)
    }

    #[test]
    fn an_authorization_expires_in_the_millisecond_of_its_expiry() {
        let last = Timestamp::from_millis(START.saturating_add(AUTHORIZATION_TTL).millis() - 1);
        let over = START.saturating_add(AUTHORIZATION_TTL);
        assert_eq!(payment(1).capture(last), Ok(()));
        assert_eq!(payment(1).capture(over), Err(PaymentError::Expired));
        assert_eq!(payment(1).release(over), Err(PaymentError::Expired));
        assert_eq!(payment(1).status(over), Status::Expired);
    }

    #[test]
    fn a_captured_payment_does_not_expire() {
        let mut payment = payment(1);
        payment.capture(START).unwrap();
        assert_eq!(payment.status(START.saturating_add(AUTHORIZATION_TTL)), Status::Captured);
    }

    #[test]
    fn a_refund_without_an_amount_returns_the_remaining_amount() {
        let mut payment = payment(100);
        payment.capture(START).unwrap();
        assert_eq!(refund(&mut payment, Some(30)), Ok(Amount::new(30)));
        assert_eq!(
            refund(&mut payment, Some(71)),
            Err(PaymentError::ExceedsRemaining { remaining: Amount::new(70) })
        );
        assert_eq!(payment.status(START), Status::PartiallyRefunded);
        assert_eq!(refund(&mut payment, None), Ok(Amount::new(70)));
        assert_eq!(refund(&mut payment, None), Err(PaymentError::AlreadyRefunded));
        assert_eq!(payment.capture(START), Err(PaymentError::Refunded));
        assert_eq!(payment.release(START), Err(PaymentError::Refunded));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Capture,
        Release,
        Refund(Option<u64>),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Capture),
            Just(Step::Release),
            proptest::option::of(1..120_u64).prop_map(Step::Refund),
            (0..8 * 24_u64).prop_map(Step::Wait),
        ]
    }

    use Status::{Authorized, Captured, Expired, PartiallyRefunded, Refunded, Released};

    proptest! {
        /// The table repeats the allowed transitions.
        #[test]
        fn no_sequence_of_steps_leaves_the_state_machine(steps in proptest::collection::vec(step(), 0..12)) {
            let (mut payment, mut now) = (payment(100), START);
            for step in steps {
                let (before, refunded) = (payment.status(now), payment.refunded());
                let result = match step {
                    Step::Capture => payment.capture(now),
                    Step::Release => payment.release(now),
                    Step::Refund(amount) => payment
                        .refund(RefundId::mint(Uuid::nil()), amount.map(Amount::new), None, now)
                        .map(drop),
                    Step::Wait(hours) => {
                        now = now.saturating_add(Duration::from_hours(hours));
                        Ok(())
                    }
                };
                let after = payment.status(now);
                prop_assert!(payment.refunded() <= Amount::new(100));
                prop_assert!(payment.refunded() >= refunded);
                if result.is_err() {
                    prop_assert_eq!(before, after);
                }
                prop_assert!(matches!(
                    (before, after),
                    (Authorized, Authorized | Captured | Released | Expired)
                        | (Captured | PartiallyRefunded, PartiallyRefunded | Refunded)
                        | (Captured, Captured)
                        | (Refunded, Refunded)
                        | (Released, Released)
                        | (Expired, Expired)
                ), "{:?} -> {:?}", before, after);
            }
        }
    }
}
