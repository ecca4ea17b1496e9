//! Ids of callers, which are parsed once at the edge, and the port that creates new ids.

use uuid::Uuid;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters, and neither `.` nor `..`")]
pub struct InvalidId;

/// Checks the id of a caller. Ids are parts of paths, and clients normalize `.` and `..` there, even if they are
/// percent-encoded.
///
/// # Errors
/// Fails unless the text is 1 to 255 visible ASCII characters, and neither `.` nor `..`.
pub fn parse_visible_ascii(text: &str) -> Result<&str, InvalidId> {
    if matches!(text, "." | "..") { Err(InvalidId) } else { kept(text) }
}

/// Checks a stored id. An older version accepted `.` and `..`, so a ledger can have them.
///
/// # Errors
/// Fails unless the text is 1 to 255 visible ASCII characters.
pub fn kept(text: &str) -> Result<&str, InvalidId> {
    let fits = (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text) } else { Err(InvalidId) }
}

/// Declares an id of 1 to 255 visible ASCII characters, neither `.` nor `..`. With a prefix, the provider creates
/// its values.
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

            /// Reads a stored id.
            ///
            /// # Errors
            /// Fails if the text was never an id.
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
    /// The caller's name for one order. Draws, plans, ledger and verdict use it.
    OrderId
}
id! {
    /// The caller's name for a customer; stored and returned, never interpreted.
    CustomerId
}
id! {
    /// An idempotency key: the caller's name for one request, the same in every attempt of it.
    Key
}

/// Creates the UUIDs of new ids.
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
    fn a_ledger_keeps_an_old_id_that_is_refused_today() {
        for old in [".", ".."] {
            assert_eq!(OrderId::kept(old).unwrap().as_str(), old);
        }
        assert_eq!(OrderId::kept("two words"), Err(InvalidId));
    }
}
