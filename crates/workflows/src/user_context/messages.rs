//! The messages of the user-context workflow. Histories outlive the REST bodies, so both have separate types.

use serde::{Deserialize, Serialize};

use crate::policies::Timing;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserContextInput {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(default)]
    pub strategy: Strategy,
    pub correlation_id: String,
    #[serde(default)]
    pub timing: Timing,
}

/// The order in which the sources are called.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Strategy {
    /// Calls location and cat fact at once, and the weather after the location.
    #[default]
    Parallel,
    /// Calls one source after another.
    Sequential,
}

impl Strategy {
    pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

    /// Returns the serialized name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// The answer of query `progress`: the parts that exist, and the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "three parts that are there or not, and the end")]
pub struct Progress {
    pub location: bool,
    pub weather: bool,
    pub cat_fact: bool,
    pub completed: bool,
}
