//! The part of the protocol inside one transaction.

use std::{sync::Arc, time::Duration};

use super::{
    call::{Call, Target},
    operation_context::OperationContext,
    reply::{Answer, KeyRefusal},
    shipped_at,
};
use crate::shared::{
    chaos::{Attempt, ChaosKey, Decision, Effect, Response, WireFault, decide},
    clock::Timestamp,
    deps::Deps,
    idempotency::{InFlight, KeyRecord, StoredAnswer},
    ids::{Key, OrderId},
    journal::{DecisionResult, JournalEntry},
    ledger::{NewEntry, Posting},
    resource::{Part, Repository, Resource, Snapshot, UndoState},
    store::{StoreError, Transaction},
};

/// Executes one call in one transaction.
pub(super) struct Execution<'a, R: Resource> {
    deps: &'a Deps,
    records: &'a dyn Repository<R>,
    tx: &'a mut dyn Transaction,
    call: &'a Call,
    /// The time of the request. It is long before `now` for an operation that takes time.
    received_at: Timestamp,
    now: Timestamp,
    /// The order of the request, if it is known.
    order: Option<OrderId>,
    /// The number of the journal line that this call has already.
    journal_line: Option<u64>,
}

/// The work after the commit of the transaction.
pub(super) struct Conclusion<R: Resource> {
    pub answer: Answer<R>,
    /// The wire fault of the answer, if it has one.
    pub wire_fault: Option<WireFault>,
    /// The delay of the answer.
    pub delay: Duration,
    pub line: Arc<JournalEntry>,
}

/// The result of the first half of an operation that takes time.
pub(super) enum StartResult<R: Resource> {
    Concluded(Box<Conclusion<R>>),
    Started(PendingExecution),
}

/// The inputs of the second half.
pub(super) struct PendingExecution {
    decision: Arc<Decision>,
    order: Option<OrderId>,
    journal_line: u64,
}

/// The result of the search for a target.
enum TargetLookup<R> {
    Resource(R),
    /// No resource has the id.
    UnknownId(String),
    /// The key has no effect, or none yet.
    NoEffect(Key),
    /// The key has an effect that this operation cannot undo.
    NotUndoable(KeyRefusal),
}

impl<'a, R: Resource> Execution<'a, R> {
    pub(super) fn new(
        deps: &'a Deps,
        records: &'a dyn Repository<R>,
        tx: &'a mut dyn Transaction,
        call: &'a Call,
        received_at: Timestamp,
    ) -> Self {
        let now = deps.clock.now();
        Self { deps, records, tx, call, received_at, now, order: call.order.clone(), journal_line: None }
    }

    pub(super) fn create(
        &mut self,
        order: Option<&OrderId>,
        make: impl FnOnce(&mut OperationContext<'_>) -> R,
    ) -> Result<Conclusion<R>, StoreError> {
        self.set_order_if_unknown(order);
        if let Some(earlier) = self.stored_answer()? {
            return Ok(earlier);
        }
        let decision = self.decide(None)?;
        if decision.scenario.effect == Effect::Skip {
            return self.skip(decision);
        }
        let actual = self.make(&decision, make)?;
        self.conclude(decision, actual)
    }

    pub(super) fn start(&mut self, order: Option<&OrderId>) -> Result<StartResult<R>, StoreError> {
        self.set_order_if_unknown(order);
        if let Some(earlier) = self.stored_answer()? {
            return Ok(StartResult::Concluded(Box::new(earlier)));
        }
        let decision = self.decide(None)?;
        if decision.scenario.effect == Effect::Skip {
            return Ok(StartResult::Concluded(Box::new(self.skip(decision)?)));
        }
        if let Some(key) = &self.call.key {
            let Call { operation, fingerprint, .. } = *self.call;
            self.tx.set_in_flight(key, Some(InFlight { since: self.received_at, operation, fingerprint }))?;
        }
        if let Some(order) = &self.order {
            self.tx.add_order(order)?;
        }
        let decided = DecisionResult { decision: Arc::clone(&decision), overruled: false };
        let line = self.journal_entry(Some(decided), false, None, Duration::ZERO);
        let journal_line = self.tx.append_line(Arc::new(line))?;
        Ok(StartResult::Started(PendingExecution { decision, order: self.order.clone(), journal_line }))
    }

    pub(super) fn complete(
        &mut self,
        started: PendingExecution,
        make: impl FnOnce(&mut OperationContext<'_>) -> R,
    ) -> Result<Conclusion<R>, StoreError> {
        let PendingExecution { decision, order, journal_line } = started;
        self.order = order;
        self.journal_line = Some(journal_line);
        let is_tombstoned = match &self.call.key {
            Some(key) => {
                self.tx.set_in_flight(key, None)?;
                self.tx.tombstone(key)?.is_some()
            }
            None => false,
        };
        let actual = if is_tombstoned {
            self.record(StoredAnswer::Tombstoned, Some(&decision))?;
            Answer::KeyRefused(KeyRefusal::Tombstoned)
        } else {
            self.make(&decision, make)?
        };
        self.conclude(decision, actual)
    }

    pub(super) fn change(
        &mut self,
        target: &Target,
        change: impl FnOnce(&mut OperationContext<'_>, &mut R) -> Result<Option<Part>, R::Error>,
    ) -> Result<Conclusion<R>, StoreError> {
        if let Some(earlier) = self.stored_answer()? {
            return Ok(earlier);
        }
        let found = self.find_target(target)?;
        if let TargetLookup::Resource(resource) = &found {
            self.set_order_if_unknown(resource.order());
        }
        let decision = self.decide(Some(target))?;
        if decision.scenario.effect == Effect::Skip {
            return self.skip(decision);
        }
        let actual = match found {
            TargetLookup::Resource(resource) => self.apply(&decision, target, resource, change)?,
            TargetLookup::UnknownId(id) => Answer::Refused { error: R::not_found(&id), seen: None },
            TargetLookup::NotUndoable(refusal) => Answer::KeyRefused(refusal),
            TargetLookup::NoEffect(key) => {
                self.write_tombstone(&key)?;
                Answer::NothingToUndo { key }
            }
        };
        self.conclude(decision, actual)
    }

    /// Sets the order of the body or the ledger, unless the header has one.
    fn set_order_if_unknown(&mut self, order: Option<&OrderId>) {
        if self.order.is_none() {
            self.order = order.cloned();
        }
    }

    /// Returns the stored answer of the key, or the refusal of a key that cannot be used.
    fn stored_answer(&mut self) -> Result<Option<Conclusion<R>>, StoreError> {
        let Some(key) = &self.call.key else { return Ok(None) };
        if let Some(record) = self.tx.record(key)?
            && record.is_replayable_at(self.now)
        {
            return if record.fingerprint == self.call.fingerprint {
                self.replay(&record).map(Some)
            } else {
                self.refuse_key(KeyRefusal::Reused).map(Some)
            };
        }
        if self.tx.tombstone(key)?.is_some() {
            self.record(StoredAnswer::Tombstoned, None)?;
            return self.refuse_key(KeyRefusal::Tombstoned).map(Some);
        }
        match self.tx.in_flight(key)? {
            Some(flight) if flight.fingerprint == self.call.fingerprint => {
                self.refuse_key(KeyRefusal::InUse).map(Some)
            }
            Some(_) => self.refuse_key(KeyRefusal::Reused).map(Some),
            None => Ok(None),
        }
    }

    fn replay(&mut self, record: &KeyRecord) -> Result<Conclusion<R>, StoreError> {
        let answer = match (&record.answer, &record.decision) {
            (StoredAnswer::Effect { resource: id, part }, _) => {
                let seen = self.load(id)?.ok_or_else(|| missing_resource(id))?;
                self.set_order_if_unknown(seen.resource.order());
                Answer::Done { seen, part: part.clone() }
            }
            (StoredAnswer::NothingToUndo { undone }, _) => Answer::NothingToUndo { key: undone.clone() },
            (StoredAnswer::Refused, Some(decision)) => scenario_answer(decision, None),
            (StoredAnswer::Tombstoned, _) => Answer::KeyRefused(KeyRefusal::Tombstoned),
            (StoredAnswer::Refused, None) => return Err(missing_resource("decision")),
        };
        let decided = record.decision.clone().map(|decision| DecisionResult { decision, overruled: false });
        self.finish(answer, decided, true)
    }

    fn refuse_key(&mut self, refusal: KeyRefusal) -> Result<Conclusion<R>, StoreError> {
        self.finish(Answer::KeyRefused(refusal), None, false)
    }

    /// Decides the scenario. The chaos key is the order, else the idempotency key, else the target.
    fn decide(&mut self, target: Option<&Target>) -> Result<Arc<Decision>, StoreError> {
        let key = match (&self.order, &self.call.key, target) {
            (Some(order), _, _) => ChaosKey::Order(order.clone()),
            (None, Some(key), _) => ChaosKey::Request(key.as_str().to_owned()),
            (None, None, Some(target)) => ChaosKey::Request(target.as_str().to_owned()),
            (None, None, None) => ChaosKey::Once(self.deps.ids.next().to_string()),
        };
        let operation = self.call.operation;
        let number = self.tx.attempts(operation, key.as_str())?.saturating_add(1);
        self.tx.set_attempts(operation, &key, number)?;
        let plan = match &key {
            ChaosKey::Order(order) => self.tx.plan(order, operation)?,
            ChaosKey::Request(_) | ChaosKey::Once(_) => None,
        };
        let profile = self.deps.profiles.active(self.tx)?.profile;
        let attempt = Attempt { operation, key, number, forced: self.call.forced.as_ref() };
        Ok(Arc::new(decide(attempt, plan.as_ref(), &profile, self.deps.seed)))
    }

    fn load(&self, id: &str) -> Result<Option<Snapshot<R>>, StoreError> {
        match self.records.load(self.tx, id)? {
            Some(resource) => self.snapshot(resource).map(Some),
            None => Ok(None),
        }
    }

    fn snapshot(&self, resource: R) -> Result<Snapshot<R>, StoreError> {
        Ok(Snapshot { now: self.now, shipped_at: shipped_at(self.tx, resource.order())?, resource })
    }

    fn find_target(&self, target: &Target) -> Result<TargetLookup<R>, StoreError> {
        let key = match target {
            Target::Id(id) => {
                let resource = self.records.load(self.tx, id)?;
                return Ok(
                    resource.map_or_else(|| TargetLookup::UnknownId(id.clone()), TargetLookup::Resource)
                );
            }
            Target::Key(key) => key,
        };
        match self.tx.record(key)?.as_deref() {
            Some(KeyRecord { answer: StoredAnswer::Effect { resource: id, .. }, operation, .. })
                if R::UNDOABLE.contains(operation) =>
            {
                return self
                    .records
                    .load(self.tx, id)?
                    .map(TargetLookup::Resource)
                    .ok_or_else(|| missing_resource(id));
            }
            Some(KeyRecord {
                answer: StoredAnswer::Effect { .. } | StoredAnswer::NothingToUndo { .. },
                operation,
                ..
            }) => {
                return Ok(TargetLookup::NotUndoable(KeyRefusal::OtherOperation(*operation)));
            }
            Some(KeyRecord { answer: StoredAnswer::Refused | StoredAnswer::Tombstoned, .. }) | None => {}
        }
        match self.tx.in_flight(key)? {
            Some(flight) if !R::UNDOABLE.contains(&flight.operation) => {
                Ok(TargetLookup::NotUndoable(KeyRefusal::OtherOperation(flight.operation)))
            }
            _ => Ok(TargetLookup::NoEffect(key.clone())),
        }
    }

    fn make(
        &mut self,
        decision: &Decision,
        make: impl FnOnce(&mut OperationContext<'_>) -> R,
    ) -> Result<Answer<R>, StoreError> {
        let mut work = OperationContext::new(self.now, None, decision.scenario, &*self.deps.ids);
        let resource = make(&mut work);
        let postings = work.into_postings();
        self.commit(&resource, postings)?;
        Ok(Answer::Done { seen: self.snapshot(resource)?, part: None })
    }

    fn apply(
        &mut self,
        decision: &Decision,
        target: &Target,
        mut resource: R,
        change: impl FnOnce(&mut OperationContext<'_>, &mut R) -> Result<Option<Part>, R::Error>,
    ) -> Result<Answer<R>, StoreError> {
        let shipped_at = shipped_at(self.tx, resource.order())?;
        let mut work = OperationContext::new(self.now, shipped_at, decision.scenario, &*self.deps.ids);
        let changed = change(&mut work, &mut resource);
        let postings = work.into_postings();
        match (changed, target) {
            (Ok(part), _) => {
                self.commit(&resource, postings)?;
                Ok(Answer::Done { seen: self.snapshot(resource)?, part })
            }
            (Err(error), Target::Id(_)) => {
                Ok(Answer::Refused { error, seen: Some(self.snapshot(resource)?) })
            }
            (Err(error), Target::Key(key)) => Ok(match resource.undo_state(&error) {
                UndoState::InEffect => Answer::Refused { error, seen: Some(self.snapshot(resource)?) },
                UndoState::AlreadyUndone(part) => Answer::Done { seen: self.snapshot(resource)?, part },
                UndoState::NoEffectLeft => Answer::NothingToUndo { key: key.clone() },
            }),
        }
    }

    fn commit(&mut self, resource: &R, postings: Vec<Posting>) -> Result<(), StoreError> {
        self.records.save(self.tx, resource)?;
        for posting in postings {
            self.tx.append(NewEntry {
                at: self.now,
                operation: Some(self.call.operation),
                order: resource.order().cloned(),
                key: self.call.key.clone(),
                resource: Some(resource.id().to_owned()),
                posting,
            })?;
        }
        Ok(())
    }

    /// Writes a tombstone, so the key never has an effect.
    fn write_tombstone(&mut self, key: &Key) -> Result<(), StoreError> {
        if self.tx.tombstone(key)?.is_some() {
            return Ok(());
        }
        let sequence = self.tx.append(NewEntry {
            at: self.now,
            operation: Some(self.call.operation),
            order: self.order.clone(),
            key: Some(key.clone()),
            resource: None,
            posting: Posting::Tombstoned,
        })?;
        self.tx.set_tombstone(key, sequence)
    }

    /// Ends a call without an effect.
    fn skip(&mut self, decision: Arc<Decision>) -> Result<Conclusion<R>, StoreError> {
        let is_replayed_failure = R::REPLAYS_FAILURES && decision.scenario.response == Response::Failure;
        if decision.scenario.is_definitive_refusal() || is_replayed_failure {
            self.record(StoredAnswer::Refused, Some(&decision))?;
        }
        self.finish_decided(scenario_answer(&decision, None), decision, false)
    }

    /// Ends a call with an effect. It stores the real answer, and returns the one of the decision. A refusal of the
    /// domain overrules the decision.
    fn conclude(&mut self, decision: Arc<Decision>, actual: Answer<R>) -> Result<Conclusion<R>, StoreError> {
        let stored = match &actual {
            Answer::Done { seen, part } => {
                Some(StoredAnswer::Effect { resource: seen.resource.id().to_owned(), part: part.clone() })
            }
            Answer::NothingToUndo { key } => Some(StoredAnswer::NothingToUndo { undone: key.clone() }),
            _ => None,
        };
        if let Some(stored) = stored {
            self.record(stored, Some(&decision))?;
        }
        let (answer, overruled) = match (actual, decision.scenario.response) {
            (
                actual @ (Answer::Done { .. } | Answer::NothingToUndo { .. }),
                Response::Real | Response::WireFault(_),
            ) => (actual, false),
            (Answer::Done { seen, .. }, _) => (scenario_answer(&decision, Some(seen)), false),
            (Answer::NothingToUndo { .. }, Response::Timeout | Response::Failure | Response::RateLimited) => {
                (scenario_answer(&decision, None), false)
            }
            (actual, _) => (actual, true),
        };
        self.finish_decided(answer, decision, overruled)
    }

    fn finish_decided(
        &mut self,
        answer: Answer<R>,
        decision: Arc<Decision>,
        overruled: bool,
    ) -> Result<Conclusion<R>, StoreError> {
        self.finish(answer, Some(DecisionResult { decision, overruled }), false)
    }

    /// Writes the journal and returns the work after the commit.
    fn finish(
        &mut self,
        answer: Answer<R>,
        decided: Option<DecisionResult>,
        replayed: bool,
    ) -> Result<Conclusion<R>, StoreError> {
        let first = decided.as_ref().filter(|decided| !decided.overruled && !replayed);
        let delay =
            first.map_or(Duration::ZERO, |first| self.deps.timeout_delay.for_decision(&first.decision));
        let wire_fault = first.and_then(|first| first.decision.scenario.wire_fault());
        let response = wire_fault.map_or_else(|| answer.name(), WireFault::name);
        let line = Arc::new(self.journal_entry(decided, replayed, Some(response), delay));
        match self.journal_line {
            Some(number) => self.tx.replace_line(number, Arc::clone(&line))?,
            None => {
                self.tx.append_line(Arc::clone(&line))?;
            }
        }
        if let Some(order) = &self.order {
            self.tx.add_order(order)?;
        }
        Ok(Conclusion { answer, wire_fault, delay, line })
    }

    fn journal_entry(
        &self,
        decided: Option<DecisionResult>,
        replayed: bool,
        response: Option<&'static str>,
        delay: Duration,
    ) -> JournalEntry {
        JournalEntry {
            at: self.received_at,
            operation: self.call.operation,
            order: self.order.clone(),
            key: self.call.key.clone(),
            correlation: Arc::clone(&self.call.correlation),
            decided,
            replayed,
            response,
            duration: self.now.duration_since(self.received_at) + delay,
            body: Arc::clone(&self.call.body),
        }
    }

    fn record(&mut self, answer: StoredAnswer, decision: Option<&Arc<Decision>>) -> Result<(), StoreError> {
        let Some(key) = &self.call.key else { return Ok(()) };
        let Call { operation, fingerprint, .. } = *self.call;
        let record = KeyRecord { at: self.now, operation, fingerprint, answer, decision: decision.cloned() };
        self.tx.set_record(key, record)
    }
}

/// Returns the answer of the scenario instead of the real one.
fn scenario_answer<R: Resource>(decision: &Decision, seen: Option<Snapshot<R>>) -> Answer<R> {
    let scenario = decision.scenario;
    let refusal = (scenario.response == Response::Refusal).then(|| R::refusal(scenario)).flatten();
    match refusal {
        Some(error) => Answer::Refused { error, seen },
        None => Answer::Chaos { scenario },
    }
}

fn missing_resource(id: &str) -> StoreError {
    StoreError::Corrupt {
        kind: "resource",
        id: id.to_owned(),
        why: "a stored answer refers to it, but it does not exist".to_owned(),
    }
}
