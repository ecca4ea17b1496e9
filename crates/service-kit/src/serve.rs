//! Listens for HTTP requests, and stops gracefully within a time limit.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    response::Response,
    serve::Listener as _,
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::TcpListener,
    signal::unix,
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    config::Common,
    connection::{Connection, ResettableListener, ResettableStream},
    stopping::Stopping,
};

/// The limits of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The time that requests in flight have when the service stops.
    pub grace: Duration,
    /// The time limit for the head of a request, and so for the idle time between two requests.
    pub header_timeout: Duration,
    pub max_connections: usize,
}

impl From<&Common> for Limits {
    fn from(common: &Common) -> Self {
        let &Common { shutdown_grace: grace, header_timeout, max_connections, .. } = common;
        Self { grace, header_timeout, max_connections }
    }
}

/// Uses this grace and the usual limits.
impl From<Duration> for Limits {
    fn from(grace: Duration) -> Self {
        Self { grace, header_timeout: Duration::from_secs(30), max_connections: 1000 }
    }
}

/// Binds the port.
///
/// # Errors
/// Returns an error that names the address.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

/// Serves until `stop` resolves. Then it accepts no new connection, and gives requests in flight the grace to
/// finish. [`Stopping`] signals the stop to them.
///
/// # Errors
/// Never returns an error at present: a listener that fails is used again.
pub async fn run(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
    limits: impl Into<Limits> + Send,
) -> io::Result<()> {
    let limits = limits.into();
    let (stopping, connections) = (CancellationToken::new(), GracefulShutdown::new());
    let serving = accept_connections(ResettableListener(listener), app, limits, &stopping, &connections);
    tokio::select! {
        () = stop => {}
        never = serving => match never {},
    }
    stopping.cancel();
    if tokio::time::timeout(limits.grace, connections.shutdown()).await.is_err() {
        let grace_seconds = limits.grace.as_secs_f64();
        tracing::warn!(grace_seconds, "shutdown grace expired with requests in flight");
    }
    Ok(())
}

/// Accepts connections for ever, as long as their number stays within the limit.
async fn accept_connections(
    mut listener: ResettableListener,
    app: Router,
    limits: Limits,
    stopping: &CancellationToken,
    connections: &GracefulShutdown,
) -> Infallible {
    let permits = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    loop {
        let permit = connection_permit(&permits).await;
        let (stream, _) = listener.accept().await;
        let service = ConnectionService {
            app: app.clone(),
            connection: stream.connection(),
            stopping: Stopping::from(stopping.clone()),
        };
        let io: TokioIo<ResettableStream> = TokioIo::new(stream);
        let served = http.serve_connection(io, service_fn(move |request| service.clone().answer(request)));
        let served = connections.watch(served);
        tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::debug!(%error, "connection failed");
            }
            drop(permit);
        });
    }
}

/// Waits until one more connection is allowed.
async fn connection_permit(permits: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    if permits.available_permits() == 0 {
        tracing::warn!("connection limit MAX_CONNECTIONS reached, further connections wait");
    }
    // The semaphore is never closed, so this never fails.
    Arc::clone(permits).acquire_owned().await.ok()
}

/// Handles the requests of one connection.
#[derive(Clone)]
struct ConnectionService {
    app: Router,
    connection: Connection,
    stopping: Stopping,
}

impl ConnectionService {
    async fn answer(self, request: Request<Incoming>) -> Result<Response, Infallible> {
        let Self { app, connection, stopping } = self;
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(connection));
        request.extensions_mut().insert(stopping);
        app.oneshot(request).await
    }
}

/// Resolves on SIGTERM or SIGINT.
///
/// # Errors
/// Returns an error when the process can't handle signals.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "shutdown started");
    })
}
