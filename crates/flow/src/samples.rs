//! What tests share: threads, state in memory, randomness from a seed, and plans made by hand.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use mainstem_kernel::spawn::{SharedSpawn, Spawn, TaskBody, ThreadBody};

use crate::{
    errors::FlowError,
    state::{StateChange, StateSource},
};

/// Plain threads.
#[derive(Debug)]
pub(crate) struct Threads;

impl Threads {
    pub(crate) fn shared() -> SharedSpawn {
        Arc::new(Self)
    }
}

impl Spawn for Threads {
    fn thread(&self, name: &str, body: ThreadBody) -> io::Result<()> {
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(body)
            .map(drop)
    }

    fn task(&self, name: &str, _body: TaskBody) {
        panic!("no test needs the task {name}");
    }
}

/// State in memory.
#[derive(Debug)]
pub(crate) struct MemoryState {
    kept: Mutex<BTreeMap<Bytes, Bytes>>,
    size_max: usize,
}

impl MemoryState {
    /// Empty, for views that may have so many bytes in memory.
    pub(crate) fn new(size_max: usize) -> Self {
        Self {
            kept: Mutex::default(),
            size_max,
        }
    }

    pub(crate) fn apply(&self, changes: Vec<StateChange>) {
        let mut kept = self.kept.lock().unwrap();
        for StateChange { key, value } in changes {
            match value {
                Some(value) => kept.insert(key, value),
                None => kept.remove(&key),
            };
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.kept.lock().unwrap().len()
    }
}

impl StateSource for MemoryState {
    fn load(&self, prefix: &[u8]) -> Result<Vec<(Bytes, Bytes)>, FlowError> {
        let kept = self.kept.lock().unwrap();
        let found = kept.range(Bytes::copy_from_slice(prefix)..);
        let found = found.take_while(|(key, _)| key.starts_with(prefix));
        Ok(found
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, FlowError> {
        Ok(self.kept.lock().unwrap().get(key).cloned())
    }

    fn size_max(&self) -> usize {
        self.size_max
    }
}

/// xorshift: the seed is all that a failure needs.
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % end.max(1) as u64).unwrap()
    }

    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.number() % u64::try_from(to - from).unwrap()).unwrap()
    }
}
