//! Windows against a model in plain maps, however the log is cut, threads work and crashes fall.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mainstem_catalog::Emit;
use mainstem_kernel::Seq;

use super::bed::{BEFORE, Bed, DELAY, Frame, Group, Line, MINUTE, Row, SECOND, plan, time};
use crate::{
    pool::Pool,
    samples::{Random, Threads},
};

const CORRECTIONS: i64 = 2 * MINUTE;
const DEVICES: [Option<&str>; 5] = [
    Some("a"),
    Some("b"),
    Some("c"),
    Some("a-device-with-a-long-name"),
    None,
];

pub(super) fn emits() -> [Emit; 3] {
    let span = |micros: i64| Some(Duration::from_micros(micros.unsigned_abs()));
    [
        Emit::OnWindowClose { corrections: None },
        Emit::OnWindowClose {
            corrections: span(CORRECTIONS),
        },
        Emit::OnUpdate { every: None },
    ]
}

/// Frames whose times go on, mostly in order, sometimes late, sometimes very late, sometimes far
/// ahead.
pub(super) fn frames(random: &mut Random, count: usize) -> Vec<Frame> {
    let mut millis = 1_000_000_000_u64;
    let mut frames: Vec<Frame> = Vec::new();
    while frames.len() < count {
        millis += random.number() % 8_000;
        let seq = Seq(Seq::from_millis(millis).0 + random.number() % 3);
        if frames.last().is_some_and(|frame| frame.seq >= seq) {
            continue;
        }
        let now = i64::try_from(millis).unwrap() * 1_000;
        let mut row = || {
            let behind = match random.below(20) {
                0 => random.between(0, 5 * MINUTE),
                1 => -random.between(6 * MINUTE, 9 * MINUTE),
                _ => random.between(0, 15 * SECOND),
            };
            Row {
                device: DEVICES[random.below(5)],
                value: random.between(-50, 50),
                at: now - behind,
            }
        };
        let rows = vec![row(), row(), row()];
        frames.push(Frame { seq, rows });
    }
    frames
}

/// What the rules say, row by row.
#[derive(Debug)]
struct Model {
    groups: BTreeMap<(i64, Option<&'static str>), Group>,
    late: usize,
    letters: usize,
    greatest: i64,
}

impl Model {
    fn of(emit: Emit, frames: &[Frame]) -> Self {
        let keep = match emit {
            Emit::OnWindowClose {
                corrections: Some(_),
            } => CORRECTIONS,
            _ => 0,
        };
        let mut model = Self {
            groups: BTreeMap::new(),
            late: 0,
            letters: 0,
            greatest: BEFORE,
        };
        for frame in frames {
            let watermark = model.watermark();
            let arrival = frame.seq.arrival().0;
            for row in &frame.rows {
                let start = row.at - row.at.rem_euclid(MINUTE);
                if watermark != BEFORE && start + MINUTE + keep <= watermark {
                    *(if emit.is_stream() {
                        &mut model.late
                    } else {
                        &mut model.letters
                    }) += 1;
                } else if row.at > arrival + 5 * MINUTE {
                    model.letters += 1;
                } else {
                    model
                        .groups
                        .entry((start, row.device))
                        .or_default()
                        .0
                        .push(row.value);
                }
            }
            let within = frame
                .rows
                .iter()
                .filter(|row| row.at <= arrival + 5 * MINUTE);
            model.greatest = within
                .map(|row| row.at)
                .max()
                .unwrap_or(BEFORE)
                .max(model.greatest);
        }
        model
    }

    fn watermark(&self) -> i64 {
        if self.greatest == BEFORE {
            BEFORE
        } else {
            self.greatest - DELAY
        }
    }

    /// The rows that should be there.
    fn rows(&self, emit: Emit) -> BTreeSet<Line> {
        let updates = matches!(emit, Emit::OnUpdate { .. });
        let is_shown = |start: i64| updates || start + MINUTE <= self.watermark();
        let shown = self
            .groups
            .iter()
            .filter(|((start, _), _)| is_shown(*start));
        let line = |((start, device), group): (&(i64, Option<&'static str>), &Group)| {
            let device = device.unwrap_or("NULL").to_owned();
            group.line(&[time(*start), time(start + MINUTE), device])
        };
        shown.map(line).collect()
    }
}

/// Runs frames through a bed, cut into steps at random.
pub(super) fn run(bed: &mut Bed, frames: &[Frame], random: &mut Random, step_max: usize) {
    let mut rest = frames;
    while !rest.is_empty() {
        let (step, after) = rest.split_at((1 + random.below(step_max)).min(rest.len()));
        bed.step(step);
        rest = after;
    }
}

pub(super) fn check(bed: &Bed, emit: Emit, frames: &[Frame], what: &str) {
    let model = Model::of(emit, frames);
    let rows: BTreeSet<Line> = bed.told.rows.keys().cloned().collect();
    assert_eq!(rows, model.rows(emit), "{emit:?} {what}");
    let aside = (bed.told.aside.late.len(), bed.told.aside.letters.len());
    assert_eq!(aside, (model.late, model.letters), "{emit:?} {what}");
}

#[test]
fn rows_are_those_of_the_rules_however_the_log_is_cut() {
    for emit in emits() {
        for seed in 1..25_u64 {
            let mut random = Random(seed);
            let frames = frames(&mut random, 120);
            let mut order = Vec::new();
            for (threads, step_max) in [(1, 1), (1, 1_000), (1, 7), (2, 5), (8, 30)] {
                let pool = Pool::start(&Threads::shared(), "test", threads).unwrap();
                let mut bed = Bed::new(&plan(emit, true), pool);
                run(&mut bed, &frames, &mut random, step_max);
                check(
                    &bed,
                    emit,
                    &frames,
                    &format!("seed {seed}, {threads} threads, steps of {step_max}"),
                );
                if emit.is_stream() {
                    assert!(bed.told.all.len() > 20 && !bed.told.aside.late.is_empty());
                    order.push(bed.told.all.clone());
                }
            }
            let same = order.iter().all(|told| *told == order[0]);
            assert!(same, "rows of a stream come in one order, seed {seed}");
        }
    }
}

/// Runs frames with crashes, checkpoints and sealed state at random; a crash goes back to what was kept.
pub(super) fn run_dying(bed: &mut Bed, frames: &[Frame], random: &mut Random) {
    let (mut done, mut kept) = (0, 0);
    while done < frames.len() {
        let end = (done + 1 + random.below(10)).min(frames.len());
        bed.step(&frames[done..end]);
        done = end;
        match random.below(5) {
            0 => {
                bed.crash();
                done = kept;
            }
            1 | 2 => {
                bed.checkpoint();
                kept = done;
            }
            3 => {
                bed.seal();
                bed.commit();
                kept = done;
            }
            _ => {}
        }
    }
}

#[test]
fn a_crash_changes_nothing() {
    for emit in emits() {
        for seed in 100..125_u64 {
            let mut random = Random(seed);
            let frames = frames(&mut random, 120);
            let mut whole = Bed::new(&plan(emit, true), Pool::alone());
            run(&mut whole, &frames, &mut random, 9);
            let mut bed = Bed::new(&plan(emit, true), Pool::alone());
            let (mut done, mut kept) = (0, 0);
            while done < frames.len() {
                let end = (done + 1 + random.below(10)).min(frames.len());
                bed.step(&frames[done..end]);
                done = end;
                match random.below(4) {
                    0 => {
                        bed.crash();
                        done = kept;
                    }
                    1 | 2 => {
                        bed.checkpoint();
                        kept = done;
                    }
                    _ => {}
                }
                if random.below(3) == 0 {
                    bed.let_go();
                }
            }
            check(&bed, emit, &frames, &format!("seed {seed}"));
            if emit.is_stream() {
                assert_eq!(bed.told.all, whole.told.all, "seed {seed}");
            }
        }
    }
}

#[test]
fn state_of_windows_that_are_over_is_gone() {
    for emit in emits() {
        let mut random = Random(77);
        let mut bed = Bed::new(&plan(emit, true), Pool::alone());
        for frame in frames(&mut random, 400) {
            bed.step(&[frame]);
            bed.checkpoint();
        }
        // Of the few windows that are open or kept, one entry each and some pieces per bucket.
        assert!(
            bed.watermark() != BEFORE && bed.kept_entries() < 120,
            "{}",
            bed.kept_entries()
        );
    }
}

#[test]
fn groups_without_windows_are_told_as_they_change() {
    let emit = Emit::OnUpdate { every: None };
    for seed in 1..20_u64 {
        let mut random = Random(seed);
        let frames = frames(&mut random, 100);
        let mut bed = Bed::new(&plan(emit, false), Pool::alone());
        let mut groups: BTreeMap<Option<&str>, Group> = BTreeMap::new();
        for step in frames.chunks(3) {
            bed.step(step);
            for row in step.iter().flat_map(|frame| &frame.rows) {
                groups.entry(row.device).or_default().0.push(row.value);
            }
            let line = |(device, group): (&Option<&str>, &Group)| {
                group.line(&[device.unwrap_or("NULL").to_owned()])
            };
            let expected: BTreeSet<Line> = groups.iter().map(line).collect();
            assert_eq!(
                bed.told.rows.keys().cloned().collect::<BTreeSet<_>>(),
                expected,
                "seed {seed}"
            );
            if random.below(2) == 0 {
                bed.checkpoint();
                bed.crash();
            }
        }
        assert!(bed.told.aside.letters.is_empty() && bed.told.aside.late.is_empty());
    }
}
