//! What every disk promises, as a list of tests that run on each of them.
//!
//! Nothing here cuts power or fails calls: only the twin can, and its own tests do.

use std::{io::ErrorKind, path::Path};

use crate::{Disk, OpenMode, PAGE, write_durably, write_new_durably};

/// A promise, which panics if it is broken in that directory of that disk.
type Promise = fn(&dyn Disk, &Path);

/// Runs every promise, each in a directory of its own below `root`, which must exist.
pub(crate) fn keeps_every_promise(disk: &dyn Disk, root: &Path) {
    let promises: [(&str, Promise); 12] = [
        ("reads_back_what_was_written", reads_back_what_was_written),
        ("open_modes", open_modes),
        ("lists_by_name", lists_by_name),
        ("renames_and_replaces", renames_and_replaces),
        ("rename_new_refuses", rename_new_refuses),
        ("removes", removes),
        ("writes_pages", writes_pages),
        ("grows_and_cuts", grows_and_cuts),
        (
            "an_open_file_outlives_its_name",
            an_open_file_outlives_its_name,
        ),
        ("locks_exclude", locks_exclude),
        ("writes_small_files", writes_small_files),
        ("names_what_is_missing", names_what_is_missing),
    ];
    for (name, promise) in promises {
        let folder = root.join(name);
        disk.create_dirs(&folder).unwrap();
        promise(disk, &folder);
    }
}

fn put(disk: &dyn Disk, path: &Path, bytes: &[u8]) {
    disk.open(path, OpenMode::CreateNew)
        .unwrap()
        .write_at(bytes, 0)
        .unwrap();
}

fn names(disk: &dyn Disk, folder: &Path) -> Vec<String> {
    disk.list(folder)
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect()
}

fn reads_back_what_was_written(disk: &dyn Disk, folder: &Path) {
    let path = folder.join("file");
    let file = disk.open(&path, OpenMode::CreateNew).unwrap();
    assert!(file.is_empty().unwrap());
    file.write_at(b"head", 0).unwrap();
    file.write_vectored_at(&[b"", b"tail", b"", b" end"], 100_000)
        .unwrap();
    file.write_vectored_at(&[], 7).unwrap();
    file.write_at(b"EA", 1).unwrap();
    file.sync_data().unwrap();

    let mut expected = vec![0; 100_008];
    expected[..4].copy_from_slice(b"hEAd");
    expected[100_000..].copy_from_slice(b"tail end");
    assert_eq!(disk.read(&path).unwrap(), expected);
    assert_eq!(file.len().unwrap(), 100_008);
    let mut part = [1; 6];
    disk.open(&path, OpenMode::Read)
        .unwrap()
        .read_at(&mut part, 99_998)
        .unwrap();
    assert_eq!(&part, b"\0\0tail");
    let error = file.read_at(&mut part, 100_003).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

fn open_modes(disk: &dyn Disk, folder: &Path) {
    let path = folder.join("file");
    put(disk, &path, b"1");
    let error = disk.open(&path, OpenMode::CreateNew).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    disk.open(&path, OpenMode::Write)
        .unwrap()
        .write_at(b"2", 1)
        .unwrap();
    disk.open(&path, OpenMode::Read)
        .unwrap()
        .write_at(b"3", 2)
        .unwrap_err();
    assert_eq!(disk.read(&path).unwrap(), b"12");
}

fn lists_by_name(disk: &dyn Disk, folder: &Path) {
    for name in ["b", "a", "c10", "c9"] {
        put(disk, &folder.join(name), name.as_bytes());
    }
    disk.create_dirs(&folder.join("bb/inner")).unwrap();
    disk.create_dirs(&folder.join("bb/inner")).unwrap();
    let entries = disk.list(folder).unwrap();
    let found: Vec<(&str, u64, bool)> = entries
        .iter()
        .map(|entry| (entry.name.as_str(), entry.len, entry.is_dir))
        .collect();
    let expected = [
        ("a", 1, false),
        ("b", 1, false),
        ("bb", 0, true),
        ("c10", 3, false),
        ("c9", 2, false),
    ];
    assert_eq!(found, expected);
    assert_eq!(
        disk.stat(&folder.join("c9")).unwrap().as_ref(),
        entries.last()
    );
    assert!(disk.stat(&folder.join("bb")).unwrap().unwrap().is_dir);
    disk.create_dirs(&folder.join("a")).unwrap_err();
}

fn renames_and_replaces(disk: &dyn Disk, folder: &Path) {
    put(disk, &folder.join("from"), b"new");
    put(disk, &folder.join("to"), b"old");
    disk.rename(&folder.join("from"), &folder.join("to"))
        .unwrap();
    assert_eq!(disk.read(&folder.join("to")).unwrap(), b"new");
    disk.create_dirs(&folder.join("inner")).unwrap();
    disk.rename(&folder.join("to"), &folder.join("inner/moved"))
        .unwrap();
    disk.rename(&folder.join("inner"), &folder.join("outer"))
        .unwrap();
    assert_eq!(names(disk, folder), ["outer"]);
    assert_eq!(disk.read(&folder.join("outer/moved")).unwrap(), b"new");
    disk.sync_dir(folder).unwrap();
}

fn rename_new_refuses(disk: &dyn Disk, folder: &Path) {
    put(disk, &folder.join("from"), b"new");
    put(disk, &folder.join("to"), b"old");
    let error = disk
        .rename_new(&folder.join("from"), &folder.join("to"))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(disk.read(&folder.join("to")).unwrap(), b"old");
    disk.rename_new(&folder.join("from"), &folder.join("other"))
        .unwrap();
    assert_eq!(names(disk, folder), ["other", "to"]);
}

fn removes(disk: &dyn Disk, folder: &Path) {
    disk.create_dirs(&folder.join("a/b")).unwrap();
    put(disk, &folder.join("a/b/file"), b"1");
    put(disk, &folder.join("a/file"), b"1");
    disk.remove_file(&folder.join("a/file")).unwrap();
    assert_eq!(names(disk, &folder.join("a")), ["b"]);
    disk.remove_dirs(&folder.join("a")).unwrap();
    assert_eq!(disk.stat(&folder.join("a")).unwrap(), None);
    assert!(names(disk, folder).is_empty());
}

fn writes_pages(disk: &dyn Disk, folder: &Path) {
    let path = folder.join("file");
    let file = disk.open(&path, OpenMode::CreateNew).unwrap();
    file.write_at(b"abc", 0).unwrap();
    file.preallocate(20_000_000).unwrap();
    let pieces: Vec<Vec<u8>> = [5_000, 0, 9_000_000, 1, 3_287_095, 0]
        .into_iter()
        .zip(1..)
        .map(|(length, byte)| vec![byte; length])
        .collect();
    let parts: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    let pages = pieces.concat();
    assert!(pages.len().is_multiple_of(PAGE));
    for offset in [PAGE, 3 * PAGE] {
        file.write_pages_at(&parts, offset as u64).unwrap();
        file.sync_data().unwrap();
        let bytes = disk.read(&path).unwrap();
        assert_eq!(&bytes[..3], b"abc");
        assert!(bytes[offset..offset + pages.len()] == pages, "{offset}");
        assert!(bytes[offset + pages.len()..].iter().all(|byte| *byte == 0));
    }
    file.write_pages_at(&[], 0).unwrap();
    assert_eq!(file.len().unwrap(), 20_000_000);
}

fn grows_and_cuts(disk: &dyn Disk, folder: &Path) {
    let path = folder.join("file");
    let file = disk.open(&path, OpenMode::CreateNew).unwrap();
    file.write_at(b"abc", 0).unwrap();
    file.preallocate(70_000).unwrap();
    assert_eq!(file.len().unwrap(), 70_000);
    file.preallocate(10).unwrap();
    assert_eq!(file.len().unwrap(), 70_000);
    file.truncate(2).unwrap();
    file.truncate(4).unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"ab\0\0");
}

fn an_open_file_outlives_its_name(disk: &dyn Disk, folder: &Path) {
    let path = folder.join("file");
    put(disk, &path, b"kept");
    let file = disk.open(&path, OpenMode::Read).unwrap();
    disk.remove_file(&path).unwrap();
    put(disk, &path, b"next");
    disk.sync_dir(folder).unwrap();
    let mut bytes = [0; 4];
    file.read_at(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"kept");
}

fn locks_exclude(disk: &dyn Disk, folder: &Path) {
    let path = folder.join("LOCK");
    let first = disk.lock(&path).unwrap();
    assert_eq!(disk.lock(&path).unwrap_err().kind(), ErrorKind::WouldBlock);
    let _other = disk.lock(&folder.join("OTHER")).unwrap();
    drop(first);
    let _second = disk.lock(&path).unwrap();
    assert_eq!(names(disk, folder), ["LOCK", "OTHER"]);
}

fn writes_small_files(disk: &dyn Disk, folder: &Path) {
    let path = folder.join("file");
    put(disk, &folder.join("file.tmp"), b"left by a crash");
    write_new_durably(disk, &path, b"one").unwrap();
    let error = write_new_durably(disk, &path, b"two").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(disk.read(&path).unwrap(), b"one");
    write_durably(disk, &path, b"three").unwrap();
    assert_eq!(disk.read(&path).unwrap(), b"three");
    assert_eq!(names(disk, folder), ["file"]);
}

fn names_what_is_missing(disk: &dyn Disk, folder: &Path) {
    let path = folder.join("missing/file");
    let missing = [
        disk.open(&path, OpenMode::Read).err(),
        disk.open(&path, OpenMode::CreateNew).err(),
        disk.list(&path).err(),
        disk.rename(&path, &folder.join("to")).err(),
        disk.rename_new(&path, &folder.join("to")).err(),
        disk.remove_file(&path).err(),
        disk.remove_dirs(&path).err(),
        disk.sync_dir(&path).err(),
        disk.lock(&path).err(),
        disk.read(&path).err(),
    ];
    for error in missing {
        assert_eq!(error.unwrap().kind(), ErrorKind::NotFound);
    }
    assert_eq!(disk.stat(&path).unwrap(), None);
    assert!(disk.free_space(folder).unwrap().0 > 0);
}
