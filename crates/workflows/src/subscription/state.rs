//! The pure state machine of a subscription. All times are milliseconds since the Unix epoch.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};

use super::{messages::Terms, recurrence::Recurrence};
use crate::failure::StateError;

/// The number of periods that the state shows. Counters include the earlier ones.
const RECENT: usize = 10;
/// The number of attempts at one period's order before the subscription is past due.
pub const ATTEMPTS: u32 = 3;

#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr, strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum SubscriptionStatus {
    Active,
    Paused,
    /// The order of the present period failed too often.
    PastDue,
    Cancelled,
    /// It has placed all its orders.
    Completed,
}

impl SubscriptionStatus {
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Cancelled | Self::Completed)
    }
}

/// The end of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum PeriodStatus {
    Shipped,
    /// Its order failed, and nobody resumed the subscription.
    Failed,
    Skipped,
}

impl PeriodStatus {
    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Period {
    /// From 1.
    pub number: u32,
    pub status: PeriodStatus,
    pub attempts: u32,
    pub at_ms: i64,
}

/// A change that a caller asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Pause,
    Resume,
    SkipNext,
    Items,
    ShippingAddress,
    Interval,
    Cancel,
}

/// The reasons why a subscription refuses a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the subscription has ended")]
    Ended,
    #[error("the subscription is being cancelled")]
    Cancelling,
    #[error("the subscription is paused already")]
    Paused,
    #[error("the subscription runs, so there is nothing to resume")]
    NotPaused,
    #[error("the subscription is past due; resume or cancel it, or skip the order that failed")]
    PastDue,
    #[error("the next order is skipped already")]
    AlreadySkipped,
    #[error("the subscription has no order after the present one")]
    NoNextOrder,
}

/// The state that queries and the endpoint show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionState {
    pub subscription_id: String,
    pub customer_id: String,
    pub status: SubscriptionStatus,
    pub terms: Terms,
    pub currency: String,
    pub recurrence: Recurrence,
    pub max_orders: Option<u32>,
    /// The number of the present period, from 1. Its order is the next one, or the running one.
    pub period: u32,
    /// The number of periods whose order was placed.
    pub orders: u32,
    pub shipped: u32,
    pub failed: u32,
    pub skipped: u32,
    /// The time of the next order, or of its next attempt. `None` while an order runs, and at the end.
    pub next_order_at_ms: Option<i64>,
    /// The id of the running order.
    pub running_order: Option<String>,
    /// The attempts at the present period's order so far.
    pub attempts: u32,
    /// True if the next order will be skipped.
    pub skips_next: bool,
    /// True after a cancellation. The running order is the last one.
    pub cancelling: bool,
    pub error: Option<StateError>,
    /// The last periods, the latest last.
    pub recent: VecDeque<Period>,
    /// The number of updates and signals that were handled, whether they changed something or not.
    pub messages: u64,
    /// Grows by one with every change.
    pub version: u64,
}

impl SubscriptionState {
    /// # Errors
    /// Returns the reason why the change would be refused.
    pub fn check(&self, change: Change) -> Result<(), Refused> {
        use SubscriptionStatus::{Active, Cancelled, Completed, PastDue, Paused};
        if matches!(self.status, Cancelled | Completed) {
            return Err(Refused::Ended);
        }
        if self.cancelling {
            return Err(Refused::Cancelling);
        }
        match (change, self.status) {
            (Change::Pause, Paused) => Err(Refused::Paused),
            (Change::Pause, PastDue) => Err(Refused::PastDue),
            (Change::Resume, Active) => Err(Refused::NotPaused),
            (Change::SkipNext, _) if self.skips_next && self.running_order.is_some() => {
                Err(Refused::AlreadySkipped)
            }
            (Change::SkipNext, _) if self.is_last_order_running() => Err(Refused::NoNextOrder),
            _ => Ok(()),
        }
    }

    fn is_last_order_running(&self) -> bool {
        self.running_order.is_some() && self.max_orders.is_some_and(|most| self.orders >= most)
    }
}

/// The end of an attempt at an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderEnd {
    Shipped,
    /// It failed, and its compensations are complete.
    Failed(StateError),
    /// Somebody ended it from outside, or another order has its id. Its effects may be open.
    Unknown(StateError),
}

/// The next thing that the workflow does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    PlaceOrder,
    /// `None` waits for a change.
    Wait(Option<Duration>),
    End,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    state: SubscriptionState,
    /// The time of the present period on the grid of its recurrence.
    due_ms: i64,
    retry_after_ms: u64,
}

impl Subscription {
    #[must_use]
    pub fn new(
        (subscription_id, customer_id): (&str, &str),
        (terms, currency): (Terms, &str),
        recurrence: Recurrence,
        max_orders: Option<u32>,
        (start_at_ms, retry_after_ms): (i64, u64),
    ) -> Self {
        Self {
            state: SubscriptionState {
                subscription_id: subscription_id.to_owned(),
                customer_id: customer_id.to_owned(),
                status: SubscriptionStatus::Active,
                terms,
                currency: currency.to_owned(),
                recurrence,
                max_orders,
                period: 1,
                orders: 0,
                shipped: 0,
                failed: 0,
                skipped: 0,
                next_order_at_ms: Some(start_at_ms),
                running_order: None,
                attempts: 0,
                skips_next: false,
                cancelling: false,
                error: None,
                recent: VecDeque::new(),
                messages: 0,
                version: 0,
            },
            due_ms: start_at_ms,
            retry_after_ms,
        }
    }

    #[must_use]
    pub const fn state(&self) -> &SubscriptionState {
        &self.state
    }

    fn state_mut(&mut self) -> &mut SubscriptionState {
        self.state.version += 1;
        &mut self.state
    }

    /// Counts a message, before its effect.
    pub const fn count_message(&mut self) {
        self.state.messages += 1;
    }

    /// Decides the next action. It skips and ends what is due.
    pub fn next_action(&mut self, now: i64) -> Action {
        if self.state.status.is_final() {
            return Action::End;
        }
        if self.state.cancelling {
            self.end(SubscriptionStatus::Cancelled);
            return Action::End;
        }
        match (self.state.status, self.state.next_order_at_ms) {
            (SubscriptionStatus::Active, None) => {
                self.end(SubscriptionStatus::Completed);
                Action::End
            }
            (SubscriptionStatus::Active, Some(at)) => match u64::try_from(at.saturating_sub(now)) {
                Ok(wait) if wait > 0 => Action::Wait(Some(Duration::from_millis(wait))),
                _ => Action::PlaceOrder,
            },
            _ => Action::Wait(None),
        }
    }

    /// Starts an attempt at the present period's order.
    pub fn start_order(&mut self, workflow_id: &str) {
        let state = self.state_mut();
        if state.attempts == 0 {
            state.orders += 1;
        }
        state.attempts += 1;
        state.running_order = Some(workflow_id.to_owned());
        state.next_order_at_ms = None;
    }

    /// Ends the running order. A failed order is placed again, [`ATTEMPTS`] times in all. One that may have left
    /// effects is not: it would charge the customer twice.
    pub fn finish_order(&mut self, end: OrderEnd, now: i64) {
        self.state_mut().running_order = None;
        match end {
            OrderEnd::Shipped => {
                self.state.shipped += 1;
                self.end_period(PeriodStatus::Shipped, now);
            }
            OrderEnd::Failed(error) if self.state.attempts < ATTEMPTS => {
                self.state.error = Some(error);
                let wait = self.retry_after_ms.saturating_mul(1 << (self.state.attempts - 1).min(20));
                let at = now.saturating_add(i64::try_from(wait).unwrap_or(i64::MAX));
                self.state.next_order_at_ms = Some(at);
            }
            OrderEnd::Failed(error) | OrderEnd::Unknown(error) => {
                self.state.error = Some(error);
                // A pause that came meanwhile gives way, because a resume is needed anyway.
                self.state.status = SubscriptionStatus::PastDue;
            }
        }
    }

    fn end_period(&mut self, status: PeriodStatus, now: i64) {
        let state = &mut self.state;
        state.error = None;
        let attempts = std::mem::take(&mut state.attempts);
        if state.recent.len() == RECENT {
            state.recent.pop_front();
        }
        state.recent.push_back(Period { number: state.period, status, attempts, at_ms: now });
        state.period += 1;
        state.next_order_at_ms = None;
        if state.max_orders.is_some_and(|most| state.orders >= most) {
            return;
        }
        let Some(due) = state.recurrence.next(self.due_ms, now) else { return };
        self.due_ms = due;
        state.next_order_at_ms = Some(due);
        if std::mem::take(&mut state.skips_next) {
            state.skipped += 1;
            self.end_period(PeriodStatus::Skipped, now);
        }
    }

    fn end(&mut self, status: SubscriptionStatus) {
        let state = self.state_mut();
        if state.attempts > 0 {
            state.failed += 1;
        }
        state.status = status;
        state.next_order_at_ms = None;
        state.skips_next = false;
    }

    /// # Errors
    /// Returns the reason why nothing changes. The same holds for every other change.
    pub fn pause(&mut self) -> Result<(), Refused> {
        self.state.check(Change::Pause)?;
        self.state_mut().status = SubscriptionStatus::Paused;
        Ok(())
    }

    /// Resumes a paused subscription with its next time. A past due one tries the order that failed at once.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn resume(&mut self, now: i64) -> Result<(), Refused> {
        self.state.check(Change::Resume)?;
        let was_past_due = self.state.status == SubscriptionStatus::PastDue;
        let state = self.state_mut();
        state.status = SubscriptionStatus::Active;
        if was_past_due {
            // The order counts as placed already.
            state.orders -= 1;
            state.attempts = 0;
            state.next_order_at_ms = Some(now);
        } else if state.attempts == 0 && state.next_order_at_ms.is_some_and(|at| at < now) {
            self.wait_for_next_time(now);
        }
        Ok(())
    }

    /// Skips the next order: the one after the running one, or the one that failed.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn skip_next(&mut self, now: i64) -> Result<(), Refused> {
        self.state.check(Change::SkipNext)?;
        self.state.version += 1;
        if self.state.running_order.is_some() {
            self.state.skips_next = true;
            return Ok(());
        }
        if self.state.attempts > 0 {
            self.state.failed += 1;
            self.end_period(PeriodStatus::Failed, now);
        } else {
            self.state.skipped += 1;
            self.end_period(PeriodStatus::Skipped, now);
        }
        if self.state.status == SubscriptionStatus::PastDue {
            self.state.status = SubscriptionStatus::Active;
        }
        Ok(())
    }

    /// # Errors
    /// As [`Self::pause`].
    pub fn change_items(&mut self, terms: Terms) -> Result<(), Refused> {
        self.state.check(Change::Items)?;
        self.state_mut().terms = terms;
        Ok(())
    }

    /// Counts a changed address. The input of the workflow has the address, because states are not personal.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn change_address(&mut self) -> Result<(), Refused> {
        self.state.check(Change::ShippingAddress)?;
        self.state_mut();
        Ok(())
    }

    /// Changes the recurrence. The new grid starts now.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn change_interval(&mut self, recurrence: Recurrence, now: i64) -> Result<(), Refused> {
        self.state.check(Change::Interval)?;
        self.due_ms = now;
        let state = self.state_mut();
        state.recurrence = recurrence;
        if state.attempts == 0 && state.next_order_at_ms.is_some() {
            self.wait_for_next_time(now);
        }
        Ok(())
    }

    fn wait_for_next_time(&mut self, now: i64) {
        let next = self.state.recurrence.next(self.due_ms, now);
        self.due_ms = next.unwrap_or(self.due_ms);
        self.state.next_order_at_ms = next;
    }

    /// # Errors
    /// As [`Self::pause`].
    pub fn cancel(&mut self) -> Result<(), Refused> {
        self.state.check(Change::Cancel)?;
        self.state_mut().cancelling = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: i64 = 1000;

    fn terms() -> Terms {
        Terms { items: Vec::new(), amount: 100, total: "1".to_owned() }
    }

    /// Returns a subscription with an order each second from 0, and 100 ms before a failed order is placed again.
    fn subscription(max_orders: Option<u32>) -> Subscription {
        Subscription::new(("s", "c"), (terms(), "usd"), Recurrence::EveryMs(1000), max_orders, (0, 100))
    }

    fn ship(subscription: &mut Subscription, now: i64) {
        assert_eq!(subscription.next_action(now), Action::PlaceOrder);
        subscription.start_order("order");
        subscription.finish_order(OrderEnd::Shipped, now);
    }

    fn fail(subscription: &mut Subscription, now: i64) {
        assert_eq!(subscription.next_action(now), Action::PlaceOrder);
        subscription.start_order("order");
        subscription.finish_order(OrderEnd::Failed(StateError::new("PAYMENT_DECLINED", "no money")), now);
    }

    fn past_due() -> Subscription {
        let mut subscription = subscription(None);
        for at in [0, 100, 300] {
            fail(&mut subscription, at);
        }
        subscription
    }

    fn wait(millis: u64) -> Action {
        Action::Wait(Some(Duration::from_millis(millis)))
    }

    #[test]
    fn it_places_an_order_in_each_period_until_it_has_placed_all() {
        let mut subscription = subscription(Some(3));
        for period in 0..3 {
            ship(&mut subscription, period * SECOND + 10);
        }
        assert_eq!(subscription.next_action(9 * SECOND), Action::End);
        let state = subscription.state();
        assert_eq!((state.status, state.orders, state.shipped), (SubscriptionStatus::Completed, 3, 3));
        let numbers: Vec<_> = state.recent.iter().map(|period| period.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }

    #[test]
    fn it_waits_for_the_next_period() {
        let mut subscription = subscription(None);
        ship(&mut subscription, 200);
        assert_eq!(subscription.next_action(200), wait(800));
        ship(&mut subscription, 2500);
        assert_eq!(subscription.next_action(2500), wait(500), "the missed time is not made up for");
    }

    #[test]
    fn a_failed_order_is_placed_three_times_with_growing_waits() {
        let mut subscription = subscription(None);
        fail(&mut subscription, 0);
        assert_eq!(subscription.next_action(0), wait(100));
        fail(&mut subscription, 100);
        assert_eq!(subscription.next_action(100), wait(200));
        fail(&mut subscription, 300);
        assert_eq!(subscription.next_action(300), Action::Wait(None));
        let state = subscription.state();
        assert_eq!((state.status, state.attempts, state.orders), (SubscriptionStatus::PastDue, 3, 1));
        assert_eq!(state.error.as_ref().unwrap().code, "PAYMENT_DECLINED");
    }

    #[test]
    fn a_resumed_past_due_subscription_tries_the_same_period_again() {
        let mut subscription = past_due();
        subscription.resume(5000).unwrap();
        ship(&mut subscription, 5000);
        let state = subscription.state();
        assert_eq!((state.status, state.orders, state.shipped), (SubscriptionStatus::Active, 1, 1));
        assert_eq!((state.period, state.error.as_ref()), (2, None));
    }

    #[test]
    fn a_skip_gives_up_the_order_that_failed() {
        let mut subscription = past_due();
        subscription.skip_next(5000).unwrap();
        let state = subscription.state();
        assert_eq!((state.status, state.failed, state.period), (SubscriptionStatus::Active, 1, 2));
        assert_eq!(subscription.next_action(5000), wait(1000));
    }

    #[test]
    fn a_pause_places_no_order_and_a_resume_makes_up_for_none() {
        let mut subscription = subscription(None);
        ship(&mut subscription, 0);
        subscription.pause().unwrap();
        assert_eq!(subscription.next_action(9 * SECOND), Action::Wait(None));
        subscription.resume(9500).unwrap();
        assert_eq!(subscription.next_action(9500), wait(500));
    }

    #[test]
    fn a_skip_during_an_order_concerns_the_one_after_it() {
        let mut subscription = subscription(None);
        subscription.start_order("order");
        subscription.skip_next(10).unwrap();
        assert_eq!(subscription.skip_next(10), Err(Refused::AlreadySkipped));
        subscription.finish_order(OrderEnd::Shipped, 20);
        assert_eq!(subscription.next_action(20), wait(1980));
        let state = subscription.state();
        assert_eq!((state.shipped, state.skipped, state.period, state.skips_next), (1, 1, 3, false));
    }

    #[test]
    fn skipped_periods_do_not_count_as_orders() {
        let mut subscription = subscription(Some(1));
        subscription.skip_next(0).unwrap();
        ship(&mut subscription, SECOND);
        assert_eq!(subscription.next_action(SECOND), Action::End);
        assert_eq!(subscription.state().shipped, 1);
    }

    #[test]
    fn a_cancellation_ends_it_after_the_running_order() {
        let mut subscription = subscription(None);
        subscription.start_order("order");
        subscription.cancel().unwrap();
        assert_eq!(subscription.pause(), Err(Refused::Cancelling));
        subscription.finish_order(OrderEnd::Shipped, 10);
        assert_eq!(subscription.next_action(10), Action::End);
        let state = subscription.state();
        assert_eq!((state.status, state.shipped), (SubscriptionStatus::Cancelled, 1));
        assert_eq!(subscription.resume(20), Err(Refused::Ended));
    }

    #[test]
    fn a_new_interval_starts_now() {
        let mut subscription = subscription(None);
        ship(&mut subscription, 0);
        subscription.change_interval(Recurrence::EveryMs(5000), 300).unwrap();
        assert_eq!(subscription.next_action(300), wait(5000));
        ship(&mut subscription, 5300);
        assert_eq!(subscription.next_action(5300), wait(5000));
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let active = subscription(None);
        assert_eq!(active.state().check(Change::Resume), Err(Refused::NotPaused));
        let mut paused = subscription(None);
        paused.pause().unwrap();
        assert_eq!(paused.state().check(Change::Pause), Err(Refused::Paused));
        assert_eq!(past_due().state().check(Change::Pause), Err(Refused::PastDue));
        let mut last = subscription(Some(1));
        last.start_order("order");
        assert_eq!(last.state().check(Change::SkipNext), Err(Refused::NoNextOrder));
    }

    #[test]
    fn an_order_whose_effects_may_be_open_is_not_placed_again() {
        let mut subscription = subscription(None);
        subscription.start_order("order");
        subscription.finish_order(OrderEnd::Unknown(StateError::new("TERMINATED", "by hand")), 0);
        assert_eq!(subscription.state().status, SubscriptionStatus::PastDue);
        assert_eq!(subscription.next_action(SECOND), Action::Wait(None));
        subscription.resume(SECOND).unwrap();
        ship(&mut subscription, SECOND);
        let state = subscription.state();
        assert_eq!((state.orders, state.shipped, &state.error), (1, 1, &None));
    }

    #[test]
    fn a_failed_order_can_be_given_up_although_the_next_one_is_to_be_skipped() {
        let mut subscription = subscription(None);
        subscription.start_order("order");
        subscription.skip_next(0).unwrap();
        subscription.finish_order(OrderEnd::Failed(StateError::new("X", "x")), 0);
        subscription.skip_next(0).unwrap();
        let state = subscription.state();
        let ends: Vec<_> = state.recent.iter().map(|period| period.status).collect();
        assert_eq!(ends, [PeriodStatus::Failed, PeriodStatus::Skipped]);
        assert_eq!((state.skips_next, &state.error), (false, &None));
    }

    #[test]
    fn only_the_last_periods_are_kept() {
        let mut subscription = subscription(None);
        for period in 0..25 {
            ship(&mut subscription, period * SECOND);
        }
        let numbers: Vec<_> = subscription.state().recent.iter().map(|period| period.number).collect();
        assert_eq!(numbers, (16..=25).collect::<Vec<_>>());
        assert_eq!(subscription.state().shipped, 25);
    }

    #[derive(Debug, Clone)]
    enum Event {
        Ship,
        Fail,
        Terminate,
        Pause,
        Resume,
        Skip,
        Interval(u64),
        Cancel,
        Time(i64),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            4 => Just(Event::Ship),
            4 => Just(Event::Fail),
            1 => Just(Event::Terminate),
            1 => Just(Event::Pause),
            2 => Just(Event::Resume),
            1 => Just(Event::Skip),
            1 => (1_u64..5000).prop_map(Event::Interval),
            1 => Just(Event::Cancel),
            4 => (0_i64..5000).prop_map(Event::Time),
        ];
        proptest::collection::vec(event, 0..80)
    }

    proptest! {
        #[test]
        fn the_counts_add_up_after_any_events(events in events(), max_orders in proptest::option::of(1_u32..8)) {
            let mut subscription = subscription(max_orders);
            let mut now = 0;
            for event in events {
                match event {
                    Event::Ship | Event::Fail | Event::Terminate => {
                        if subscription.next_action(now) == Action::PlaceOrder {
                            subscription.start_order("order");
                            let error = || StateError::new("X", "x");
                            let end = match event {
                                Event::Ship => OrderEnd::Shipped,
                                Event::Fail => OrderEnd::Failed(error()),
                                _ => OrderEnd::Unknown(error()),
                            };
                            subscription.finish_order(end, now);
                        }
                    }
                    Event::Pause => {
                        let _ = subscription.pause();
                    }
                    Event::Resume => {
                        let _ = subscription.resume(now);
                    }
                    Event::Skip => {
                        let _ = subscription.skip_next(now);
                    }
                    Event::Interval(every) => {
                        let _ = subscription.change_interval(Recurrence::EveryMs(every), now);
                    }
                    Event::Cancel => {
                        let _ = subscription.cancel();
                    }
                    Event::Time(passed) => now += passed,
                }
                let state = subscription.state();
                let open = u32::from(state.attempts > 0 && !state.status.is_final());
                prop_assert_eq!(state.orders, state.shipped + state.failed + open, "{:?}", state);
                prop_assert!(max_orders.is_none_or(|most| state.orders <= most), "{:?}", state);
                prop_assert!(state.attempts <= ATTEMPTS && state.recent.len() <= RECENT);
            }
        }
    }
}
