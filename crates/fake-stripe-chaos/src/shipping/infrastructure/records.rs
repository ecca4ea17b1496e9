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
    use crate::{
        shared::{clock::Timestamp, store::golden::assert_golden},
        shipping::domain::{LabelId, Terms},
    };

    #[test]
    fn every_state_of_a_label_is_stored_as_the_golden_file_says() {
        let terms = Terms {
            id: LabelId::mint(Uuid::nil()),
            tracking_number: "1Z".to_owned(),
            carrier: "UPS".parse().unwrap(),
            order_id: "order-1".parse().ok(),
            created_at: Timestamp::from_millis(1),
        };
        let orderless = Terms { order_id: None, ..terms.clone() };
        let labels =
            vec![Label::restored(orderless, None), Label::restored(terms, Some(Timestamp::from_millis(3)))];
        let golden = include_str!("../../../tests/store/golden/label.jsonl");
        assert_golden(LabelRecords, KIND, golden, labels);
    }
}
