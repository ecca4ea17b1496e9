//! A payment intent: its changes, and the state that follows from them. An earlier answer is repeated from the changes
//! up to its version.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    card::{Decline, TestCard},
    error::StripeError,
    event::{EventId, EventRecord, EventType},
};
use crate::shared::{
    clock::Timestamp,
    ids::{Key, OrderId, id},
    money::{Amount, Money},
};

/// The time until an authorization expires.
pub const AUTHORIZATION_TTL: Duration = Duration::from_hours(7 * 24);

id! { IntentId, "pi_" }
id! { ChargeId, "ch_" }
id! { RefundId, "re_" }

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CaptureMethod {
    Automatic,
    AutomaticAsync,
    Manual,
}

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::EnumString,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CancellationReason {
    Duplicate,
    Fraudulent,
    RequestedByCustomer,
    Abandoned,
    Automatic,
}

/// A payment method and its card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Method {
    pub id: String,
    /// The name of the test card.
    pub card: String,
    /// True for `pm_card_visa` and for the data of a card, which become a payment method. It gets its id when it is used.
    pub is_new: bool,
}

impl Method {
    fn decline(&self) -> Option<Decline> {
        TestCard::named(&self.card).and_then(|card| card.decline)
    }
}

/// The attributes that a request sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    pub money: Money,
    pub capture_method: CaptureMethod,
    pub customer: Option<String>,
    pub description: Option<String>,
    pub receipt_email: Option<String>,
    pub statement_descriptor: Option<String>,
    pub setup_future_usage: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub method: Option<Method>,
    /// True if the intent was created with automatic payment methods, false with `payment_method_types`.
    pub automatic_methods: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refund {
    pub id: RefundId,
    pub charge: ChargeId,
    pub amount: Amount,
    pub reason: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    Updated(Attributes),
    Confirmed { method: Method, charge: ChargeId },
    Declined { method: Method, charge: ChargeId, decline: String },
    Captured { amount: Amount },
    Canceled { reason: Option<CancellationReason> },
    Refunded(Refund),
    RefundUpdated { id: RefundId, metadata: BTreeMap<String, String> },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    at: Timestamp,
    what: What,
    /// The idempotency key of the request.
    key: Option<Key>,
    /// The ids of its events, in the order of [`Change::events`].
    events: Vec<EventId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub id: IntentId,
    pub order: Option<OrderId>,
    created_at: Timestamp,
    attributes: Attributes,
    created_event: EventId,
    created_key: Option<Key>,
    changes: Vec<Change>,
    /// The number of changes of the request that created it.
    created_version: usize,
    /// The number of changes that are stored already. None before the intent is stored.
    #[serde(skip)]
    stored: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresCapture,
    Succeeded,
    Canceled,
}

impl Status {
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// One charge of an intent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeState {
    pub id: ChargeId,
    pub at: Timestamp,
    pub method: Method,
    pub decline: Option<Decline>,
    pub captured: Option<Amount>,
    pub is_voided: bool,
    pub refunds: Vec<Refund>,
}

impl ChargeState {
    #[must_use]
    pub fn refunded(&self) -> Amount {
        self.refunds.iter().fold(Amount::ZERO, |sum, refund| sum.checked_add(refund.amount).unwrap_or(sum))
    }

    fn remaining(&self) -> Amount {
        self.captured.and_then(|captured| captured.checked_sub(self.refunded())).unwrap_or(Amount::ZERO)
    }
}

/// The state of an intent after a number of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntentState {
    pub status: Status,
    pub created_at: Timestamp,
    pub attributes: Attributes,
    /// The newest is the last.
    pub charges: Vec<ChargeState>,
    pub canceled: Option<(Timestamp, Option<CancellationReason>)>,
}

impl IntentState {
    #[must_use]
    pub fn latest_charge(&self) -> Option<&ChargeState> {
        self.charges.last()
    }

    #[must_use]
    pub fn capturable(&self) -> Amount {
        if self.status == Status::RequiresCapture { self.attributes.money.amount } else { Amount::ZERO }
    }

    #[must_use]
    pub fn received(&self) -> Amount {
        self.latest_charge().and_then(|charge| charge.captured).unwrap_or(Amount::ZERO)
    }

    /// Returns the decline after which no other charge was tried.
    #[must_use]
    pub fn last_decline(&self) -> Option<(&ChargeState, Decline)> {
        self.latest_charge().and_then(|charge| Some((charge, charge.decline?)))
    }
}

/// Makes the ids of new objects.
pub trait NewIds {
    fn new_id(&self) -> Uuid;
}

/// The time, key and new ids of a change.
pub struct Changing<'a> {
    pub now: Timestamp,
    pub key: Option<Key>,
    pub ids: &'a dyn NewIds,
    /// A decline that replaces the result of the card.
    pub decline: Option<Decline>,
}

impl Intent {
    /// Creates an intent without a charge.
    #[must_use]
    pub fn create(attributes: Attributes, order: Option<OrderId>, changing: &Changing<'_>) -> Self {
        Self {
            id: IntentId::mint(changing.ids.new_id()),
            order,
            created_at: changing.now,
            attributes,
            created_event: EventId::mint(changing.ids.new_id()),
            created_key: changing.key.clone(),
            changes: Vec::new(),
            created_version: 0,
            stored: None,
        }
    }

    /// Ends the request that creates the intent.
    pub fn end_creation(&mut self) {
        self.created_version = self.changes.len();
    }

    /// Returns the number of changes of the request that created it.
    #[must_use]
    pub const fn created_version(&self) -> usize {
        self.created_version
    }

    #[must_use]
    pub fn version(&self) -> usize {
        self.changes.len()
    }

    #[must_use]
    pub fn state(&self, now: Timestamp) -> IntentState {
        self.state_at(self.changes.len(), now)
    }

    /// Returns the state after the first `version` changes.
    #[must_use]
    pub fn state_at(&self, version: usize, now: Timestamp) -> IntentState {
        let changes = self.changes.get(..version).unwrap_or(&self.changes);
        let mut state = IntentState {
            status: open_status(&self.attributes),
            created_at: self.created_at,
            attributes: self.attributes.clone(),
            charges: Vec::new(),
            canceled: None,
        };
        for change in changes {
            apply(&mut state, change);
        }
        let authorized = state.charges.last().map(|charge| charge.at);
        if state.status == Status::RequiresCapture
            && let Some(until) = authorized.map(|at| at.saturating_add(AUTHORIZATION_TTL))
            && now >= until
        {
            state.status = Status::Canceled;
            state.canceled = Some((until, Some(CancellationReason::Automatic)));
        }
        state
    }

    /// Replaces the attributes.
    ///
    /// # Errors
    /// Fails if the amount changes after a charge.
    pub fn update(&mut self, attributes: Attributes, changing: &Changing<'_>) -> Result<(), StripeError> {
        let state = self.state(changing.now);
        let is_open = matches!(state.status, Status::RequiresPaymentMethod | Status::RequiresConfirmation);
        let before = &state.attributes;
        let same_charge = attributes.money == before.money
            && attributes.method == before.method
            && attributes.capture_method == before.capture_method
            && attributes.customer == before.customer;
        if !is_open && !same_charge {
            return Err(unexpected(
                ("update the amount, customer or payment method of", "updated"),
                state.status,
                "requires_payment_method, requires_confirmation",
            ));
        }
        self.change(What::Updated(attributes), changing);
        Ok(())
    }

    /// Charges the card: authorizes the amount, and captures it unless capture is manual. A decline is a change, too.
    /// Returns the authorized and the captured amount.
    ///
    /// # Errors
    /// Fails unless the intent is open and has a payment method.
    pub fn confirm(
        &mut self,
        method: Option<Method>,
        changing: &Changing<'_>,
    ) -> Result<Option<(Money, bool)>, StripeError> {
        let state = self.state(changing.now);
        if !matches!(state.status, Status::RequiresPaymentMethod | Status::RequiresConfirmation) {
            return Err(unexpected(
                ("confirm", "confirmed"),
                state.status,
                "requires_payment_method, requires_confirmation",
            ));
        }
        let method = method.or(state.attributes.method).ok_or(StripeError::PaymentMethodMissing)?;
        let charge = ChargeId::mint(changing.ids.new_id());
        if let Some(decline) = changing.decline.or(method.decline()) {
            let decline = decline.name().to_owned();
            self.change(What::Declined { method, charge, decline }, changing);
            return Ok(None);
        }
        self.change(What::Confirmed { method, charge }, changing);
        Ok(Some((state.attributes.money, state.attributes.capture_method != CaptureMethod::Manual)))
    }

    /// Captures an amount, or all of it. Returns the captured and the voided amount.
    ///
    /// # Errors
    /// Fails unless the intent has at least this amount to capture.
    pub fn capture(
        &mut self,
        amount: Option<Amount>,
        changing: &Changing<'_>,
    ) -> Result<(Money, Money), StripeError> {
        let state = self.state(changing.now);
        if state.status != Status::RequiresCapture {
            return Err(unexpected(("capture", "captured"), state.status, "requires_capture"));
        }
        let money = state.attributes.money;
        let captured = amount.unwrap_or(money.amount);
        let rest = money
            .amount
            .checked_sub(captured)
            .ok_or(StripeError::AmountTooLarge { requested: captured, capturable: money.amount })?;
        self.change(What::Captured { amount: captured }, changing);
        Ok((money.with_amount(captured), money.with_amount(rest)))
    }

    /// Cancels the intent. Returns the voided amount, if one was authorized.
    ///
    /// # Errors
    /// Fails if the intent has succeeded or is canceled.
    pub fn cancel(
        &mut self,
        reason: Option<CancellationReason>,
        changing: &Changing<'_>,
    ) -> Result<Option<Money>, StripeError> {
        let state = self.state(changing.now);
        let voided = match state.status {
            Status::RequiresPaymentMethod | Status::RequiresConfirmation => None,
            Status::RequiresCapture => Some(state.attributes.money),
            Status::Succeeded | Status::Canceled => {
                return Err(unexpected(
                    ("cancel", "canceled"),
                    state.status,
                    "requires_payment_method, requires_capture, requires_confirmation, requires_action, processing",
                ));
            }
        };
        self.change(What::Canceled { reason }, changing);
        Ok(voided)
    }

    /// Refunds an amount of the captured charge, or the rest of it.
    ///
    /// # Errors
    /// Fails unless at least this amount remains.
    pub fn refund(
        &mut self,
        charge: Option<&str>,
        amount: Option<Amount>,
        reason: Option<String>,
        metadata: BTreeMap<String, String>,
        changing: &Changing<'_>,
    ) -> Result<(RefundId, Money), StripeError> {
        let state = self.state(changing.now);
        let wanted = charge;
        let charge = state
            .latest_charge()
            .filter(|charge| charge.captured.is_some())
            .ok_or_else(|| StripeError::ChargeNotCaptured(self.id.to_string()))?;
        // Only the last charge of an intent can be captured, so any other one failed.
        if let Some(other) = wanted.filter(|wanted| *wanted != charge.id.as_str()) {
            return Err(StripeError::ChargeFailed(other.to_owned()));
        }
        let remaining = charge.remaining();
        if remaining == Amount::ZERO {
            return Err(StripeError::ChargeAlreadyRefunded(charge.id.to_string()));
        }
        let amount = amount.unwrap_or(remaining);
        if amount > remaining {
            return Err(StripeError::RefundTooLarge { requested: amount, remaining });
        }
        let id = RefundId::mint(changing.ids.new_id());
        let charge = charge.id.clone();
        let refund = Refund { id: id.clone(), charge, amount, reason, metadata, at: changing.now };
        self.change(What::Refunded(refund), changing);
        Ok((id, state.attributes.money.with_amount(amount)))
    }

    /// Changes the metadata of a refund.
    pub fn update_refund(
        &mut self,
        id: RefundId,
        change: impl FnOnce(BTreeMap<String, String>) -> BTreeMap<String, String>,
        changing: &Changing<'_>,
    ) {
        let state = self.state(changing.now);
        let mut refunds = state.charges.iter().flat_map(|charge| &charge.refunds);
        let metadata = refunds.find(|refund| refund.id == id).map(|refund| refund.metadata.clone());
        let metadata = change(metadata.unwrap_or_default());
        self.change(What::RefundUpdated { id, metadata }, changing);
    }

    /// Returns the events of the creation and the changes that are not stored yet.
    #[must_use]
    pub fn new_events(&self) -> Vec<EventRecord> {
        let created = self.stored.is_none().then(|| EventRecord {
            id: self.created_event.clone(),
            kind: EventType::IntentCreated,
            at: self.created_at,
            intent: self.id.clone(),
            version: 0,
            refund: None,
            order: self.order.clone(),
            key: self.created_key.clone(),
        });
        let new = self.changes.iter().enumerate().skip(self.stored.unwrap_or(0));
        created.into_iter().chain(new.flat_map(|(index, change)| self.events_of(index, change))).collect()
    }

    /// Returns the payment methods that the creation and the new changes brought.
    pub fn new_methods(&self) -> impl Iterator<Item = (&Method, Timestamp)> {
        let created = self.attributes.method.as_ref().filter(|_| self.stored.is_none());
        let changed = self.changes.iter().skip(self.stored.unwrap_or(0)).filter_map(|change| {
            let method = match &change.what {
                What::Updated(attributes) => attributes.method.as_ref(),
                What::Confirmed { method, .. } | What::Declined { method, .. } => Some(method),
                _ => None,
            };
            method.map(|method| (method, change.at))
        });
        let created = created.map(|method| (method, self.created_at));
        created.into_iter().chain(changed).filter(|(method, _)| method.is_new)
    }

    /// Marks all changes as stored.
    pub fn set_stored(&mut self) {
        self.stored = Some(self.changes.len());
    }

    fn events_of(&self, index: usize, change: &Change) -> Vec<EventRecord> {
        let (kinds, refund) = self.event_types(index, &change.what);
        let events = kinds.into_iter().zip(&change.events);
        events
            .map(|(kind, id)| EventRecord {
                id: id.clone(),
                kind,
                at: change.at,
                intent: self.id.clone(),
                version: index + 1,
                refund: refund.clone(),
                order: self.order.clone(),
                key: change.key.clone(),
            })
            .collect()
    }

    fn event_types(&self, index: usize, what: &What) -> (Vec<EventType>, Option<RefundId>) {
        use EventType as Type;
        let types = match what {
            What::Confirmed { .. } => {
                let before = self.state_at(index, Timestamp::from_millis(0)).attributes;
                let is_manual = before.capture_method == CaptureMethod::Manual;
                vec![
                    Type::ChargeSucceeded,
                    if is_manual { Type::IntentCapturable } else { Type::IntentSucceeded },
                ]
            }
            What::Declined { .. } => vec![Type::ChargeFailed, Type::IntentFailed],
            What::Captured { .. } => vec![Type::ChargeCaptured, Type::IntentSucceeded],
            What::Canceled { .. } => vec![Type::IntentCanceled],
            What::Refunded(refund) => {
                return (vec![Type::RefundCreated, Type::ChargeRefunded], Some(refund.id.clone()));
            }
            What::Updated(_) | What::RefundUpdated { .. } => Vec::new(),
        };
        (types, None)
    }

    fn change(&mut self, what: What, changing: &Changing<'_>) {
        let count = self.event_types(self.changes.len(), &what).0.len();
        let events = std::iter::repeat_with(|| EventId::mint(changing.ids.new_id())).take(count).collect();
        self.changes.push(Change { at: changing.now, what, key: changing.key.clone(), events });
    }
}

fn open_status(attributes: &Attributes) -> Status {
    if attributes.method.is_some() { Status::RequiresConfirmation } else { Status::RequiresPaymentMethod }
}

fn apply(state: &mut IntentState, change: &Change) {
    let charged = |id: &ChargeId, method: &Method, decline, captured| ChargeState {
        id: id.clone(),
        at: change.at,
        method: method.clone(),
        decline,
        captured,
        is_voided: false,
        refunds: Vec::new(),
    };
    match &change.what {
        What::Updated(attributes) => {
            state.attributes = attributes.clone();
            if matches!(state.status, Status::RequiresPaymentMethod | Status::RequiresConfirmation) {
                state.status = open_status(attributes);
            }
        }
        What::Confirmed { method, charge: id } => {
            let is_manual = state.attributes.capture_method == CaptureMethod::Manual;
            let captured = (!is_manual).then_some(state.attributes.money.amount);
            state.charges.push(charged(id, method, None, captured));
            state.attributes.method = Some(method.clone());
            state.status = if is_manual { Status::RequiresCapture } else { Status::Succeeded };
        }
        What::Declined { method, charge: id, decline } => {
            state.charges.push(charged(id, method, Decline::named(decline), None));
            state.attributes.method = None;
            state.status = Status::RequiresPaymentMethod;
        }
        What::Captured { amount } => {
            if let Some(charge) = state.charges.last_mut() {
                charge.captured = Some(*amount);
            }
            state.status = Status::Succeeded;
        }
        What::Canceled { reason } => {
            if let Some(charge) = state.charges.last_mut() {
                charge.is_voided = charge.decline.is_none();
            }
            state.status = Status::Canceled;
            state.canceled = Some((change.at, *reason));
        }
        What::Refunded(refund) => {
            if let Some(charge) = state.charges.last_mut() {
                charge.refunds.push(refund.clone());
            }
        }
        What::RefundUpdated { id, metadata } => {
            let refunds = state.charges.iter_mut().flat_map(|charge| &mut charge.refunds);
            refunds.filter(|refund| refund.id == *id).for_each(|refund| refund.metadata.clone_from(metadata));
        }
    }
}

fn unexpected(
    (action, done): (&'static str, &'static str),
    status: Status,
    allowed: &'static str,
) -> StripeError {
    StripeError::PaymentIntentUnexpectedState { action, done, status: status.name(), allowed }
}
