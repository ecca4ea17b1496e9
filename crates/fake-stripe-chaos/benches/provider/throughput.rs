//! Measures the requests a second of each server in turn, repeatedly. So other load of the machine affects all.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use crate::{
    Result,
    load::Client,
    server::{QUIET, Server},
};

const CLIENTS: usize = 64;
const ROUNDS: usize = 7;
const TURN: Duration = Duration::from_secs(2);

/// Orders are numbered through, so that no key comes twice.
static ORDERS: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy)]
enum Workload {
    /// Nothing but `POST /v1/payment_intents` with `confirm` and manual capture, which authorizes too.
    Intents,
    /// Nothing but `POST /payment/authorize`.
    Authorize,
    /// Orders: authorize, reserve, capture, notify.
    Orders,
}

pub async fn measure() -> Result<()> {
    println!("{CLIENTS} connections, {ROUNDS} rounds of {TURN:?} each, median and range of the rounds\n");
    println!("| workload | server | requests/s | of bare | µs of its processor time a request |");
    println!("|---|---|---|---|---|");
    let collector = Server::bare()?;
    let endpoint = format!("http://{}", collector.address);
    let sampled = |share| {
        [
            QUIET,
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_TRACES_SAMPLER", "traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", share),
        ]
    };
    let sqlite = "sqlite:{folder}/ledger.db";
    for (name, workload) in
        [("authorize", Workload::Authorize), ("orders", Workload::Orders), ("intents", Workload::Intents)]
    {
        let mut servers = vec![
            ("bare axum handler", Server::bare()?),
            ("memory", Server::provider("memory", &[QUIET])?),
            ("memory, with its log", Server::provider("memory", &[])?),
            ("SQLite", Server::provider(sqlite, &[QUIET])?),
            ("SQLite, with its log", Server::provider(sqlite, &[])?),
        ];
        if matches!(workload, Workload::Authorize) {
            servers.extend([
                ("memory, 0 % of traces", Server::provider("memory", &sampled("0"))?),
                ("memory, 1 % of traces", Server::provider("memory", &sampled("0.01"))?),
                ("memory, 100 % of traces", Server::provider("memory", &sampled("1"))?),
            ]);
        }
        for (_, server) in &servers {
            turn(server, workload, TURN / 4).await?;
        }
        let mut turns = vec![Vec::new(); servers.len()];
        for _ in 0..ROUNDS {
            for ((_, server), turns) in servers.iter().zip(&mut turns) {
                turns.push(turn(server, workload, TURN).await?);
            }
        }
        let bare = turns[0].clone();
        for ((server, _), turns) in servers.iter().zip(turns) {
            let (low, rate, high) = spread(turns.iter().map(|turn| turn.rate));
            let (least, ratio, most) =
                spread(turns.iter().zip(&bare).map(|(turn, bare)| turn.rate / bare.rate));
            let (_, cost, _) = spread(turns.iter().map(|turn| turn.cost));
            println!(
                "| {name} | {server} | {rate:.0} ({low:.0} to {high:.0}) | {ratio:.2} ({least:.2} to {most:.2}) | {cost:.1} |"
            );
        }
    }
    println!();
    Ok(())
}

/// The least, the middle and the most.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    (values[0], values[values.len() / 2], values[values.len() - 1])
}

/// The result of one server in one turn.
#[derive(Clone, Copy)]
struct Measurement {
    /// Requests a second.
    rate: f64,
    /// Microseconds of the server's processor time a request.
    cost: f64,
}

async fn turn(server: &Server, workload: Workload, turn: Duration) -> Result<Measurement> {
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = Client::connect(server.address).await?;
        clients.spawn(keep_busy(client, workload, Instant::now() + turn));
    }
    let (began, spent) = (Instant::now(), server.processor_time()?);
    let mut requests = 0;
    while let Some(done) = clients.join_next().await {
        requests += done??;
    }
    let (took, spent) = (began.elapsed().as_secs_f64(), server.processor_time()?.saturating_sub(spent));
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^52")]
    let requests = requests as f64;
    Ok(Measurement { rate: requests / took, cost: spent.as_secs_f64() * 1e6 / requests })
}

async fn keep_busy(mut client: Client, workload: Workload, until: Instant) -> Result<u64> {
    let mut requests = 0;
    while Instant::now() < until {
        requests += match workload {
            Workload::Intents => {
                intent(&mut client).await?;
                1
            }
            Workload::Authorize => {
                authorize(&mut client, &new_order()).await?;
                1
            }
            Workload::Orders => {
                order(&mut client).await?;
                4
            }
        };
    }
    Ok(requests)
}

fn new_order() -> String {
    format!("order-{:08}", ORDERS.fetch_add(1, Ordering::Relaxed))
}

async fn succeed(client: &mut Client, path: &str, key: String, body: String) -> Result<String> {
    let (status, body) = client.post(path, &key, None, body).await?;
    let body = String::from_utf8(body.into())?;
    if status.is_success() { Ok(body) } else { Err(format!("{path}: {status} {body}").into()) }
}

async fn authorize(client: &mut Client, order: &str) -> Result<String> {
    let body = format!(r#"{{"amount":5998,"currency":"usd","orderId":"{order}"}}"#);
    succeed(client, "/payment/authorize", format!("{order}/authorize"), body).await
}

async fn intent(client: &mut Client) -> Result<()> {
    let order = new_order();
    let form = format!(
        "amount=5998&currency=usd&confirm=true&payment_method=pm_card_visa&capture_method=manual&metadata[order_id]={order}"
    );
    let (status, body) = client.post_form("/v1/payment_intents", &format!("{order}/intent"), form).await?;
    if status.is_success() { Ok(()) } else { Err(format!("{status} {body:?}").into()) }
}

/// One order, in four requests.
pub async fn order(client: &mut Client) -> Result<()> {
    let order = new_order();
    let authorized = authorize(client, &order).await?;
    let reserve = format!(r#"{{"items":[{{"sku":"SKU-1","quantity":2}}],"orderId":"{order}"}}"#);
    succeed(client, "/inventory/reserve", format!("{order}/reserve"), reserve).await?;
    let (_, id) = authorized.split_once(r#""authId":""#).ok_or("no authId")?;
    let (id, _) = id.split_once('"').ok_or("no authId")?;
    let capture = format!(r#"{{"authId":"{id}"}}"#);
    succeed(client, "/payment/capture", format!("{order}/capture"), capture).await?;
    let notify = format!(
        r#"{{"type":"email","recipient":"jo@example.com","subject":"Hi","message":"Words","orderId":"{order}"}}"#
    );
    succeed(client, "/notification/send", format!("{order}/notify"), notify).await?;
    Ok(())
}
