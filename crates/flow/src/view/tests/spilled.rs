//! State that has more groups than memory: panes come and go in the middle of checkpoints, of which
//! some are committed later and some never.

use std::collections::{BTreeMap, BTreeSet};

use mainstem_catalog::Emit;
use mainstem_kernel::Seq;

use super::{
    bed::{Bed, Frame, Group, Line, Row, SECOND, plan},
    windows::{check, emits, frames},
};
use crate::{
    pool::Pool,
    samples::{Random, Threads},
};

/// Goes through frames in steps of at most `step_max`; takes checkpoints, commits them after some
/// more steps, and crashes.
fn go_through(bed: &mut Bed, frames: &[Frame], (random, step_max): (&mut Random, usize)) {
    let (mut done, mut sealed, mut kept) = (0, 0, 0);
    while done < frames.len() {
        let end = (done + 1 + random.below(step_max)).min(frames.len());
        bed.step(&frames[done..end]);
        done = end;
        match random.below(16) {
            0 => {
                bed.crash();
                done = kept;
            }
            1..7 if bed.commit() => kept = sealed,
            7..14 => {
                // There is one checkpoint under way at a time.
                if bed.commit() {
                    kept = sealed;
                }
                bed.seal();
                sealed = done;
            }
            _ => {}
        }
    }
}

#[test]
fn windows_are_the_same_with_no_memory_for_them() {
    for emit in emits() {
        for seed in 200..206_u64 {
            let mut random = Random(seed);
            let frames = frames(&mut random, 150);
            let mut whole = Bed::new(&plan(emit, true), Pool::alone());
            whole.step(&frames);
            for (threads, size_max) in [(1, 0), (2, 0), (1, 3_000), (2, 30_000)] {
                let pool = Pool::start(&Threads::shared(), "test", threads).unwrap();
                let mut bed = Bed::small(&plan(emit, true), pool, size_max);
                go_through(&mut bed, &frames, (&mut random, 12));
                check(&bed, emit, &frames, &format!("seed {seed}, {size_max} B"));
                if emit.is_stream() {
                    assert_eq!(bed.told.all, whole.told.all, "seed {seed}, {size_max} B");
                }
            }
        }
    }
}

/// Names enough for many groups in some buckets.
fn names(count: usize) -> Vec<&'static str> {
    let name = |number| &*Box::leak(format!("device-{number}").into_boxed_str());
    (0..count).map(name).collect()
}

fn readings(names: &[&'static str], random: &mut Random, count: u64) -> Vec<Frame> {
    let frame = |number: u64| {
        let seq = Seq::from_millis(1_000_000_000 + number);
        let mut row = || {
            // Few send most.
            let most = names.len() >> random.below(8);
            Row {
                device: Some(names[random.below(most)]),
                value: random.between(-50, 50),
                at: i64::try_from(seq.millis()).unwrap() * 1_000 - SECOND,
            }
        };
        Frame {
            seq,
            rows: (0..20).map(|_| row()).collect(),
        }
    };
    (0..count).map(frame).collect()
}

#[test]
fn groups_are_the_same_with_no_memory_for_them() {
    let names = names(3_000);
    for seed in 300..302_u64 {
        let mut random = Random(seed);
        let frames = readings(&names, &mut random, 250);
        let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
        for row in frames.iter().flat_map(|frame| &frame.rows) {
            let device = row.device.unwrap();
            groups.entry(device).or_default().0.push(row.value);
        }
        let lines = groups.iter();
        let lines = lines.map(|(device, group)| group.line(&[(*device).to_owned()]));
        let expected: BTreeSet<Line> = lines.collect();
        for size_max in [0, 100_000, 400_000] {
            let plan = plan(Emit::OnUpdate { every: None }, false);
            let pool = Pool::start(&Threads::shared(), "test", 2).unwrap();
            let mut bed = Bed::small(&plan, pool, size_max);
            go_through(&mut bed, &frames, (&mut random, 9));
            let told: BTreeSet<Line> = bed.told.rows.keys().cloned().collect();
            assert_eq!(told, expected, "seed {seed}, {size_max} B");
        }
    }
}

#[test]
fn steps_keep_to_the_memory_that_state_may_take() {
    let names = names(10_000);
    let mut random = Random(11);
    let frames = readings(&names, &mut random, 500);
    let plan = plan(Emit::OnUpdate { every: None }, false);
    let mut whole = Bed::new(&plan, Pool::alone());
    whole.step(&frames);
    let size_max = whole.size() / 4;
    let mut bed = Bed::small(&plan, Pool::alone(), size_max);
    for step in frames.chunks(50) {
        bed.step(step);
        // What has changed waits for a checkpoint, which steps cannot take.
        bed.seal();
        bed.commit();
        assert!(bed.size() <= size_max, "{} of {size_max}", bed.size());
    }
    assert_eq!(bed.told.rows, whole.told.rows);
}
