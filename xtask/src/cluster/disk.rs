//! Disks of brokers that can be full: `cargo xtask cluster up --kafka-disk-mib N` gives each broker one of
//! that size, in memory; `fill NAME` leaves no room on it, and `empty NAME` takes that back.
//!
//! It never fills a disk that anything else is on. Only root may mount one, on Linux.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

use super::{
    form::{Engine, Kind},
    place::Place,
    process,
    trouble::hinted,
};
use crate::shell;

/// What takes the room.
const FILLER: &str = "somebody-elses-file";

/// Gives every broker a disk of its own, unless it has one.
pub(crate) fn give(place: &Place, mib: u32) -> Result<()> {
    for broker in place.form.of_kind(Kind::Kafka) {
        let data = data(place, &broker);
        if is_mounted(&data)? {
            continue;
        }
        ensure!(
            !data.join("meta.properties").exists(),
            hinted(
                format!("{} has data on the machine's own disk", broker.name()),
                "cargo xtask cluster down --purge, then up with --kafka-disk-mib",
            )
        );
        fs::create_dir_all(&data)?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]);
        shell::output(mount.arg(&data)).map_err(|error| {
            hinted(
                format!("{error:#}"),
                "a disk of its own is mounted by root, on Linux; without --kafka-disk-mib nobody needs one",
            )
        })?;
    }
    Ok(())
}

/// Whether this machine lets us give disks.
pub(crate) fn can_be_given() -> bool {
    let words = shell::output(Command::new("id").arg("-u")).unwrap_or_default();
    cfg!(target_os = "linux") && words.trim() == "0"
}

/// Leaves no room on a broker's disk.
pub(crate) fn fill(root: &Path, name: &str) -> Result<()> {
    const CHUNKS: [usize; 3] = [1 << 20, 4096, 1];
    let data = running(root, name)?.join("data");
    ensure!(
        is_mounted(&data)?,
        hinted(
            format!("{name} has no disk of its own: the machine's would be filled"),
            "cargo xtask cluster down --purge, then up --kafka-disk-mib 256",
        )
    );
    let mut file = File::create(data.join(FILLER))?;
    for bytes in CHUNKS {
        let chunk = vec![0; bytes];
        loop {
            match file.write_all(&chunk) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => break,
                Err(error) => return Err(error).context("filling the disk"),
            }
        }
    }
    Ok(())
}

/// Takes it back.
pub(crate) fn empty(places: &[Place], name: &str) -> Result<()> {
    for place in places {
        for broker in place.form.of_kind(Kind::Kafka) {
            let filler = data(place, &broker).join(FILLER);
            if broker.name() == name && filler.exists() {
                fs::remove_file(filler)?;
                return Ok(());
            }
        }
    }
    bail!("the disk of {name} was not filled")
}

/// Gives back all disks under `root`, with what is on them.
pub(crate) fn take_back(root: &Path) -> Result<()> {
    for mounted in mounts()?.iter().filter(|path| path.starts_with(root)) {
        // A mount of somebody else's there is not ours to end.
        if mounted.file_name().is_some_and(|name| name == "data") {
            shell::output(Command::new("umount").arg(mounted))?;
        }
    }
    Ok(())
}

fn data(place: &Place, broker: &Engine) -> PathBuf {
    place.folder(broker).join("data")
}

/// The folder of a broker that runs.
fn running(root: &Path, name: &str) -> Result<PathBuf> {
    let mut running = process::running(root)?.into_iter();
    let found = running.find(|process| process.folder.ends_with(name));
    Ok(found
        .with_context(|| format!("{name} does not run"))?
        .folder)
}

fn is_mounted(folder: &Path) -> Result<bool> {
    Ok(mounts()?.iter().any(|mounted| mounted == folder))
}

fn mounts() -> Result<Vec<PathBuf>> {
    // Where there is no such file, nothing was mounted.
    let text = match fs::read_to_string("/proc/mounts") {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        text => text?,
    };
    Ok(tmpfs(&text))
}

/// Device, folder, kind, …
fn tmpfs(text: &str) -> Vec<PathBuf> {
    let words = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    words
        .filter(|words| words.get(2) == Some(&"tmpfs"))
        .filter_map(|words| Some(PathBuf::from(*words.get(1)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_disks_in_memory_among_mounts() {
        let text = "/dev/vda / ext4 rw 0 0\ntmpfs /t/1-1/kafka-1/data tmpfs rw,size=1024k 0 0\n";
        assert_eq!(tmpfs(text), [PathBuf::from("/t/1-1/kafka-1/data")]);
    }
}
