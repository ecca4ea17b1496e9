//! The profiles there are, and the one in force: the configured one, unless another was put in its place at
//! run time, for good or for a while. What was put is kept in the store, so it lives as long as the ledger.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};

use super::{
    catalogue::Catalogue,
    profile::{Profile, ProfileName},
    written::Reading,
};
use crate::shared::{
    clock::{Clock, Timestamp},
    store::{StoreError, Transaction},
};

/// The setting that what was put is kept under.
const PUT: &str = "chaos.profile";

/// See the module.
pub struct Profiles {
    catalogue: Arc<Catalogue>,
    configured: Arc<Profile>,
    known: Vec<Arc<Profile>>,
    clock: Arc<dyn Clock>,
    /// What the setting's text was last read as.
    last_read: Mutex<Option<(String, Put)>>,
}

/// The profile in force, and how long.
#[derive(Debug, Clone)]
pub struct InForce {
    pub profile: Arc<Profile>,
    /// When it makes way for the one before; none where it doesn't by itself.
    pub until: Option<Timestamp>,
    /// It isn't the configured one.
    pub put: bool,
}

/// What was put at run time.
#[derive(Debug, Clone, Default)]
struct Put {
    standing: Option<Arc<Profile>>,
    passing: Option<(Arc<Profile>, Timestamp)>,
}

/// [`Put`] as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    standing: Option<Box<RawValue>>,
    passing: Option<KeptPassing>,
}

#[derive(Serialize, Deserialize)]
struct KeptPassing {
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

    /// Those that can be named: the built-in ones, and the configured one.
    #[must_use]
    pub fn known(&self) -> &[Arc<Profile>] {
        &self.known
    }

    /// The one that was configured at the start.
    #[must_use]
    pub fn configured(&self) -> &Arc<Profile> {
        &self.configured
    }

    /// What a profile is read with.
    #[must_use]
    pub fn reading(&self) -> Reading<'_> {
        Reading { catalogue: &self.catalogue, known: &self.known }
    }

    /// # Errors
    /// When the store fails, or keeps a profile that can't be read.
    pub fn in_force(&self, tx: &dyn Transaction) -> Result<InForce, StoreError> {
        let Put { standing, passing } = self.put_before(tx)?;
        let passing = passing.filter(|(_, until)| self.clock.now() < *until);
        Ok(match (passing, standing) {
            (Some((profile, until)), _) => InForce { profile, until: Some(until), put: true },
            (None, Some(profile)) => InForce { profile, until: None, put: true },
            (None, None) => InForce { profile: Arc::clone(&self.configured), until: None, put: false },
        })
    }

    /// Puts a profile in force: until a time, after which the one before is back, or for good.
    ///
    /// # Errors
    /// When the store fails.
    pub fn put(
        &self,
        tx: &mut dyn Transaction,
        profile: Arc<Profile>,
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let put = match until {
            None => Put { standing: Some(profile), passing: None },
            Some(until) => Put { passing: Some((profile, until)), ..self.put_before(tx)? },
        };
        tx.set_setting(PUT, Some(kept(&put)?))
    }

    /// Brings the configured profile back.
    ///
    /// # Errors
    /// When the store fails.
    pub fn take_back(&self, tx: &mut dyn Transaction) -> Result<(), StoreError> {
        tx.set_setting(PUT, None)
    }

    fn put_before(&self, tx: &dyn Transaction) -> Result<Put, StoreError> {
        let Some(text) = tx.setting(PUT)? else { return Ok(Put::default()) };
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

    fn read(&self, text: &str) -> Result<Put, StoreError> {
        let Kept { standing, passing } = serde_json::from_str(text).map_err(|error| corrupt(&error))?;
        let profile = |text: &RawValue| {
            self.reading().json(text.get().as_bytes()).map_err(|problem| corrupt(&problem.detail()))
        };
        Ok(Put {
            standing: standing.as_deref().map(profile).transpose()?,
            passing: match passing {
                Some(KeptPassing { profile: text, until }) => Some((profile(&text)?, until)),
                None => None,
            },
        })
    }
}

fn kept(put: &Put) -> Result<String, StoreError> {
    let text = |profile: &Profile| {
        serde_json::value::to_raw_value(&written(profile)).map_err(|error| corrupt(&error))
    };
    let passing = match &put.passing {
        Some((profile, until)) => Some(KeptPassing { profile: text(profile)?, until: *until }),
        None => None,
    };
    let kept = Kept { standing: put.standing.as_deref().map(text).transpose()?, passing };
    serde_json::to_string(&kept).map_err(|error| corrupt(&error))
}

fn corrupt(why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt { kind: "setting", id: PUT.to_owned(), why: why.to_string() }
}

/// A profile as it can be read again: a built-in one by its name, another one whole.
fn written(profile: &Profile) -> Value {
    if ProfileName::ALL.iter().any(|built_in| built_in.name() == profile.name()) {
        return json!({ "name": profile.name() });
    }
    json!({ "name": profile.name(), "operations": tables_as_json(profile) })
}

/// Operation → scenario → weight, or weight and delay.
#[must_use]
pub fn tables_as_json(profile: &Profile) -> Value {
    let tables = profile.tables().map(|(operation, shares)| {
        let shares = shares.iter().map(|share| {
            // Numbers as they are written, not as a binary float has them.
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
