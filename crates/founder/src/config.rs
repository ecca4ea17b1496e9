//! Founder's configuration.

use std::{net::SocketAddr, time::Duration};

use service_kit::{
    config::{self, Common, ConfigFaults, Reader, Variable},
    process::Configuration,
};
use user_context::Tries;

use crate::strategies::Strategy;

const LISTEN_ADDR: Variable =
    Variable { name: "LISTEN_ADDR", default: Some("127.0.0.1:3000"), meaning: "Where founder listens." };
const AGGREGATION_STRATEGY: Variable = Variable {
    name: "AGGREGATION_STRATEGY",
    default: Some(Strategy::AllSettled.name()),
    meaning: "The strategy of a request that names none: `promise-allsettled` (or `parallel`), `async-sequential` (or \
              `sequential`) or `rxjs` (or `stream`).",
};
const USER_CONTEXT_DEADLINE: Variable = Variable {
    name: "USER_CONTEXT_DEADLINE",
    default: Some("8s"),
    meaning: "After this long a user context is answered with what is there.",
};
const SOURCE_TRIES: Variable = Variable {
    name: "SOURCE_TRIES",
    default: Some("3"),
    meaning: "How often founder asks a source at most, the first time included.",
};
const SOURCE_RETRY_WAIT: Variable = Variable {
    name: "SOURCE_RETRY_WAIT",
    default: Some("1s"),
    meaning: "The wait before a source is asked again, up to twice as long by jitter; doubles each time.",
};

#[derive(Debug, Clone)]
pub struct Config {
    pub common: Common,
    pub listen_addr: SocketAddr,
    /// That of a request that names none.
    pub strategy: Strategy,
    /// From a request to its answer.
    pub deadline: Duration,
    pub tries: Tries,
    pub sources: user_context::Config,
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
        [&own, user_context::VARIABLES, config::COMMON].concat()
    }

    fn from_lookup(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigFaults> {
        let mut reader = Reader::new(lookup);
        let common = Common::read(&mut reader);
        let listen_addr = reader.listen_address(&LISTEN_ADDR);
        let strategy = reader.read(&AGGREGATION_STRATEGY, str::parse);
        let deadline = reader.read(&USER_CONTEXT_DEADLINE, positive);
        let tries = reader.read(&SOURCE_TRIES, |text| {
            text.parse().ok().filter(|tries| (1..=10).contains(tries)).ok_or("must be a number from 1 to 10")
        });
        let wait = reader.read(&SOURCE_RETRY_WAIT, positive);
        let sources = user_context::Config::read(&mut reader);
        let config = (|| {
            Some(Self {
                common: common?,
                listen_addr: listen_addr?,
                strategy: strategy?,
                deadline: deadline?,
                tries: Tries::new(tries?, wait?),
                sources: sources?,
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

/// A wait that nobody sits out is a slip of the pen.
fn positive(text: &str) -> Result<Duration, String> {
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
    fn without_any_variable_everything_is_asked_for_at_once_within_8_seconds() {
        let config = read("", "").unwrap();
        assert_eq!(config.strategy, Strategy::AllSettled);
        assert_eq!(config.deadline, Duration::from_secs(8));
        assert_eq!(config.tries, Tries::new(3, Duration::from_secs(1)));
        assert_eq!(config.listen_addr.port(), 3000);
    }

    #[test]
    fn a_strategy_has_its_other_name_in_the_environment_too() {
        assert_eq!(read("AGGREGATION_STRATEGY", "sequential").unwrap().strategy, Strategy::Sequential);
        assert_eq!(read("AGGREGATION_STRATEGY", "Parallel").unwrap().strategy, Strategy::AllSettled);
        assert_eq!(read("AGGREGATION_STRATEGY", "RxJS").unwrap().strategy, Strategy::Reactive);
        let faults = read("AGGREGATION_STRATEGY", "zip").unwrap_err().to_string();
        assert!(faults.contains("AGGREGATION_STRATEGY=zip: must be one of promise-allsettled"), "{faults}");
    }

    #[test]
    fn no_tries_no_time_and_no_end_are_faults() {
        for (name, value) in [
            ("SOURCE_TRIES", "0"),
            ("SOURCE_TRIES", "11"),
            ("SOURCE_TRIES", "many"),
            ("USER_CONTEXT_DEADLINE", "0s"),
            ("USER_CONTEXT_DEADLINE", "1h"),
            ("SOURCE_RETRY_WAIT", "-1s"),
        ] {
            let faults = read(name, value).unwrap_err().to_string();
            assert!(faults.contains(&format!("{name}={value}: ")), "{faults}");
        }
    }
}
