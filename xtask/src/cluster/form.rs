//! Which engines a local cluster has, where they listen and how much memory each may take; pure.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result};

use super::trouble::hinted;

/// How many of each; Spark is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) brokers: u8,
    pub(crate) cassandras: u8,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            brokers: 1,
            cassandras: 1,
        }
    }
}

impl Form {
    /// Reads `--brokers` and `--cassandras`; every other word is refused.
    pub(crate) fn parse(args: &[String]) -> Result<Self> {
        let mut form = Self::default();
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let count = match flag.as_str() {
                "--brokers" => &mut form.brokers,
                "--cassandras" => &mut form.cassandras,
                other => {
                    return Err(hinted(
                        format!("expected --brokers or --cassandras, found \"{other}\""),
                        "cargo xtask cluster up [--brokers 1|3] [--cassandras 1|3]",
                    ));
                }
            };
            let text = args
                .next()
                .with_context(|| format!("{flag} wants a number"))?;
            *count = match text.as_str() {
                "1" => 1,
                "3" => 3,
                other => {
                    return Err(hinted(
                        format!("{flag} wants 1 or 3, found \"{other}\""),
                        "with two of them the loss of either one stops all writes; three survive one",
                    ));
                }
            };
        }
        Ok(form)
    }

    /// The folder of its data: another form has other data, since neither a quorum nor a ring can
    /// be resized by starting more of them.
    pub(crate) fn folder(self) -> String {
        format!("{}-{}", self.brokers, self.cassandras)
    }

    /// What all engines together may take.
    pub(crate) fn resident_mib_max(self) -> u64 {
        if self == Self::default() {
            6 * 1024
        } else {
            10 * 1024
        }
    }

    /// Everything that runs, in the order in which it is started.
    pub(crate) fn engines(self) -> Vec<Engine> {
        let brokers = (1..=self.brokers).map(|number| Engine::new(Kind::Kafka, number, self));
        let cassandras =
            (1..=self.cassandras).map(|number| Engine::new(Kind::Cassandra, number, self));
        let spark = [Engine::new(Kind::Spark, 1, self)];
        brokers.chain(spark).chain(cassandras).collect()
    }

    pub(crate) fn of_kind(self, kind: Kind) -> impl Iterator<Item = Engine> {
        self.engines()
            .into_iter()
            .filter(move |engine| engine.kind == kind)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Kafka,
    Cassandra,
    Spark,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Cassandra => "cassandra",
            Self::Spark => "spark",
        }
    }
}

/// One process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Engine {
    pub(crate) kind: Kind,
    /// From 1 within its kind.
    pub(crate) number: u8,
    /// Where clients connect.
    pub(crate) address: SocketAddrV4,
    /// Where its own kind connects, its management, and of a broker the end of a way that can be cut:
    /// not for clients.
    pub(crate) inner: Vec<SocketAddrV4>,
    pub(crate) heap_mib: u32,
}

impl Engine {
    fn new(kind: Kind, number: u8, form: Form) -> Self {
        let port = u16::from(number - 1);
        let here = Ipv4Addr::LOCALHOST;
        // Drivers of Cassandra want one port for all nodes, so nodes differ in their address.
        let node = Ipv4Addr::new(127, 0, 0, number);
        let (address, inner) = match kind {
            Kind::Kafka => (
                SocketAddrV4::new(here, 19_092 + port),
                vec![
                    SocketAddrV4::new(here, 19_192 + port),
                    SocketAddrV4::new(here, 19_292 + port),
                ],
            ),
            Kind::Cassandra => (
                SocketAddrV4::new(node, 19_042),
                vec![
                    SocketAddrV4::new(node, 17_000),
                    SocketAddrV4::new(here, 17_199 + port),
                ],
            ),
            Kind::Spark => (SocketAddrV4::new(here, 15_002), Vec::new()),
        };
        let is_small = match kind {
            Kind::Kafka => form.brokers == 1,
            Kind::Cassandra => form.cassandras == 1,
            Kind::Spark => false,
        };
        let heap_mib = match (kind, is_small) {
            (Kind::Spark, _) => 2_048,
            (_, true) => 1_024,
            (_, false) => 512,
        };
        Self {
            kind,
            number,
            address,
            inner,
            heap_mib,
        }
    }

    /// Of a broker: where a way to it begins, if somebody makes one, and where it ends. Who comes
    /// that way is told the first address, so that the way can be cut for him alone.
    pub(crate) fn way(&self) -> Option<(SocketAddrV4, SocketAddrV4)> {
        let end = *self.inner.get(1).filter(|_| self.kind == Kind::Kafka)?;
        Some((SocketAddrV4::new(*end.ip(), end.port() + 100), end))
    }

    pub(crate) fn name(&self) -> String {
        match self.kind {
            Kind::Spark => "spark".to_owned(),
            Kind::Kafka | Kind::Cassandra => format!("{}-{}", self.kind.name(), self.number),
        }
    }

    /// What it may come to hold: its heap, and what a Java program of its size holds beside.
    pub(crate) fn resident_mib_max(&self) -> u64 {
        let beside = match self.kind {
            Kind::Kafka => 320,
            Kind::Cassandra => 640,
            Kind::Spark => 640,
        };
        u64::from(self.heap_mib) + beside
    }

    /// Every address that must be free before it starts.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = SocketAddrV4> {
        [self.address].into_iter().chain(self.inner.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn parse(text: &str) -> Result<Form> {
        let args: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Form::parse(&args)
    }

    const LARGE: Form = Form {
        brokers: 3,
        cassandras: 3,
    };

    #[test]
    fn reads_a_form_and_refuses_others() {
        assert_eq!(parse("").unwrap(), Form::default());
        assert_eq!(parse("--brokers 3 --cassandras 3").unwrap(), LARGE);
        for wrong in [
            "--brokers 2",
            "--brokers",
            "--sparks 1",
            "3",
            "--cassandras 03",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_two_engines_share_an_address_or_a_name() {
        let engines = LARGE.engines();
        let addresses: Vec<_> = engines.iter().flat_map(Engine::addresses).collect();
        let distinct: BTreeSet<_> = addresses.iter().collect();
        assert_eq!(distinct.len(), addresses.len());
        let names: BTreeSet<_> = engines.iter().map(Engine::name).collect();
        assert_eq!(names.len(), 7);
    }

    #[test]
    fn both_forms_fit_into_what_they_promise() {
        for form in [Form::default(), LARGE] {
            let sum: u64 = form.engines().iter().map(Engine::resident_mib_max).sum();
            assert!(sum <= form.resident_mib_max(), "{form:?}: {sum} MiB");
        }
    }
}
