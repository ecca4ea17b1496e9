//! Documents: customers, payment methods and webhook endpoints, which are kept as their form fields.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::EventType;
use crate::shared::{
    clock::Timestamp,
    ids::{OrderId, id},
};

id! {
    /// The id of a document, with the prefix of its kind.
    DocumentId
}

impl DocumentId {
    #[must_use]
    pub fn with_prefix(prefix: &str, uuid: uuid::Uuid) -> Self {
        Self(format!("{prefix}{}", uuid.simple()).into())
    }
}

/// The fields of a document as a form has them: `metadata[order_id]` → `1`.
pub type Fields = BTreeMap<String, String>;

/// The kind of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Customer,
    PaymentMethod,
    WebhookEndpoint,
}

impl Kind {
    /// Returns the kind of a document with this id.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        [Self::Customer, Self::PaymentMethod, Self::WebhookEndpoint]
            .into_iter()
            .find(|kind| id.starts_with(kind.prefix()))
    }

    /// Returns its name in the member `object`.
    #[must_use]
    pub const fn object(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::PaymentMethod => "payment_method",
            Self::WebhookEndpoint => "webhook_endpoint",
        }
    }

    /// Returns its name in messages.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::PaymentMethod => "PaymentMethod",
            Self::WebhookEndpoint => "webhook endpoint",
        }
    }

    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Customer => "cus_",
            Self::PaymentMethod => "pm_",
            Self::WebhookEndpoint => "we_",
        }
    }
}

/// A document with all its versions, so that an earlier answer can be repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    pub id: DocumentId,
    pub kind: Kind,
    pub created_at: Timestamp,
    pub order: Option<OrderId>,
    versions: Vec<Fields>,
    deleted: bool,
}

impl Document {
    #[must_use]
    pub fn new(
        id: DocumentId,
        kind: Kind,
        created_at: Timestamp,
        order: Option<OrderId>,
        fields: Fields,
    ) -> Self {
        let mut document =
            Self { id, kind, created_at, order, versions: vec![Fields::new()], deleted: false };
        document.update(fields);
        document.versions.remove(0);
        document
    }

    /// Returns the current fields.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        self.at(self.versions.len())
    }

    /// Returns the fields after a number of versions.
    #[must_use]
    pub fn at(&self, version: usize) -> &Fields {
        static NONE: Fields = Fields::new();
        self.versions.get(version.saturating_sub(1)).or(self.versions.last()).unwrap_or(&NONE)
    }

    #[must_use]
    pub fn version(&self) -> usize {
        self.versions.len()
    }

    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields().get(name).map(String::as_str)
    }

    /// Returns true for an enabled webhook endpoint that takes this event.
    #[must_use]
    pub fn takes(&self, event: EventType) -> bool {
        let mut wanted = self.fields().iter().filter(|(name, _)| name.starts_with("enabled_events["));
        self.is_enabled() && wanted.any(|(_, name)| name == "*" || name == event.name())
    }

    /// Returns true for a webhook endpoint that is neither deleted nor disabled.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !self.deleted && self.field("disabled") != Some("true")
    }

    #[must_use]
    pub const fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Changes fields. An empty value removes a field, and `metadata=` removes all metadata.
    pub fn update(&mut self, changes: Fields) {
        let mut fields = self.fields().clone();
        for (name, value) in changes {
            if value.is_empty() {
                let members = format!("{name}[");
                fields.retain(|field, _| *field != name && !field.starts_with(&members));
            } else {
                fields.insert(name, value);
            }
        }
        self.versions.push(fields);
    }

    /// Deletes the document. Its fields stay for earlier answers.
    pub fn delete(&mut self) {
        self.deleted = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn an_update_replaces_adds_and_removes_fields_and_keeps_the_earlier_version() {
        let first = fields(&[("name", "Ada"), ("metadata[a]", "1"), ("metadata[b]", "2")]);
        let id = "cus_1".parse().unwrap();
        let mut customer = Document::new(id, Kind::Customer, Timestamp::from_millis(0), None, first.clone());
        assert_eq!((customer.version(), customer.fields()), (1, &first));
        customer.update(fields(&[("name", "Grace"), ("metadata[a]", "")]));
        assert_eq!(customer.fields(), &fields(&[("name", "Grace"), ("metadata[b]", "2")]));
        assert_eq!(customer.at(1), &first);
        customer.update(fields(&[("metadata", "")]));
        assert_eq!(customer.fields(), &fields(&[("name", "Grace")]));
    }
}
