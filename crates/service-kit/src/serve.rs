//! Listening, and stopping gracefully within a bound.

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
    connection::{Connection, Resettable, ResettableStream},
    stopping::Stopping,
};

/// What a server allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For what is in flight when the service was asked to stop.
    pub grace: Duration,
    /// For the head of a request, and so for the idle time between two.
    pub header_timeout: Duration,
    pub max_connections: usize,
}

impl From<&Common> for Limits {
    fn from(common: &Common) -> Self {
        let &Common { shutdown_grace: grace, header_timeout, max_connections, .. } = common;
        Self { grace, header_timeout, max_connections }
    }
}

/// A grace, and the usual limits.
impl From<Duration> for Limits {
    fn from(grace: Duration) -> Self {
        Self { grace, header_timeout: Duration::from_secs(30), max_connections: 1000 }
    }
}

/// Takes the port.
///
/// # Errors
/// Names the address, since "address in use" alone helps nobody.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

/// Serves until `stop` resolves; then takes no new connection, and finishes what is in flight for at
/// most the grace. Requests learn from their [`Stopping`] that they should end.
///
/// # Errors
/// Never at present; a listener that fails is asked again.
pub async fn run(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
    limits: impl Into<Limits> + Send,
) -> io::Result<()> {
    let limits = limits.into();
    let (stopping, connections) = (CancellationToken::new(), GracefulShutdown::new());
    let serving = serve(Resettable(listener), app, limits, &stopping, &connections);
    tokio::select! {
        () = stop => {}
        never = serving => match never {},
    }
    stopping.cancel();
    if tokio::time::timeout(limits.grace, connections.shutdown()).await.is_err() {
        let grace_seconds = limits.grace.as_secs_f64();
        tracing::warn!(grace_seconds, "stopped with requests still in flight");
    }
    Ok(())
}

/// Takes connections for ever, each one when there is room for it.
async fn serve(
    mut listener: Resettable,
    app: Router,
    limits: Limits,
    stopping: &CancellationToken,
    connections: &GracefulShutdown,
) -> Infallible {
    let room = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header_timeout);
    loop {
        let place = place(&room).await;
        let (stream, _) = listener.accept().await;
        let caller = Caller {
            app: app.clone(),
            connection: stream.connection(),
            stopping: Stopping::from(stopping.clone()),
        };
        let io: TokioIo<ResettableStream> = TokioIo::new(stream);
        let served = http.serve_connection(io, service_fn(move |request| caller.clone().answer(request)));
        let served = connections.watch(served);
        tokio::spawn(async move {
            if let Err(error) = served.await {
                tracing::debug!(%error, "a connection failed");
            }
            drop(place);
        });
    }
}

/// Waits for room for one more connection.
async fn place(room: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    if room.available_permits() == 0 {
        tracing::warn!("as many connections as MAX_CONNECTIONS allows; more have to wait");
    }
    // Nobody closes the semaphore, so it never fails.
    Arc::clone(room).acquire_owned().await.ok()
}

/// The other end of one connection.
#[derive(Clone)]
struct Caller {
    app: Router,
    connection: Connection,
    stopping: Stopping,
}

impl Caller {
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
/// When the process may not handle signals.
pub fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt())?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "stopping");
    })
}
