//! Cat facts from <https://catfact.ninja>.

use async_trait::async_trait;
use serde::Deserialize;
use service_kit::client::Caller;

use super::{InvalidAnswer, fetch};
use crate::{CatFact, CatFactSource, Fetched, SourceError};

const NAME: &str = "catfact.ninja";

pub struct CatFactNinja {
    url: String,
    caller: Caller,
}

impl CatFactNinja {
    pub fn new(base_url: &str, caller: Caller) -> Self {
        Self { url: format!("{base_url}/fact"), caller }
    }
}

#[derive(Deserialize)]
struct Body {
    fact: String,
}

fn read(Body { fact }: Body) -> Result<CatFact, InvalidAnswer> {
    Ok(CatFact { fact: fact.parse()?, source: NAME })
}

#[async_trait]
impl CatFactSource for CatFactNinja {
    async fn fact(&self) -> Result<Fetched<CatFact>, SourceError> {
        fetch(&self.caller, &self.url, &[], read).await
    }
}

#[cfg(test)]
mod tests {
    use super::{super::parse, *};

    #[test]
    fn a_fact_is_read() {
        let fact = parse(br#"{"fact": "Cats purr.", "length": 10}"#, read).unwrap();
        assert_eq!((fact.fact.as_str(), fact.source), ("Cats purr.", "catfact.ninja"));
    }

    #[test]
    fn a_missing_fact_is_an_error() {
        assert!(parse(br#"{"fact": "", "length": 0}"#, read).is_err());
        assert!(parse(br#"{"length": 0}"#, read).is_err());
    }
}
