//! What the machine must have before anything is started: memory, and the addresses free.

use std::{
    fs,
    io::ErrorKind,
    net::{SocketAddrV4, TcpListener},
};

use anyhow::Result;

use super::{form::Engine, trouble::hinted};

/// Refuses when the engines that are to be started would not fit beside what runs already.
pub(crate) fn check_memory(engines: &[Engine]) -> Result<()> {
    let wanted: u64 = engines.iter().map(Engine::resident_mib_max).sum();
    // Elsewhere than on Linux nobody says it as plainly; then the engines say it themselves.
    let available = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| available_mib(&text));
    match available {
        Some(available) if available < wanted => Err(hinted(
            format!("{wanted} MiB of memory are needed, {available} MiB are available"),
            "stop other programs, or take the small form: cargo xtask cluster up",
        )),
        _ => Ok(()),
    }
}

fn available_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1024)
}

/// Refuses when an address is taken by somebody else, or is not this machine's.
pub(crate) fn check_addresses(engines: &[Engine]) -> Result<()> {
    for engine in engines {
        for address in engine.addresses() {
            check_address(engine, address)?;
        }
    }
    Ok(())
}

fn check_address(engine: &Engine, address: SocketAddrV4) -> Result<()> {
    let Err(error) = TcpListener::bind(address) else {
        return Ok(());
    };
    let name = engine.name();
    Err(match error.kind() {
        ErrorKind::AddrInUse => hinted(
            format!("{address}, where {name} listens, is taken by another program"),
            &format!("`ss -ltnp 'sport = {}'` names it: stop it", address.port()),
        ),
        ErrorKind::AddrNotAvailable => hinted(
            format!(
                "{}, the address of {name}, is not one of this machine's",
                address.ip()
            ),
            &format!("on macOS: sudo ifconfig lo0 alias {}", address.ip()),
        ),
        _ => hinted(
            format!("{name} cannot listen on {address}: {error}"),
            "look whether this user may open ports on the loopback interface",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::form::Form;

    #[test]
    fn reads_what_is_available() {
        let text = "MemTotal: 24000000 kB\nMemFree: 1 kB\nMemAvailable:   20480000 kB\n";
        assert_eq!(available_mib(text), Some(20_000));
        assert_eq!(available_mib("MemTotal: 1 kB"), None);
    }

    #[test]
    fn names_an_address_that_is_taken() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let mut engine = Form::default().engines().remove(0);
        engine.address.set_port(port);
        let error = check_addresses(&[engine]).unwrap_err().to_string();
        assert!(error.contains("taken by another program"), "{error}");
        assert!(error.contains("kafka-1"), "{error}");
    }
}
