//! Gauges of the default run's ledger: its totals, its contradictions and its file.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use prometheus::{IntGauge, IntGaugeVec, Registry};
use service_kit::metrics::{self, gauge, labelled_gauge};
use tokio::sync::Mutex;

use crate::{
    shared::{
        clock::Clock,
        ledger::{MoneyTotals, Totals},
        store::{Store, StoreError},
    },
    verdict::judge_all,
};

/// The shortest time between two judgements, which read the whole ledger.
const MIN_INTERVAL: Duration = Duration::from_secs(5);
/// Leaves most of the time to the requests, however large the ledger is.
const REST_PER_JUDGEMENT: u32 = 20;

/// The gauges, with the ledger that they show.
pub struct LedgerGauges {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// The file of the ledger, unless it is in memory.
    file: Option<PathBuf>,
    registry: Registry,
    amount: IntGaugeVec,
    reservations: IntGaugeVec,
    labels: IntGaugeVec,
    contradictions: IntGauge,
    of_file: Option<FileGauges>,
    next_judgement: Mutex<Instant>,
}

struct FileGauges {
    bytes: IntGauge,
    free: IntGauge,
}

impl LedgerGauges {
    /// Creates the gauges in a registry of their own.
    ///
    /// # Panics
    /// Never panics, since the names are valid, distinct constants.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, file: Option<PathBuf>) -> Self {
        let registry = Registry::new();
        let many = |name: &str, help: &str, labels: &[&str]| labelled_gauge(&registry, name, help, labels);
        let of_file = file.is_some().then(|| FileGauges {
            bytes: gauge(&registry, "ledger_file_bytes", "The size of the ledger's file with its journal."),
            free: gauge(&registry, "ledger_disk_free_bytes", "The free space beside the ledger's file."),
        });
        Self {
            store,
            clock,
            file,
            amount: many(
                "ledger_amount_minor_units",
                "Money in the default run's ledger, by state and currency.",
                &["state", "currency"],
            ),
            reservations: many(
                "ledger_reservations",
                "Reservations in the default run's ledger, by state.",
                &["state"],
            ),
            labels: many("ledger_labels", "Labels in the default run's ledger, by state.", &["state"]),
            contradictions: gauge(
                &registry,
                "ledger_contradictions",
                "Contradictions of the verdict on the default run.",
            ),
            of_file,
            registry,
            next_judgement: Mutex::new(Instant::now()),
        }
    }

    /// Measures the ledger, and returns the gauges in the Prometheus text format.
    ///
    /// # Errors
    /// Fails if the store fails.
    pub async fn text(&self) -> Result<String, StoreError> {
        self.show(&self.store.transact(|tx| tx.totals()).await?);
        self.judge().await?;
        self.measure_file();
        Ok(metrics::text(&self.registry))
    }

    fn show(&self, totals: &Totals) {
        for (currency, &MoneyTotals { held, captured, refunded, released }) in &totals.money {
            let states =
                [("held", held), ("captured", captured), ("refunded", refunded), ("released", released)];
            for (state, amount) in states {
                self.amount.with_label_values(&[state, currency.code()]).set(number(amount));
            }
        }
        let states =
            [("reserved", totals.reserved), ("fulfilled", totals.fulfilled), ("returned", totals.returned)];
        for (state, count) in states {
            self.reservations.with_label_values(&[state]).set(number(count));
        }
        for (state, count) in [("open", totals.labels), ("cancelled", totals.labels_cancelled)] {
            self.labels.with_label_values(&[state]).set(number(count));
        }
    }

    async fn judge(&self) -> Result<(), StoreError> {
        let mut next = self.next_judgement.lock().await;
        let started = Instant::now();
        if started < *next {
            return Ok(());
        }
        let verdict = judge_all(&self.store, self.clock.now(), false).await?;
        self.contradictions.set(i64::try_from(verdict.contradictions.len()).unwrap_or(i64::MAX));
        *next = Instant::now() + MIN_INTERVAL.max(started.elapsed() * REST_PER_JUDGEMENT);
        Ok(())
    }

    fn measure_file(&self) {
        let (Some(file), Some(gauges)) = (&self.file, &self.of_file) else { return };
        let sizes = ["", "-wal"].map(|suffix| {
            let mut path = file.clone().into_os_string();
            path.push(suffix);
            std::fs::metadata(path).map_or(0, |metadata| metadata.len())
        });
        gauges.bytes.set(number(i128::from(sizes.iter().sum::<u64>())));
        if let Ok(disk) = nix::sys::statvfs::statvfs(file) {
            let free = i128::from(disk.blocks_available()) * i128::from(disk.fragment_size());
            gauges.free.set(number(free));
        }
    }
}

fn number(count: i128) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
