//! What goes into the user-context workflow. Histories outlive the REST bodies, so these are types of
//! their own.

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

/// In which order the parts are asked for.
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
    /// Everything that can be asked for at once is; the weather as soon as the location is there.
    #[default]
    Parallel,
    /// One after another.
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

/// `progress`: which parts are there, and whether nothing more will come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "three parts that are there or not, and the end")]
pub struct Progress {
    pub location: bool,
    pub weather: bool,
    pub cat_fact: bool,
    pub completed: bool,
}
