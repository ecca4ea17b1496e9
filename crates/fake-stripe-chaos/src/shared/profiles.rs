//! The known profiles and the active one. The configured profile is active, unless an override replaces it at
//! run time, permanently or for a time. The store has the override, so it lasts as long as the ledger.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use crate::shared::{
    chaos::{Catalogue, Profile, ProfileName, ProfileParser},
    clock::{Clock, Timestamp},
    store::{StoreError, Transaction},
};

/// The setting that has the override.
const OVERRIDE_SETTING: &str = "chaos.profile";

/// The known profiles and the active one.
pub struct Profiles {
    catalogue: Arc<Catalogue>,
    configured: Arc<Profile>,
    known: Vec<Arc<Profile>>,
    clock: Arc<dyn Clock>,
    /// The text of the setting at the last read, and its parsed form.
    last_read: Mutex<Option<(String, ProfileOverride)>>,
}

/// The active profile and the end of its override.
#[derive(Debug, Clone)]
pub struct ActiveProfile {
    pub profile: Arc<Profile>,
    /// The end of a temporary override.
    pub until: Option<Timestamp>,
    /// True if the profile is not the configured one.
    pub is_override: bool,
}

/// The profiles that replace the configured one.
#[derive(Debug, Clone, Default)]
struct ProfileOverride {
    permanent: Option<Arc<Profile>>,
    temporary: Option<(Arc<Profile>, Timestamp)>,
}

/// The stored form of a [`ProfileOverride`].
#[derive(Serialize, Deserialize)]
struct StoredOverride {
    #[serde(rename = "standing")]
    permanent: Option<Box<RawValue>>,
    #[serde(rename = "passing")]
    temporary: Option<StoredTemporary>,
}

#[derive(Serialize, Deserialize)]
struct StoredTemporary {
    profile: Box<RawValue>,
    until: Timestamp,
}

impl Profiles {
    #[must_use]
    pub fn new(configured: Arc<Profile>, catalogue: Arc<Catalogue>, clock: Arc<dyn Clock>) -> Self {
        let mut known: Vec<_> =
            ProfileName::ALL.iter().map(|name| Arc::new(Profile::built_in(*name, &catalogue))).collect();
        if !known.iter().any(|profile| profile.name() == configured.name()) {
            known.push(Arc::clone(&configured));
        }
        Self { catalogue, configured, known, clock, last_read: Mutex::new(None) }
    }

    /// Returns the profiles that have a name: the built-in ones and the configured one.
    #[must_use]
    pub fn named(&self) -> &[Arc<Profile>] {
        &self.known
    }

    /// Returns the configured profile.
    #[must_use]
    pub fn configured(&self) -> &Arc<Profile> {
        &self.configured
    }

    /// Returns a parser for profiles.
    #[must_use]
    pub fn parser(&self) -> ProfileParser<'_> {
        ProfileParser { catalogue: &self.catalogue, known: &self.known }
    }

    /// # Errors
    /// Fails if the store fails, or has an unreadable profile.
    pub fn active(&self, tx: &dyn Transaction) -> Result<ActiveProfile, StoreError> {
        let ProfileOverride { permanent, temporary } = self.load_override(tx)?;
        let temporary = temporary.filter(|(_, until)| self.clock.now() < *until);
        Ok(match (temporary, permanent) {
            (Some((profile, until)), _) => ActiveProfile { profile, until: Some(until), is_override: true },
            (None, Some(profile)) => ActiveProfile { profile, until: None, is_override: true },
            (None, None) => {
                ActiveProfile { profile: Arc::clone(&self.configured), until: None, is_override: false }
            }
        })
    }

    /// Overrides the configured profile, permanently or until a time. After that time, the previous one is active.
    ///
    /// # Errors
    /// When the store fails.
    pub fn set_override(
        &self,
        tx: &mut dyn Transaction,
        profile: Arc<Profile>,
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let put = match until {
            None => ProfileOverride { permanent: Some(profile), temporary: None },
            Some(until) => ProfileOverride { temporary: Some((profile, until)), ..self.load_override(tx)? },
        };
        tx.set_setting(OVERRIDE_SETTING, Some(encode_override(&put)?))
    }

    /// Removes the override.
    ///
    /// # Errors
    /// When the store fails.
    pub fn clear_override(&self, tx: &mut dyn Transaction) -> Result<(), StoreError> {
        tx.set_setting(OVERRIDE_SETTING, None)
    }

    fn load_override(&self, tx: &dyn Transaction) -> Result<ProfileOverride, StoreError> {
        let Some(text) = tx.setting(OVERRIDE_SETTING)? else { return Ok(ProfileOverride::default()) };
        let mut last_read = self.last_read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, put)) = &*last_read
            && *known == text
        {
            return Ok(put.clone());
        }
        let put = self.read(&text)?;
        *last_read = Some((text, put.clone()));
        Ok(put)
    }

    fn read(&self, text: &str) -> Result<ProfileOverride, StoreError> {
        let StoredOverride { permanent, temporary } =
            serde_json::from_str(text).map_err(|error| corrupt(&error))?;
        let profile = |text: &RawValue| {
            self.parser().json(text.get().as_bytes()).map_err(|problem| corrupt(&problem.detail()))
        };
        Ok(ProfileOverride {
            permanent: permanent.as_deref().map(profile).transpose()?,
            temporary: match temporary {
                Some(StoredTemporary { profile: text, until }) => Some((profile(&text)?, until)),
                None => None,
            },
        })
    }
}

fn encode_override(put: &ProfileOverride) -> Result<String, StoreError> {
    let text = |profile: &Profile| {
        serde_json::value::to_raw_value(&encode_profile(profile)).map_err(|error| corrupt(&error))
    };
    let temporary = match &put.temporary {
        Some((profile, until)) => Some(StoredTemporary { profile: text(profile)?, until: *until }),
        None => None,
    };
    let kept = StoredOverride { permanent: put.permanent.as_deref().map(text).transpose()?, temporary };
    serde_json::to_string(&kept).map_err(|error| corrupt(&error))
}

fn corrupt(why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt { kind: "setting", id: OVERRIDE_SETTING.to_owned(), why: why.to_string() }
}

/// Returns a form that the parser reads: the name of a built-in profile, else the complete one.
fn encode_profile(profile: &Profile) -> Value {
    if ProfileName::ALL.iter().any(|built_in| built_in.name() == profile.name()) {
        return json!({ "name": profile.name() });
    }
    json!({ "name": profile.name(), "operations": tables_as_json(profile) })
}

/// Returns operation → scenario → weight, or weight and delay.
#[must_use]
pub fn tables_as_json(profile: &Profile) -> Value {
    let tables = profile.tables().map(|(operation, shares)| {
        let shares = shares.iter().map(|share| {
            // A binary float would change the digits of a weight.
            let weight = share.weight.to_string().parse::<serde_json::Number>();
            let weight = weight.map_or(Value::Null, Value::Number);
            let share_of = match share.delay {
                None => weight,
                Some(delay) => json!({"weight": weight, "delay": format!("{}ms", delay.as_millis())}),
            };
            (share.scenario.name.to_owned(), share_of)
        });
        (operation.name().to_owned(), Value::Object(shares.collect()))
    });
    Value::Object(tables.collect())
}
