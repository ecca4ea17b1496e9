//! A server's process, as long as it is measured.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{Result, baseline};

/// A log that says where the provider listens, and nothing of any request.
pub const QUIET: (&str, &str) = ("RUST_LOG", "warn,fake_stripe_chaos=info,fake_stripe_chaos::shared=warn");

pub struct Server {
    process: Child,
    pub address: SocketAddr,
    /// The folder of its ledger. The last owner deletes it.
    pub folder: Arc<TempDir>,
}

impl Server {
    pub fn bare() -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(baseline::ARGUMENT);
        Self::start(command, Arc::new(TempDir::new()?))
    }

    /// The provider in which nothing fails, with more variables.
    pub fn provider(ledger: &str, variables: &[(&str, &str)]) -> Result<Self> {
        // Not the folder for temporary files, which may be in memory.
        let folder = Arc::new(TempDir::new_in(env!("CARGO_TARGET_TMPDIR"))?);
        Self::provider_in(folder, ledger, variables)
    }

    pub fn provider_in(folder: Arc<TempDir>, ledger: &str, variables: &[(&str, &str)]) -> Result<Self> {
        let ledger = ledger.replace("{folder}", &folder.path().display().to_string());
        let mut command = Command::new(env!("CARGO_BIN_EXE_fake-stripe-chaos"));
        command
            .env_clear()
            .envs([("LISTEN_ADDR", "127.0.0.1:0"), ("CHAOS_PROFILE", "off"), ("LEDGER", &ledger)])
            .envs(variables.iter().copied());
        Self::start(command, folder)
    }

    fn start(mut command: Command, folder: Arc<TempDir>) -> Result<Self> {
        let mut process = command.current_dir(folder.path()).stdout(Stdio::piped()).spawn()?;
        let mut log = BufReader::new(process.stdout.take().ok_or("no output")?);
        let mut line = String::new();
        let address = loop {
            line.clear();
            if log.read_line(&mut line)? == 0 {
                return Err("a server ended before it listened".into());
            }
            if let Some(address) = serde_json::from_str::<Value>(&line)?["address"].as_str() {
                break address.parse()?;
            }
        };
        // A pipe that nobody reads would fill up.
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        Ok(Self { process, address, folder })
    }

    /// Returns the processor time of all its threads, in hundredths of a second. Only Linux has it.
    pub fn processor_time(&self) -> Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        // The second field is the program's name in parentheses; the 14th and 15th are its own and the kernel's.
        let (_, fields) = stat.rsplit_once(") ").ok_or("no fields")?;
        let ticks =
            fields.split(' ').skip(11).take(2).map(str::parse::<u64>).sum::<std::result::Result<u64, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Returns its resident memory in bytes. Only Linux has it.
    pub fn memory(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
