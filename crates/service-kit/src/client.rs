//! The HTTP clients. [`build`] makes a plain client for our own services. [`Caller`] has retries and limits for
//! sources on the internet.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant, SystemTime},
};

use backon::{ExponentialBuilder, Retryable};
use reqwest::{
    Client, ClientBuilder, Response, StatusCode, Url,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};

use crate::{
    correlation::{self, CorrelationId},
    telemetry, traces,
};

/// The longest delay between two attempts when there is no [`Deadline`].
const MAX_RETRY_DELAY: Duration = Duration::from_secs(10);

/// Shorter than [`HEADER_TIMEOUT`](crate::config::HEADER_TIMEOUT), so that no call uses a connection that the
/// other service is closing.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(15);

/// Makes a client for our own services, with a time limit for the whole call and without a proxy.
///
/// # Errors
/// Returns an error when the TLS library has no usable root certificates.
pub fn build(timeout: Duration) -> reqwest::Result<Client> {
    builder(timeout).no_proxy().build()
}

/// Makes a client that takes a redirect as an answer, with a time limit for the whole call and without a proxy.
///
/// # Errors
/// Returns an error when the TLS library has no usable root certificates.
pub fn build_without_redirects(timeout: Duration) -> reqwest::Result<Client> {
    builder(timeout).no_proxy().redirect(Policy::none()).build()
}

/// Makes a client for the internet. It uses the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`.
///
/// # Errors
/// Returns an error when the TLS library has no usable root certificates.
pub fn build_for_internet(timeout: Duration) -> reqwest::Result<Client> {
    builder(timeout).build()
}

/// Makes a blocking client for one address. A proxy can't reach an address of this machine.
///
/// # Errors
/// Returns an error when the TLS library has no usable root certificates.
pub(crate) fn build_blocking(url: &str) -> reqwest::Result<reqwest::blocking::Client> {
    install_crypto();
    let builder = reqwest::blocking::Client::builder();
    if is_local(url) { builder.no_proxy().build() } else { builder.build() }
}

fn install_crypto() {
    // Another part of the process may have installed it before, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

fn builder(timeout: Duration) -> ClientBuilder {
    install_crypto();
    Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(3)))
        .user_agent(concat!("order-fulfilment/", env!("CARGO_PKG_VERSION")))
        // An address can hold a key, which the target of a redirect must not see.
        .referer(false)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
}

/// Reads a body of at most `max_bytes` bytes. Returns none for a longer one, leaves its rest unread, and closes
/// the connection.
///
/// # Errors
/// Returns an error when the connection breaks before the end of the body.
pub async fn bounded(mut response: Response, max_bytes: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > max_bytes {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// The number of attempts of a call, and the delays between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    max_attempts: u32,
    initial_delay: Duration,
}

impl Tries {
    /// One attempt, for a caller that has its own retries.
    pub const ONCE: Self = Self { max_attempts: 1, initial_delay: Duration::ZERO };

    /// Allows `max_attempts` attempts; 0 counts as 1. The delay before the second one is random, from
    /// `initial_delay` to twice as long. It doubles with each further attempt.
    #[must_use]
    pub const fn new(max_attempts: u32, initial_delay: Duration) -> Self {
        Self { max_attempts, initial_delay }
    }

    fn backoff(self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_min_delay(self.initial_delay)
            .with_max_delay(MAX_RETRY_DELAY)
            .with_max_times(usize::try_from(self.max_attempts.saturating_sub(1)).unwrap_or(usize::MAX))
    }
}

/// Draws a delay from `wait` to twice as long, so that calls that failed together don't retry together.
#[expect(clippy::disallowed_methods, reason = "the jitter of a retry")]
fn jittered(wait: Duration) -> Duration {
    rand::random_range(wait..=wait.saturating_mul(2))
}

tokio::task_local! {
    static DEADLINE: Deadline;
}

/// The time by which the current work must end, with all its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// Returns the deadline that is this long from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Returns the deadline of the current work, if it has one.
    #[must_use]
    pub fn current() -> Option<Self> {
        DEADLINE.try_with(|deadline| *deadline).ok()
    }

    /// Runs `work` with this deadline: its calls end by then, if need be with an error. A spawned task doesn't
    /// inherit it.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        DEADLINE.scope(self, work).await
    }

    /// Returns the remaining time; zero after the deadline.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// The failure of a call. It never contains the address, which can hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("cannot be reached")]
    Unreachable,
    #[error("no answer in time")]
    Timeout,
    /// Any status except a success.
    #[error("answered {0}")]
    Status(u16),
    #[error("answered more than {0} bytes")]
    TooLarge(usize),
}

impl Failure {
    /// Returns true when the same call can succeed later.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout => true,
            Self::Status(status) => status >= 500 || status == 429,
            Self::TooLarge(_) => false,
        }
    }
}

/// A failed call, with the failure of its last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct CallError {
    pub failure: Failure,
    /// The delay that the server asks for before the next call.
    pub retry_after: Option<Duration>,
    /// 0 when the deadline had passed before the first attempt.
    pub attempts: u32,
}

/// The result of a successful call.
#[derive(Debug, Clone)]
pub struct Answer {
    pub body: Vec<u8>,
    pub attempts: u32,
}

/// Calls services of others, and retries transient failures.
///
/// Each attempt has a time limit, a size limit, the correlation id and a log line. The delays respect
/// `Retry-After`, and every attempt ends before the current [`Deadline`].
#[derive(Debug, Clone)]
pub struct Caller {
    internet: Client,
    /// For stand-ins on this machine, which no proxy can reach.
    local: Client,
    timeout: Duration,
    tries: Tries,
    max_bytes: usize,
}

impl Caller {
    /// Makes a client whose attempts each have this time limit, and whose bodies have at most `max_bytes`.
    ///
    /// # Errors
    /// Returns an error when the TLS library has no usable root certificates.
    pub fn new(timeout: Duration, tries: Tries, max_bytes: usize) -> reqwest::Result<Self> {
        Ok(Self { internet: build_for_internet(timeout)?, local: build(timeout)?, timeout, tries, max_bytes })
    }

    fn client(&self, url: &str) -> &Client {
        if is_local(url) { &self.local } else { &self.internet }
    }

    /// Sends a `GET` and returns the body of a successful answer. Logs and errors never contain the query.
    ///
    /// # Errors
    /// Returns the failure of the last attempt.
    #[expect(clippy::disallowed_methods, reason = "waits between two attempts of a call")]
    pub async fn get(&self, url: &str, query: &[(&str, &str)]) -> Result<Answer, CallError> {
        let attempts = AtomicU32::new(0);
        let attempt = || {
            let attempts = &attempts;
            async move {
                let limit = self.attempt_timeout()?;
                let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
                self.attempt(url, query, limit, attempt).await
            }
        };
        let result = attempt
            .retry(self.tries.backoff())
            .sleep(tokio::time::sleep)
            .when(|failed: &FailedAttempt| failed.failure.is_transient())
            .adjust(|failed, wait| {
                // `Retry-After` can lengthen the delay, never shorten it.
                let wait = jittered(wait?).min(MAX_RETRY_DELAY).max(failed.retry_after.unwrap_or_default());
                let longest = Deadline::current().map_or(MAX_RETRY_DELAY, Deadline::left);
                (wait <= longest).then_some(wait)
            })
            .await;
        let attempts = attempts.load(Ordering::Relaxed);
        match result {
            Ok(body) => Ok(Answer { body, attempts }),
            Err(FailedAttempt { failure, retry_after }) => Err(CallError { failure, retry_after, attempts }),
        }
    }

    /// Returns the time limit of the next attempt.
    fn attempt_timeout(&self) -> Result<Duration, FailedAttempt> {
        let left = Deadline::current().map_or(self.timeout, |deadline| self.timeout.min(deadline.left()));
        if left.is_zero() { Err(Failure::Timeout.into()) } else { Ok(left) }
    }

    async fn attempt(
        &self,
        url: &str,
        query: &[(&str, &str)],
        limit: Duration,
        attempt: u32,
    ) -> Result<Vec<u8>, FailedAttempt> {
        let started = Instant::now();
        let mut request = self.client(url).get(url).query(query).timeout(limit);
        if let Some(id) = CorrelationId::current() {
            request = request.header(correlation::HEADER, HeaderValue::from(&id));
        }
        let result = match traces::send(request).await {
            Ok(response) => self.read(response).await,
            Err(error) => Err(FailedAttempt::from(error)),
        };
        let millis = started.elapsed().as_secs_f64() * 1000.0;
        match &result {
            Ok(body) => tracing::info!(url, attempt, millis, bytes = body.len(), "HTTP call completed"),
            Err(failed) => tracing::warn!(url, attempt, millis, error = %failed.failure, "HTTP call failed"),
        }
        result
    }

    async fn read(&self, response: Response) -> Result<Vec<u8>, FailedAttempt> {
        let status = response.status();
        if !status.is_success() {
            return Err(FailedAttempt {
                failure: Failure::Status(status.as_u16()),
                retry_after: retry_after(status, response.headers()),
            });
        }
        bounded(response, self.max_bytes).await?.ok_or_else(|| Failure::TooLarge(self.max_bytes).into())
    }
}

/// Returns true when an address is on this machine.
fn is_local(url: &str) -> bool {
    let url = Url::parse(url).ok();
    let Some(host) = url.as_ref().and_then(Url::host_str) else { return false };
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || ip.is_some_and(|ip| ip.is_loopback())
}

/// One failed attempt.
struct FailedAttempt {
    failure: Failure,
    retry_after: Option<Duration>,
}

impl From<Failure> for FailedAttempt {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after: None }
    }
}

impl From<reqwest::Error> for FailedAttempt {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Failure::Timeout.into();
        }
        let cause = telemetry::error_chain(&error.without_url());
        tracing::debug!(cause, "connection failed");
        Failure::Unreachable.into()
    }
}

/// Returns the delay of `Retry-After` (RFC 9110, 10.2.3), which is in seconds or a date.
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let is_meant = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let text = headers.get(RETRY_AFTER).filter(|_| is_meant)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // A number that doesn't fit is as good as the largest one.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // A date in the past means no delay.
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use backon::BackoffBuilder;

    use super::*;

    fn retry_delays(max_attempts: u32) -> Vec<Duration> {
        Tries::new(max_attempts, Duration::from_millis(100)).backoff().build().map(jittered).collect()
    }

    #[test]
    fn only_addresses_of_this_machine_are_local() {
        for url in ["http://127.0.0.1:80/a", "http://127.1.2.3", "http://[::1]:80", "http://localhost/"] {
            assert!(is_local(url), "{url}");
        }
        for url in ["http://10.0.0.1", "http://localhost.example.com", "https://ipapi.co", "nonsense"] {
            assert!(!is_local(url), "{url}");
        }
    }

    #[test]
    fn a_delay_is_random_within_bounds_that_double() {
        let drawn: Vec<_> = (0..100).map(|_| retry_delays(3)).collect();
        for (nth, least) in [(0, 100), (1, 200)].map(|(nth, millis)| (nth, Duration::from_millis(millis))) {
            assert!(drawn.iter().all(|waits| waits[nth] >= least && waits[nth] <= least * 2), "{drawn:?}");
            assert!(drawn.iter().any(|waits| waits[nth] != drawn[0][nth]), "always {:?}", drawn[0][nth]);
        }
    }

    #[test]
    fn delays_are_one_fewer_than_attempts() {
        assert_eq!([0, 1, 2, 5].map(|max_attempts| retry_delays(max_attempts).len()), [0, 0, 1, 4]);
        assert_eq!(Tries::ONCE.backoff().build().count(), 0);
    }

    fn parse_retry_after(status: StatusCode, text: &str) -> Option<Duration> {
        let value = HeaderValue::from_str(text).unwrap();
        retry_after(status, &HeaderMap::from_iter([(RETRY_AFTER, value)]))
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let too_many = StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(parse_retry_after(too_many, "7"), Some(Duration::from_secs(7)));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let wait = parse_retry_after(too_many, &date).unwrap();
        assert!((Duration::from_secs(90)..=Duration::from_secs(100)).contains(&wait), "{wait:?}");
        assert_eq!(parse_retry_after(too_many, "Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(parse_retry_after(too_many, &"9".repeat(30)), Some(Duration::from_secs(u64::MAX)));
        for nothing in ["", "+7", "-7", "7.5", "soon"] {
            assert_eq!(parse_retry_after(too_many, nothing), None, "{nothing:?}");
        }
        assert_eq!(parse_retry_after(StatusCode::NOT_FOUND, "7"), None, "a retry cannot find it");
    }
}
