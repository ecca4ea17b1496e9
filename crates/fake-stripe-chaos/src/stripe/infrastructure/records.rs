//! Stripe's objects as JSON records in the store. An intent is saved with its new events and payment methods.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::deliverer::NewDeliveries;
use crate::{
    shared::{
        clock::Timestamp,
        resource::Repository,
        store::{StoreError, Transaction, decode, encode},
    },
    stripe::{
        application::{DueDelivery, Library},
        domain::{Delivery, DeliveryState, Document, EventRecord, Fields, Intent, Kind, Method},
    },
};

const INTENT: &str = "stripe_payment_intent";
const EVENT: &str = "stripe_event";
/// The deliveries that chaos has not decided.
const NEW_DELIVERY: &str = "stripe_new_delivery";
/// The decided deliveries that have not ended.
const OPEN_DELIVERY: &str = "stripe_open_delivery";
/// The time and the endpoint of an open delivery, in its key. A pass over all of them reads no record.
const DUE_DELIVERY: &str = "stripe_due_delivery";
/// The id of a charge or a refund → the id of its intent.
const INTENT_OF: &str = "stripe_intent_of";

pub struct StripeRecords {
    new: Arc<NewDeliveries>,
}

impl StripeRecords {
    #[must_use]
    pub fn new(new: Arc<NewDeliveries>) -> Self {
        Self { new }
    }

    /// Adds a delivery for each endpoint that takes the event.
    fn add_deliveries(
        &self,
        tx: &mut dyn Transaction,
        endpoints: &[Document],
        event: &EventRecord,
    ) -> Result<(), StoreError> {
        for endpoint in endpoints.iter().filter(|endpoint| endpoint.takes(event.kind)) {
            let delivery = Delivery::new(event.id.clone(), endpoint.id.clone(), event.at);
            self.save_delivery(tx, &delivery)?;
            self.new.add();
        }
        Ok(())
    }

    fn save_new_method(
        &self,
        tx: &mut dyn Transaction,
        method: &Method,
        at: Timestamp,
        intent: &Intent,
    ) -> Result<(), StoreError> {
        let Ok(id) = method.id.parse() else { return Ok(()) };
        if tx.get(kind_name(Kind::PaymentMethod), &method.id)?.is_some() {
            return Ok(());
        }
        let fields = Fields::from([("card".to_owned(), method.card.clone())]);
        let document = Document::new(id, Kind::PaymentMethod, at, intent.order.clone(), fields);
        self.save(tx, &document)
    }
}

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Customer => "stripe_customer",
        Kind::PaymentMethod => "stripe_payment_method",
        Kind::WebhookEndpoint => "stripe_webhook_endpoint",
    }
}

fn kind_of(id: &str) -> Option<&'static str> {
    Kind::of_id(id).map(kind_name)
}

/// Returns the records of a kind, the oldest first. Ids sort by their time of creation.
fn oldest_first<T: DeserializeOwned>(tx: &dyn Transaction, kind: &'static str) -> Result<Vec<T>, StoreError> {
    let mut records = tx.list(kind)?;
    records.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    records.iter().map(|(id, text)| decode(kind, id, text)).collect()
}

fn newest_first<T: DeserializeOwned>(tx: &dyn Transaction, kind: &'static str) -> Result<Vec<T>, StoreError> {
    let mut records = oldest_first(tx, kind)?;
    records.reverse();
    Ok(records)
}

/// Returns a key with the time, the event and the endpoint of a delivery.
fn due_key(delivery: &Delivery) -> String {
    format!("{}.{}", delivery.due.millis(), delivery.id())
}

fn due(key: &str) -> Option<(Timestamp, DueDelivery)> {
    let (millis, id) = key.split_once('.')?;
    let (_, endpoint) = id.split_once('.')?;
    let due = DueDelivery { id: id.to_owned(), endpoint: endpoint.parse().ok()? };
    Some((Timestamp::from_millis(millis.parse().ok()?), due))
}

fn get<T: DeserializeOwned>(
    tx: &dyn Transaction,
    kind: &'static str,
    id: &str,
) -> Result<Option<T>, StoreError> {
    tx.get(kind, id)?.map(|text| decode(kind, id, &text)).transpose()
}

fn loaded(mut intent: Intent) -> Intent {
    intent.set_stored();
    intent
}

impl Repository<Intent> for StripeRecords {
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Intent>, StoreError> {
        Ok(get(tx, INTENT, id)?.map(loaded))
    }

    fn save(&self, tx: &mut dyn Transaction, intent: &Intent) -> Result<(), StoreError> {
        let id = intent.id.as_str();
        for charge in intent.state(Timestamp::from_millis(0)).charges {
            let refunds = charge.refunds.iter().map(|refund| refund.id.as_str());
            for part in refunds.chain([charge.id.as_str()]) {
                if tx.get(INTENT_OF, part)?.is_none() {
                    tx.put(INTENT_OF, part, encode(INTENT_OF, part, &id)?)?;
                }
            }
        }
        for (method, at) in intent.new_methods() {
            self.save_new_method(tx, method, at, intent)?;
        }
        let endpoints = self.documents(tx, Kind::WebhookEndpoint)?;
        for event in intent.new_events() {
            tx.put(EVENT, event.id.as_str(), encode(EVENT, event.id.as_str(), &event)?)?;
            self.add_deliveries(tx, &endpoints, &event)?;
        }
        tx.put(INTENT, id, encode(INTENT, id, intent)?)
    }
}

impl Repository<Document> for StripeRecords {
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Document>, StoreError> {
        kind_of(id).map_or(Ok(None), |kind| get(tx, kind, id))
    }

    fn save(&self, tx: &mut dyn Transaction, document: &Document) -> Result<(), StoreError> {
        let (kind, id) = (kind_name(document.kind), document.id.as_str());
        tx.put(kind, id, encode(kind, id, document)?)
    }
}

impl Library for StripeRecords {
    fn intent(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Intent>, StoreError> {
        self.load(tx, id)
    }

    fn intent_of(&self, tx: &dyn Transaction, charge_or_refund: &str) -> Result<Option<Intent>, StoreError> {
        match get::<String>(tx, INTENT_OF, charge_or_refund)? {
            Some(intent) => self.load(tx, &intent),
            None => Ok(None),
        }
    }

    fn intents(&self, tx: &dyn Transaction) -> Result<Vec<Intent>, StoreError> {
        Ok(newest_first(tx, INTENT)?.into_iter().map(loaded).collect())
    }

    fn document(&self, tx: &dyn Transaction, kind: Kind, id: &str) -> Result<Option<Document>, StoreError> {
        get(tx, kind_name(kind), id)
    }

    fn documents(&self, tx: &dyn Transaction, kind: Kind) -> Result<Vec<Document>, StoreError> {
        let mut documents: Vec<Document> = newest_first(tx, kind_name(kind))?;
        documents.retain(|document| !document.is_deleted());
        Ok(documents)
    }

    fn event(&self, tx: &dyn Transaction, id: &str) -> Result<Option<EventRecord>, StoreError> {
        get(tx, EVENT, id)
    }

    fn events(&self, tx: &dyn Transaction) -> Result<Vec<EventRecord>, StoreError> {
        newest_first(tx, EVENT)
    }

    fn new_deliveries(&self, tx: &dyn Transaction) -> Result<Vec<Delivery>, StoreError> {
        oldest_first(tx, NEW_DELIVERY)
    }

    fn due_deliveries(
        &self,
        tx: &dyn Transaction,
        now: Timestamp,
    ) -> Result<(Vec<DueDelivery>, Option<Timestamp>), StoreError> {
        let mut keys: Vec<_> = tx.list(DUE_DELIVERY)?.into_iter().filter_map(|(key, _)| due(&key)).collect();
        keys.sort_unstable_by(|(one, a), (other, b)| one.cmp(other).then_with(|| a.id.cmp(&b.id)));
        let later = keys.split_off(keys.partition_point(|(due, _)| *due <= now));
        Ok((keys.into_iter().map(|(_, due)| due).collect(), later.first().map(|(due, _)| *due)))
    }

    fn open_delivery(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Delivery>, StoreError> {
        get(tx, OPEN_DELIVERY, id)
    }

    fn pending(&self, tx: &dyn Transaction, event: &EventRecord) -> Result<usize, StoreError> {
        let mut pending = 0;
        for endpoint in self.documents(tx, Kind::WebhookEndpoint)? {
            let id = Delivery::new(event.id.clone(), endpoint.id, event.at).id();
            pending += usize::from(tx.get(NEW_DELIVERY, &id)?.or(tx.get(OPEN_DELIVERY, &id)?).is_some());
        }
        Ok(pending)
    }

    fn save_delivery(&self, tx: &mut dyn Transaction, delivery: &Delivery) -> Result<(), StoreError> {
        let id = delivery.id();
        if let Some(before) = get::<Delivery>(tx, OPEN_DELIVERY, &id)? {
            tx.remove(DUE_DELIVERY, &due_key(&before))?;
        }
        if delivery.state == DeliveryState::Pending {
            tx.put(DUE_DELIVERY, &due_key(delivery), String::new())?;
        }
        let kind = match delivery.state {
            DeliveryState::New => Some(NEW_DELIVERY),
            DeliveryState::Pending => Some(OPEN_DELIVERY),
            DeliveryState::Delivered | DeliveryState::Failed => None,
        };
        for other in [NEW_DELIVERY, OPEN_DELIVERY] {
            if kind != Some(other) {
                tx.remove(other, &id)?;
            }
        }
        match kind {
            Some(kind) => tx.put(kind, &id, encode(kind, &id, delivery)?),
            None => Ok(()),
        }
    }

    fn close_delivery(&self, tx: &mut dyn Transaction, delivery: &Delivery) -> Result<(), StoreError> {
        self.save_delivery(tx, &Delivery { state: DeliveryState::Failed, ..delivery.clone() })
    }
}
