//! Labels as JSON records in the store.

use serde::{Deserialize, Serialize};

use crate::{
    shared::{
        clock::Timestamp,
        ids::OrderId,
        resource::{Repository, Resource},
        store::{StoreError, Transaction, decode, encode},
    },
    shipping::domain::{Carrier, Label, LabelId, Terms},
};

const KIND: &str = "label";

#[derive(Debug, Clone, Copy)]
pub struct LabelRecords;

impl Repository<Label> for LabelRecords {
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Label>, StoreError> {
        let record = tx.get(KIND, id)?.map(|text| decode::<LabelRecord>(KIND, id, &text)).transpose()?;
        Ok(record.map(Label::from))
    }

    fn save(&self, tx: &mut dyn Transaction, label: &Label) -> Result<(), StoreError> {
        let text = encode(KIND, label.id(), &LabelRecord::from(label))?;
        tx.put(KIND, label.id(), text)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct LabelRecord {
    id: LabelId,
    tracking_number: String,
    carrier: Carrier,
    order_id: Option<OrderId>,
    created_at: Timestamp,
    cancelled_at: Option<Timestamp>,
}

impl From<&Label> for LabelRecord {
    fn from(label: &Label) -> Self {
        let Terms { id, tracking_number, carrier, order_id, created_at } = label.terms().clone();
        Self { id, tracking_number, carrier, order_id, created_at, cancelled_at: label.cancelled_at() }
    }
}

impl From<LabelRecord> for Label {
    fn from(record: LabelRecord) -> Self {
        let LabelRecord { id, tracking_number, carrier, order_id, created_at, cancelled_at } = record;
        Self::restored(Terms { id, tracking_number, carrier, order_id, created_at }, cancelled_at)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_fact_of_a_label_survives_its_record() {
        let terms = Terms {
            id: LabelId::mint(Uuid::nil()),
            tracking_number: "1Z".to_owned(),
            carrier: "UPS".parse().unwrap(),
            order_id: "order-1".parse().ok(),
            created_at: Timestamp::from_millis(1),
        };
        for cancelled_at in [None, Some(Timestamp::from_millis(3))] {
            let label = Label::restored(terms.clone(), cancelled_at);
            let text = encode(KIND, "id", &LabelRecord::from(&label)).unwrap();
            assert_eq!(Label::from(decode::<LabelRecord>(KIND, "id", &text).unwrap()), label);
        }
    }
}
