//! Every operator of views, as a user writes it: each folder of `tests/operators` is an application
//! with its cases.

use crate::world::{World, repository};

#[test]
fn every_operator_does_what_its_cases_say() {
    let world = World::new();
    let folder = repository().join("crates/mainstem/tests/operators");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut folders: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(!folders.is_empty());
    for folder in folders {
        world.ok(&["test", &folder.display().to_string()]);
    }
}
