//! Wire faults, as a caller reads them from a socket.

use std::io::ErrorKind;

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Provider, RunningServer};

/// Returns all bytes of one answer, and the end of the connection.
async fn bytes(server: &RunningServer, order: &str, scenario: &str) -> (Vec<u8>, Result<(), ErrorKind>) {
    let body = r#"{"amount":5998,"currency":"usd"}"#;
    let request = format!(
        "POST /payment/authorize HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Idempotency-Key: {order}\r\nX-Order-Id: {order}\r\nX-Chaos-Scenario: {scenario}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let end = connection.read_to_end(&mut bytes).await.map(drop).map_err(|error| error.kind());
    (bytes, end)
}

/// Returns the status, the declared length and the body.
fn answer(bytes: &[u8]) -> (u16, usize, String) {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    (status, length.parse().unwrap(), body.to_owned())
}

async fn replayed(provider: &Provider, order: &str) -> bool {
    provider.authorize().key(order).order(order).scenario("success").await.expect(201).replayed()
}

#[tokio::test]
async fn a_reset_connection_ends_without_any_byte_of_the_answer() {
    let provider = Provider::new();
    let server = provider.serve().await;
    for (scenario, effects, is_there) in
        [("connection_reset", vec![], false), ("connection_reset_after_commit", vec!["held"], true)]
    {
        let (bytes, end) = bytes(&server, scenario, scenario).await;
        assert_eq!((bytes.len(), end), (0, Err(ErrorKind::ConnectionReset)), "{scenario}");
        assert_eq!(provider.effects(scenario).await, effects);
        let line = &provider.journal("").await[0];
        assert_eq!(
            (&line["response"], &line["decision"]["scenario"]),
            (&"connection_reset".into(), &scenario.into())
        );
        assert_eq!(replayed(&provider, scenario).await, is_there, "an applied effect is recorded");
    }
}

#[tokio::test]
async fn a_truncated_body_is_shorter_than_its_declared_length() {
    let provider = Provider::new();
    let server = provider.serve().await;
    for (scenario, status, effects, is_there) in
        [("truncated_body", 500, vec![], false), ("truncated_body_after_commit", 201, vec!["held"], true)]
    {
        let (bytes, _) = bytes(&server, scenario, scenario).await;
        let (found, declared, body) = answer(&bytes);
        assert_eq!(found, status, "{scenario}");
        assert_eq!(body.len(), declared / 2, "{scenario}: {body}");
        assert!(body.starts_with('{'));
        assert_eq!(provider.effects(scenario).await, effects);
        assert_eq!(replayed(&provider, scenario).await, is_there);
    }
}

#[tokio::test]
async fn a_malformed_body_is_complete_and_not_json() {
    let provider = Provider::new();
    let server = provider.serve().await;
    for (scenario, status, effects, is_there) in
        [("malformed_json", 500, vec![], false), ("malformed_json_after_commit", 201, vec!["held"], true)]
    {
        let (bytes, end) = bytes(&server, scenario, scenario).await;
        let (found, declared, body) = answer(&bytes);
        assert_eq!((found, body.len(), end), (status, declared, Ok(())), "{scenario}");
        assert!(serde_json::from_str::<Value>(&body).is_err(), "{body}");
        assert_eq!(provider.effects(scenario).await, effects);
        assert_eq!(replayed(&provider, scenario).await, is_there);
    }
}

#[tokio::test]
async fn a_connection_after_a_wire_fault_works() {
    let provider = Provider::new();
    let server = provider.serve().await;
    for scenario in ["connection_reset", "truncated_body", "success"] {
        bytes(&server, "o", scenario).await.0.clear();
    }
    let (bytes, end) = bytes(&server, "o", "success").await;
    assert_eq!((answer(&bytes).0, end), (201, Ok(())));
}

#[tokio::test]
async fn a_refusal_of_the_domain_has_no_wire_fault() {
    let provider = Provider::new();
    let auth_id = provider.captured("o").await;
    let refused = provider.capture(&auth_id).scenario("connection_reset_after_commit").await;
    refused.problem(409, "already_captured");
    assert_eq!(provider.journal("").await[0]["decision"]["overruled"], true);
}
