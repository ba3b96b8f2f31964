//! Copies on the twin disk: whole, or not a copy.

use mainstem_disk::{Cut, TwinDisk, write_durably};
use mainstem_kernel::{Fault, Position, Seq};

use super::{copy::Copier, manifest::MANIFEST_FILE, restore::restore_on, *};

const DATA: &str = "/data";
const COPY: &str = "/copy";

/// A disk with a small data folder and a finished backup of it.
fn with_backup() -> TwinDisk {
    let disk = TwinDisk::default();
    for folder in [DATA, "/data/journal"] {
        disk.create_dirs(Path::new(folder)).unwrap();
    }
    let files: [(&str, &[u8]); 3] = [
        ("FORMAT", b"mainstem data 1\n"),
        ("admin.key", b"key"),
        ("journal/0001", &[7; 3_000_000]),
    ];
    let mut copier = Copier::new(&disk, COPY.into()).unwrap();
    for (name, bytes) in files {
        let path = Path::new(DATA).join(name);
        write_durably(&disk, &path, bytes).unwrap();
        copier.copy(&path, name, None).unwrap();
    }
    copier.finish(Position::at(Seq(7))).unwrap();
    disk
}

fn code(outcome: Result<BackupSummary, CopyError>) -> &'static str {
    outcome.map_or_else(|error| error.answer().code.as_str(), |_| "restored")
}

fn restore_to(disk: &TwinDisk, data: &str) -> Result<BackupSummary, CopyError> {
    restore_on(disk, Path::new(COPY), Path::new(data))
}

#[test]
fn a_restored_folder_has_the_same_bytes_and_survives_a_power_cut() {
    let disk = with_backup();
    let summary = restore_to(&disk, "/new").unwrap();
    assert_eq!((summary.files, summary.position), (3, Position::at(Seq(7))));
    let disk = disk.cut_power(Cut::DropAll);
    for name in ["FORMAT", "admin.key", "journal/0001"] {
        let expected = disk.read(&Path::new(DATA).join(name)).unwrap();
        assert!(
            disk.read(&Path::new("/new").join(name)).unwrap() == expected,
            "{name}"
        );
    }
}

#[test]
fn a_damaged_backup_is_named_before_anything_is_written() {
    for (name, bytes) in [("admin.key", &b"kez"[..]), ("journal/0001", &b"short"[..])] {
        let disk = with_backup();
        write_durably(&disk, &Path::new(COPY).join(name), bytes).unwrap();
        assert_eq!(code(restore_to(&disk, "/new")), "NODE-013", "{name}");
        assert!(disk.stat(Path::new("/new")).unwrap().is_none(), "{name}");
    }
    let disk = with_backup();
    disk.remove_file(&Path::new(COPY).join("FORMAT")).unwrap();
    assert_eq!(code(restore_to(&disk, "/new")), "NODE-013");
}

#[test]
fn what_is_no_backup_or_no_empty_folder_is_refused() {
    let disk = with_backup();
    assert_eq!(code(restore_to(&disk, DATA)), "NODE-011");
    let manifest = Path::new(COPY).join(MANIFEST_FILE);
    let text = String::from_utf8(disk.read(&manifest).unwrap()).unwrap();
    for outside in ["../admin.key", "/admin.key"] {
        let changed = text.replace("\"admin.key\"", &format!("\"{outside}\""));
        write_durably(&disk, &manifest, changed.as_bytes()).unwrap();
        assert_eq!(code(restore_to(&disk, "/new")), "NODE-014", "{outside}");
    }
    write_durably(&disk, &manifest, text.replace("1,", "2,").as_bytes()).unwrap();
    assert_eq!(code(restore_to(&disk, "/new")), "NODE-002");
    disk.remove_file(&manifest).unwrap();
    assert_eq!(code(restore_to(&disk, "/new")), "NODE-014");
}

#[test]
fn a_backup_goes_to_an_absolute_folder_outside_of_the_data() {
    let check = |folder: &str| checked_place(Path::new(folder), Path::new(DATA)).is_ok();
    assert!(check("/backups/today"));
    assert!(!check("today") && !check("/data/backup") && !check("/x/../data/backup"));
}
