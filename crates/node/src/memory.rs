//! `Shares`: the memory budget of a process, split by fixed shares.
//!
//! The only place that knows how much memory the machine has.

use std::fmt;

use mainstem_kernel::ByteSize;

use crate::{
    config::{Config, Memory, Percent},
    errors::NodeError,
};

/// Below this a part would get less than it needs for one unit of its work.
const BUDGET_MIN: ByteSize = ByteSize::mib(256);
/// Taken for the machine's memory when it cannot be learned.
const MACHINE_FALLBACK: ByteSize = ByteSize::gib(2);

/// What no part counts: code, stacks, indexes of files, and what is free and not given back yet. Of a
/// small budget it is half.
const OWN: ByteSize = ByteSize::mib(256);

/// Percent of what is left, by part. They sum to 90; the rest is for buffers that no part counts.
const TAIL: u64 = 20;
const ADMISSION: u64 = 15;
const ARCHIVING: u64 = 15;
const QUERIES: u64 = 20;
const VIEWS: u64 = 15;
/// The default of `lookup_size_max`.
const LOOKUPS: u64 = 5;

const _: () = assert!(TAIL + ADMISSION + ARCHIVING + QUERIES + VIEWS + LOOKUPS == 90);

/// How the budget is split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// All of it.
    pub budget: ByteSize,
    /// Recent rows, so that readers need no disk.
    pub tail: ByteSize,
    /// Payloads that wait for a worker, with what workers make of them.
    pub admission: ByteSize,
    /// Rows on their way to Parquet.
    pub archiving: ByteSize,
    /// All queries together.
    pub queries: ByteSize,
    /// Rows by key that wait for the store, and state of views.
    pub views: ByteSize,
    /// Rows of tables that views look up.
    pub lookups: ByteSize,
}

impl Shares {
    /// Splits the budget of the settings; lookups have what settings say of them.
    ///
    /// # Errors
    /// `Memory` when it is too small.
    pub fn split(config: &Config) -> Result<Self, NodeError> {
        let budget = match config.memory {
            Memory::Size(size) => size,
            Memory::Share(percent) => share_of_machine(percent),
        };
        if budget < BUDGET_MIN {
            return Err(NodeError::Memory {
                budget,
                least: BUDGET_MIN,
            });
        }
        let shared = budget.0 - OWN.0.min(budget.0 / 2);
        let share = |percent| ByteSize(shared / 100 * percent);
        Ok(Self {
            budget,
            tail: share(TAIL),
            admission: share(ADMISSION),
            archiving: share(ARCHIVING),
            queries: share(QUERIES),
            views: share(VIEWS),
            lookups: match config.flow.lookup_size_max {
                Memory::Size(size) => size,
                Memory::Share(percent) => percent.of(ByteSize(shared)),
            },
        })
    }
}

impl fmt::Display for Shares {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            budget,
            tail,
            admission,
            archiving,
            queries,
            views,
            lookups,
        } = self;
        write!(
            f,
            "{budget}: recent rows {tail}, waiting requests {admission}, archiving {archiving}, \
             queries {queries}, tables and views {views}, lookups {lookups}"
        )
    }
}

/// A small machine gets the least budget rather than a refusal that nobody asked for.
fn share_of_machine(percent: Percent) -> ByteSize {
    percent.of(machine()).max(BUDGET_MIN)
}

/// Memory of the machine, or of the container if that has less.
fn machine() -> ByteSize {
    let info = proc_file("/proc/meminfo");
    let total = info.lines().find_map(|line| {
        let kib = line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?;
        kib.trim().parse().ok().map(ByteSize::kib)
    });
    let limits = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];
    let limits = limits
        .iter()
        .filter_map(|path| proc_file(path).trim().parse().ok());
    limits
        .map(ByteSize)
        .chain(total)
        .min()
        .unwrap_or(MACHINE_FALLBACK)
}

/// Resident bytes of this process.
pub(crate) fn resident() -> ByteSize {
    let pages = proc_file("/proc/self/statm");
    let pages = pages
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    ByteSize(pages.unwrap_or(0).saturating_mul(4_096))
}

/// A file that the kernel makes up; empty where there is none.
#[expect(
    clippy::disallowed_methods,
    reason = "a file of procfs has no length and is no data"
)]
fn proc_file(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_parts_of_the_budget() {
        let mut config = Config::defaults().unwrap();
        config.memory = Memory::Size(ByteSize::gib(1));
        let shares = Shares::split(&config).unwrap();
        let given = shares.tail.0 + shares.admission.0 + shares.archiving.0;
        let given = given + shares.queries.0 + shares.views.0 + shares.lookups.0;
        let shared = shares.budget.0 - OWN.0;
        assert!(given <= shared / 10 * 9 && given > shared / 100 * 89);
        let default = Memory::Share(Percent::new(u8::try_from(LOOKUPS).unwrap()).unwrap());
        assert_eq!(config.flow.lookup_size_max, default);
        config.flow.lookup_size_max = Memory::Size(ByteSize::mib(7));
        assert_eq!(Shares::split(&config).unwrap().lookups, ByteSize::mib(7));
        config.memory = Memory::Size(ByteSize::mib(255));
        let refused = Shares::split(&config);
        assert!(
            matches!(refused, Err(NodeError::Memory { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn the_machine_has_memory_and_so_does_this_process() {
        assert!(machine() > ByteSize::mib(64));
        assert!(resident() > ByteSize::kib(100));
    }
}
