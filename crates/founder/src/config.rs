//! The configuration of founder.

use std::{net::SocketAddr, time::Duration};

use service_kit::{
    auth::{self, Auth},
    config::{self, Common, ConfigFaults, Reader, Variable},
    process::Configuration,
};
use user_context::Tries;

use crate::strategies::Strategy;

const LISTEN_ADDR: Variable = Variable {
    name: "LISTEN_ADDR",
    default: Some("127.0.0.1:3000"),
    meaning: "The address that founder listens on.",
};
const AGGREGATION_STRATEGY: Variable = Variable {
    name: "AGGREGATION_STRATEGY",
    default: Some(Strategy::AllSettled.name()),
    meaning: "The strategy of a request that names none: `promise-allsettled` (or `parallel`), `async-sequential` (or \
              `sequential`) or `rxjs` (or `stream`).",
};
const USER_CONTEXT_DEADLINE: Variable = Variable {
    name: "USER_CONTEXT_DEADLINE",
    default: Some("8s"),
    meaning: "The time limit of a user context. After it the answer has only the parts that arrived.",
};
const SOURCE_TRIES: Variable = Variable {
    name: "SOURCE_TRIES",
    default: Some("3"),
    meaning: "The maximum number of attempts to call a source.",
};
const SOURCE_RETRY_WAIT: Variable = Variable {
    name: "SOURCE_RETRY_WAIT",
    default: Some("1s"),
    meaning: "The delay before the second attempt to call a source. It doubles with each attempt, and jitter adds up to the same again.",
};

#[derive(Debug, Clone)]
pub struct Config {
    pub common: Common,
    pub listen_addr: SocketAddr,
    /// The strategy of a request that names none.
    pub strategy: Strategy,
    /// The time limit from a request to its answer.
    pub deadline: Duration,
    pub tries: Tries,
    pub sources: user_context::Config,
    pub auth: Auth,
}

impl Configuration for Config {
    fn variables() -> Vec<Variable> {
        let own = [
            LISTEN_ADDR,
            config::PORT,
            AGGREGATION_STRATEGY,
            USER_CONTEXT_DEADLINE,
            SOURCE_TRIES,
            SOURCE_RETRY_WAIT,
        ];
        [&own, auth::VARIABLES, user_context::VARIABLES, config::COMMON].concat()
    }

    fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigFaults> {
        let mut reader = Reader::new(lookup);
        let common = Common::read(&mut reader);
        let listen_addr = reader.listen_address(&LISTEN_ADDR);
        let strategy = reader.read(&AGGREGATION_STRATEGY, str::parse);
        let deadline = reader.read(&USER_CONTEXT_DEADLINE, short_duration);
        let tries = reader.read(&SOURCE_TRIES, |text| {
            text.parse().ok().filter(|tries| (1..=10).contains(tries)).ok_or("must be a number from 1 to 10")
        });
        let wait = reader.read(&SOURCE_RETRY_WAIT, short_duration);
        let sources = user_context::Config::read(&mut reader);
        let auth = Auth::read(&mut reader);
        let config = (|| {
            Some(Self {
                common: common?,
                listen_addr: listen_addr?,
                strategy: strategy?,
                deadline: deadline?,
                tries: Tries::new(tries?, wait?),
                sources: sources?,
                auth: auth?,
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

/// Parses a duration of at most 5 minutes, since a longer one is probably a mistake.
fn short_duration(text: &str) -> Result<Duration, String> {
    let duration = config::duration(text)?;
    if duration.is_zero() || duration > Duration::from_mins(5) {
        return Err("must be longer than 0s and at most 5m".to_owned());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &'static str, value: &'static str) -> Result<Config, ConfigFaults> {
        Config::from_lookup(&|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn the_default_strategy_calls_all_sources_at_once_within_8_seconds() {
        let config = read("", "").unwrap();
        assert_eq!(config.strategy, Strategy::AllSettled);
        assert_eq!(config.deadline, Duration::from_secs(8));
        assert_eq!(config.tries, Tries::new(3, Duration::from_secs(1)));
        assert_eq!(config.listen_addr.port(), 3000);
    }

    #[test]
    fn the_environment_may_name_a_strategy_by_its_alias() {
        assert_eq!(read("AGGREGATION_STRATEGY", "sequential").unwrap().strategy, Strategy::Sequential);
        assert_eq!(read("AGGREGATION_STRATEGY", "Parallel").unwrap().strategy, Strategy::AllSettled);
        assert_eq!(read("AGGREGATION_STRATEGY", "RxJS").unwrap().strategy, Strategy::Reactive);
        let errors = read("AGGREGATION_STRATEGY", "zip").unwrap_err().to_string();
        assert!(errors.contains("AGGREGATION_STRATEGY=zip: must be one of promise-allsettled"), "{errors}");
    }

    #[test]
    fn zero_attempts_and_extreme_durations_are_rejected() {
        for (name, value) in [
            ("SOURCE_TRIES", "0"),
            ("SOURCE_TRIES", "11"),
            ("SOURCE_TRIES", "many"),
            ("USER_CONTEXT_DEADLINE", "0s"),
            ("USER_CONTEXT_DEADLINE", "1h"),
            ("SOURCE_RETRY_WAIT", "-1s"),
        ] {
            let errors = read(name, value).unwrap_err().to_string();
            assert!(errors.contains(&format!("{name}={value}: ")), "{errors}");
        }
    }
}
