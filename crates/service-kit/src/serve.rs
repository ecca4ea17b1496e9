//! Listening, and stopping gracefully within a bound.

use std::{future::IntoFuture, io, net::SocketAddr, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, signal::unix, sync::watch};

use crate::connection::{Connection, Resettable};

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
/// most `grace`.
///
/// # Errors
/// When the listener fails.
#[expect(clippy::disallowed_methods, reason = "the bound of a graceful shutdown")]
pub async fn run(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> io::Result<()> {
    let (stopping, mut stopped) = watch::channel(false);
    let signal = async move {
        stop.await;
        stopping.send_replace(true);
    };
    let app = app.into_make_service_with_connect_info::<Connection>();
    let server = axum::serve(Resettable(listener), app).with_graceful_shutdown(signal).into_future();
    let deadline = async move {
        if stopped.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
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
