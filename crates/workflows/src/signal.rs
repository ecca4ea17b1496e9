//! Signals with any payload or none, as the Temporal UI and CLI can send them. An unreadable payload counts
//! as no payload, because a workflow task that fails on it would fail for ever.

use serde::{Serialize, de::DeserializeOwned};
use temporalio_common::{
    data_converters::{
        PayloadConversionError, SerializationContext, TemporalDeserializable, TemporalSerializable,
    },
    protos::temporal::api::common::v1::Payload,
};

/// The payload of a signal; `None` if it can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signal<T>(pub Option<T>);

impl<T> From<T> for Signal<T> {
    fn from(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T: Serialize> TemporalSerializable for Signal<T> {
    fn to_payload(&self, _: &SerializationContext<'_>) -> Result<Payload, PayloadConversionError> {
        let data = serde_json::to_vec(&self.0)
            .map_err(|error| PayloadConversionError::EncodingError(error.into()))?;
        let metadata = [("encoding".to_owned(), b"json/plain".to_vec())].into();
        Ok(Payload { metadata, data, ..Default::default() })
    }
}

impl<T: DeserializeOwned> Signal<T> {
    /// Reads the first payload, if it has the type of the signal.
    fn read(payloads: &[Payload]) -> Self {
        Self(payloads.first().and_then(|payload| serde_json::from_slice(&payload.data).ok()))
    }
}

impl<T: DeserializeOwned> TemporalDeserializable for Signal<T> {
    fn from_payloads(
        _: &SerializationContext<'_>,
        payloads: Vec<Payload>,
    ) -> Result<Self, PayloadConversionError> {
        Ok(Self::read(&payloads))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saga::Reason;

    fn read(payloads: &[&str]) -> Signal<Reason> {
        let payload = |data: &&str| Payload { data: data.as_bytes().to_vec(), ..Default::default() };
        Signal::read(&payloads.iter().map(payload).collect::<Vec<_>>())
    }

    #[test]
    fn any_payload_is_accepted_and_a_valid_one_is_read() {
        let good = Signal(Some(Reason { reason: Some("late".to_owned()), actor: None }));
        assert_eq!(read(&[r#"{"reason":"late"}"#]), good);
        assert_eq!(read(&[r#"{"reason":"late"}"#, "7"]), good);
        for payloads in [&[][..], &[""], &["null"], &["7"], &["{"], &["\u{0}"], &[r#"{"reason":7}"#]] {
            assert_eq!(read(payloads), Signal(None), "{payloads:?}");
        }
    }
}
