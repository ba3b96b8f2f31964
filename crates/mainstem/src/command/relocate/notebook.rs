//! The notebook of a move: how far each stream is, on disk after every acknowledgement, so that a
//! run that breaks off is taken up by the next.
//!
//! Rows are sent under a name of their own per run, numbered from 0, so that the other server
//! recognises what it has already taken, and the next run can ask whether the batch that was on
//! its way arrived.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use mainstem_disk::{Disk, RealDisk, write_durably};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::errors::MoveError;
use crate::{errors::CliError, failure::Outcome};

/// What this program writes and reads.
const VERSION: u32 = 1;

/// How far a stream is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The newest id of the feed whose rows have all arrived.
    pub(super) after: Option<String>,
    /// Rows behind it that have arrived too.
    pub(super) since: u64,
    /// Rows that have arrived in all.
    pub(super) rows: u64,
    /// How many of them had arrived when this run began.
    pub(super) base: u64,
    /// Which run this is.
    pub(super) run: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Page {
    version: u32,
    /// Tells this move from others.
    id: String,
    from: String,
    to: String,
    streams: BTreeMap<String, Place>,
}

/// The notebook of a move.
#[derive(Debug)]
pub(super) struct Notebook {
    path: PathBuf,
    page: Mutex<Page>,
}

impl Notebook {
    /// Takes up an earlier run between the same servers, or begins.
    ///
    /// # Errors
    /// `Notebook` when the file is about another move.
    pub(super) fn open(path: PathBuf, (from, to): (&str, &str)) -> Outcome<Arc<Self>> {
        let unfit = |reason: String| MoveError::Notebook {
            path: path.display().to_string(),
            reason,
        };
        let page = match RealDisk.read(&path) {
            Ok(bytes) => {
                let page: Page = serde_json::from_slice(&bytes)
                    .map_err(|error| unfit(format!("damaged: {error}")))?;
                if page.version != VERSION {
                    return Err(unfit("that of another version".to_owned()).into());
                }
                if page.to != to {
                    return Err(unfit(format!("about a move to {}", page.to)).into());
                }
                page
            }
            Err(_absent) => {
                let now = mainstem_kernel::Clock::now(&mainstem_kernel::clock::SystemClock);
                let seed = format!("{from} {to} {} {}", now.0, std::process::id());
                Page {
                    version: VERSION,
                    id: blake3::hash(seed.as_bytes())
                        .to_hex()
                        .chars()
                        .take(16)
                        .collect(),
                    from: from.to_owned(),
                    to: to.to_owned(),
                    streams: BTreeMap::new(),
                }
            }
        };
        Ok(Arc::new(Self {
            path,
            page: Mutex::new(page),
        }))
    }

    /// How far a stream is.
    pub(super) fn stream(&self, name: &str) -> Place {
        let page = self.page.lock();
        page.streams.get(name).cloned().unwrap_or_default()
    }

    /// Under which name the rows of a run are sent.
    pub(super) fn producer(&self, run: u32) -> String {
        format!("move-{}-{run}", self.page.lock().id)
    }

    /// Notes how far a stream is.
    pub(super) fn note(&self, name: &str, place: &Place) -> Result<(), CliError> {
        let mut page = self.page.lock();
        page.streams.insert(name.to_owned(), place.clone());
        let text = serde_json::to_vec_pretty(&*page).unwrap_or_default();
        write_durably(&RealDisk, &self.path, &text).map_err(|source| CliError::Write { source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_taken_up_and_another_move_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("moving.json");
        let open = |to| Notebook::open(file.clone(), ("http://a", to));
        let first = open("http://b").ok().unwrap();
        let place = Place {
            after: Some("p1-7".to_owned()),
            since: 3,
            rows: 10,
            ..Place::default()
        };
        first.note("orders", &place).unwrap();
        let second = open("http://b").ok().unwrap();
        assert_eq!(second.stream("orders"), place);
        assert_eq!(second.producer(1), first.producer(1));
        assert_eq!(second.stream("other"), Place::default());
        assert_eq!(open("http://c").err().unwrap().problems[0].code, "CLI-026");
    }
}
