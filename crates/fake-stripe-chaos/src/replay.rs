//! `replay`: reads a decision back and says what it does and why, by making its draw again.

use std::{fmt, sync::Arc};

use percent_encoding::percent_decode_str;

use crate::{
    app, config,
    shared::{
        chaos::{
            Catalogue, Effect, Profile, ProfileName, Response, Scenario, UnknownScenario, draw, scenario,
        },
        operation::Operation,
    },
};

/// Says what an X-Chaos-Decision does, and why it was made
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The header's value: seed=…;profile=…;run=…;op=…;key=…;attempt=…;scenario=…;source=…
    decision: String,
    /// The profile that it was drawn with, where it is none of the built-in ones
    #[arg(long, value_name = "NAME or FILE", value_parser = config::parse_profile)]
    profile: Option<Arc<Profile>>,
}

/// Why a text is no decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDecisionError {
    #[error("it has no {0}; a decision looks like {EXAMPLE}")]
    Missing(&'static str),
    #[error("{name}={value}: {why}")]
    Malformed { name: &'static str, value: String, why: &'static str },
    #[error("{0:?} is no field of a decision, which looks like {EXAMPLE}")]
    UnknownField(String),
    #[error("{0} is there twice")]
    DuplicateField(&'static str),
    #[error("{name:?} is not an operation; there are {}", known.join(", "))]
    UnknownOperation { name: String, known: Vec<&'static str> },
    #[error(transparent)]
    UnknownScenario(#[from] UnknownScenario),
}

const EXAMPLE: &str = "seed=42;profile=seed@1c2d3e4f;run=default;op=payment.capture;key=order-1;attempt=1;scenario=timeout;source=draw";
const FIELDS: [&str; 8] = ["seed", "profile", "run", "op", "key", "attempt", "scenario", "source"];

/// A decision as the header has it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ParsedDecision {
    seed: u64,
    profile: String,
    run: String,
    operation: Operation,
    key: String,
    attempt: u32,
    scenario: Scenario,
    source: Source,
}

/// Who chose, as an answer tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Draw,
    Header,
    Plan,
    /// The answer was given before: by whom it was chosen then is not in the header.
    Replay,
}

impl ParsedDecision {
    fn parse(text: &str, catalogue: &Catalogue) -> Result<Self, ParseDecisionError> {
        let text = text.trim();
        let text = match text.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("x-chaos-decision") => value.trim(),
            _ => text,
        };
        let mut values: [Option<&str>; 8] = [None; 8];
        for part in text.split(';') {
            let foreign = || ParseDecisionError::UnknownField(part.to_owned());
            let (name, value) = part.trim().split_once('=').ok_or_else(foreign)?;
            let field = FIELDS.iter().zip(&mut values).find(|(field, _)| **field == name);
            let (field, slot) = field.ok_or_else(foreign)?;
            if slot.replace(value).is_some() {
                return Err(ParseDecisionError::DuplicateField(field));
            }
        }
        let [seed, profile, run, operation, key, attempt, scenario_name, source] = values;
        let there = |index: usize, value: Option<&str>| {
            let name = FIELDS.get(index).copied().unwrap_or_default();
            value.map(str::to_owned).ok_or(ParseDecisionError::Missing(name))
        };
        let malformed =
            |name, value: &str, why| ParseDecisionError::Malformed { name, value: value.to_owned(), why };
        let (seed, profile, run) = (there(0, seed)?, there(1, profile)?, there(2, run)?);
        let (operation, key, attempt) = (there(3, operation)?, there(4, key)?, there(5, attempt)?);
        let (scenario_name, source) = (there(6, scenario_name)?, there(7, source)?);
        let operation =
            catalogue.operation(&operation).ok_or_else(|| ParseDecisionError::UnknownOperation {
                name: operation,
                known: catalogue.operations().map(|entry| entry.operation.name()).collect(),
            })?;
        Ok(Self {
            seed: seed
                .parse()
                .map_err(|_| malformed("seed", &seed, "must be an integer from 0 to 2^64 - 1"))?,
            profile: match profile.rsplit_once('@') {
                Some((name, hash)) if !name.is_empty() && !hash.is_empty() => profile,
                _ => {
                    return Err(malformed(
                        "profile",
                        &profile,
                        "must be a name and a hash, as in seed@1c2d3e4f",
                    ));
                }
            },
            run,
            key: percent_decode_str(&key)
                .decode_utf8()
                .map_err(|_| malformed("key", &key, "must be percent-encoded UTF-8"))?
                .into_owned(),
            attempt: match attempt.parse() {
                Ok(number) if number > 0 => number,
                _ => return Err(malformed("attempt", &attempt, "must be an integer from 1")),
            },
            scenario: scenario(&scenario_name, operation, catalogue)?,
            source: match source.as_str() {
                "draw" => Source::Draw,
                "header" => Source::Header,
                "plan" => Source::Plan,
                "replay" => Source::Replay,
                _ => return Err(malformed("source", &source, "must be draw, header, plan or replay")),
            },
            operation,
        })
    }
}

/// A decision and what can be said of it.
#[derive(Debug)]
pub struct Replayed {
    decision: ParsedDecision,
    drawn: Redraw,
}

#[derive(Debug, Clone, PartialEq)]
enum Redraw {
    /// There is no such profile here.
    UnknownProfile,
    /// There is one of this name, but with other weights.
    ChangedProfile(String),
    Drawn {
        number: u64,
        scenario: Scenario,
        from: f64,
        to: f64,
    },
}

/// Reads a decision, and makes its draw again where its profile is known.
///
/// # Errors
/// Where the text is no decision of this provider.
pub fn replay(arguments: &Arguments) -> Result<Replayed, ParseDecisionError> {
    let catalogue = app::catalogue();
    let decision = ParsedDecision::parse(&arguments.decision, &catalogue)?;
    let mut known: Vec<Arc<Profile>> = arguments.profile.iter().cloned().collect();
    known.extend(ProfileName::ALL.map(|name| Arc::new(Profile::built_in(name, &catalogue))));
    let same = known.iter().find(|profile| *profile.to_string() == *decision.profile);
    let name = decision.profile.rsplit_once('@').map_or("", |(name, _)| name);
    let drawn = match same {
        Some(profile) => redraw(&decision, profile),
        None => match known.iter().find(|profile| profile.name() == name) {
            Some(other) => Redraw::ChangedProfile(other.to_string()),
            None => Redraw::UnknownProfile,
        },
    };
    Ok(Replayed { decision, drawn })
}

#[allow(clippy::cast_precision_loss, reason = "percentages to show; the draw itself is made in integers")]
fn redraw(decision: &ParsedDecision, profile: &Profile) -> Redraw {
    let number = draw(decision.seed, profile.name(), decision.operation, &decision.key, decision.attempt);
    let scenario = profile.choose(decision.operation, number);
    let weights =
        profile.table(decision.operation).iter().map(|share| (share.scenario, share.weight.as_millionths()));
    let total: u64 = weights.clone().map(|(_, weight)| weight).sum();
    let percent = |weight: u64| 100.0 * weight as f64 / total.max(1) as f64;
    let point = 100.0 * number as f64 / 2_f64.powi(64);
    let mut before = 0;
    for (of, weight) in weights {
        let (from, to) = (percent(before), percent(before + weight));
        if of == scenario && point < to {
            return Redraw::Drawn { number, scenario, from, to };
        }
        before += weight;
    }
    Redraw::Drawn { number, scenario, from: 0.0, to: 100.0 }
}

impl Replayed {
    /// Whether the draw, made again, gives another scenario than the decision says.
    #[must_use]
    pub fn differs(&self) -> bool {
        matches!(self.drawn, Redraw::Drawn { scenario, .. } if self.decision.source == Source::Draw && scenario != self.decision.scenario)
    }
}

impl fmt::Display for Replayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ParsedDecision { seed, profile, run, operation, key, attempt, scenario, source } = &self.decision;
        writeln!(f, "{operation}, attempt {attempt}, of {key} (run {run}): {}", scenario.name)?;
        let effect = match scenario.effect {
            Effect::Apply => "apply: the operation is executed, if the domain lets it",
            Effect::Skip => "skip: nothing is executed",
        };
        writeln!(f, "  effect    {effect}")?;
        writeln!(f, "  response  {}", answer(*scenario))?;
        let why = match source {
            Source::Draw => "drawn from the profile",
            Source::Header => "the caller asked for it, by the header X-Chaos-Scenario",
            Source::Plan => "the order's plan says so (PUT /chaos/plans/{orderId})",
            Source::Replay => {
                "the stored answer of an earlier call with the same idempotency key was given again"
            }
        };
        writeln!(f, "  source    {why}")?;
        match &self.drawn {
            Redraw::Drawn { number, scenario: again, from, to } => {
                #[allow(clippy::cast_precision_loss, reason = "a percentage to show")]
                let point = 100.0 * *number as f64 / 2_f64.powi(64);
                writeln!(
                    f,
                    "  draw      {number:#018x} of seed {seed}, profile {profile}: {point:.4} %, between {from:.4} % and {to:.4} %, where {} is",
                    again.name
                )?;
                match source {
                    Source::Draw if again == scenario => writeln!(f, "  the draw, made again, is the same"),
                    Source::Draw => writeln!(
                        f,
                        "  THE DRAW, MADE AGAIN, DIFFERS: {} instead of {}; was the decision changed by hand?",
                        again.name, scenario.name
                    ),
                    _ => writeln!(f, "  without that, it would have been {}", again.name),
                }
            }
            Redraw::ChangedProfile(own) => writeln!(
                f,
                "  draw      can't be made again: the profile {profile} has other weights than the one here, {own}; give the right one by --profile"
            ),
            Redraw::UnknownProfile => writeln!(
                f,
                "  draw      can't be made again: the profile {profile} is none of the built-in ones; give it by --profile"
            ),
        }
    }
}

fn answer(scenario: Scenario) -> String {
    match (scenario.response, scenario.effect) {
        (Response::Real, _) => "the real answer".to_owned(),
        (Response::Refusal, Effect::Skip) => format!("a definitive refusal, {}", scenario.name),
        (Response::Refusal, Effect::Apply) => {
            format!("409 {}, as if an earlier answer had been lost", scenario.name)
        }
        (Response::Timeout, Effect::Skip) => "after a wait, 504".to_owned(),
        (Response::Timeout, Effect::Apply) => "after a wait, 504: the real answer is lost".to_owned(),
        (_, Effect::Skip) => format!("a failure, {}", scenario.name),
        (_, Effect::Apply) => format!("a failure, {}: the real answer is lost", scenario.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(decision: &str) -> Result<Replayed, ParseDecisionError> {
        replay(&Arguments { decision: decision.to_owned(), profile: None })
    }

    fn of_seed(rest: &str) -> String {
        let profile = Profile::built_in(ProfileName::Seed, &app::catalogue());
        format!("seed=42;profile={profile};run=default;op=payment.authorize;key=order-1;{rest}")
    }

    /// 0x6765… of 2^64 is 40.4 %: behind `success`, which ends at 40 %.
    #[test]
    fn a_drawn_decision_is_drawn_again() {
        let replayed = asked(&of_seed("attempt=1;scenario=insufficient_funds;source=draw")).unwrap();
        assert!(!replayed.differs(), "{replayed}");
        let text = replayed.to_string();
        assert!(text.contains("0x676509b606957b2f"), "{text}");
        assert!(text.contains("40.3885 %, between 40.0000 % and 70.0000 %"), "{text}");
        assert!(text.contains("made again, is the same"), "{text}");
    }

    #[test]
    fn a_decision_that_was_changed_is_found_out() {
        let replayed = asked(&of_seed("attempt=1;scenario=timeout;source=draw")).unwrap();
        assert!(replayed.differs());
        assert!(replayed.to_string().contains("insufficient_funds instead of timeout"), "{replayed}");
    }

    #[test]
    fn what_was_forced_is_told_beside_what_would_have_been_drawn() {
        let replayed = asked(&of_seed("attempt=1;scenario=timeout_after_commit;source=plan")).unwrap();
        assert!(!replayed.differs());
        assert!(replayed.to_string().contains("it would have been insufficient_funds"), "{replayed}");
    }

    #[test]
    fn the_header_may_be_given_with_its_name() {
        let decision = of_seed("attempt=1;scenario=timeout;source=replay");
        assert!(asked(&format!("x-chaos-decision: {decision}")).is_ok());
    }

    #[test]
    fn a_profile_that_is_not_known_is_said_to_be_so() {
        let decision = |profile: &str| {
            let rest = "run=r;op=payment.capture;key=a%3Bb;attempt=1;scenario=success;source=draw";
            asked(&format!("seed=1;profile={profile};{rest}")).unwrap().to_string()
        };
        assert!(decision("mine@00000000").contains("none of the built-in ones"));
        assert!(decision("off@00000000").contains("has other weights"));
        assert!(decision("off@00000000").contains("of a;b (run r)"));
    }

    #[test]
    fn a_bad_decision_is_refused_with_what_is_wrong() {
        let good = of_seed("attempt=1;scenario=timeout;source=draw");
        for (bad, why) in [
            (String::new(), "is no field"),
            (good.replace(";attempt=1", ""), "it has no attempt"),
            (good.replace("attempt=1", "attempt=0"), "attempt=0: must be"),
            (good.replace("seed=42", "seed=-1"), "seed=-1: must be"),
            (good.replace("key=order-1", "key=%ff"), "key=%ff: must be"),
            (good.replace("authorize", "pay"), "\"payment.pay\" is not an operation"),
            (good.replace("scenario=timeout", "scenario=x"), "\"x\" is not a scenario of payment.authorize"),
            (good.replace("source=draw", "source=luck"), "source=luck: must be"),
            (format!("{good};seed=1"), "seed is there twice"),
            (format!("{good};more=1"), "\"more=1\" is no field"),
        ] {
            let error = asked(&bad).unwrap_err().to_string();
            assert!(error.contains(why), "{bad:?}: {error}");
        }
    }
}
