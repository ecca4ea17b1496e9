//! The version of a worker in its Temporal worker deployment.

use service_kit::config::{Reader, Variable};
use temporalio_common::worker::{VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion};

pub(crate) const VARIABLES: &[Variable] = &[NAME, BUILD_ID, BEHAVIOR];

const NAME: Variable = Variable {
    name: "TEMPORAL_DEPLOYMENT_NAME",
    default: None,
    meaning: "The worker deployment that this worker belongs to. With it, the worker gets only work of its version.",
};
const BUILD_ID: Variable = Variable {
    name: "TEMPORAL_WORKER_BUILD_ID",
    default: None,
    meaning: "The version of this worker in its deployment, for example the image's tag. Set both or neither.",
};
const BEHAVIOR: Variable = Variable {
    name: "TEMPORAL_VERSIONING_BEHAVIOR",
    default: Some("auto_upgrade"),
    meaning: "Whether running workflows move to the current version (`auto_upgrade`), or stay with their first one (`pinned`).",
};

/// The maximum length of a name and of a build id. Temporal makes task queue names of both.
const MAX_CHARS: usize = 200;

/// The behavior of running workflows when another version becomes the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Behavior {
    AutoUpgrade,
    Pinned,
}

/// A version of a worker deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    pub name: String,
    pub build_id: String,
    pub behavior: Behavior,
}

impl Deployment {
    /// Reads the version. Returns `Some(None)` for a worker without one, and `None` for an error.
    #[allow(clippy::option_option, reason = "an error, an absence and a value are three things")]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        let name = reader.read_optional(&NAME, checked_name);
        let build_id = reader.read_optional(&BUILD_ID, checked_build_id);
        let behavior =
            reader.read(&BEHAVIOR, |text| text.parse().map_err(|_| "must be auto_upgrade or pinned"));
        match (name?, build_id?) {
            (Some(name), Some(build_id)) => Some(Some(Self { name, build_id, behavior: behavior? })),
            (None, None) => Some(None),
            // Each of them is required beside the other.
            (Some(_), None) => reader.read(&BUILD_ID, checked_build_id).map(|_| None),
            (None, Some(_)) => reader.read(&NAME, checked_name).map(|_| None),
        }
    }

    pub(crate) fn options(&self) -> WorkerDeploymentOptions {
        let behavior = match self.behavior {
            Behavior::AutoUpgrade => VersioningBehavior::AutoUpgrade,
            Behavior::Pinned => VersioningBehavior::Pinned,
        };
        let version = WorkerDeploymentVersion::builder()
            .deployment_name(self.name.clone())
            .build_id(self.build_id.clone())
            .build();
        WorkerDeploymentOptions::new(version)
            .use_worker_versioning(true)
            .default_versioning_behavior(behavior)
            .build()
    }
}

/// Checks the name of a deployment. Temporal's worker controller makes names with a `/`.
fn checked_name(text: &str) -> Result<String, String> {
    checked(text, b"-_+./")
}

fn checked_build_id(text: &str) -> Result<String, String> {
    checked(text, b"-_+.")
}

/// Temporal refuses some texts only when the worker polls, and the worker would wait for ever.
fn checked(text: &str, marks: &[u8]) -> Result<String, String> {
    let is_usable = text.len() <= MAX_CHARS
        && !text.starts_with("__")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || marks.contains(&byte));
    if is_usable {
        Ok(text.to_owned())
    } else {
        let marks: Vec<_> = marks.iter().map(|mark| format!("`{}`", char::from(*mark))).collect();
        Err(format!("must be at most {MAX_CHARS} letters, digits, {}", marks.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Deployment>, String> {
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let mut reader = Reader::new(&lookup);
        let deployment = Deployment::read(&mut reader);
        reader.finish(deployment).map_err(|faults| faults.to_string())
    }

    #[test]
    fn a_worker_has_no_version_unless_it_gets_one() {
        assert_eq!(read(&[]), Ok(None));
        let both = [("TEMPORAL_DEPLOYMENT_NAME", "orders"), ("TEMPORAL_WORKER_BUILD_ID", "1.4.0")];
        let deployment = read(&both).unwrap().unwrap();
        assert_eq!((deployment.name.as_str(), deployment.build_id.as_str()), ("orders", "1.4.0"));
        assert_eq!(deployment.behavior, Behavior::AutoUpgrade);
        let options = deployment.options();
        assert!(options.use_worker_versioning);
        assert_eq!(options.default_versioning_behavior, Some(VersioningBehavior::AutoUpgrade));
    }

    #[test]
    fn a_worker_can_be_pinned() {
        let variables = [
            ("TEMPORAL_DEPLOYMENT_NAME", "orders"),
            ("TEMPORAL_WORKER_BUILD_ID", "1.4.0"),
            ("TEMPORAL_VERSIONING_BEHAVIOR", "pinned"),
        ];
        let options = read(&variables).unwrap().unwrap().options();
        assert_eq!(options.default_versioning_behavior, Some(VersioningBehavior::Pinned));
    }

    #[test]
    fn a_name_without_a_build_id_is_an_error_and_so_is_the_reverse() {
        let error = read(&[("TEMPORAL_DEPLOYMENT_NAME", "orders")]).unwrap_err();
        assert!(error.contains("TEMPORAL_WORKER_BUILD_ID is required"), "{error}");
        let error = read(&[("TEMPORAL_WORKER_BUILD_ID", "1.4.0")]).unwrap_err();
        assert!(error.contains("TEMPORAL_DEPLOYMENT_NAME is required"), "{error}");
    }

    #[test]
    fn a_name_of_temporals_worker_controller_is_accepted() {
        let both = [
            ("TEMPORAL_DEPLOYMENT_NAME", "shop/orders-worker"),
            ("TEMPORAL_WORKER_BUILD_ID", "temporal-worker-0.1.0-5d9f"),
        ];
        assert_eq!(read(&both).unwrap().unwrap().name, "shop/orders-worker");
        let build_id = [("TEMPORAL_DEPLOYMENT_NAME", "orders"), ("TEMPORAL_WORKER_BUILD_ID", "a/b")];
        assert!(read(&build_id).unwrap_err().contains("must be at most"));
    }

    #[test]
    fn a_text_that_temporal_refuses_is_an_error() {
        for text in ["a b", "a:b", "__a", &"a".repeat(201)] {
            let both = [("TEMPORAL_DEPLOYMENT_NAME", text), ("TEMPORAL_WORKER_BUILD_ID", "1")];
            assert!(read(&both).unwrap_err().contains("must be at most"), "{text}");
        }
        let error = read(&[("TEMPORAL_VERSIONING_BEHAVIOR", "sticky")]).unwrap_err();
        assert!(error.contains("must be auto_upgrade or pinned"), "{error}");
    }
}
