//! The API's configuration.

use std::{net::SocketAddr, time::Duration};

use service_kit::{
    auth::{self, Auth},
    config::{self, Common, ConfigFaults, Reader, Variable},
    process::Configuration,
};
use temporal_connection::Settings;
use workflows::{ids::DEFAULT_TASK_QUEUE, policies::Timing};

const LISTEN_ADDR: Variable =
    Variable { name: "LISTEN_ADDR", default: Some("127.0.0.1:3002"), meaning: "Where the API listens." };
const TASK_QUEUE: Variable = Variable {
    name: "TASK_QUEUE",
    default: Some(DEFAULT_TASK_QUEUE),
    meaning: "The Temporal task queue that the API fills and the worker empties.",
};
const TEMPORAL_TASK_QUEUE: Variable = Variable {
    name: "TEMPORAL_TASK_QUEUE",
    default: None,
    meaning: "Another name of `TASK_QUEUE`; if both are set, they must agree.",
};
const APPROVAL_TIMEOUT: Variable = Variable {
    name: "APPROVAL_TIMEOUT",
    default: Some("2m"),
    meaning: "How long an order waits for a manager before it is rejected.",
};
const ACTIVITY_RETRY_INITIAL: Variable = Variable {
    name: "ACTIVITY_RETRY_INITIAL",
    default: Some("1s"),
    meaning: "The wait before an activity's second attempt; doubles up to the maximum.",
};
const ACTIVITY_RETRY_MAXIMUM: Variable = Variable {
    name: "ACTIVITY_RETRY_MAXIMUM",
    default: Some("10s"),
    meaning: "The longest wait between two attempts of an activity.",
};
const RETRY_AFTER_MAXIMUM: Variable = Variable {
    name: "RETRY_AFTER_MAXIMUM",
    default: Some("60s"),
    meaning: "The longest wait that a provider can ask for by `Retry-After`.",
};
const COMPENSATION_RETRY_INITIAL: Variable = Variable {
    name: "COMPENSATION_RETRY_INITIAL",
    default: Some("30s"),
    meaning: "The wait before a failed compensation's second round; doubles up to the maximum.",
};
const COMPENSATION_RETRY_MAXIMUM: Variable = Variable {
    name: "COMPENSATION_RETRY_MAXIMUM",
    default: Some("10m"),
    meaning: "The longest wait between two rounds of compensation.",
};
const PAYMENT_CANCEL_WINDOW: Variable = Variable {
    name: "PAYMENT_CANCEL_WINDOW",
    default: Some("60s"),
    meaning: "How long a payment that succeeded can still be cancelled.",
};
const SUBSCRIPTION_RETRY_AFTER: Variable = Variable {
    name: "SUBSCRIPTION_RETRY_AFTER",
    default: Some("1h"),
    meaning: "The wait before a subscription places a failed order again; doubles with each attempt.",
};
const SUBSCRIPTION_PERIODS_PER_RUN: Variable = Variable {
    name: "SUBSCRIPTION_PERIODS_PER_RUN",
    default: Some("50"),
    meaning: "After how many periods a subscription continues in a new history.",
};
const RECONCILIATION_EVERY: Variable = Variable {
    name: "RECONCILIATION_EVERY",
    default: Some("10m"),
    meaning: "The time between two scheduled reconciliations, at least 1s. It is shorter than a reservation (30 minutes), so that each outcome is recorded while the stock is reserved.",
};
const RECONCILIATION_REPAIR: Variable = Variable {
    name: "RECONCILIATION_REPAIR",
    default: Some("false"),
    meaning: "Whether scheduled reconciliations undo what orders that did not ship left open.",
};
const RECONCILIATION_PAGE_SIZE: Variable = Variable {
    name: "RECONCILIATION_PAGE_SIZE",
    default: Some("100"),
    meaning: "How many orders one activity of a reconciliation compares, 1 to 1000.",
};
const ORDER_BATCH_WINDOW: Variable = Variable {
    name: "ORDER_BATCH_WINDOW",
    default: Some("20"),
    meaning: "How many orders of one batch run at the same time, 1 to 1000.",
};
const ORDER_BATCH_CHUNK_SIZE: Variable = Variable {
    name: "ORDER_BATCH_CHUNK_SIZE",
    default: Some("100"),
    meaning: "How many orders of a batch one workflow places, 1 to 200.",
};
const ORDER_BATCH_BODY_LIMIT: Variable = Variable {
    name: "ORDER_BATCH_BODY_LIMIT",
    default: Some("16777216"),
    meaning: "The largest body of a batch in bytes, before and after decompression.",
};
const PROVIDER_URL: Variable = Variable {
    name: "PROVIDER_URL",
    default: None,
    meaning: "The provider that the console shows: chaos, ledger and verdict. Without it, those pages say so.",
};
const FOUNDER_URL: Variable = Variable {
    name: "FOUNDER_URL",
    default: None,
    meaning: "The founder that the console asks. Without it, its page says so.",
};
const TEMPORAL_UI_URL: Variable = Variable {
    name: "TEMPORAL_UI_URL",
    default: None,
    meaning: "The Temporal Web UI that the console links to.",
};
const TRACES_UI_URL: Variable =
    Variable { name: "TRACES_UI_URL", default: None, meaning: "Jaeger's page that the console links to." };
const CHAOS_ADMIN_TOKEN: Variable = Variable {
    name: "CHAOS_ADMIN_TOKEN",
    default: None,
    meaning: "The provider's token, with which the console changes chaos for operators.",
};
const MAX_WAITING: Variable = Variable {
    name: "MAX_WAITING",
    default: Some("1000"),
    meaning: "How many event streams and long polls may be open at once.",
};

/// The limits of batches.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// The number of orders that run at the same time.
    pub window: u32,
    /// The number of orders that one workflow places.
    pub chunk_size: usize,
    /// The size of a body in bytes.
    pub body: usize,
}

#[derive(Debug, Clone)]
pub struct Config {
    pub common: Common,
    pub temporal: Settings,
    pub listen_addr: SocketAddr,
    pub task_queue: String,
    /// Becomes a part of the input of each workflow that the API starts.
    pub timing: Timing,
    /// Becomes a part of the input of each payment that the API starts.
    pub payment_cancel_window: Duration,
    /// Becomes a part of the input of each subscription that the API starts.
    pub subscription_retry_after: Duration,
    pub subscription_periods_per_run: u32,
    pub reconciliation_every: Duration,
    pub reconciliation_repair: bool,
    pub reconciliation_page_size: u32,
    pub batches: BatchLimits,
    /// Limits the event streams and long polls that are open at the same time.
    pub max_waiting: usize,
    pub console: console::Settings,
    pub auth: Auth,
}

impl Configuration for Config {
    fn variables() -> Vec<Variable> {
        let own = [
            LISTEN_ADDR,
            config::PORT,
            TASK_QUEUE,
            TEMPORAL_TASK_QUEUE,
            APPROVAL_TIMEOUT,
            ACTIVITY_RETRY_INITIAL,
            ACTIVITY_RETRY_MAXIMUM,
            RETRY_AFTER_MAXIMUM,
            COMPENSATION_RETRY_INITIAL,
            COMPENSATION_RETRY_MAXIMUM,
            PAYMENT_CANCEL_WINDOW,
            SUBSCRIPTION_RETRY_AFTER,
            SUBSCRIPTION_PERIODS_PER_RUN,
            RECONCILIATION_EVERY,
            RECONCILIATION_REPAIR,
            RECONCILIATION_PAGE_SIZE,
            ORDER_BATCH_WINDOW,
            ORDER_BATCH_CHUNK_SIZE,
            ORDER_BATCH_BODY_LIMIT,
            MAX_WAITING,
            PROVIDER_URL,
            CHAOS_ADMIN_TOKEN,
            FOUNDER_URL,
            TEMPORAL_UI_URL,
            TRACES_UI_URL,
        ];
        [&own, auth::VARIABLES, temporal_connection::VARIABLES, config::COMMON].concat()
    }

    fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigFaults> {
        let mut reader = Reader::new(lookup);
        let common = Common::read(&mut reader);
        let temporal = Settings::read(&mut reader, "temporal-api");
        let listen_addr = reader.listen_address(&LISTEN_ADDR);
        let task_queue =
            reader.read_aliased(&TASK_QUEUE, &TEMPORAL_TASK_QUEUE, |text| Ok::<_, String>(text.to_owned()));
        let approval_timeout_ms = reader.read(&APPROVAL_TIMEOUT, millis);
        let retry_initial_ms = reader.read(&ACTIVITY_RETRY_INITIAL, millis);
        let retry_maximum_ms = reader.read(&ACTIVITY_RETRY_MAXIMUM, millis);
        let retry_after_maximum_ms = reader.read(&RETRY_AFTER_MAXIMUM, millis);
        let compensation_initial_ms = reader.read(&COMPENSATION_RETRY_INITIAL, millis);
        let compensation_maximum_ms = reader.read(&COMPENSATION_RETRY_MAXIMUM, millis);
        let payment_cancel_window_ms = reader.read(&PAYMENT_CANCEL_WINDOW, millis);
        let subscription_retry_after_ms = reader.read(&SUBSCRIPTION_RETRY_AFTER, millis);
        let subscription_periods_per_run = reader.read(&SUBSCRIPTION_PERIODS_PER_RUN, |text| {
            text.parse().ok().filter(|most| (1..=1000).contains(most)).ok_or("must be from 1 to 1000")
        });
        let reconciliation_every_ms = reader.read(&RECONCILIATION_EVERY, |text| {
            millis(text)
                .and_then(|ms| if ms < 1000 { Err("must be from 1s to 365days".to_owned()) } else { Ok(ms) })
        });
        let reconciliation_repair = reader.read(&RECONCILIATION_REPAIR, |text| {
            text.parse::<bool>().map_err(|_| "must be `true` or `false`")
        });
        let reconciliation_page_size = reader.read(&RECONCILIATION_PAGE_SIZE, |text| {
            text.parse().ok().filter(|size| (1..=1000).contains(size)).ok_or("must be from 1 to 1000")
        });
        let batch_window = reader.read(&ORDER_BATCH_WINDOW, |text| {
            text.parse().ok().filter(|size| (1..=1000).contains(size)).ok_or("must be from 1 to 1000")
        });
        let batch_chunk_size = reader.read(&ORDER_BATCH_CHUNK_SIZE, |text| {
            text.parse().ok().filter(|size| (1..=200).contains(size)).ok_or("must be from 1 to 200")
        });
        let batch_body_limit = reader.read(&ORDER_BATCH_BODY_LIMIT, |text| {
            text.parse()
                .ok()
                .filter(|size| (1..=1 << 30).contains(size))
                .ok_or("must be from 1 to 1073741824")
        });
        let max_waiting = reader.read(&MAX_WAITING, |text| {
            text.parse().ok().filter(|most| (1..=1_000_000).contains(most)).ok_or("must be from 1 to 1000000")
        });
        let provider = reader.read_optional(&PROVIDER_URL, config::base_url);
        let provider_token = reader.read_optional(&CHAOS_ADMIN_TOKEN, config::secret);
        let founder = reader.read_optional(&FOUNDER_URL, config::base_url);
        let temporal_ui = reader.read_optional(&TEMPORAL_UI_URL, config::base_url);
        let traces = reader.read_optional(&TRACES_UI_URL, config::base_url);
        let auth = Auth::read(&mut reader);
        let config = (|| {
            let (common, temporal, max_waiting) = (common?, temporal?, max_waiting?);
            let in_namespace = |ui: String| format!("{ui}/namespaces/{}", temporal.namespace());
            Some(Self {
                console: console::Settings {
                    provider: provider?,
                    provider_token: provider_token?,
                    founder: founder?,
                    temporal_ui: temporal_ui?.map(in_namespace),
                    traces: traces?,
                    max_viewers: max_waiting,
                },
                auth: auth?,
                temporal: temporal.with_traces(&common),
                common,
                listen_addr: listen_addr?,
                task_queue: task_queue?,
                timing: Timing {
                    approval_timeout_ms: approval_timeout_ms?,
                    retry_initial_ms: retry_initial_ms?,
                    retry_maximum_ms: retry_maximum_ms?,
                    retry_after_maximum_ms: retry_after_maximum_ms?,
                    compensation_initial_ms: compensation_initial_ms?,
                    compensation_maximum_ms: compensation_maximum_ms?,
                },
                payment_cancel_window: Duration::from_millis(payment_cancel_window_ms?),
                subscription_retry_after: Duration::from_millis(subscription_retry_after_ms?),
                subscription_periods_per_run: subscription_periods_per_run?,
                reconciliation_every: Duration::from_millis(reconciliation_every_ms?),
                reconciliation_repair: reconciliation_repair?,
                reconciliation_page_size: reconciliation_page_size?,
                batches: BatchLimits {
                    window: batch_window?,
                    chunk_size: batch_chunk_size?,
                    body: batch_body_limit?,
                },
                max_waiting,
            })
        })();
        reader.finish(config)
    }

    fn common(&self) -> &Common {
        &self.common
    }

    fn listens_on(&self) -> SocketAddr {
        self.listen_addr
    }
}

/// Reads a duration in milliseconds. Temporal's timers need at least one. A year is longer than any of
/// these waits.
fn millis(text: &str) -> Result<u64, String> {
    const YEAR: Duration = Duration::from_hours(365 * 24);
    let duration = config::duration(text)?;
    if duration < Duration::from_millis(1) || duration > YEAR {
        return Err("must be from 1ms to 365days".to_owned());
    }
    u64::try_from(duration.as_millis()).map_err(|error| error.to_string())
}
