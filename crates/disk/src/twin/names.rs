//! One directory of the twin: its names, those that are durable, and the changes between.
//!
//! It never looks into files, and never at other directories: `state` walks between them.

use std::collections::BTreeMap;

use super::random::Random;

/// A file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct NodeId(pub(super) u64);

/// A number that grows with each change of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ChangeId(pub(super) u64);

/// What happened to names of one directory in one call; survives whole or not at all.
#[derive(Clone, Debug)]
pub(super) struct NameChange {
    pub(super) id: ChangeId,
    /// Names, and what they stand for from then on; `None` if for nothing.
    pub(super) names: Vec<(String, Option<NodeId>)>,
    /// The other directory of a rename, which holds a change of the same id. File systems with
    /// a journal keep both or none.
    pub(super) partner: Option<NodeId>,
}

/// Directories that hold the other half of a change.
pub(super) type Partners = Vec<(NodeId, ChangeId)>;

/// One directory.
#[derive(Clone, Debug, Default)]
pub(super) struct DirNode {
    /// What a reader sees.
    names: BTreeMap<String, NodeId>,
    /// What a power cut cannot take.
    durable: BTreeMap<String, NodeId>,
    /// In order.
    unsynced: Vec<NameChange>,
    /// Made before a failed sync: no later sync makes them durable.
    lost: Vec<NameChange>,
}

impl DirNode {
    pub(super) fn get(&self, name: &str) -> Option<NodeId> {
        self.names.get(name).copied()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&String, NodeId)> {
        self.names.iter().map(|(name, node)| (name, *node))
    }

    pub(super) fn change(&mut self, change: NameChange) {
        apply(&mut self.names, &change.names);
        self.unsynced.push(change);
    }

    /// Makes changes up to and including `last` durable; all of them if it is `None`.
    /// Returns those that have a partner.
    pub(super) fn settle(&mut self, last: Option<ChangeId>) -> Partners {
        let count = match last {
            Some(last) => self.unsynced.partition_point(|change| change.id <= last),
            None => self.unsynced.len(),
        };
        let mut settled: Vec<NameChange> = self
            .lost
            .extract_if(.., |change| Some(change.id) == last)
            .collect();
        settled.extend(self.unsynced.drain(..count));
        self.make_durable(&settled)
    }

    fn make_durable(&mut self, settled: &[NameChange]) -> Partners {
        for change in settled {
            apply(&mut self.durable, &change.names);
            // What an earlier, lost change said of these names can no longer come back.
            for lost in &mut self.lost {
                lost.names
                    .retain(|(name, _)| change.names.iter().all(|(newer, _)| newer != name));
            }
        }
        settled
            .iter()
            .filter_map(|change| Some((change.partner?, change.id)))
            .collect()
    }

    /// What was unsynced can no longer be made durable; readers still see it.
    pub(super) fn fail_sync(&mut self) {
        self.lost.append(&mut self.unsynced);
    }

    /// Draws which changes survive a power cut: of a failed sync, and of those since.
    pub(super) fn survive(&mut self, random: &mut Random) -> Partners {
        let lost = random.prefix(self.lost.len());
        let mut survivors: Vec<NameChange> = self.lost.drain(..lost).collect();
        let unsynced = random.prefix(self.unsynced.len());
        survivors.extend(self.unsynced.drain(..unsynced));
        self.make_durable(&survivors)
    }

    /// The power goes: only what is durable stays.
    pub(super) fn cut(&mut self) {
        self.unsynced.clear();
        self.lost.clear();
        self.names = self.durable.clone();
    }

    /// All that can still be reached by a reader, or after a power cut.
    pub(super) fn reachable(&self) -> impl Iterator<Item = NodeId> {
        let changes = self.unsynced.iter().chain(&self.lost);
        let changed = changes.flat_map(|change| change.names.iter().filter_map(|(_, node)| *node));
        self.names
            .values()
            .chain(self.durable.values())
            .copied()
            .chain(changed)
    }
}

fn apply(names: &mut BTreeMap<String, NodeId>, changes: &[(String, Option<NodeId>)]) {
    for (name, node) in changes {
        match node {
            Some(node) => names.insert(name.clone(), *node),
            None => names.remove(name),
        };
    }
}
