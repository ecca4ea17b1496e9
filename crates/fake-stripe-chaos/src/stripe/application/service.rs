//! The use cases of Stripe's API. Each changes an object, and posts its effects on money to the ledger. The protocol
//! brings the replay, chaos, the transaction and the journal.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    commands::{
        CancelIntent, CaptureIntent, ChangeAttributes, ConfirmIntent, CreateDocument, CreateIntent,
        CreateRefund, UpdateRefund,
    },
    ports::Objects,
};
use crate::{
    shared::{
        deps::Deps,
        ids::Key,
        ledger::Posting,
        protocol::{Call, OperationContext, Protocol, Reply, Target},
        resource::{Part, Repository},
        store::{StoreError, Transaction},
    },
    stripe::domain::{
        AUTHORIZATION_TTL, Attributes, Changing, Decline, Document, DocumentId, Fields, Intent, Method,
        StripeError,
    },
};

pub struct StripeService {
    intents: Protocol<Intent>,
    documents: Protocol<Document>,
    objects: Arc<dyn Objects>,
    deps: Deps,
}

impl StripeService {
    #[must_use]
    pub fn new<T: Objects + 'static>(deps: &Deps, objects: Arc<T>) -> Self {
        Self {
            intents: Protocol::new(deps, Arc::clone(&objects) as Arc<dyn Repository<Intent>>),
            documents: Protocol::new(deps, Arc::clone(&objects) as Arc<dyn Repository<Document>>),
            objects,
            deps: deps.clone(),
        }
    }

    pub async fn create_intent(&self, call: Call, command: CreateIntent) -> Reply<Intent> {
        let (order, key) = (command.order.clone(), call.key.clone());
        self.intents
            .create(call, order, move |work| {
                let CreateIntent { attributes, confirm, order } = command;
                let attributes = with_new_method(attributes, work);
                let mut intent = Intent::create(attributes, order, &changing(work, key.clone()));
                if confirm {
                    // An open intent with a payment method can always be confirmed.
                    let _ = confirm_intent(work, &mut intent, None, key);
                }
                intent.end_creation();
                intent
            })
            .await
    }

    pub async fn update_intent(&self, call: Call, intent: String, change: ChangeAttributes) -> Reply<Intent> {
        let key = call.key.clone();
        self.change(call, intent, move |work, intent| {
            let attributes = with_new_method(change(&intent.state(work.now).attributes), work);
            intent.update(attributes, &changing(work, key))
        })
        .await
    }

    pub async fn confirm_intent(&self, call: Call, command: ConfirmIntent) -> Reply<Intent> {
        let key = call.key.clone();
        self.change(call, command.intent, move |work, intent| {
            if let Some(change) = command.change {
                let attributes = change(&intent.state(work.now).attributes);
                intent.update(attributes, &changing(work, key.clone()))?;
            }
            let method = command.method.map(|method| minted(method, work));
            confirm_intent(work, intent, method, key)
        })
        .await
    }

    pub async fn capture_intent(&self, call: Call, command: CaptureIntent) -> Reply<Intent> {
        let key = call.key.clone();
        self.change(call, command.intent, move |work, intent| {
            let (captured, rest) = intent.capture(command.amount, &changing(work, key))?;
            work.post(Posting::Captured(captured));
            if rest.amount.minor_units() > 0 {
                work.post(Posting::Released(rest));
            }
            Ok(())
        })
        .await
    }

    pub async fn cancel_intent(&self, call: Call, command: CancelIntent) -> Reply<Intent> {
        let key = call.key.clone();
        self.change(call, command.intent, move |work, intent| {
            let voided = intent.cancel(command.reason, &changing(work, key))?;
            if let Some(voided) = voided {
                work.post(Posting::Released(voided));
            }
            Ok(())
        })
        .await
    }

    pub async fn create_refund(&self, call: Call, command: CreateRefund) -> Reply<Intent> {
        let key = call.key.clone();
        let CreateRefund { intent, charge, amount, reason, metadata } = command;
        self.change(call, intent, move |work, intent| {
            let charge = charge.as_deref();
            let (_, refunded) = intent.refund(charge, amount, reason, metadata, &changing(work, key))?;
            work.post(Posting::Refunded(refunded));
            Ok(())
        })
        .await
    }

    pub async fn update_refund(&self, call: Call, command: UpdateRefund) -> Reply<Intent> {
        let key = call.key.clone();
        self.change(call, command.intent, move |work, intent| {
            intent.update_refund(command.refund, command.metadata, &changing(work, key));
            Ok(())
        })
        .await
    }

    pub async fn create_document(&self, call: Call, command: CreateDocument) -> Reply<Document> {
        let order = command.order.clone();
        self.documents
            .create(call, order, move |work| {
                let CreateDocument { kind, fields, order } = command;
                Document::new(new_id(kind.prefix(), work), kind, work.now, order, fields)
            })
            .await
    }

    /// Changes a document. The change returns the new fields, or none to delete the document.
    pub async fn change_document(
        &self,
        call: Call,
        id: String,
        change: impl FnOnce(&Document) -> Result<Option<Fields>, StripeError> + Send + 'static,
    ) -> Reply<Document> {
        self.documents
            .change(call, Target::Id(id), move |_, document| {
                if document.is_deleted() {
                    let (kind, id) = (document.kind.title(), document.id.to_string());
                    return Err(StripeError::ResourceMissing { kind, id });
                }
                match change(document)? {
                    Some(fields) => document.update(fields),
                    None => document.delete(),
                }
                Ok(Some(Part(document.version().to_string())))
            })
            .await
    }

    /// Returns true if a request with this key has its answer already. Then a repeated one gets that answer, whatever
    /// became of the objects that it names.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn has_answer(&self, key: Option<Key>) -> Result<bool, StoreError> {
        let Some(key) = key else { return Ok(false) };
        self.deps.store.transact(move |tx| Ok(tx.record(&key)?.is_some())).await
    }

    /// Reads objects in one transaction.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Objects, &dyn Transaction) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let objects = Arc::clone(&self.objects);
        self.deps.store.transact(move |tx| read(&*objects, tx)).await
    }

    /// Changes an intent. The part of the reply is the version of the intent after it.
    async fn change(
        &self,
        call: Call,
        intent: String,
        change: impl FnOnce(&mut OperationContext<'_>, &mut Intent) -> Result<(), StripeError> + Send + 'static,
    ) -> Reply<Intent> {
        self.intents
            .change(call, Target::Id(intent), move |work, intent| {
                change(work, intent)?;
                Ok(Some(Part(intent.version().to_string())))
            })
            .await
    }
}

/// Charges the card of an intent, and posts the effect.
fn confirm_intent(
    work: &mut OperationContext<'_>,
    intent: &mut Intent,
    method: Option<Method>,
    key: Option<Key>,
) -> Result<(), StripeError> {
    let confirmed = intent.confirm(method, &changing(work, key))?;
    if let Some((money, is_captured)) = confirmed {
        let until = work.now.saturating_add(AUTHORIZATION_TTL);
        work.post(Posting::Held { money, until });
        if is_captured {
            work.post(Posting::Captured(money));
        }
    }
    Ok(())
}

fn changing<'a>(work: &'a OperationContext<'_>, key: Option<Key>) -> Changing<'a> {
    Changing { now: work.now, key, ids: work, decline: Decline::named(work.scenario.name) }
}

/// Gives a new payment method its id.
fn minted(method: Method, work: &OperationContext<'_>) -> Method {
    let is_unnamed = method.is_new && method.id.is_empty();
    if is_unnamed { Method { id: text_id("pm_", work.new_id()), ..method } } else { method }
}

fn with_new_method(attributes: Attributes, work: &OperationContext<'_>) -> Attributes {
    Attributes { method: attributes.method.map(|method| minted(method, work)), ..attributes }
}

fn text_id(prefix: &str, uuid: Uuid) -> String {
    format!("{prefix}{}", uuid.simple())
}

fn new_id(prefix: &'static str, work: &OperationContext<'_>) -> DocumentId {
    DocumentId::with_prefix(prefix, work.new_id())
}
