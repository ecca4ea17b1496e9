//! Checks whether ports are free, and names the process that listens on one.

use std::{
    fmt, fs, io,
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use crate::process::Pid;

/// A port that a service needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequiredPort {
    pub port: u16,
    pub by: &'static str,
}

/// A port that can't be used.
#[derive(Debug)]
pub struct UnavailablePort {
    pub required: RequiredPort,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    InUse { owner: Option<Owner> },
    Refused(io::Error),
}

/// A process that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owner {
    pid: Pid,
    name: String,
}

impl fmt::Display for UnavailablePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RequiredPort { port, by } = self.required;
        match &self.reason {
            Reason::InUse { owner: Some(Owner { pid, name }) } => {
                write!(f, "port {port} ({by}) is in use by {name} (pid {pid})")
            }
            Reason::InUse { owner: None } => write!(f, "port {port} ({by}) is in use by another process"),
            Reason::Refused(error) => write!(f, "port {port} ({by}) can't be listened on: {error}"),
        }
    }
}

/// Returns those of the ports that can't be used, in their order.
#[must_use]
pub fn unavailable_ports(required: &[RequiredPort]) -> Vec<UnavailablePort> {
    required
        .iter()
        .filter_map(|required| {
            Some(UnavailablePort { required: *required, reason: check_port(required.port)? })
        })
        .collect()
}

fn check_port(port: u16) -> Option<Reason> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            Some(Reason::InUse { owner: owner_of(port) })
        }
        Err(error) => Some(Reason::Refused(error)),
    }
}

/// Returns distinct ports that are free now. The system gives them to no other process for the next minute.
///
/// # Errors
/// Returns an error when no port is free.
pub fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    // The listeners stay open until all are chosen, so that no port is chosen twice.
    let mut held = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        if cfg!(target_os = "linux") {
            // A connection that the server closes leaves the port in TIME_WAIT. The system then gives it only to a
            // process that asks for its number, so parallel tests get different ports.
            let caller = TcpStream::connect(address)?;
            let (answered, _) = listener.accept()?;
            drop(answered);
            drop(caller);
        }
        *port = address.port();
        held.push(listener);
    }
    Ok(ports)
}

/// Returns the process that listens on a port. It works on Linux, for processes that this user may inspect.
fn owner_of(port: u16) -> Option<Owner> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let inode = tables.iter().find_map(|table| listening_inode(&fs::read_to_string(table).ok()?, port))?;
    let socket = format!("socket:[{inode}]");
    let pid = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<Pid>().ok())
        .find(|pid| has_open(*pid, &socket))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(Owner { pid, name: name.trim_end().escape_debug().to_string() })
}

fn has_open(pid: Pid, socket: &str) -> bool {
    fs::read_dir(format!("/proc/{pid}/fd")).is_ok_and(|files| {
        files
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket))
    })
}

/// Returns the socket that listens on a port, from the text of `/proc/net/tcp` or `tcp6` (see proc(5)): columns
/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode`, port and state in hex.
fn listening_inode(table: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let mut columns = line.split_whitespace();
        let local = columns.nth(1)?;
        let state = columns.nth(1)?;
        let inode = columns.nth(5)?;
        let (_, local_port) = local.rsplit_once(':')?;
        (state == LISTEN && u16::from_str_radix(local_port, 16) == Ok(port))
            .then(|| inode.parse().ok())
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn listener() -> (TcpListener, RequiredPort) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, RequiredPort { port, by: "temporal-api" })
    }

    #[test]
    fn a_free_port_is_available() {
        let [port] = free_ports().unwrap();
        assert!(unavailable_ports(&[RequiredPort { port, by: "temporal-api" }]).is_empty());
    }

    #[test]
    fn a_port_in_use_is_reported_with_its_service() {
        let (_listener, required) = listener();
        let messages = unavailable_ports(&[required]).iter().map(ToString::to_string).collect::<String>();
        assert!(
            messages.starts_with(&format!("port {} (temporal-api) is in use by ", required.port)),
            "{messages}"
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_port_in_use_is_reported_with_its_process() {
        let (_listener, required) = listener();
        let messages = unavailable_ports(&[required]).iter().map(ToString::to_string).collect::<String>();
        assert!(messages.ends_with(&format!("(pid {})", std::process::id())), "{messages}");
    }

    #[test]
    fn every_port_in_use_is_reported() {
        let ((_one, first), (_two, second)) = (listener(), listener());
        let ports: Vec<_> = unavailable_ports(&[first, second]).iter().map(|taken| taken.required).collect();
        assert_eq!(ports, [first, second]);
    }

    #[test]
    fn free_ports_differ_between_calls() {
        let ports = [free_ports::<8>().unwrap(), free_ports::<8>().unwrap()].concat();
        assert_eq!(ports.iter().collect::<HashSet<_>>().len(), 16);
    }

    #[test]
    fn only_a_listening_socket_owns_a_port() {
        let table = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:0BB9 0100007F:D2A0 01 00000000:00000000 00:00000000 00000000     0        0 111 1 0 20 4 30 10 -1
   1: 0100007F:0BB9 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 222 1 0 100 0 0 10 0
";
        assert_eq!(listening_inode(table, 3001), Some(222));
        assert_eq!(listening_inode(table, 3002), None);
    }
}
