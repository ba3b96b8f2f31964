//! A way to Kafka that can be cut: what is on it goes nowhere, and arrives when it is mended, as with
//! a cable that somebody steps on. No end of it learns anything meanwhile.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result};

/// How often a cut way is tried again.
const POLL: Duration = Duration::from_millis(5);
const BUFFER_BYTES: usize = 64 << 10;

/// Where a way begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Way {
    /// Where clients connect; the broker tells them this address.
    pub(crate) from: SocketAddr,
    /// Where the broker listens.
    pub(crate) to: SocketAddr,
}

impl FromStr for Way {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected FROM=TO, two addresses, found \"{text}\"");
        let (from, to) = text.split_once('=').ok_or_else(expected)?;
        let address = |text: &str| text.parse().map_err(|_not_one| expected());
        Ok(Self {
            from: address(from)?,
            to: address(to)?,
        })
    }
}

/// All ways, which are cut together.
#[derive(Clone, Debug)]
pub(crate) struct Ways {
    is_cut: Arc<AtomicBool>,
}

impl Ways {
    /// Listens where the ways begin.
    pub(crate) fn open(ways: &[Way]) -> Result<Self> {
        let all = Self {
            is_cut: Arc::default(),
        };
        for way in ways {
            let listener = TcpListener::bind(way.from)
                .with_context(|| format!("listening at {}, where a way begins", way.from))?;
            let (own, to) = (all.clone(), way.to);
            thread::Builder::new()
                .name("way".to_owned())
                .spawn(move || own.accept(&listener, to))?;
        }
        Ok(all)
    }

    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Release);
    }

    pub(crate) fn mend(&self) {
        self.is_cut.store(false, Ordering::Release);
    }

    fn accept(&self, listener: &TcpListener, to: SocketAddr) {
        for client in listener.incoming().flatten() {
            self.wait_until_mended();
            // A broker that is away refuses: the client sees its connection closed.
            let Ok(broker) = TcpStream::connect(to) else {
                continue;
            };
            // Without threads, or without descriptors, both ends are closed.
            drop(self.hand_on(&client, &broker));
        }
    }

    fn hand_on(&self, client: &TcpStream, broker: &TcpStream) -> Result<()> {
        for (from, to) in [(client, broker), (broker, client)] {
            let (own, from, to) = (self.clone(), from.try_clone()?, to.try_clone()?);
            thread::Builder::new()
                .name("way".to_owned())
                .spawn(move || own.copy(from, to))?;
        }
        Ok(())
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; BUFFER_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            self.wait_until_mended();
            let Some(bytes) = buffer.get(..count) else {
                break;
            };
            if to.write_all(bytes).is_err() {
                break;
            }
        }
        self.wait_until_mended();
        for end in [from, to] {
            // It may be closed already, which is what is wanted.
            match end.shutdown(Shutdown::Both) {
                Ok(()) | Err(_) => {}
            }
        }
    }

    fn wait_until_mended(&self) {
        while self.is_cut.load(Ordering::Acquire) {
            thread::sleep(POLL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_a_cut_way_arrives_when_it_is_mended() {
        let here = SocketAddr::from(([127, 0, 0, 1], 0));
        let broker = TcpListener::bind(here).unwrap();
        let begin = TcpListener::bind(here).unwrap();
        let way = Way {
            from: begin.local_addr().unwrap(),
            to: broker.local_addr().unwrap(),
        };
        drop(begin);
        let ways = Ways::open(&[way]).unwrap();
        let mut client = TcpStream::connect(way.from).unwrap();
        let (mut served, _) = broker.accept().unwrap();
        client.write_all(b"one").unwrap();
        let mut bytes = [0; 3];
        served.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"one");
        ways.cut();
        client.write_all(b"two").unwrap();
        served.set_nonblocking(true).unwrap();
        assert!(served.read(&mut bytes).is_err(), "nothing arrives");
        served.set_nonblocking(false).unwrap();
        ways.mend();
        served.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"two");
    }

    #[test]
    fn reads_where_a_way_begins_and_ends() {
        let way: Way = "127.0.0.1:1=127.0.0.2:2".parse().unwrap();
        assert_eq!(way.to, SocketAddr::from(([127, 0, 0, 2], 2)));
        assert!("127.0.0.1:1".parse::<Way>().is_err());
        assert!("kafka=127.0.0.1:1".parse::<Way>().is_err());
    }
}
