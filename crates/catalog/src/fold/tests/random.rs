//! Random change sets, sensible and not: whatever is accepted keeps the invariants.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::{
    definition::{Emit, ViewSpec},
    samples::{ON_CLOSE, ON_UPDATE, Random, counts, owners, view},
};

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

/// What must hold of any definitions.
fn check(definitions: &Definitions) {
    let mut names: BTreeMap<&str, Vec<Object<'_>>> = BTreeMap::new();
    let streams = definitions.streams.values().map(Object::Stream);
    let tables = definitions.tables.values().map(Object::Table);
    let views = definitions.views.values().map(Object::View);
    for object in streams.chain(tables).chain(views) {
        let has_name = match object {
            Object::View(def) => def.is_running(),
            _ => object.dropped().is_none(),
        };
        if has_name {
            names
                .entry(object.name().as_str())
                .or_default()
                .push(object);
        }
        assert!(object.id() < definitions.next_stream);
    }
    assert_eq!(
        names.len(),
        definitions.names.len(),
        "every name is found and no other"
    );
    for (name, holders) in &names {
        let found = definitions.object(TenantId::ONLY, name).unwrap();
        assert!(holders.contains(&found), "{name}");
        let stages: Vec<Stage> = holders
            .iter()
            .filter_map(|object| match object {
                Object::View(def) => Some(def.stage),
                _ => None,
            })
            .collect();
        match stages.as_slice() {
            [] | [_] => assert_eq!(holders.len(), 1, "{name}"),
            [one, two] => {
                assert_ne!(one, two, "{name}");
                let Object::View(def) = found else {
                    panic!("{name}")
                };
                assert_eq!(def.stage, Stage::Live, "{name}");
            }
            more => panic!("{name}: {more:?}"),
        }
    }
    definitions
        .views
        .values()
        .for_each(|def| check_view(definitions, def));
}

fn check_view(definitions: &Definitions, def: &Arc<crate::ViewDef>) {
    if !def.is_running() {
        return;
    }
    let letters = &definitions.streams[&def.letters];
    let name = &def.spec.name;
    assert_eq!(
        (letters.dropped, letters.spec.name.to_string()),
        (None, format!("{name}_dead_letters"))
    );
    assert_eq!(def.late.is_some(), def.spec.emit.has_late());
    if let Some(late) = def.late {
        let late = &definitions.streams[&late];
        assert_eq!(
            (late.dropped, late.spec.name.to_string()),
            (None, format!("{name}_late"))
        );
    }
    for read in &def.spec.reads {
        assert!(*read < def.id, "inputs come first");
        let Some(Object::View(input)) = definitions.by_id(*read) else {
            continue;
        };
        let is_fine = !matches!(
            (input.stage, def.stage),
            (Stage::Replaced { .. }, _) | (Stage::Building, Stage::Live)
        );
        assert!(
            is_fine || input.dropped.is_some(),
            "{name} reads {}",
            input.spec.name
        );
    }
}

fn any<'a, T>(random: &mut Random, from: impl Iterator<Item = &'a T>) -> Option<&'a T> {
    let all: Vec<&T> = from.collect();
    (!all.is_empty()).then(|| all[random.below(all.len())])
}

fn change(random: &mut Random, now: &Definitions) -> Option<Change> {
    let name = StreamName::new(NAMES[random.below(NAMES.len())]).unwrap();
    let stream = any(random, now.streams.keys()).copied();
    let table = any(random, now.tables.keys()).copied();
    let view_id = any(random, now.views.keys()).copied();
    Some(match random.below(16) {
        0 => create(StreamSpec { name, ..orders() }),
        1 => Change::CreateTable(crate::TableSpec { name, ..owners() }),
        2..=5 => {
            let emit = [ON_UPDATE, ON_CLOSE, Emit::Append][random.below(3)];
            let running = now.views.values().filter(|def| def.is_running());
            let inputs: Vec<StreamId> = now
                .tables
                .keys()
                .copied()
                .chain(now.streams.keys().copied())
                .chain(running.map(|def| def.id))
                .collect();
            let read = inputs.get(random.below(inputs.len()))?.0;
            view(counts(name.as_str(), emit, &[read]))
        }
        6 => Change::DropStream { id: stream? },
        7 => Change::RestoreStream { id: stream? },
        8 => Change::DropTable { id: table? },
        9 => Change::RestoreTable { id: table? },
        10 => Change::DropView { id: view_id? },
        11 => Change::RestoreView { id: view_id? },
        12 => {
            let spec = now.views[&view_id?].spec.clone();
            Change::AlterView {
                id: view_id?,
                spec: ViewSpec { name, ..spec },
            }
        }
        13 => Change::SwapView { id: view_id? },
        14 => now
            .due(Timestamp::from_millis(i64::MAX / 4))
            .next()?
            .forget(),
        _ => Change::SetApp(AppDef {
            tenant: TenantId::ONLY,
            name: AppName::new("shop").unwrap(),
            version: None,
            revision: now
                .app(TenantId::ONLY, "shop")
                .map_or(0, |app| app.revision)
                + 1,
            files: BTreeMap::new(),
        }),
    })
}

#[test]
fn whatever_is_accepted_keeps_the_invariants() {
    let (mut accepted, mut refused, mut swapped) = (0, 0, 0);
    for seed in 1..=100_u64 {
        let mut random = Random(seed * 0x9e37_79b9);
        let mut now = Definitions::default();
        for day in 1..=120 {
            let changes: Vec<Change> = (0..=random.below(3))
                .filter_map(|_| change(&mut random, &now))
                .collect();
            match fold(now.clone(), &set(changes), at(day)) {
                Ok(next) => {
                    check(&next);
                    accepted += 1;
                    now = next;
                }
                Err(_) => refused += 1,
            }
            let ready: BTreeSet<StreamId> = now
                .views
                .keys()
                .copied()
                .filter(|_| random.below(2) == 0)
                .collect();
            let chosen = now.swappable(&ready);
            if !chosen.is_empty() {
                swapped += chosen.len();
                let swaps = chosen
                    .into_iter()
                    .map(|id| Change::SwapView { id })
                    .collect();
                now = fold(now, &set(swaps), at(day)).unwrap_or_else(|error| {
                    panic!("seed {seed}, day {day}: what can be swapped was refused: {error}")
                });
                check(&now);
            }
        }
    }
    let exercised = (accepted > 2_000, refused > 1_000, swapped > 300);
    assert_eq!(
        exercised,
        (true, true, true),
        "{accepted}, {refused}, {swapped}"
    );
}
