//! Ids: the ones callers bring, which are parsed once at the edge, and the port that mints new ones.

use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters, and neither `.` nor `..`")]
pub struct InvalidId;

/// Checks what a caller brings as an id. Ids are parts of paths, where `.` and `..` mean something else to
/// whoever normalizes them, percent-encoded or not.
///
/// # Errors
/// Where the text isn't 1 to 255 visible ASCII characters, or is `.` or `..`.
pub fn parse_visible_ascii(text: &str) -> Result<&str, InvalidId> {
    if matches!(text, "." | "..") { Err(InvalidId) } else { kept(text) }
}

/// Checks what a store kept as an id. An older version took `.` and `..`, and a ledger keeps what it has.
///
/// # Errors
/// Where the text isn't 1 to 255 visible ASCII characters.
pub fn kept(text: &str) -> Result<&str, InvalidId> {
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text) } else { Err(InvalidId) }
}

/// Declares an id: 1 to 255 visible ASCII characters, and neither `.` nor `..`; shared by whoever knows it. With a prefix, the provider
/// mints it itself.
macro_rules! id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Reads what a store kept.
            ///
            /// # Errors
            /// Where it can't have been an id.
            #[allow(dead_code, reason = "only some ids are kept as rows of their own")]
            pub fn kept(text: &str) -> Result<Self, $crate::shared::ids::InvalidId> {
                $crate::shared::ids::kept(text).map(|text| Self(text.into()))
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::shared::ids::InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::shared::ids::parse_visible_ascii(text).map(|text| Self(text.into()))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
    ($(#[$meta:meta])* $name:ident, $prefix:literal) => {
        $crate::shared::ids::id! { $(#[$meta])* $name }

        impl $name {
            #[must_use]
            pub fn mint(uuid: uuid::Uuid) -> Self {
                Self(format!(concat!($prefix, "{}"), uuid.simple()).into())
            }
        }
    };
}
pub(crate) use id;

id! {
    /// The caller's name for one order: what draws, plans, ledger and verdict go by.
    OrderId
}
id! {
    /// The caller's name for a customer; kept and given back, never looked at.
    CustomerId
}
id! {
    /// An idempotency key: the caller's name for one request, the same in every attempt of it.
    Key
}

/// Mints what new ids are made of.
pub trait Ids: Send + Sync {
    fn next(&self) -> Uuid;
}

/// UUID v7: unique, and sorted by time of creation.
#[derive(Debug, Clone, Copy)]
pub struct RandomIds;

impl Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "the port that creates ids")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_1_to_255_visible_ascii_characters_and_no_step_in_a_path() {
        assert!("...".parse::<OrderId>().is_ok());
        assert!("order-1/a:b".parse::<OrderId>().is_ok());
        assert!("x".repeat(255).parse::<OrderId>().is_ok());
        for bad in ["", "two words", "né", "nul\0", &"x".repeat(256), ".", ".."] {
            assert_eq!(bad.parse::<OrderId>(), Err(InvalidId), "{bad:?}");
        }
    }

    #[test]
    fn a_ledger_keeps_an_id_that_is_refused_today() {
        for old in [".", ".."] {
            assert_eq!(OrderId::kept(old).unwrap().as_str(), old);
        }
        assert_eq!(OrderId::kept("two words"), Err(InvalidId));
    }
}
