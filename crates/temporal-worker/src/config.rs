//! Holds the worker's configuration.

use std::net::SocketAddr;

use service_kit::{
    config::{self, Common, ConfigFaults, Reader, Variable},
    process::Configuration,
};
use temporal_connection::Settings;
use workflows::ids::DEFAULT_TASK_QUEUE;

use crate::deployment::{self, Deployment};

const METRICS_ADDR: Variable = Variable {
    name: "METRICS_ADDR",
    default: Some("127.0.0.1:9464"),
    meaning: "Where the worker serves its health and its metrics.",
};
const CHAOS_ADMIN_TOKEN: Variable = Variable {
    name: "CHAOS_ADMIN_TOKEN",
    default: None,
    meaning: "The provider's token, with which a reconciliation records outcomes.",
};
const PROVIDER_URL: Variable = Variable {
    name: "PROVIDER_URL",
    default: Some("http://127.0.0.1:3001"),
    meaning: "The provider of payment, inventory, shipping and notification.",
};
const TASK_QUEUE: Variable = Variable {
    name: "TASK_QUEUE",
    default: Some(DEFAULT_TASK_QUEUE),
    meaning: "The Temporal task queue that the API fills and the worker empties.",
};
const FAKE_STRIPE_URL: Variable = Variable {
    name: "FAKE_STRIPE_URL",
    default: None,
    meaning: "Another name of `PROVIDER_URL`; if both are set, they must agree.",
};
const TEMPORAL_TASK_QUEUE: Variable = Variable {
    name: "TEMPORAL_TASK_QUEUE",
    default: None,
    meaning: "Another name of `TASK_QUEUE`; if both are set, they must agree.",
};
const MAX_CONCURRENT_ACTIVITIES: Variable = Variable {
    name: "MAX_CONCURRENT_ACTIVITIES",
    default: Some("200"),
    meaning: "How many activities one worker runs at once; waiting labels count.",
};

#[derive(Debug, Clone)]
pub struct Config {
    pub common: Common,
    pub temporal: Settings,
    pub metrics_addr: SocketAddr,
    pub provider_url: String,
    pub task_queue: String,
    pub max_concurrent_activities: usize,
    /// `None` for a worker without versions.
    pub deployment: Option<Deployment>,
    /// The sources of user contexts.
    pub sources: user_context::Config,
    /// The provider's token for outcomes.
    pub provider_token: Option<String>,
}

impl Configuration for Config {
    fn variables() -> Vec<Variable> {
        let own = [
            METRICS_ADDR,
            PROVIDER_URL,
            FAKE_STRIPE_URL,
            CHAOS_ADMIN_TOKEN,
            TASK_QUEUE,
            TEMPORAL_TASK_QUEUE,
            MAX_CONCURRENT_ACTIVITIES,
        ];
        [&own, deployment::VARIABLES, user_context::VARIABLES, temporal_connection::VARIABLES, config::COMMON]
            .concat()
    }

    fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigFaults> {
        let mut reader = Reader::new(lookup);
        let common = Common::read(&mut reader);
        let temporal = Settings::read(&mut reader, "temporal-worker");
        let metrics_addr = reader.read(&METRICS_ADDR, config::socket_address);
        let provider_url = reader.read_aliased(&PROVIDER_URL, &FAKE_STRIPE_URL, config::base_url);
        let provider_token = reader.read_optional(&CHAOS_ADMIN_TOKEN, config::secret);
        let task_queue =
            reader.read_aliased(&TASK_QUEUE, &TEMPORAL_TASK_QUEUE, |text| Ok::<_, String>(text.to_owned()));
        let max_concurrent_activities = reader.read(&MAX_CONCURRENT_ACTIVITIES, |text| {
            text.parse().ok().filter(|count| *count > 0).ok_or("must be a number from 1")
        });
        let deployment = Deployment::read(&mut reader);
        let sources = user_context::Config::read(&mut reader);
        let config = (|| {
            let common = common?;
            Some(Self {
                temporal: temporal?.with_traces(&common),
                common,
                metrics_addr: metrics_addr?,
                provider_url: provider_url?,
                task_queue: task_queue?,
                max_concurrent_activities: max_concurrent_activities?,
                deployment: deployment?,
                sources: sources?,
                provider_token: provider_token?,
            })
        })();
        reader.finish(config)
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn listens_on(&self) -> SocketAddr {
        self.metrics_addr
    }
}
