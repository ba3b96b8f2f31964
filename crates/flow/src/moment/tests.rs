//! The smallest of several watermarks, against looking each up at every seq.

use mainstem_kernel::Seq;

use super::*;
use crate::samples::Random;

fn moment(random: &mut Random, through: u64) -> Moment {
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
    Moment {
        through: Seq(through),
        before,
        watermark,
        trace,
    }
}

#[test]
fn what_has_several_inputs_is_as_far_as_the_last_of_them_at_every_seq() {
    let mut moved = 0;
    for seed in 1..200 {
        let mut random = Random(seed);
        let inputs = 1 + random.below(4);
        let moments: Vec<Moment> = (0..inputs).map(|_| moment(&mut random, 30)).collect();
        let all = Moment::smallest(&moments, Seq(30));
        for seq in 0..=31 {
            let each = moments.iter().map(|moment| moment.as_of(Seq(seq)));
            assert_eq!(
                all.as_of(Seq(seq)),
                each.min().unwrap(),
                "seed {seed}, seq {seq}"
            );
        }
        let last = moments.iter().map(|moment| moment.watermark);
        assert_eq!(all.watermark, last.min().unwrap(), "seed {seed}");
        assert!(
            all.trace.is_sorted_by(|a, b| a.0 < b.0 && a.1 < b.1),
            "seed {seed}"
        );
        moved += all.trace.len();
    }
    assert!(moved > 500, "{moved}");
}
