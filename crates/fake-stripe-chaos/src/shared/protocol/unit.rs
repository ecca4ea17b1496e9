//! The part of the protocol that happens inside one transaction.

use std::{sync::Arc, time::Duration};

use super::{
    call::{Call, Target},
    reply::{Answer, KeyRefusal},
    shipped_at,
    work::Work,
};
use crate::shared::{
    chaos::{About, ChaosKey, Decision, Effect, Response, WireFault},
    clock::Timestamp,
    deps::Deps,
    idempotency::{InFlight, LedTo, Record},
    ids::{Key, OrderId},
    journal::{Decided, Line},
    ledger::{NewEntry, Posting},
    resource::{Part, Repository, Resource, Seen, Settled},
    store::{StoreError, Transaction},
};

/// One call in one transaction.
pub(super) struct Unit<'a, R: Resource> {
    deps: &'a Deps,
    records: &'a dyn Repository<R>,
    tx: &'a mut dyn Transaction,
    call: &'a Call,
    /// When the request came; for an operation that takes time, long before now.
    came: Timestamp,
    now: Timestamp,
    /// The order this is about, as far as it is known.
    order: Option<OrderId>,
    /// The line of the journal that is already there for this call.
    noted: Option<u64>,
}

/// What there is left to do when the transaction has committed.
pub(super) struct Concluded<R: Resource> {
    pub answer: Answer<R>,
    /// How the answer breaks on its way, if it does.
    pub broken: Option<WireFault>,
    /// How long the answer is held back.
    pub wait: Duration,
    pub line: Arc<Line>,
}

/// The first half of an operation that takes time.
pub(super) enum Begun<R: Resource> {
    Concluded(Box<Concluded<R>>),
    Started(Started),
}

/// What the second half must know.
pub(super) struct Started {
    decision: Arc<Decision>,
    order: Option<OrderId>,
    noted: u64,
}

/// What a target turned out to be.
enum Found<R> {
    Resource(R),
    /// No resource has the id.
    Unknown(String),
    /// The key did nothing, or nothing yet.
    Nothing(Key),
    /// The key did something that this operation can't undo.
    Foreign(KeyRefusal),
}

impl<'a, R: Resource> Unit<'a, R> {
    pub(super) fn new(
        deps: &'a Deps,
        records: &'a dyn Repository<R>,
        tx: &'a mut dyn Transaction,
        call: &'a Call,
        came: Timestamp,
    ) -> Self {
        let now = deps.clock.now();
        Self { deps, records, tx, call, came, now, order: call.order.clone(), noted: None }
    }

    pub(super) fn create(
        &mut self,
        order: Option<&OrderId>,
        make: impl FnOnce(&mut Work<'_>) -> R,
    ) -> Result<Concluded<R>, StoreError> {
        self.learn(order);
        if let Some(earlier) = self.replay()? {
            return Ok(earlier);
        }
        let decision = self.decide(None)?;
        if decision.scenario.effect == Effect::Skip {
            return self.skip(decision);
        }
        let truth = self.make(make)?;
        self.conclude(decision, truth)
    }

    pub(super) fn begin(&mut self, order: Option<&OrderId>) -> Result<Begun<R>, StoreError> {
        self.learn(order);
        if let Some(earlier) = self.replay()? {
            return Ok(Begun::Concluded(Box::new(earlier)));
        }
        let decision = self.decide(None)?;
        if decision.scenario.effect == Effect::Skip {
            return Ok(Begun::Concluded(Box::new(self.skip(decision)?)));
        }
        if let Some(key) = &self.call.key {
            let Call { operation, fingerprint, .. } = *self.call;
            self.tx.set_in_flight(key, Some(InFlight { since: self.came, operation, fingerprint }))?;
        }
        if let Some(order) = &self.order {
            self.tx.see_order(order)?;
        }
        let decided = Decided { decision: Arc::clone(&decision), overruled: false };
        let line = self.line(Some(decided), false, None, Duration::ZERO);
        let noted = self.tx.note(Arc::new(line))?;
        Ok(Begun::Started(Started { decision, order: self.order.clone(), noted }))
    }

    pub(super) fn finish(
        &mut self,
        started: Started,
        make: impl FnOnce(&mut Work<'_>) -> R,
    ) -> Result<Concluded<R>, StoreError> {
        let Started { decision, order, noted } = started;
        self.order = order;
        self.noted = Some(noted);
        let buried = match &self.call.key {
            Some(key) => {
                self.tx.set_in_flight(key, None)?;
                self.tx.tombstone(key)?.is_some()
            }
            None => false,
        };
        let truth = if buried {
            self.record(LedTo::Buried, Some(&decision))?;
            Answer::KeyRefused(KeyRefusal::Buried)
        } else {
            self.make(make)?
        };
        self.conclude(decision, truth)
    }

    pub(super) fn change(
        &mut self,
        target: &Target,
        change: impl FnOnce(&mut Work<'_>, &mut R) -> Result<Option<Part>, R::Error>,
    ) -> Result<Concluded<R>, StoreError> {
        if let Some(earlier) = self.replay()? {
            return Ok(earlier);
        }
        let found = self.find(target)?;
        if let Found::Resource(resource) = &found {
            self.learn(resource.order());
        }
        let decision = self.decide(Some(target))?;
        if decision.scenario.effect == Effect::Skip {
            return self.skip(decision);
        }
        let truth = match found {
            Found::Resource(resource) => self.apply(target, resource, change)?,
            Found::Unknown(id) => Answer::Refused { error: R::unknown(&id), seen: None },
            Found::Foreign(refusal) => Answer::KeyRefused(refusal),
            Found::Nothing(key) => {
                self.bury(&key)?;
                Answer::NothingToUndo { key }
            }
        };
        self.conclude(decision, truth)
    }

    /// Takes the order that body or ledger name, unless the header named one.
    fn learn(&mut self, order: Option<&OrderId>) {
        if self.order.is_none() {
            self.order = order.cloned();
        }
    }

    /// The answer that the key already has: the stored one, or that it can't be used.
    fn replay(&mut self) -> Result<Option<Concluded<R>>, StoreError> {
        let Some(key) = &self.call.key else { return Ok(None) };
        if let Some(record) = self.tx.record(key)?
            && record.answers_at(self.now)
        {
            return if record.fingerprint == self.call.fingerprint {
                self.answer_again(&record).map(Some)
            } else {
                self.refuse_key(KeyRefusal::Reused).map(Some)
            };
        }
        if self.tx.tombstone(key)?.is_some() {
            self.record(LedTo::Buried, None)?;
            return self.refuse_key(KeyRefusal::Buried).map(Some);
        }
        match self.tx.in_flight(key)? {
            Some(flight) if flight.fingerprint == self.call.fingerprint => {
                self.refuse_key(KeyRefusal::InUse).map(Some)
            }
            Some(_) => self.refuse_key(KeyRefusal::Reused).map(Some),
            None => Ok(None),
        }
    }

    fn answer_again(&mut self, record: &Record) -> Result<Concluded<R>, StoreError> {
        let answer = match (&record.led_to, &record.decision) {
            (LedTo::Effect { resource: id, part }, _) => {
                let seen = self.load(id)?.ok_or_else(|| missing(id))?;
                self.learn(seen.resource.order());
                Answer::Done { seen, part: part.clone() }
            }
            (LedTo::Nothing { undone }, _) => Answer::NothingToUndo { key: undone.clone() },
            (LedTo::Refused, Some(decision)) => given(decision, None),
            (LedTo::Buried, _) => Answer::KeyRefused(KeyRefusal::Buried),
            (LedTo::Refused, None) => return Err(missing("decision")),
        };
        let decided = record.decision.clone().map(|decision| Decided { decision, overruled: false });
        self.close(answer, decided, true)
    }

    fn refuse_key(&mut self, refusal: KeyRefusal) -> Result<Concluded<R>, StoreError> {
        self.close(Answer::KeyRefused(refusal), None, false)
    }

    /// Chaos key: the order, else the idempotency key, else what the request is about.
    fn decide(&mut self, target: Option<&Target>) -> Result<Arc<Decision>, StoreError> {
        let key = match (&self.order, &self.call.key, target) {
            (Some(order), _, _) => ChaosKey::Order(order.clone()),
            (None, Some(key), _) => ChaosKey::Request(key.as_str().to_owned()),
            (None, None, Some(target)) => ChaosKey::Request(target.as_str().to_owned()),
            (None, None, None) => ChaosKey::Once(self.deps.ids.next().to_string()),
        };
        let about = About { operation: self.call.operation, key, forced: self.call.forced.as_ref() };
        self.deps.chaos.decide(self.tx, about).map(Arc::new)
    }

    fn load(&self, id: &str) -> Result<Option<Seen<R>>, StoreError> {
        match self.records.load(self.tx, id)? {
            Some(resource) => self.seen(resource).map(Some),
            None => Ok(None),
        }
    }

    fn seen(&self, resource: R) -> Result<Seen<R>, StoreError> {
        Ok(Seen { now: self.now, shipped_at: shipped_at(self.tx, resource.order())?, resource })
    }

    fn find(&self, target: &Target) -> Result<Found<R>, StoreError> {
        let key = match target {
            Target::Id(id) => {
                let resource = self.records.load(self.tx, id)?;
                return Ok(resource.map_or_else(|| Found::Unknown(id.clone()), Found::Resource));
            }
            Target::Key(key) => key,
        };
        match self.tx.record(key)?.as_deref() {
            Some(Record { led_to: LedTo::Effect { resource: id, .. }, operation, .. })
                if R::UNDOABLE.contains(operation) =>
            {
                return self.records.load(self.tx, id)?.map(Found::Resource).ok_or_else(|| missing(id));
            }
            Some(Record { led_to: LedTo::Effect { .. } | LedTo::Nothing { .. }, operation, .. }) => {
                return Ok(Found::Foreign(KeyRefusal::OfAnotherOperation(*operation)));
            }
            Some(Record { led_to: LedTo::Refused | LedTo::Buried, .. }) | None => {}
        }
        match self.tx.in_flight(key)? {
            Some(flight) if !R::UNDOABLE.contains(&flight.operation) => {
                Ok(Found::Foreign(KeyRefusal::OfAnotherOperation(flight.operation)))
            }
            _ => Ok(Found::Nothing(key.clone())),
        }
    }

    fn make(&mut self, make: impl FnOnce(&mut Work<'_>) -> R) -> Result<Answer<R>, StoreError> {
        let mut work = Work::new(self.now, None, &*self.deps.ids);
        let resource = make(&mut work);
        let postings = work.into_postings();
        self.commit(&resource, postings)?;
        Ok(Answer::Done { seen: self.seen(resource)?, part: None })
    }

    fn apply(
        &mut self,
        target: &Target,
        mut resource: R,
        change: impl FnOnce(&mut Work<'_>, &mut R) -> Result<Option<Part>, R::Error>,
    ) -> Result<Answer<R>, StoreError> {
        let mut work = Work::new(self.now, shipped_at(self.tx, resource.order())?, &*self.deps.ids);
        let changed = change(&mut work, &mut resource);
        let postings = work.into_postings();
        match (changed, target) {
            (Ok(part), _) => {
                self.commit(&resource, postings)?;
                Ok(Answer::Done { seen: self.seen(resource)?, part })
            }
            (Err(error), Target::Id(_)) => Ok(Answer::Refused { error, seen: Some(self.seen(resource)?) }),
            (Err(error), Target::Key(key)) => Ok(match resource.settled(&error) {
                Settled::No => Answer::Refused { error, seen: Some(self.seen(resource)?) },
                Settled::Already(part) => Answer::Done { seen: self.seen(resource)?, part },
                Settled::NothingLeft => Answer::NothingToUndo { key: key.clone() },
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

    /// Makes sure that nothing will ever be executed under the key.
    fn bury(&mut self, key: &Key) -> Result<(), StoreError> {
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

    /// Ends a call that was to have no effect.
    fn skip(&mut self, decision: Arc<Decision>) -> Result<Concluded<R>, StoreError> {
        if decision.scenario.is_definitive_refusal() {
            self.record(LedTo::Refused, Some(&decision))?;
        }
        self.close_decided(given(&decision, None), decision, false)
    }

    /// Ends a call that was to have an effect: the real answer is recorded, and the decision says what
    /// is told. What the domain refuses, or had nothing to do for, overrules the decision.
    fn conclude(&mut self, decision: Arc<Decision>, truth: Answer<R>) -> Result<Concluded<R>, StoreError> {
        let led_to = match &truth {
            Answer::Done { seen, part } => {
                Some(LedTo::Effect { resource: seen.resource.id().to_owned(), part: part.clone() })
            }
            Answer::NothingToUndo { key } => Some(LedTo::Nothing { undone: key.clone() }),
            _ => None,
        };
        if let Some(led_to) = led_to {
            self.record(led_to, Some(&decision))?;
        }
        let (answer, overruled) = match (truth, decision.scenario.response) {
            (
                truth @ (Answer::Done { .. } | Answer::NothingToUndo { .. }),
                Response::Real | Response::Broken(_),
            ) => (truth, false),
            (Answer::Done { seen, .. }, _) => (given(&decision, Some(seen)), false),
            (Answer::NothingToUndo { .. }, Response::Timeout | Response::Failure | Response::RateLimited) => {
                (given(&decision, None), false)
            }
            (truth, _) => (truth, true),
        };
        self.close_decided(answer, decision, overruled)
    }

    fn close_decided(
        &mut self,
        answer: Answer<R>,
        decision: Arc<Decision>,
        overruled: bool,
    ) -> Result<Concluded<R>, StoreError> {
        self.close(answer, Some(Decided { decision, overruled }), false)
    }

    /// Writes the journal and hands over what is left to do.
    fn close(
        &mut self,
        answer: Answer<R>,
        decided: Option<Decided>,
        replayed: bool,
    ) -> Result<Concluded<R>, StoreError> {
        let told_first = decided.as_ref().filter(|decided| !decided.overruled && !replayed);
        let wait = told_first.map_or(Duration::ZERO, |told| self.deps.timeout_delay.of(&told.decision));
        let broken = told_first.and_then(|told| told.decision.scenario.wire_fault());
        let response = broken.map_or_else(|| answer.name(), WireFault::name);
        let line = Arc::new(self.line(decided, replayed, Some(response), wait));
        match self.noted {
            Some(number) => self.tx.amend(number, Arc::clone(&line))?,
            None => {
                self.tx.note(Arc::clone(&line))?;
            }
        }
        if let Some(order) = &self.order {
            self.tx.see_order(order)?;
        }
        Ok(Concluded { answer, broken, wait, line })
    }

    fn line(
        &self,
        decided: Option<Decided>,
        replayed: bool,
        response: Option<&'static str>,
        wait: Duration,
    ) -> Line {
        Line {
            at: self.came,
            operation: self.call.operation,
            order: self.order.clone(),
            key: self.call.key.clone(),
            correlation: Arc::clone(&self.call.correlation),
            decided,
            replayed,
            response,
            duration: self.now.since(self.came) + wait,
            body: Arc::clone(&self.call.body),
        }
    }

    fn record(&mut self, led_to: LedTo, decision: Option<&Arc<Decision>>) -> Result<(), StoreError> {
        let Some(key) = &self.call.key else { return Ok(()) };
        let Call { operation, fingerprint, .. } = *self.call;
        let record = Record { at: self.now, operation, fingerprint, led_to, decision: decision.cloned() };
        self.tx.set_record(key, record)
    }
}

/// What the decision says in place of the real answer.
fn given<R: Resource>(decision: &Decision, seen: Option<Seen<R>>) -> Answer<R> {
    let scenario = decision.scenario;
    let refusal = (scenario.response == Response::Refusal).then(|| R::refusal(scenario)).flatten();
    match refusal {
        Some(error) => Answer::Refused { error, seen },
        None => Answer::Chaos { scenario },
    }
}

fn missing(id: &str) -> StoreError {
    StoreError::Corrupt {
        kind: "resource",
        id: id.to_owned(),
        why: "a key leads to it, and it is gone".to_owned(),
    }
}
