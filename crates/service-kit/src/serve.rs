//! Listening, and stopping gracefully within a bound.

use std::{future::IntoFuture, io, net::SocketAddr, time::Duration};

use axum::{Extension, Router};
use tokio::{net::TcpListener, signal::unix};
use tokio_util::sync::CancellationToken;

use crate::{
    connection::{Connection, Resettable},
    stopping::Stopping,
};

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
/// most `grace`. Requests learn from their [`Stopping`] that they should end.
///
/// # Errors
/// When the listener fails.
pub async fn run(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> io::Result<()> {
    let stopping = CancellationToken::new();
    let signal = {
        let stopping = stopping.clone();
        async move {
            stop.await;
            stopping.cancel();
        }
    };
    let app = app
        .layer(Extension(Stopping::from(stopping.clone())))
        .into_make_service_with_connect_info::<Connection>();
    let server = axum::serve(Resettable(listener), app).with_graceful_shutdown(signal).into_future();
    let deadline = async move {
        stopping.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        result = server => result,
        () = deadline => {
            tracing::warn!(grace_seconds = grace.as_secs_f64(), "stopped with requests still in flight");
            Ok(())
        }
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
