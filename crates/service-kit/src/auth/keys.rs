//! The public keys of the issuer: read, cached, and read again when they rotate.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jsonwebtoken::jwk::{Jwk, JwkSet};
use reqwest::Client;
use tokio::sync::Mutex;

use super::settings::KeySource;
use crate::client;

/// The shortest pause between two reads, so that tokens with unknown keys can't flood the issuer.
const MIN_PAUSE: Duration = Duration::from_secs(10);
/// The time limit of a read.
const LIMIT: Duration = Duration::from_secs(5);
/// The largest set, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// The keys of one issuer.
pub struct Keys {
    source: KeySource,
    refresh: Duration,
    client: Option<Client>,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    keys: Option<Arc<JwkSet>>,
    read_at: Option<Instant>,
    tried_at: Option<Instant>,
}

/// The reasons why no key was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoKey {
    /// The issuer has no such key.
    Unknown,
    /// No keys could be read yet.
    Unavailable,
}

impl Keys {
    pub fn new(source: KeySource, refresh: Duration) -> Self {
        let client = client::build(LIMIT);
        if let Err(error) = &client {
            tracing::error!(%error, "the keys of tokens can't be read over HTTP");
        }
        Self { source, refresh, client: client.ok(), cache: Mutex::default() }
    }

    /// Returns the key with an id. A token without an id fits a set with a single key.
    pub async fn find(&self, id: Option<&str>) -> Result<Jwk, NoKey> {
        // The lock is held while the keys are read, so that they are read once.
        let mut cache = self.cache.lock().await;
        let is_old = cache.read_at.is_none_or(|at| at.elapsed() >= self.refresh);
        let known = cache.keys.as_deref().and_then(|keys| matching(keys, id)).cloned();
        if (is_old || known.is_none()) && cache.tried_at.is_none_or(|at| at.elapsed() >= MIN_PAUSE) {
            cache.tried_at = Some(Instant::now());
            match self.read().await {
                Ok(keys) => {
                    tracing::info!(keys = keys.keys.len(), "the keys of tokens were read");
                    cache.keys = Some(Arc::new(keys));
                    cache.read_at = cache.tried_at;
                }
                // The keys of before stay.
                Err(error) => tracing::error!(%error, "reading the keys of tokens failed"),
            }
        }
        let keys = cache.keys.as_deref().ok_or(NoKey::Unavailable)?;
        matching(keys, id).cloned().ok_or(NoKey::Unknown)
    }

    async fn read(&self) -> Result<JwkSet, String> {
        let bytes = match &self.source {
            KeySource::File(path) => tokio::fs::read(path).await.map_err(|error| error.to_string())?,
            KeySource::Url(url) => self.fetch(url).await?,
        };
        serde_json::from_slice(&bytes).map_err(|error| format!("no JWK set: {error}"))
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let client = self.client.as_ref().ok_or("there is no HTTP client")?;
        let text = |error: reqwest::Error| error.without_url().to_string();
        let response =
            client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(text)?;
        let body = client::bounded(response, MAX_BYTES).await.map_err(text)?;
        body.ok_or_else(|| "the set is too large".to_owned())
    }
}

fn matching<'a>(keys: &'a JwkSet, id: Option<&str>) -> Option<&'a Jwk> {
    match (id, keys.keys.as_slice()) {
        (Some(id), _) => keys.find(id),
        (None, [only]) => Some(only),
        _ => None,
    }
}
