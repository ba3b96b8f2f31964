use std::path::Path;

use mainstem_disk::{Disk, OpenMode, RealDisk};
use mainstem_kernel::{Code, Fault};
use tempfile::TempDir;

use super::*;
use crate::contract::{self, get, pairs, write};

const CONFIG: StoreConfig = StoreConfig {
    cache: ByteSize::mib(8),
    buffer_size_max: ByteSize::mib(1),
    buffers_size_max: ByteSize::mib(8),
    journal_size_max: ByteSize::mib(64),
};

fn open(folder: &Path) -> Result<Arc<FjallStore>, StoreError> {
    FjallStore::open(&RealDisk, folder, CONFIG)
}

fn overwrite(path: &Path, bytes: &[u8]) {
    RealDisk.remove_file(path).unwrap();
    let file = RealDisk.open(path, OpenMode::CreateNew).unwrap();
    file.write_at(bytes, 0).unwrap();
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = RealDisk.list(folder).unwrap();
    let below = entries.into_iter().flat_map(|entry| {
        let path = folder.join(&entry.name);
        if entry.is_dir {
            files(&path)
        } else {
            vec![path]
        }
    });
    below.collect()
}

#[test]
fn keeps_every_promise() {
    let folder = TempDir::new().unwrap();
    let mut count = 0;
    contract::keeps_every_promise(|| {
        count += 1;
        open(&folder.path().join(count.to_string())).unwrap()
    });
}

#[test]
fn writes_go_on_where_earlier_buffers_were_larger_than_all_may_be_now() {
    let folder = TempDir::new().unwrap();
    let open = |buffer_size_max: ByteSize| {
        let config = StoreConfig {
            buffer_size_max,
            ..CONFIG
        };
        FjallStore::open(&RealDisk, folder.path(), config).unwrap()
    };
    let value = vec![7; 64 << 10];
    let put = |store: &FjallStore, n: u32| {
        let mut batch = Batch::default();
        batch.put(Space::Rows, &n.to_be_bytes(), &value);
        batch.put(Space::State, &n.to_be_bytes(), &value);
        store.write(batch).unwrap();
    };
    // fjall keeps the size of buffers that a keyspace was made with.
    drop(open(ByteSize::mib(16)));
    let store = open(ByteSize::mib(1));
    for n in 0..100 {
        put(&store, n);
    }
    let stats = store.stats();
    assert!(stats.buffered <= ByteSize::mib(9), "{}", stats.buffered);
    assert!(!store.is_stuck.load(Ordering::Relaxed));
    let snapshot = store.snapshot().unwrap();
    for n in 0..100_u32 {
        let found = snapshot.get(Space::Rows, &n.to_be_bytes()).unwrap();
        assert_eq!(found.as_deref(), Some(value.as_slice()));
    }
}

#[test]
fn what_was_written_is_there_after_a_restart() {
    let folder = TempDir::new().unwrap();
    for round in 0..5_u8 {
        let store = open(folder.path()).unwrap();
        for earlier in 0..round {
            for space in Space::ALL {
                let found = get(&*store, space, &[b'k', earlier]).unwrap();
                assert_eq!(found, vec![earlier; 5_000]);
            }
        }
        assert_eq!(get(&*store, Space::Rows, b"gone"), None);
        for space in Space::ALL {
            let value = vec![round; 5_000];
            write(&*store, space, &[(&[b'k', round], Some(&value))]);
        }
        write(&*store, Space::Rows, &[(b"gone", Some(b"1"))]);
        write(&*store, Space::Rows, &[(b"gone", None)]);
        store.persist().unwrap();
    }
}

/// Buffers of 1 MiB make fjall sort into files many times.
#[test]
fn much_is_read_back_from_files() {
    let folder = TempDir::new().unwrap();
    let value = |n: u32| n.to_be_bytes().repeat(25);
    {
        let store = open(folder.path()).unwrap();
        for first in (0..60_000_u32).step_by(2_000) {
            let mut batch = Batch::default();
            for n in first..first + 2_000 {
                batch.put(Space::Rows, &n.to_be_bytes(), &value(n));
            }
            store.write(batch).unwrap();
        }
        store.persist().unwrap();
    }
    let store = open(folder.path()).unwrap();
    let rows = pairs(&*store.snapshot().unwrap(), Space::Rows, &KeyRange::all());
    assert_eq!(rows.len(), 60_000);
    for (n, (key, found)) in (0_u32..).zip(rows) {
        assert_eq!((key, found), (n.to_be_bytes().to_vec(), value(n)));
    }
}

#[test]
fn a_second_process_is_refused() {
    let folder = TempDir::new().unwrap();
    let _store = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert_eq!(error.answer().code, Code::Store004, "{error}");
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()).unwrap());
    overwrite(&folder.path().join("FORMAT"), b"mainstem store 2\n");
    let error = open(folder.path()).unwrap_err();
    assert!(matches!(
        error,
        StoreError::Newer {
            found: 2,
            known: 1,
            ..
        }
    ));
    assert!(
        error
            .to_string()
            .ends_with("has format 2, this version knows up to 1")
    );
}

#[test]
fn what_is_no_store_is_told_from_a_store() {
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()).unwrap());
    let marker = folder.path().join("FORMAT");
    for words in [b"".as_slice(), b"mainstem store 0\n", b"mainstem store x\n"] {
        overwrite(&marker, words);
        let error = open(folder.path()).unwrap_err();
        assert_eq!(error.answer().code, Code::Store002, "{words:?}");
        assert!(error.hint().unwrap().contains("delete"));
    }
    RealDisk.remove_file(&marker).unwrap();
    assert_eq!(
        open(folder.path()).unwrap_err().answer().code,
        Code::Store002
    );
    RealDisk.remove_dirs(folder.path()).unwrap();
    assert!(open(folder.path()).is_ok(), "it can be deleted");
}

#[test]
fn a_crash_while_it_was_made_is_mended() {
    let folder = TempDir::new().unwrap();
    drop(open(folder.path()).unwrap());
    RealDisk
        .remove_file(&folder.path().join("fjall/version"))
        .unwrap();
    let store = open(folder.path()).unwrap();
    write(&*store, Space::Rows, &[(b"k", Some(b"1"))]);
    assert_eq!(get(&*store, Space::Rows, b"k").unwrap(), b"1");
}

/// A changed byte in any file is an error, or changes nothing that is read; wrong bytes never come
/// out and nothing panics.
#[test]
fn damage_is_named_or_harmless() {
    let folder = TempDir::new().unwrap();
    let whole = folder.path().join("whole");
    {
        let store = open(&whole).unwrap();
        for n in 0..500_u32 {
            let key = n.to_be_bytes();
            let value = key.repeat(200);
            write(&*store, Space::Rows, &[(&key, Some(&value))]);
        }
        store.persist().unwrap();
    }
    let engine = whole.join("fjall");
    let (mut named, mut lost) = (0, 0);
    let mut total = 0;
    for (number, path) in files(&engine).into_iter().enumerate() {
        let bytes = RealDisk.read(&path).unwrap();
        for part in [1, 2, 3] {
            let at = bytes.len() * part / 4;
            let Some(byte) = bytes.get(at) else { continue };
            let copy = folder.path().join(format!("{number}-{part}"));
            copy_folder(&whole, &copy);
            let mut changed = bytes.clone();
            changed[at] = byte ^ 0x10;
            overwrite(&copy.join(path.strip_prefix(&whole).unwrap()), &changed);
            total += 1;
            match read_all(&copy) {
                Ok(rows) => lost += usize::from(rows < 500),
                Err(error) => {
                    named += 1;
                    let code = error.answer().code;
                    assert!([Code::Store001, Code::Store002].contains(&code), "{error}");
                }
            }
            RealDisk.remove_dirs(&copy).unwrap();
        }
    }
    assert!(named > 0, "of {total} changed bytes none was noticed");
    assert!(
        lost <= total,
        "a journal may end early, as after a power cut"
    );
}

/// Reads everything; what is there must be what was written.
fn read_all(folder: &Path) -> Result<usize, StoreError> {
    let store = open(folder)?;
    let snapshot = store.snapshot()?;
    let mut rows = 0;
    let mut visit = |key: &[u8], value: &[u8]| {
        assert_eq!(value, key.repeat(200));
        rows += 1;
        ControlFlow::Continue(())
    };
    snapshot.scan(Space::Rows, &KeyRange::all(), &mut visit)?;
    Ok(rows)
}

fn copy_folder(from: &Path, to: &Path) {
    RealDisk.create_dirs(to).unwrap();
    for entry in RealDisk.list(from).unwrap() {
        let (from, to) = (from.join(&entry.name), to.join(&entry.name));
        if entry.is_dir {
            copy_folder(&from, &to);
        } else {
            let file = RealDisk.open(&to, OpenMode::CreateNew).unwrap();
            file.write_at(&RealDisk.read(&from).unwrap(), 0).unwrap();
        }
    }
}
