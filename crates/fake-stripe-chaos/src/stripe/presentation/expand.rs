//! `expand[]`: replaces ids by their objects.

use serde_json::Value;
use service_kit::problem::Problem;

use super::{
    objects,
    problems::{self, StripeCode},
};
use crate::{
    shared::{
        clock::Timestamp,
        store::{StoreError, Transaction},
    },
    stripe::{
        application::Objects,
        domain::{Intent, Kind},
    },
};

/// The members that a path can name.
const EXPANDABLE: [&str; 6] =
    ["charge", "customer", "latest_charge", "payment_intent", "payment_method", "source"];
/// The longest path that Stripe permits.
const MAX_DEPTH: usize = 4;

/// Reads the objects of ids.
pub struct Expander<'a> {
    pub objects: &'a dyn Objects,
    pub tx: &'a dyn Transaction,
    pub now: Timestamp,
    /// The intent of the answer with its version, so that a replay equals the first answer.
    pub intent: Option<(&'a Intent, usize)>,
}

/// Checks the paths of `expand[]`.
///
/// # Errors
/// Fails if a path is too long or cannot be expanded.
pub fn check(paths: &[String], is_list: bool) -> Result<(), Problem> {
    for path in paths {
        let parts: Vec<_> = path.split('.').collect();
        let members = if is_list { parts.strip_prefix(&["data"]) } else { Some(parts.as_slice()) };
        let fits = members.is_some_and(|members| {
            !members.is_empty()
                && parts.len() <= MAX_DEPTH
                && members.iter().all(|member| EXPANDABLE.contains(member))
        });
        if !fits {
            let why = format!("This property cannot be expanded ({path}).");
            return Err(problems::invalid(StripeCode::ParameterInvalid, "expand", why));
        }
    }
    Ok(())
}

impl Expander<'_> {
    /// Replaces the ids on each path by their objects. A path through an empty member changes nothing.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub fn expand(&self, value: &mut Value, paths: &[String]) -> Result<(), StoreError> {
        paths.iter().try_for_each(|path| self.expand_path(value, &path.split('.').collect::<Vec<_>>()))
    }

    fn expand_path(&self, value: &mut Value, path: &[&str]) -> Result<(), StoreError> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        match value {
            Value::Array(members) => members.iter_mut().try_for_each(|member| self.expand_path(member, path)),
            Value::Object(object) => {
                let Some(member) = object.get_mut(*first) else { return Ok(()) };
                if let Some(id) = member.as_str()
                    && let Some(found) = self.object(id)?
                {
                    *member = found;
                }
                self.expand_path(member, rest)
            }
            _ => Ok(()),
        }
    }

    fn object(&self, id: &str) -> Result<Option<Value>, StoreError> {
        match id.split_once('_').map(|(prefix, _)| prefix) {
            Some("pi") => Ok(self
                .version_of(self.objects.intent(self.tx, id)?)
                .map(|(intent, version)| objects::intent(&intent, version, self.now))),
            Some("ch") => {
                Ok(self.version_of(self.objects.intent_of(self.tx, id)?).and_then(|(intent, version)| {
                    let state = intent.state_at(version, self.now);
                    let charge = state.charges.iter().find(|charge| charge.id.as_str() == id)?;
                    Some(objects::charge(&intent, &state, charge))
                }))
            }
            Some("cus") => self.document(Kind::Customer, id),
            Some("pm") => self.document(Kind::PaymentMethod, id),
            _ => Ok(None),
        }
    }

    fn version_of(&self, found: Option<Intent>) -> Option<(Intent, usize)> {
        let intent = found?;
        let version = match self.intent {
            Some((shown, version)) if shown.id == intent.id => version,
            _ => intent.version(),
        };
        Some((intent, version))
    }

    fn document(&self, kind: Kind, id: &str) -> Result<Option<Value>, StoreError> {
        let found = self.objects.document(self.tx, kind, id)?;
        Ok(found.map(|document| objects::document(&document, document.version())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_members_with_ids_can_be_expanded() {
        let check = |path: &str, is_list| check(&[path.to_owned()], is_list).is_ok();
        assert!(check("latest_charge.customer", false));
        assert!(check("data.latest_charge", true));
        for (path, is_list) in [("amount", false), ("", false), ("latest_charge", true), ("data", true)] {
            assert!(!check(path, is_list), "{path}");
        }
        assert!(!check("charge.payment_intent.latest_charge.payment_intent.customer", false));
    }
}
