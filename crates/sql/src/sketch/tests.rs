//! Sketches against models that keep all values: whatever their order, how they are parted and
//! merged, and what is taken back, bytes included.

use std::sync::Arc;

use datafusion::arrow::array::{
    BooleanArray, Date32Array, Decimal128Array, Float64Array, Int16Array, Int64Array, StringArray,
    StringViewArray,
};

use super::*;

/// xorshift: the seed is all that a failure needs.
struct Random(u64);

impl Random {
    fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() % u64::try_from(end).unwrap()).unwrap()
    }
}

fn read_again<S: Sketch>(sketch: &S) -> S {
    let mut bytes = Vec::new();
    sketch.write(&mut bytes);
    for length in 0..bytes.len() {
        assert_eq!(S::read(&mut &bytes[..length]), None, "damage is told");
    }
    let mut from = bytes.as_slice();
    let again = S::read(&mut from).unwrap();
    assert!(from.is_empty());
    again
}

/// A sketch of values in some order, parted, merged and read back, with others that came and went.
fn sketched<S: Sketch>(values: &[S::Value], others: &[S::Value], random: &mut Random) -> S {
    let mut weighted: Vec<(S::Value, i64)> = values.iter().map(|value| (*value, 1)).collect();
    if S::RETRACTS {
        // What is taken back may come later.
        weighted.extend(others.iter().map(|value| (*value, -1)));
        weighted.extend(others.iter().map(|value| (*value, 1)));
    }
    for at in 1..weighted.len() {
        weighted.swap(at, random.below(at + 1));
    }
    let mut all = S::default();
    for part in weighted.chunks(1 + random.below(weighted.len().max(1))) {
        let mut sketch = S::default();
        for (value, weight) in part {
            sketch.take(*value, *weight);
        }
        all.merge(&sketch);
    }
    all
}

#[test]
fn variances_are_those_of_exact_arithmetic() {
    let mut random = Random(11);
    for round in 0..200 {
        // Multiples of 2^-20 far from zero and near to each other, where naive sums lose all digits.
        let far = [0, 1 << 38][round % 2];
        let mut draw = |count: usize| -> Vec<i128> {
            let values = (0..count).map(|_| far + i128::from(random.number() % (1 << 22)));
            values.collect()
        };
        let (values, others) = (draw(1 + round % 50), draw(20));
        let floats = |values: &[i128]| -> Vec<f64> {
            let float = |value: &i128| *value as f64 / 2_f64.powi(20);
            values.iter().map(float).collect()
        };
        let sketch: Moments = sketched(&floats(&values), &floats(&others), &mut random);
        let sketch = read_again(&sketch);
        let n = i128::try_from(values.len()).unwrap();
        let sum: i128 = values.iter().sum();
        let squares: i128 = values.iter().map(|value| value * value).sum();
        let spread = (n * squares - sum * sum) as f64 / 2_f64.powi(40);
        let all = spread / (n * n) as f64;
        let sample = (n > 1).then(|| spread / (n * (n - 1)) as f64);
        assert_eq!(sketch.answer(Moment::VarPop), Some(all));
        assert_eq!(sketch.answer(Moment::VarSamp), sample);
        assert_eq!(sketch.answer(Moment::StddevPop), Some(all.sqrt()));
        assert_eq!(sketch.answer(Moment::StddevSamp), sample.map(f64::sqrt));
    }
}

#[test]
fn variances_of_wild_floats_do_not_depend_on_order() {
    let mut random = Random(12);
    for _ in 0..100 {
        let mut draw = |count: usize| -> Vec<f64> {
            let float =
                |bits: u64| f64::from_bits(bits & !(0x7ff << 52) | (900 + bits % 240) << 52);
            (0..count).map(|_| float(random.number())).collect()
        };
        let (values, others) = (draw(30), draw(30));
        let first: Moments = sketched(&values, &others, &mut random);
        let second: Moments = sketched(&values, &[], &mut random);
        let answer = |sketch: &Moments| sketch.answer(Moment::VarSamp).unwrap();
        assert_eq!(answer(&first).to_bits(), answer(&second).to_bits());
        assert!(answer(&first) > 0.0);
    }
}

#[test]
fn variances_of_few_equal_and_odd_values() {
    let of = |values: &[f64]| -> Moments { sketched(values, &[], &mut Random(1)) };
    assert_eq!(of(&[]).answer(Moment::VarPop), None);
    assert_eq!(of(&[3.5]).answer(Moment::VarPop), Some(0.0));
    assert_eq!(of(&[3.5]).answer(Moment::StddevSamp), None);
    assert_eq!(of(&[0.1; 7]).answer(Moment::StddevSamp), Some(0.0));
    for odd in [f64::NAN, f64::INFINITY, -1e300] {
        let mut with = of(&[1.0, 2.0, odd]);
        assert!(with.answer(Moment::VarPop).unwrap().is_nan());
        with.take(odd, -1);
        assert_eq!(with.answer(Moment::VarPop), Some(0.25));
    }
}

#[test]
fn few_different_values_are_counted_exactly_and_many_nearly() {
    let mut random = Random(13);
    for different in [0, 1, 2_047, 2_048, 2_049, 5_000, 20_000, 60_000, 300_000] {
        let numbers = Int64Array::from_iter_values((0..different).chain(0..different / 3));
        let column: ArrayRef = Arc::new(numbers);
        let hashes = Distinct::values(&column).unwrap();
        let first: Distinct = sketched(&hashes, &[], &mut random);
        let second: Distinct = sketched(&hashes, &[], &mut random);
        assert_eq!(first, second, "{different}");
        let answer = first.answer(()).unwrap();
        if different <= 2_048 {
            assert_eq!(answer, different);
        }
        // Four standard errors.
        let off = (answer - different).unsigned_abs();
        assert!(
            off * 1_000 <= different.unsigned_abs() * 33,
            "{different}: {answer}"
        );
        if different < 6_000 {
            let mut bytes = Vec::new();
            first.write(&mut bytes);
            assert_eq!(Distinct::read(&mut bytes.as_slice()), Some(first));
            assert_eq!(Distinct::read(&mut &bytes[..bytes.len() - 1]), None);
        }
    }
}

#[test]
fn hashes_are_of_values_and_never_change() {
    let of = |column: ArrayRef| hashes(&column).unwrap()[0];
    let seven = of(Arc::new(Int64Array::from(vec![7])));
    assert_eq!(of(Arc::new(Int16Array::from(vec![7]))), seven);
    assert_eq!(of(Arc::new(Date32Array::from(vec![7]))), seven);
    let text = of(Arc::new(StringArray::from(vec!["größer als acht"])));
    assert_eq!(
        of(Arc::new(StringViewArray::from(vec!["größer als acht"]))),
        text
    );
    let zeroes = [0.0, -0.0].map(|zero| of(Arc::new(Float64Array::from(vec![zero]))));
    assert_eq!(zeroes[0], zeroes[1]);
    // A zero byte more is another text.
    let texts = ["a", "a\0", "", "\0"].map(|text| of(Arc::new(StringArray::from(vec![text]))));
    let different: std::collections::BTreeSet<u64> = texts.into_iter().collect();
    assert_eq!(different.len(), 4);
    let all = [
        seven,
        text,
        zeroes[0],
        of(Arc::new(BooleanArray::from(vec![true]))),
        of(Arc::new(Decimal128Array::from(vec![-12_345]))),
    ];
    let shown = all.map(|hash| format!("{hash:016x}")).join("\n");
    expect_test::expect![[r#"
        12ae30237b17df14
        e4f09515344175ef
        0000000000000000
        5692161d100b05e5
        a7ae8b716d62ae11"#]]
    .assert_eq(&shown);
}

#[test]
fn percentiles_are_those_of_values_that_were_cut() {
    let mut random = Random(14);
    for round in 0..200_u32 {
        let scale = 10_f64.powi(i32::try_from(round % 9).unwrap() - 4);
        let mut draw = |count: u32| -> Vec<f64> {
            let value = |bits: u64| f64::from(u32::try_from(bits >> 40).unwrap()) - 3e6;
            (0..count).map(|_| value(random.number()) * scale).collect()
        };
        let (mut values, others) = (draw(1 + round % 40), draw(9));
        let sketch: Quantiles = sketched(&values, &others, &mut random);
        let sketch = read_again(&sketch);
        values.sort_by(f64::total_cmp);
        let at = |rank: f64| values[format!("{rank:.0}").parse::<usize>().unwrap()];
        for part in [0.0, 0.1, 0.25, 0.5, 0.95, 1.0] {
            let rank = part * f64::from(u32::try_from(values.len() - 1).unwrap());
            let lower = at(rank.floor());
            let upper = at(rank.ceil());
            let exact = lower + (upper - lower) * rank.fract();
            let found = sketch.answer(Part::new(part).unwrap()).unwrap();
            let most = lower.abs().max(upper.abs()) / 256.0;
            assert!(
                (found - exact).abs() <= most,
                "{part} of {values:?}: {found} {exact}"
            );
        }
    }
}

#[test]
fn percentiles_of_whole_numbers_zeroes_and_odd_values() {
    let of = |values: &[f64]| -> Quantiles { sketched(values, &[], &mut Random(1)) };
    let at = |sketch: &Quantiles, part| sketch.answer(Part::new(part).unwrap());
    assert_eq!(at(&of(&[]), 0.5), None);
    let whole: Vec<f64> = (-512..=512).map(f64::from).collect();
    for (number, part) in [(-512.0, 0.0), (-256.0, 0.25), (0.0, 0.5), (512.0, 1.0)] {
        assert_eq!(at(&of(&whole), part), Some(number));
    }
    assert_eq!(at(&of(&[1.0, 2.0]), 0.5), Some(1.5));
    assert_eq!(at(&of(&[0.0, -0.0, 1e-320]), 0.5), Some(0.0));
    assert_eq!(
        at(&of(&[f64::NEG_INFINITY, 3.0, f64::INFINITY]), 0.5),
        Some(3.0)
    );
    assert_eq!(
        at(&of(&[f64::NEG_INFINITY, 3.0]), 0.0),
        Some(f64::NEG_INFINITY)
    );
    assert!(at(&of(&[f64::NAN, f64::INFINITY]), 1.0).unwrap().is_nan());
    assert!(Part::new(1.1).is_none() && Part::new(f64::NAN).is_none());
}
