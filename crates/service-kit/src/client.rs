//! The HTTP clients: the plain one that services call one another with, and [`Caller`], the stack for
//! sources on the internet that may be slow, busy or broken.

use std::{
    net::IpAddr,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant, SystemTime},
};

use backon::{ExponentialBuilder, Retryable};
use reqwest::{
    Client, ClientBuilder, Response, StatusCode, Url,
    header::{HeaderMap, HeaderValue, RETRY_AFTER},
};

use crate::{
    correlation::{self, CorrelationId},
    telemetry,
};

/// No wait between two tries is longer than this where no [`Deadline`] says how long is too long.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Shorter than [`HEADER_TIMEOUT`](crate::config::HEADER_TIMEOUT), so that no call goes out by a connection
/// that the other service closes at that moment.
const IDLE: Duration = Duration::from_secs(15);

/// A client for our own services, with a time limit for the whole call. No proxy is between them.
///
/// # Errors
/// When the TLS library has no usable root certificates.
pub fn build(timeout: Duration) -> reqwest::Result<Client> {
    builder(timeout).no_proxy().build()
}

/// A client for the internet: it uses the proxies that `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` name.
///
/// # Errors
/// When the TLS library has no usable root certificates.
pub fn build_for_internet(timeout: Duration) -> reqwest::Result<Client> {
    builder(timeout).build()
}

fn builder(timeout: Duration) -> ClientBuilder {
    // Already installed is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(3)))
        .user_agent(concat!("order-fulfilment/", env!("CARGO_PKG_VERSION")))
        // An address can hold a key, which is nothing for whoever a redirect leads to.
        .referer(false)
        .pool_idle_timeout(IDLE)
}

/// Reads a body of at most `largest` bytes; `None` where it has more. The rest stays unread, and the
/// connection is closed.
///
/// # Errors
/// When the body breaks off.
pub async fn bounded(mut response: Response, largest: usize) -> reqwest::Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > largest {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// How often a call is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tries {
    most: u32,
    wait: Duration,
}

impl Tries {
    /// One try, for a caller that retries by its own means.
    pub const ONCE: Self = Self { most: 1, wait: Duration::ZERO };

    /// At most `most` tries (none counts as one). The wait before the second one is from `wait` to twice
    /// that, drawn, and doubles with each further one.
    #[must_use]
    pub const fn new(most: u32, wait: Duration) -> Self {
        Self { most, wait }
    }

    fn backoff(self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_min_delay(self.wait)
            .with_max_delay(LONGEST_WAIT)
            .with_max_times(usize::try_from(self.most.saturating_sub(1)).unwrap_or(usize::MAX))
    }
}

/// Draws a wait from this to twice this, so that those who failed together don't come back together.
#[expect(clippy::disallowed_methods, reason = "the jitter of a retry")]
fn jittered(wait: Duration) -> Duration {
    rand::random_range(wait..=wait.saturating_mul(2))
}

tokio::task_local! {
    static DEADLINE: Deadline;
}

/// When the work in hand has to be done, whatever calls it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// This long from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// The one that this code has to keep.
    #[must_use]
    pub fn current() -> Option<Self> {
        DEADLINE.try_with(|deadline| *deadline).ok()
    }

    /// Runs `work` with this as the current one: its calls end by then, with an error if they must. A
    /// spawned task must be given it again.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        DEADLINE.scope(self, work).await
    }

    /// Nothing, once it has passed.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Why a call gave nothing. Never holds the address, which can hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("cannot be reached")]
    Unreachable,
    #[error("no answer in time")]
    Timeout,
    /// Any status but a success.
    #[error("answered {0}")]
    Status(u16),
    #[error("answered more than {0} bytes")]
    TooLarge(usize),
}

impl Failure {
    /// Whether the same call can succeed later.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        match self {
            Self::Unreachable | Self::Timeout => true,
            Self::Status(status) => status >= 500 || status == 429,
            Self::TooLarge(_) => false,
        }
    }
}

/// A call that failed, with the failure of its last try.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct CallError {
    pub failure: Failure,
    /// When the other side would like to be asked again.
    pub retry_after: Option<Duration>,
    /// 0 where the deadline had passed before the first.
    pub attempts: u32,
}

/// What a call gave.
#[derive(Debug, Clone)]
pub struct Answer {
    pub body: Vec<u8>,
    pub attempts: u32,
}

/// Calls other people's services: with the correlation id, a time limit for each try, a limit to the body,
/// a log line with how long it took, and more tries where the failure may pass. A `Retry-After` is
/// honoured, and nothing goes on beyond the current [`Deadline`].
#[derive(Debug, Clone)]
pub struct Caller {
    internet: Client,
    /// For a stand-in on this machine, which no proxy can reach.
    local: Client,
    timeout: Duration,
    tries: Tries,
    /// Bytes.
    largest: usize,
}

impl Caller {
    /// `timeout` is that of one try, `largest` the most bytes a body may have.
    ///
    /// # Errors
    /// When the TLS library has no usable root certificates.
    pub fn new(timeout: Duration, tries: Tries, largest: usize) -> reqwest::Result<Self> {
        Ok(Self { internet: build_for_internet(timeout)?, local: build(timeout)?, timeout, tries, largest })
    }

    fn client(&self, url: &str) -> &Client {
        if is_local(url) { &self.local } else { &self.internet }
    }

    /// The body of a successful `GET`. The query stays out of logs and errors.
    ///
    /// # Errors
    /// The last try's failure.
    #[expect(clippy::disallowed_methods, reason = "waits between two attempts of a call")]
    pub async fn get(&self, url: &str, query: &[(&str, &str)]) -> Result<Answer, CallError> {
        let attempts = AtomicU32::new(0);
        let attempt = || {
            let attempts = &attempts;
            async move {
                let limit = self.time_left()?;
                let attempt = attempts.fetch_add(1, Ordering::Relaxed) + 1;
                self.once(url, query, limit, attempt).await
            }
        };
        let result = attempt
            .retry(self.tries.backoff())
            .sleep(tokio::time::sleep)
            .when(|failed: &Failed| failed.failure.is_transient())
            .adjust(|failed, wait| {
                // Not before we would by ourselves, and not before we were told to.
                let wait = jittered(wait?).min(LONGEST_WAIT).max(failed.retry_after.unwrap_or_default());
                let longest = Deadline::current().map_or(LONGEST_WAIT, Deadline::left);
                (wait <= longest).then_some(wait)
            })
            .await;
        let attempts = attempts.load(Ordering::Relaxed);
        match result {
            Ok(body) => Ok(Answer { body, attempts }),
            Err(Failed { failure, retry_after }) => Err(CallError { failure, retry_after, attempts }),
        }
    }

    /// How long a try may take now.
    fn time_left(&self) -> Result<Duration, Failed> {
        let left = Deadline::current().map_or(self.timeout, |deadline| self.timeout.min(deadline.left()));
        if left.is_zero() { Err(Failure::Timeout.into()) } else { Ok(left) }
    }

    async fn once(
        &self,
        url: &str,
        query: &[(&str, &str)],
        limit: Duration,
        attempt: u32,
    ) -> Result<Vec<u8>, Failed> {
        let started = Instant::now();
        let mut request = self.client(url).get(url).query(query).timeout(limit);
        if let Some(id) = CorrelationId::current() {
            request = request.header(correlation::HEADER, HeaderValue::from(&id));
        }
        let result = match request.send().await {
            Ok(response) => self.read(response).await,
            Err(error) => Err(Failed::from(error)),
        };
        let millis = started.elapsed().as_secs_f64() * 1000.0;
        match &result {
            Ok(body) => tracing::info!(url, attempt, millis, bytes = body.len(), "called"),
            Err(failed) => tracing::warn!(url, attempt, millis, error = %failed.failure, "call failed"),
        }
        result
    }

    async fn read(&self, response: Response) -> Result<Vec<u8>, Failed> {
        let status = response.status();
        if !status.is_success() {
            return Err(Failed {
                failure: Failure::Status(status.as_u16()),
                retry_after: retry_after(status, response.headers()),
            });
        }
        bounded(response, self.largest).await?.ok_or_else(|| Failure::TooLarge(self.largest).into())
    }
}

/// Whether an address is on this machine.
fn is_local(url: &str) -> bool {
    let url = Url::parse(url).ok();
    let Some(host) = url.as_ref().and_then(Url::host_str) else { return false };
    let ip: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    host == "localhost" || ip.is_some_and(|ip| ip.is_loopback())
}

/// One try that failed.
struct Failed {
    failure: Failure,
    retry_after: Option<Duration>,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after: None }
    }
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Failure::Timeout.into();
        }
        let cause = telemetry::chain(&error.without_url());
        tracing::debug!(cause, "unreachable");
        Failure::Unreachable.into()
    }
}

/// RFC 9110, 10.2.3: seconds, or a date.
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let is_meant = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let text = headers.get(RETRY_AFTER).filter(|_| is_meant)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More than fits is for ever, too.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    // A date that has passed means now.
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use backon::BackoffBuilder;

    use super::*;

    fn waits(most: u32) -> Vec<Duration> {
        Tries::new(most, Duration::from_millis(100)).backoff().build().map(jittered).collect()
    }

    #[test]
    fn this_machine_is_local_and_nothing_else() {
        for url in ["http://127.0.0.1:80/a", "http://127.1.2.3", "http://[::1]:80", "http://localhost/"] {
            assert!(is_local(url), "{url}");
        }
        for url in ["http://10.0.0.1", "http://localhost.example.com", "https://ipapi.co", "nonsense"] {
            assert!(!is_local(url), "{url}");
        }
    }

    #[test]
    fn a_wait_is_drawn_between_its_bounds_which_double() {
        let drawn: Vec<_> = (0..100).map(|_| waits(3)).collect();
        for (nth, least) in [(0, 100), (1, 200)].map(|(nth, millis)| (nth, Duration::from_millis(millis))) {
            assert!(drawn.iter().all(|waits| waits[nth] >= least && waits[nth] <= least * 2), "{drawn:?}");
            assert!(drawn.iter().any(|waits| waits[nth] != drawn[0][nth]), "always {:?}", drawn[0][nth]);
        }
    }

    #[test]
    fn there_is_one_wait_less_than_tries() {
        assert_eq!([0, 1, 2, 5].map(|most| waits(most).len()), [0, 0, 1, 4]);
        assert_eq!(Tries::ONCE.backoff().build().count(), 0);
    }

    fn told(status: StatusCode, text: &str) -> Option<Duration> {
        let value = HeaderValue::from_str(text).unwrap();
        retry_after(status, &HeaderMap::from_iter([(RETRY_AFTER, value)]))
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_nothing_else() {
        let busy = StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(told(busy, "7"), Some(Duration::from_secs(7)));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let wait = told(busy, &date).unwrap();
        assert!((Duration::from_secs(90)..=Duration::from_secs(100)).contains(&wait), "{wait:?}");
        assert_eq!(told(busy, "Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(told(busy, &"9".repeat(30)), Some(Duration::from_secs(u64::MAX)));
        for nothing in ["", "+7", "-7", "7.5", "soon"] {
            assert_eq!(told(busy, nothing), None, "{nothing:?}");
        }
        assert_eq!(told(StatusCode::NOT_FOUND, "7"), None, "asking again won't find it");
    }
}
