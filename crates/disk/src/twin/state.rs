//! The whole twin behind its lock: nodes, paths, space, and which call fails.
//!
//! It never decides what an operation means; `tree` and `handle` do.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, ErrorKind},
    path::{Component, Path},
    sync::Arc,
};

use rustix::io::Errno;

use super::{
    Cut, Failure, FailureKind,
    file::FileNode,
    names::{ChangeId, DirNode, NameChange, NodeId, Partners},
    random::Random,
};

const ROOT: NodeId = NodeId(0);
/// Nodes below which nobody looks for those that cannot be reached any more.
const COLLECT_MIN: usize = 256;

/// What a path leads to.
#[derive(Clone, Debug)]
pub(super) enum Node {
    File(Box<FileNode>),
    Dir(DirNode),
}

/// The whole twin.
#[derive(Clone, Debug)]
pub(super) struct State {
    nodes: BTreeMap<NodeId, Node>,
    /// Next node or change.
    next_id: u64,
    pub(super) calls: u64,
    pub(super) failures: Vec<Failure>,
    powered: bool,
    /// Bytes of all files that have a name.
    used: u64,
    /// What `used` may grow to; `None` without a limit.
    limit: Option<u64>,
    pub(super) locked: BTreeSet<NodeId>,
    collect_at: usize,
}

impl Default for State {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Dir(DirNode::default()))]),
            next_id: 1,
            calls: 0,
            failures: Vec::new(),
            powered: true,
            used: 0,
            limit: None,
            locked: BTreeSet::new(),
            collect_at: COLLECT_MIN,
        }
    }
}

/// The errors that a disk invents.
pub(super) fn error_of(kind: FailureKind) -> io::Error {
    match kind {
        FailureKind::Io | FailureKind::ShortWrite => Errno::IO.into(),
        FailureKind::Full => Errno::NOSPC.into(),
        FailureKind::PowerLoss => io::Error::other("the disk has lost its power"),
    }
}

// Calls, power and space.
impl State {
    pub(super) fn check_power(&self) -> io::Result<()> {
        if self.powered {
            Ok(())
        } else {
            Err(error_of(FailureKind::PowerLoss))
        }
    }

    /// Counts a call and says how it is to fail.
    pub(super) fn begin_call(&mut self) -> io::Result<Option<FailureKind>> {
        self.check_power()?;
        let call = self.calls;
        self.calls += 1;
        Ok(self
            .failures
            .iter()
            .find(|failure| failure.call == call)
            .map(|failure| failure.kind))
    }

    pub(super) fn lose_power(&mut self) {
        self.powered = false;
    }

    pub(super) fn free_space(&self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_sub(self.used))
    }

    pub(super) fn set_free_space(&mut self, bytes: u64) {
        self.limit = Some(self.used.saturating_add(bytes));
    }

    /// Takes space, or as much of it as there is.
    pub(super) fn take_space(&mut self, bytes: u64) -> u64 {
        let taken = bytes.min(self.free_space().unwrap_or(u64::MAX));
        self.used += taken;
        taken
    }

    pub(super) fn return_space(&mut self, bytes: u64) {
        self.used = self.used.saturating_sub(bytes);
    }
}

// Nodes and paths.
impl State {
    pub(super) fn dir(&mut self, id: NodeId) -> io::Result<&mut DirNode> {
        match self.nodes.get_mut(&id) {
            Some(Node::Dir(dir)) => Ok(dir),
            Some(Node::File(_)) => Err(ErrorKind::NotADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn file(&mut self, id: NodeId) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(&id) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Dir(_)) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// Length of a file; `None` if it is a directory or gone.
    pub(super) fn file_len(&self, id: NodeId) -> Option<u64> {
        match self.nodes.get(&id) {
            Some(Node::File(file)) => Some(file.len()),
            Some(Node::Dir(_)) | None => None,
        }
    }

    pub(super) fn resolve(&mut self, path: &Path) -> io::Result<NodeId> {
        let mut node = ROOT;
        for name in names_of(path) {
            node = self.dir(node)?.get(&name).ok_or(ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    /// The directory that holds a path's last name, and that name.
    pub(super) fn resolve_parent(&mut self, path: &Path) -> io::Result<(NodeId, String)> {
        let mut names = names_of(path);
        let name = names.pop().ok_or(ErrorKind::InvalidInput)?;
        let mut node = ROOT;
        for name in names {
            node = self.dir(node)?.get(&name).ok_or(ErrorKind::NotFound)?;
        }
        self.dir(node)?;
        Ok((node, name))
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        if self.nodes.len() >= self.collect_at {
            self.collect();
            self.collect_at = COLLECT_MIN.max(2 * self.nodes.len());
        }
        let id = NodeId(self.take_id());
        self.nodes.insert(id, node);
        id
    }

    #[cfg(test)]
    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Changes names of one directory, not durably.
    pub(super) fn change_names(
        &mut self,
        dir: NodeId,
        names: Vec<(String, Option<NodeId>)>,
    ) -> io::Result<()> {
        let id = ChangeId(self.take_id());
        self.dir(dir)?.change(NameChange {
            id,
            names,
            partner: None,
        });
        Ok(())
    }

    /// Forgets nodes that neither a reader nor a power cut can reach.
    fn collect(&mut self) {
        let mut reached = BTreeSet::new();
        let open = self.nodes.iter().filter(|(_, node)| match node {
            Node::File(file) => Arc::strong_count(&file.open) > 1,
            Node::Dir(_) => false,
        });
        let mut next: Vec<NodeId> = open.map(|(id, _)| *id).chain([ROOT]).collect();
        while let Some(id) = next.pop() {
            if reached.insert(id)
                && let Some(Node::Dir(dir)) = self.nodes.get(&id)
            {
                next.extend(dir.reachable());
            }
        }
        self.nodes.retain(|id, _| reached.contains(id));
    }
}

// What becomes durable, and what a power cut leaves.
impl State {
    pub(super) fn sync_names(&mut self, dir: NodeId) -> io::Result<()> {
        let partners = self.dir(dir)?.settle(None);
        self.settle(partners);
        Ok(())
    }

    /// The other halves of renames between directories, and all that came before them there.
    fn settle(&mut self, mut partners: Partners) {
        while let Some((dir, last)) = partners.pop() {
            if let Some(Node::Dir(dir)) = self.nodes.get_mut(&dir) {
                partners.extend(dir.settle(Some(last)));
            }
        }
    }

    /// Keeps what is durable, and of the rest what the cut leaves.
    pub(super) fn cut(&mut self, cut: Cut) {
        let mut random = match cut {
            Cut::DropAll => None,
            Cut::Random(seed) => Some(Random::new(seed)),
        };
        if let Some(random) = &mut random {
            let mut partners = Vec::new();
            for node in self.nodes.values_mut() {
                if let Node::Dir(dir) = node {
                    partners.extend(dir.survive(random));
                }
            }
            self.settle(partners);
        }
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) => file.cut(random.as_mut()),
                Node::Dir(dir) => dir.cut(),
            }
        }
        self.collect();
        self.used = self
            .nodes
            .keys()
            .filter_map(|node| self.file_len(*node))
            .sum();
    }

    /// A new disk with what survives; this one has lost its power.
    pub(super) fn cut_power(&mut self, cut: Cut) -> Self {
        self.powered = false;
        let mut survivor = self.clone();
        for node in survivor.nodes.values_mut() {
            if let Node::File(file) = node {
                file.open = Arc::default();
            }
        }
        survivor.cut(cut);
        Self {
            calls: 0,
            failures: Vec::new(),
            powered: true,
            locked: BTreeSet::new(),
            ..survivor
        }
    }
}

/// The names on the way to a path. Absolute and relative paths start at the same root.
fn names_of(path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name.to_string_lossy().into_owned()),
            Component::ParentDir => drop(names.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    names
}
