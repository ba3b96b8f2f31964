//! What each operation on names means for the twin's tree.
//!
//! Nothing here counts calls or fails on demand; nothing becomes durable except where it says so.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

use super::{
    file::FileNode,
    names::{ChangeId, DirNode, NameChange, NodeId},
    state::{Node, State},
};
use crate::DirEntry;

impl State {
    pub(super) fn create_file(&mut self, path: &Path) -> io::Result<NodeId> {
        let (dir, name) = self.resolve_parent(path)?;
        if self.dir(dir)?.get(&name).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let file = self.add(Node::File(Box::<FileNode>::default()));
        self.change_names(dir, vec![(name, Some(file))])?;
        Ok(file)
    }

    /// Makes one directory in a directory that exists.
    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.resolve_parent(path)?;
        if self.dir(parent)?.get(&name).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let dir = self.add(Node::Dir(DirNode::default()));
        self.change_names(parent, vec![(name, Some(dir))])
    }

    pub(super) fn entries(&mut self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let dir = self.resolve(path)?;
        let names: Vec<(String, NodeId)> = self
            .dir(dir)?
            .entries()
            .map(|(name, node)| (name.clone(), node))
            .collect();
        Ok(names
            .into_iter()
            .map(|(name, node)| self.entry(name, node))
            .collect())
    }

    pub(super) fn entry(&self, name: String, node: NodeId) -> DirEntry {
        let len = self.file_len(node);
        DirEntry {
            name,
            len: len.unwrap_or(0),
            is_dir: len.is_none(),
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let moved = self.resolve(from)?;
        let (to_dir, to_name) = self.resolve_parent(to)?;
        let replaced = self.dir(to_dir)?.get(&to_name);
        match replaced {
            Some(node) if node == moved => return Ok(()),
            Some(node) if self.file_len(node).is_none() => {
                return Err(ErrorKind::IsADirectory.into());
            }
            Some(_) if self.file_len(moved).is_none() => {
                return Err(ErrorKind::NotADirectory.into());
            }
            Some(_) | None => {}
        }
        if self.file_len(moved).is_none() && to.starts_with(from) {
            return Err(ErrorKind::InvalidInput.into());
        }
        self.move_name(from, (to_dir, to_name), moved)?;
        self.release(replaced);
        Ok(())
    }

    pub(super) fn rename_new(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let (to_dir, to_name) = self.resolve_parent(to)?;
        if self.dir(to_dir)?.get(&to_name).is_some() {
            self.resolve(from)?;
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.rename(from, to)
    }

    fn move_name(
        &mut self,
        from: &Path,
        (to_dir, to_name): (NodeId, String),
        moved: NodeId,
    ) -> io::Result<()> {
        let (from_dir, from_name) = self.resolve_parent(from)?;
        let (gone, come) = ((from_name, None), (to_name, Some(moved)));
        if from_dir == to_dir {
            return self.change_names(to_dir, vec![gone, come]);
        }
        let id = ChangeId(self.take_id());
        let leave = NameChange {
            id,
            names: vec![gone],
            partner: Some(to_dir),
        };
        let arrive = NameChange {
            id,
            names: vec![come],
            partner: Some(from_dir),
        };
        self.dir(from_dir)?.change(leave);
        self.dir(to_dir)?.change(arrive);
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        let (dir, name) = self.resolve_parent(path)?;
        let node = self.dir(dir)?.get(&name).ok_or(ErrorKind::NotFound)?;
        if self.file_len(node).is_none() {
            return Err(ErrorKind::IsADirectory.into());
        }
        self.change_names(dir, vec![(name, None)])?;
        self.release(Some(node));
        Ok(())
    }

    /// Removes name by name, as the system does, so that a power cut may leave a part.
    pub(super) fn remove_dirs(&mut self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.resolve_parent(path)?;
        let top = self.resolve(path)?;
        let mut next = vec![top];
        while let Some(dir) = next.pop() {
            let entries: Vec<(String, NodeId)> = self
                .dir(dir)?
                .entries()
                .map(|(name, node)| (name.clone(), node))
                .collect();
            for (name, node) in entries {
                if self.file_len(node).is_none() {
                    next.push(node);
                }
                self.change_names(dir, vec![(name, None)])?;
                self.release(Some(node));
            }
        }
        self.change_names(parent, vec![(name, None)])
    }

    /// Gives back the space of a file that has lost its name.
    fn release(&mut self, node: Option<NodeId>) {
        let bytes = node.and_then(|node| self.file_len(node)).unwrap_or(0);
        self.return_space(bytes);
    }
}
