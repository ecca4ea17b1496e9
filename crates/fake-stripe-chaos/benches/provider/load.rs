//! The load: clients that each keep one connection busy, every request with a key of its own.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, StatusCode,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::Result;

pub struct Client(SendRequest<Full<Bytes>>);

impl Client {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (client, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self(client))
    }

    pub async fn post(
        &mut self,
        path: &str,
        key: &str,
        scenario: Option<&str>,
        body: String,
    ) -> Result<(StatusCode, Bytes)> {
        let mut request = Request::post(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        if let Some(scenario) = scenario {
            request = request.header("x-chaos-scenario", scenario);
        }
        self.send(request.body(Full::from(body))?).await
    }

    /// Sends a form to Stripe's API.
    pub async fn post_form(&mut self, path: &str, key: &str, form: String) -> Result<(StatusCode, Bytes)> {
        let request = Request::post(path)
            .header("host", "localhost")
            .header("authorization", "Bearer sk_test_bench")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("idempotency-key", key);
        self.send(request.body(Full::from(form))?).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes)> {
        self.0.ready().await?;
        let answer = self.0.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}
