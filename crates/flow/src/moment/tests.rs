//! The smallest of several watermarks, against looking each up at every seq.

use mainstem_kernel::Seq;

use super::*;
use crate::samples::Random;

/// A mark that goes on now and then; it begins with nothing, or not.
fn course(random: &mut Random, through: u64) -> (i64, Trace) {
    let before = match random.below(3) {
        0 => NO_WATERMARK,
        _ => random.between(0, 20),
    };
    let (mut trace, mut watermark) = (Trace::new(), before);
    for seq in 1..=through {
        if random.below(3) == 0 {
            watermark = watermark.max(0) + random.between(1, 9);
            trace.push((Seq(seq), watermark));
        }
    }
    (before, trace)
}

fn moment(random: &mut Random, through: u64) -> Moment {
    let (before, trace) = match random.below(4) {
        0 => (NO_WATERMARK, Trace::new()),
        _ => course(random, through),
    };
    let lift = match random.below(2) {
        0 => Lift::none(),
        _ => {
            let (before, trace) = course(random, through);
            Lift { before, trace }
        }
    };
    Moment {
        through: Seq(through),
        before,
        watermark: trace.last().map_or(before, |(_, watermark)| *watermark),
        trace,
        lift,
    }
}

/// What the lift of a moment was behind all smaller seqs.
fn lift_as_of(moment: &Moment, seq: Seq) -> i64 {
    let lift = Moment {
        before: moment.lift.before,
        trace: moment.lift.trace.clone(),
        ..moment.clone()
    };
    lift.as_of(seq)
}

#[test]
fn what_has_several_inputs_is_as_far_as_the_last_of_them_at_every_seq() {
    let (mut moved, mut lifted) = (0, 0);
    for seed in 1..400 {
        let mut random = Random(seed);
        let inputs = 1 + random.below(4);
        let moments: Vec<Moment> = (0..inputs).map(|_| moment(&mut random, 30)).collect();
        let all = Moment::smallest(&moments, Seq(30));
        for seq in 0..=31 {
            let at = Seq(seq);
            let each = moments.iter().map(|moment| moment.as_of(at));
            let furthest = each.clone().max().unwrap();
            let lifts = moments.iter().map(|moment| lift_as_of(moment, at));
            let pairs = each.clone().zip(lifts);
            let expected = pairs
                .clone()
                .map(|(own, lift)| own.max(lift.min(furthest)))
                .min()
                .unwrap();
            let what = format!("seed {seed}, seq {seq}");
            assert_eq!(all.as_of(at), expected, "{what}");
            assert!(
                expected <= furthest,
                "{what}: no further than any really is"
            );
            lifted += usize::from(expected > each.min().unwrap());
            let beside = pairs.map(|(own, lift)| own.max(lift)).min().unwrap();
            let told = lift_as_of(&all, at).max(all.as_of(at));
            assert_eq!(told, beside, "{what}");
        }
        assert_eq!(all.watermark, all.as_of(Seq(31)), "seed {seed}");
        for trace in [&all.trace, &all.lift.trace] {
            let ascends = trace.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1);
            assert!(ascends, "seed {seed}");
        }
        moved += all.trace.len();
    }
    assert!(moved > 500 && lifted > 500, "{moved}, {lifted}");
}
