//! Windows that overlap against a model in plain maps, however the log is cut, threads work and
//! crashes fall, with all state in memory and with hardly any.

use std::collections::{BTreeMap, BTreeSet};

use mainstem_catalog::Emit;
use mainstem_sql::view::{WindowKind, Windows};

use super::{
    bed::{BEFORE, Bed, DELAY, Frame, Group, Line, MINUTE, SECOND, plan_over, time},
    windows::{emits, frames, run, run_dying},
};
use crate::{
    pool::Pool,
    samples::{Random, Threads},
};

/// Windows of both kinds: long ones with many panes, short ones, ones whose panes nobody fills.
fn all() -> Vec<Windows> {
    let windows = |kind, slide_us, panes: i64, offset_us| Windows {
        kind,
        size_us: slide_us * panes,
        slide_us,
        offset_us,
        zone: None,
    };
    let mut all = Vec::new();
    for kind in [WindowKind::Hopping, WindowKind::Cumulating] {
        all.push(windows(kind, 20 * SECOND, 3, 0));
        all.push(windows(kind, 7 * SECOND, 10, 3));
        all.push(windows(kind, MINUTE, 1, 0));
        all.push(windows(kind, SECOND / 2, 40, -11));
    }
    all
}

/// The windows of a time, in the plainest way.
fn windows_of(windows: &Windows, at: i64) -> Vec<(i64, i64)> {
    let before = |slide: i64| at - (at - windows.offset_us).rem_euclid(slide);
    let panes = windows.size_us / windows.slide_us;
    let each = |n: i64| match windows.kind {
        WindowKind::Cumulating => {
            let start = before(windows.size_us);
            (start, start + (n + 1) * windows.slide_us)
        }
        _ => {
            let start = before(windows.slide_us) - n * windows.slide_us;
            (start, start + windows.size_us)
        }
    };
    let of = (0..panes).map(each);
    of.filter(|(start, end)| (*start..*end).contains(&at))
        .collect()
}

/// What the rules say, row by row.
#[derive(Debug)]
struct Model {
    groups: BTreeMap<((i64, i64), Option<&'static str>), Group>,
    late: usize,
    /// Rows that were late for some of their windows, and counted in the others.
    partly: usize,
    letters: usize,
    greatest: i64,
}

impl Model {
    fn of((emit, windows): (Emit, &Windows), frames: &[Frame]) -> Self {
        let keep = match emit {
            Emit::OnWindowClose {
                corrections: Some(span),
            } => i64::try_from(span.as_micros()).unwrap(),
            _ => 0,
        };
        let mut model = Self {
            groups: BTreeMap::new(),
            late: 0,
            partly: 0,
            letters: 0,
            greatest: BEFORE,
        };
        for frame in frames {
            let watermark = model.watermark();
            let limit = frame.seq.arrival().0 + 5 * MINUTE;
            for row in &frame.rows {
                let all = windows_of(windows, row.at);
                let is_open = |end: i64| watermark == BEFORE || end > watermark - keep;
                let open: Vec<_> = all.iter().filter(|(_, end)| is_open(*end)).collect();
                if open.is_empty() {
                    match emit.is_stream() {
                        true => model.late += 1,
                        false => model.letters += 1,
                    }
                } else if row.at > limit {
                    model.letters += 1;
                } else {
                    model.partly += usize::from(open.len() < all.len());
                    for window in open {
                        let group = model.groups.entry((*window, row.device)).or_default();
                        group.0.push(row.value);
                    }
                }
            }
            let times = frame.rows.iter().map(|row| row.at);
            let within = times.filter(|at| *at <= limit);
            model.greatest = within.max().unwrap_or(BEFORE).max(model.greatest);
        }
        model
    }

    fn watermark(&self) -> i64 {
        match self.greatest {
            BEFORE => BEFORE,
            greatest => greatest - DELAY,
        }
    }

    /// The rows that should be there.
    fn rows(&self, emit: Emit) -> BTreeSet<Line> {
        let updates = matches!(emit, Emit::OnUpdate { .. });
        let groups = self.groups.iter();
        let shown = groups.filter(|(((_, end), _), _)| updates || *end <= self.watermark());
        let line = |(((start, end), device), group): (&((i64, i64), Option<&str>), &Group)| {
            let device = device.unwrap_or("NULL").to_owned();
            group.line(&[time(*start), time(*end), device])
        };
        shown.map(line).collect()
    }
}

fn check(bed: &Bed, (emit, windows): (Emit, &Windows), frames: &[Frame], what: &str) {
    let model = Model::of((emit, windows), frames);
    let rows: BTreeSet<Line> = bed.told.rows.keys().cloned().collect();
    assert_eq!(rows, model.rows(emit), "{emit:?} {windows} {what}");
    let aside = (bed.told.aside.late.len(), bed.told.aside.letters.len());
    let expected = (model.late, model.letters);
    assert_eq!(aside, expected, "{emit:?} {windows} {what}");
}

#[test]
fn rows_count_in_the_windows_that_are_open_however_the_log_is_cut() {
    let mut partly = 0;
    for windows in all() {
        for emit in emits() {
            for seed in 1..3_u64 {
                let mut random = Random(seed);
                let frames = frames(&mut random, 60);
                let mut order = Vec::new();
                for (threads, step_max) in [(1, 1), (1, 1_000), (2, 7), (8, 30)] {
                    let pool = Pool::start(&Threads::shared(), "test", threads).unwrap();
                    let mut bed = Bed::new(&plan_over(emit, Some(&windows)), pool);
                    run(&mut bed, &frames, &mut random, step_max);
                    let what = format!("seed {seed}, {threads} threads, steps of {step_max}");
                    check(&bed, (emit, &windows), &frames, &what);
                    if emit.is_stream() {
                        order.push(bed.told.all.clone());
                    }
                }
                let same = order.iter().all(|told| *told == order[0]);
                assert!(same, "rows of a stream come in one order, seed {seed}");
                partly += Model::of((emit, &windows), &frames).partly;
            }
        }
    }
    assert!(partly > 20, "{partly} rows were late for some windows");
}

#[test]
fn crashes_and_little_memory_change_nothing() {
    for windows in all() {
        for emit in emits() {
            for seed in 100..102_u64 {
                let mut random = Random(seed);
                let frames = frames(&mut random, 60);
                let plan = plan_over(emit, Some(&windows));
                let mut whole = Bed::new(&plan, Pool::alone());
                run(&mut whole, &frames, &mut random, 9);
                let size_max = [0, 1 << 14, usize::MAX][random.below(3)];
                let mut bed = Bed::small(&plan, Pool::alone(), size_max);
                run_dying(&mut bed, &frames, &mut random);
                check(&bed, (emit, &windows), &frames, &format!("seed {seed}"));
                if emit.is_stream() {
                    assert_eq!(bed.told.all, whole.told.all, "{windows} seed {seed}");
                }
            }
        }
    }
}

#[test]
fn state_of_slices_that_are_over_is_gone() {
    for windows in all() {
        for emit in emits() {
            let mut random = Random(77);
            let mut bed = Bed::new(&plan_over(emit, Some(&windows)), Pool::alone());
            for frame in frames(&mut random, 120) {
                bed.step(&[frame]);
                bed.checkpoint();
            }
            let open = windows.size_us + DELAY + 3 * MINUTE;
            // An entry for each slice and some pieces for the keys of each.
            let most = (open / windows.slide_us + 40) * 12;
            assert!(
                bed.watermark() != BEFORE && (bed.kept_entries() as i64) < most,
                "{windows} {emit:?}: {} of {most}",
                bed.kept_entries()
            );
        }
    }
}
