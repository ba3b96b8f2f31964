//! What strikes whom: killed at once, paused as a machine is that swaps or migrates, cut off, left without
//! room on its disk, or without rights.

use std::{fmt, str::FromStr};

/// What happens to one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) action: Action,
    /// `gateway-1`, `worker-2`, `kafka-3`, `spark`.
    pub(crate) victim: String,
}

/// How it is struck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// SIGKILL, and started again.
    Kill,
    /// SIGSTOP and SIGCONT: others have taken over when it goes on.
    Pause,
    /// A gateway whose packets to Kafka go nowhere, and then arrive again.
    Cut,
    /// No room on the disk of a broker, which ends by that.
    Fill,
    /// Nobody may write to Kafka.
    Forbid,
}

/// Kinds of engines; all else is a node of ours.
const ENGINES: [&str; 3] = ["kafka", "cassandra", "spark"];
const NODES: [&str; 3] = ["gateway", "worker", "writer"];

impl Strike {
    /// Whether an engine is struck, not a node of ours.
    pub(crate) fn is_of_an_engine(&self) -> bool {
        ENGINES.contains(&self.kind())
    }

    /// Whether this node is cut off.
    pub(crate) fn cuts(&self, name: &str) -> bool {
        self.action == Action::Cut && self.victim == name
    }

    /// What clients have to be told while it lasts: one of these codes at least.
    pub(crate) fn codes(&self) -> &'static [&'static str] {
        match self.action {
            // The only broker is away, or does not acknowledge any more.
            Action::Fill => &["CLUS-001", "CLUS-005"],
            Action::Forbid => &["CLUS-006"],
            Action::Kill | Action::Pause | Action::Cut => &[],
        }
    }

    /// The number of the gateway that is struck, from 0, if it is one.
    pub(crate) fn gateway(&self) -> Option<usize> {
        let number: usize = self.victim.strip_prefix("gateway-")?.parse().ok()?;
        number.checked_sub(1)
    }

    /// `worker` of `worker-2`.
    fn kind(&self) -> &str {
        self.victim.split('-').next().unwrap_or(&self.victim)
    }
}

impl FromStr for Strike {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "expected kill:NAME, pause:NAME, cut:gateway-N, fill:kafka-N or forbid:kafka, \
                     found \"{text}\""
            )
        };
        let (action, victim) = text.split_once(':').ok_or_else(expected)?;
        let action = match action {
            "kill" => Action::Kill,
            "pause" => Action::Pause,
            "cut" => Action::Cut,
            "fill" => Action::Fill,
            "forbid" => Action::Forbid,
            _ => return Err(expected()),
        };
        let strike = Self {
            action,
            victim: victim.to_owned(),
        };
        let fits = match action {
            Action::Kill | Action::Pause => {
                ENGINES.contains(&strike.kind()) || NODES.contains(&strike.kind())
            }
            Action::Cut => strike.kind() == "gateway",
            Action::Fill => victim.starts_with("kafka-"),
            Action::Forbid => victim == "kafka",
        };
        fits.then_some(strike).ok_or_else(expected)
    }
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Kill => "kill -9",
            Action::Pause => "pause",
            Action::Cut => "cut off",
            Action::Fill => "no room for",
            Action::Forbid => "no rights on",
        };
        write!(f, "{action} {}", self.victim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_strikes_and_refuses_others() {
        let strike: Strike = "kill:kafka-2".parse().unwrap();
        assert!(strike.is_of_an_engine());
        assert_eq!(strike.to_string(), "kill -9 kafka-2");
        let strike: Strike = "pause:worker-1".parse().unwrap();
        assert!(!strike.is_of_an_engine());
        assert_eq!(strike.action, Action::Pause);
        assert_eq!(strike.gateway(), None);
        let strike: Strike = "cut:gateway-2".parse().unwrap();
        assert_eq!((strike.action, strike.gateway()), (Action::Cut, Some(1)));
        let strike: Strike = "fill:kafka-1".parse().unwrap();
        assert_eq!(strike.to_string(), "no room for kafka-1");
        assert_eq!(
            "forbid:kafka".parse::<Strike>().unwrap().codes(),
            ["CLUS-006"]
        );
        for wrong in [
            "fill:gateway-1",
            "forbid:spark",
            "kafka-1",
            "kill:",
            "kill:balancer-1",
            "burn:worker-1",
            "cut:kafka-1",
        ] {
            assert!(wrong.parse::<Strike>().is_err(), "{wrong}");
        }
    }
}
