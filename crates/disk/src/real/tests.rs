use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::contract;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_is_a_disk() {
    let folder = TempDir::new().unwrap();
    contract::keeps_every_promise(&RealDisk, folder.path());
}

#[test]
fn new_files_and_directories_belong_to_their_owner_alone() {
    let folder = TempDir::new().unwrap();
    let inner = folder.path().join("a/b");
    RealDisk.create_dirs(&inner).unwrap();
    RealDisk
        .open(&inner.join("file"), OpenMode::CreateNew)
        .unwrap();
    let _lock = RealDisk.lock(&inner.join("LOCK")).unwrap();

    assert_eq!(mode(&folder.path().join("a")), 0o700);
    assert_eq!(mode(&inner), 0o700);
    assert_eq!(mode(&inner.join("file")), 0o600);
    assert_eq!(mode(&inner.join("LOCK")), 0o600);
}

#[test]
fn more_buffers_than_one_call_takes_arrive_in_order() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    let pieces: Vec<Vec<u8>> = (0..3_000_u32).map(|n| n.to_le_bytes().to_vec()).collect();
    let buffers: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();

    let file = RealDisk.open(&path, OpenMode::CreateNew).unwrap();
    file.write_vectored_at(&buffers, 0).unwrap();

    assert_eq!(RealDisk.read(&path).unwrap(), pieces.concat());
}

#[test]
fn preallocated_bytes_take_real_blocks() {
    use std::os::unix::fs::MetadataExt;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("file");
    let len = 3 * (1 << 20) + 17;

    RealDisk
        .open(&path, OpenMode::CreateNew)
        .unwrap()
        .preallocate(len)
        .unwrap();

    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.len(), len);
    assert!(
        metadata.blocks() * 512 >= len,
        "{} blocks",
        metadata.blocks()
    );
}

#[test]
fn other_programs_find_a_file_by_its_whole_path() {
    let native = RealDisk.native_path(Path::new("some/file")).unwrap();
    assert!(
        native.is_absolute() && native.ends_with("some/file"),
        "{}",
        native.display()
    );
}
