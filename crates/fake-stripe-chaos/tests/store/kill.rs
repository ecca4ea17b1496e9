//! The provider is killed again and again, in the middle of its work: what it had answered is true for ever.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use fake_stripe_chaos::shared::ledger::Totals;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::help::Folder;

const KILLS: u64 = 50;
const CLIENTS: u64 = 12;

const AUTHORIZE: &str = "/payment/authorize";
const BURY: &str = "/payment/release";

/// A provider's process; nothing fails in it, and a label takes a moment. It is killed with this.
struct Provider {
    process: Child,
    url: String,
}

impl Provider {
    fn start(ledger: &Path) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_fake-stripe-chaos"))
            .env_clear()
            .envs([("LISTEN_ADDR", "127.0.0.1:0"), ("CHAOS_PROFILE", "off")])
            .envs([
                ("SHIPPING_LABEL_DURATION", "15ms"),
                ("RUST_LOG", "info,fake_stripe_chaos::shared=warn,service_kit=warn"),
            ])
            .env("LEDGER", format!("sqlite:{}", ledger.display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = loop {
            let line = log.next().expect("it ended before it listened").unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            if let Some(address) = line["address"].as_str() {
                break format!("http://{address}");
            }
        };
        // A pipe that nobody reads would fill up.
        std::thread::spawn(move || log.for_each(drop));
        Self { process, url }
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // SIGKILL: it isn't asked, and can't do anything about it.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// A request with a key of its own, and the answer, if one came.
#[derive(Debug, Clone)]
struct Asked {
    path: &'static str,
    key: String,
    body: Value,
    answer: Option<(u16, String)>,
}

impl Asked {
    async fn send(&self, client: &Client, url: &str) -> Result<(u16, String, bool), reqwest::Error> {
        let Self { path, key, body, .. } = self;
        let request = client.post(format!("{url}{path}")).header("idempotency-key", key);
        let answer = request.json(body).send().await?;
        let replayed = answer.headers().contains_key("idempotent-replayed");
        Ok((answer.status().as_u16(), answer.text().await?, replayed))
    }
}

/// Asks for one thing after the other, until the provider is gone; notes whatever was asked.
async fn work(client: Client, url: String, name: String, asked: Arc<Mutex<Vec<Asked>>>) {
    let mut auth_id = String::new();
    for number in 0.. {
        let order = format!("{name}-{number}");
        let (path, body) = match number % 5 {
            0 => (AUTHORIZE, json!({"amount": 100 + number, "currency": "eur", "orderId": order})),
            1 => ("/payment/capture", json!({ "authId": auth_id })),
            2 => ("/inventory/reserve", json!({"items": [{"sku": "A", "quantity": 1}], "orderId": order})),
            3 => (
                "/shipping/create-label",
                json!({"orderId": order, "shippingAddress":
                {"street": "1 Lane", "city": "Springfield", "state": "IL", "zip": "62701", "country": "US"}}),
            ),
            // There is no such key, so it is buried.
            _ => (BURY, json!({ "key": buried(&order) })),
        };
        let mut request = Asked { path, key: order, body, answer: None };
        let answer = request.send(&client, &url).await;
        request.answer = answer.ok().map(|(status, text, _)| (status, text));
        let answer = request.answer.clone();
        asked.lock().unwrap().push(request);
        match answer {
            Some((_, text)) if number % 5 == 0 => auth_id = member(&text, "authId").unwrap(),
            Some(_) => {}
            None => return,
        }
    }
}

fn buried(order: &str) -> String {
    format!("{order}/never")
}

fn member(text: &str, name: &str) -> Option<String> {
    serde_json::from_str::<Value>(text).unwrap()[name].as_str().map(str::to_owned)
}

/// Repeats a request as a caller does who doesn't know what became of it. What was answered is answered
/// again, byte for byte; what wasn't has happened once or not at all, and has happened now. A key that was
/// undone stays so.
async fn repeat(client: Client, url: String, request: Asked) -> Asked {
    let (status, text, replayed) = request.send(&client, &url).await.unwrap();
    assert!((200..300).contains(&status), "{request:?}: {text}");
    if let Some((before, body)) = &request.answer {
        assert_eq!((status, &text, replayed), (*before, body, true), "{request:?}");
    }
    if request.path == BURY {
        let body = json!({"amount": 1, "currency": "eur"});
        let late = Asked { path: AUTHORIZE, key: buried(&request.key), body, answer: None };
        let (status, text, _) = late.send(&client, &url).await.unwrap();
        assert_eq!((status, member(&text, "error").as_deref()), (409, Some("undone_before_execution")));
    }
    Asked { answer: Some((status, text)), ..request }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_answered_survives_fifty_kills() {
    let folder = Folder::new();
    let client = service_kit::client::build(Duration::from_secs(10)).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    for round in 0..KILLS {
        let provider = Provider::start(&folder.ledger());
        let mut clients = JoinSet::new();
        for index in 0..CLIENTS {
            let name = format!("{round}-{index}");
            clients.spawn(work(client.clone(), provider.url.clone(), name, Arc::clone(&asked)));
        }
        // Each round ends at another point of the work; whatever happens then is what is killed.
        tokio::time::sleep(Duration::from_millis(60 + (round * 37) % 120)).await;
        drop(provider);
        clients.join_all().await;
    }
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    let (answered, cut) = asked.iter().partition::<Vec<_>, _>(|request| request.answer.is_some());
    assert!(answered.len() > 1_000, "{} answers: that was no load", answered.len());
    assert_eq!(cut.len() as u64, CLIENTS * KILLS, "each kill cut every client off");

    let provider = Provider::start(&folder.ledger());
    let (mut repeated, mut repeating) = (Vec::new(), JoinSet::new());
    for request in asked {
        if repeating.len() == 32 {
            repeated.push(repeating.join_next().await.unwrap().unwrap());
        }
        repeating.spawn(repeat(client.clone(), provider.url.clone(), request));
    }
    repeated.extend(repeating.join_all().await);
    let verdict = client.get(format!("{}/verdict", provider.url)).send().await.unwrap().json::<Value>();
    assert_eq!(verdict.await.unwrap()["contradictions"], json!([]));
    drop(provider);
    the_ledger_has(&repeated, &folder).await;
}

/// Exactly what was answered, each under its key, and nothing besides.
async fn the_ledger_has(answered: &[Asked], folder: &Folder) {
    let store = folder.store().await;
    let (entries, totals) = store
        .transact(|tx| {
            let mut entries = Vec::new();
            tx.visit_entries(&mut |entry| entries.push(entry.entry.clone()))?;
            Ok((entries, tx.totals()?))
        })
        .await
        .unwrap();
    assert_eq!(totals, Totals::from_postings(entries.iter().map(|entry| &entry.posting)));
    let in_ledger = entries.into_iter().map(|entry| (entry.key.unwrap().to_string(), entry.resource));
    let told = answered.iter().map(|Asked { path, key, answer, .. }| {
        let (_, text) = answer.as_ref().unwrap();
        let id = ["authId", "reservationId", "labelId"].iter().find_map(|name| member(text, name));
        (if *path == BURY { buried(key) } else { key.clone() }, id)
    });
    let (mut in_ledger, mut told) = (in_ledger.collect::<Vec<_>>(), told.collect::<Vec<_>>());
    in_ledger.sort();
    told.sort();
    assert_eq!(in_ledger.len(), told.len());
    assert_eq!(in_ledger, told);
}
