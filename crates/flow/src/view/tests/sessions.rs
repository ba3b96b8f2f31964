//! Session windows against a model that sorts what counts, however the log is cut, threads work and
//! crashes fall, with all state in memory and with hardly any.

use std::collections::{BTreeMap, BTreeSet};

use mainstem_catalog::Emit;
use mainstem_sql::view::{WindowKind, Windows};

use super::{
    bed::{BEFORE, Bed, DELAY, Frame, Group, Line, MINUTE, SECOND, plan_over, time},
    windows::{frames, run, run_dying},
};
use crate::{
    pool::Pool,
    samples::{Random, Threads},
};

const EMIT: Emit = Emit::OnWindowClose { corrections: None };
/// Shorter than between two rows mostly, about as long, and so long that sessions hardly end.
const GAPS: [i64; 4] = [SECOND / 2, 7 * SECOND, 20 * SECOND, 2 * MINUTE];

fn sessions(gap_us: i64) -> Windows {
    Windows {
        kind: WindowKind::Session,
        size_us: gap_us,
        slide_us: gap_us,
        offset_us: 0,
        zone: None,
    }
}

/// What the rules say.
#[derive(Debug, Default)]
struct Model {
    rows: BTreeSet<Line>,
    /// Sessions of several rows.
    joined: usize,
    late: usize,
    letters: usize,
}

impl Model {
    fn of(gap: i64, frames: &[Frame]) -> Self {
        let mut model = Self::default();
        let mut counted: BTreeMap<Option<&str>, Vec<(i64, i64)>> = BTreeMap::new();
        let mut watermark = BEFORE;
        for frame in frames {
            let limit = frame.seq.arrival().0 + 5 * MINUTE;
            for row in &frame.rows {
                match (row.at < watermark, row.at > limit) {
                    (true, _) => model.late += 1,
                    (false, true) => model.letters += 1,
                    (false, false) => {
                        let of_device = counted.entry(row.device).or_default();
                        of_device.push((row.at, row.value));
                    }
                }
            }
            let times = frame.rows.iter().map(|row| row.at);
            let greatest = times.filter(|at| *at <= limit).max();
            watermark = watermark.max(greatest.map_or(BEFORE, |greatest| greatest - DELAY));
        }
        for (device, mut rows) in counted {
            rows.sort_unstable();
            for session in rows.chunk_by(|(a, _), (b, _)| b - a < gap) {
                let (start, end) = (session[0].0, session[session.len() - 1].0 + gap);
                if end > watermark {
                    continue;
                }
                model.joined += usize::from(session.len() > 1);
                let group = Group(session.iter().map(|(_, value)| *value).collect());
                let device = device.unwrap_or("NULL").to_owned();
                model
                    .rows
                    .insert(group.line(&[time(start), time(end), device]));
            }
        }
        model
    }
}

fn check(bed: &Bed, gap: i64, frames: &[Frame], what: &str) -> Model {
    let model = Model::of(gap, frames);
    let rows: BTreeSet<Line> = bed.told.rows.keys().cloned().collect();
    assert_eq!(rows, model.rows, "gap {gap} {what}");
    let aside = (bed.told.aside.late.len(), bed.told.aside.letters.len());
    assert_eq!(aside, (model.late, model.letters), "gap {gap} {what}");
    model
}

#[test]
fn sessions_are_what_lies_between_gaps_however_the_log_is_cut() {
    let (mut told, mut joined) = (0, 0);
    for gap in GAPS {
        for seed in 1..25_u64 {
            let mut random = Random(seed);
            let frames = frames(&mut random, 120);
            let mut order = Vec::new();
            for (threads, step_max) in [(1, 1), (1, 1_000), (1, 7), (2, 5), (8, 30)] {
                let pool = Pool::start(&Threads::shared(), "test", threads).unwrap();
                let mut bed = Bed::new(&plan_over(EMIT, Some(&sessions(gap))), pool);
                run(&mut bed, &frames, &mut random, step_max);
                let what = format!("seed {seed}, {threads} threads, steps of {step_max}");
                let model = check(&bed, gap, &frames, &what);
                told += model.rows.len();
                joined += model.joined;
                order.push(bed.told.all.clone());
            }
            let same = order.iter().all(|told| *told == order[0]);
            assert!(same, "sessions come in one order, gap {gap}, seed {seed}");
        }
    }
    assert!(
        told > 10_000 && joined > 1_000,
        "{told} told, {joined} of several rows"
    );
}

#[test]
fn crashes_and_little_memory_change_no_session() {
    for gap in GAPS {
        for seed in 100..120_u64 {
            let mut random = Random(seed);
            let frames = frames(&mut random, 120);
            let plan = plan_over(EMIT, Some(&sessions(gap)));
            let mut whole = Bed::new(&plan, Pool::alone());
            run(&mut whole, &frames, &mut random, 9);
            let size_max = [0, 1 << 14, usize::MAX][random.below(3)];
            let mut bed = Bed::small(&plan, Pool::alone(), size_max);
            run_dying(&mut bed, &frames, &mut random);
            check(&bed, gap, &frames, &format!("seed {seed}"));
            assert_eq!(bed.told.all, whole.told.all, "gap {gap} seed {seed}");
        }
    }
}

/// A session of a key that never pauses is kept in a few cells, whatever its length.
#[test]
fn a_long_session_keeps_no_more_than_a_short_one() {
    let gap = 7 * SECOND;
    let mut bed = Bed::new(&plan_over(EMIT, Some(&sessions(gap))), Pool::alone());
    let begin = 1_000_000_000_000_000;
    let frame = |n: i64, device| Frame {
        seq: mainstem_kernel::Seq::from_millis(((begin + n * SECOND) / 1_000).unsigned_abs()),
        rows: vec![super::bed::Row {
            device: Some(device),
            value: n,
            at: begin + n * SECOND,
        }],
    };
    for n in 0..2_000 {
        bed.step(&[frame(n, "a")]);
        bed.checkpoint();
        assert!(bed.kept_entries() < 40, "{} at {n}", bed.kept_entries());
    }
    assert!(bed.told.all.is_empty());
    bed.step(&[frame(2_100, "b")]);
    let (line, weight) = &bed.told.all[0];
    assert_eq!((bed.told.all.len(), *weight), (1, 1));
    let times = [time(begin), time(begin + 1_999 * SECOND + gap)];
    assert_eq!(line[..4], [times[0].as_str(), &times[1], "a", "2000"]);
}
