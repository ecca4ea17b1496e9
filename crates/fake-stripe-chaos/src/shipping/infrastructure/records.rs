//! Labels as JSON records in the store.

use crate::{
    shared::{
        resource::{Repository, Resource},
        store::{StoreError, Transaction, decode, encode},
    },
    shipping::domain::Label,
};

const KIND: &str = "label";

#[derive(Debug, Clone, Copy)]
pub struct LabelRecords;

impl Repository<Label> for LabelRecords {
    fn load(&self, tx: &dyn Transaction, id: &str) -> Result<Option<Label>, StoreError> {
        tx.get(KIND, id)?.map(|text| decode(KIND, id, &text)).transpose()
    }

    fn save(&self, tx: &mut dyn Transaction, label: &Label) -> Result<(), StoreError> {
        tx.put(KIND, label.id(), encode(KIND, label.id(), label)?)
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
            is_return: false,
            created_at: Timestamp::from_millis(1),
        };
        let orderless = Terms { order_id: None, ..terms.clone() };
        let back = Terms { is_return: true, ..terms.clone() };
        let labels = vec![
            Label::restored(orderless, None),
            Label::restored(terms, Some(Timestamp::from_millis(3))),
            Label::restored(back, None),
        ];
        let golden = include_str!("../../../tests/store/golden/label.jsonl");
        assert_golden(&LabelRecords, KIND, golden, &labels);
    }
}
