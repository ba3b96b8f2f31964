//! `Spare`: makes the next journal file while the present one fills, so that filling it with
//! zeroes does not hold up appends. It never decides when or how long, and makes nothing behind its
//! end: whoever opens the folder next must find every file that is there.

use std::{io, path::PathBuf};

use crossbeam_channel::{Receiver, Sender, bounded};
use mainstem_disk::SharedDisk;
use mainstem_kernel::spawn::SharedSpawn;

use crate::journal::{FreeSlot, make_slot};

type Made = Result<FreeSlot, (PathBuf, io::Error)>;

/// The thread that makes the next file, as the journal sees it.
#[derive(Debug)]
pub(crate) struct Spare {
    orders: Sender<(PathBuf, u64)>,
    made: Receiver<Made>,
    is_ordered: bool,
}

impl Spare {
    /// Starts the thread; it ends when this is dropped.
    ///
    /// # Errors
    /// When the machine refuses another thread.
    pub(crate) fn start(spawn: &SharedSpawn, disk: SharedDisk) -> io::Result<Self> {
        let (orders, orders_rx) = bounded::<(PathBuf, u64)>(1);
        let (made_tx, made) = bounded(1);
        let body = move || {
            for (path, length) in orders_rx {
                let slot = make_slot(&*disk, &path, length).map_err(|source| (path, source));
                if made_tx.send(slot).is_err() {
                    return;
                }
            }
        };
        spawn.thread("journal-spare", Box::new(body))?;
        Ok(Self {
            orders,
            made,
            is_ordered: false,
        })
    }

    /// Orders a file unless one is on its way; whether it was ordered.
    pub(crate) fn order(&mut self, path: PathBuf, length: u64) -> bool {
        if self.is_ordered {
            return false;
        }
        self.is_ordered = self.orders.try_send((path, length)).is_ok();
        self.is_ordered
    }

    /// The file that was ordered, waiting for it if need be.
    pub(crate) fn take(&mut self) -> Option<Made> {
        if !std::mem::take(&mut self.is_ordered) {
            return None;
        }
        self.made.recv().ok()
    }
}

impl Drop for Spare {
    /// Waits for a file that is on its way: it would have the name that the next who opens the folder
    /// gives to a file of its own.
    fn drop(&mut self) {
        drop(self.take());
    }
}
