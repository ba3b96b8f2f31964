//! Values of columns at random, NULL now and then.

use serde_json::{Value, json};

use crate::world::Random;

pub(super) fn maybe(random: &mut Random, value: impl FnOnce(&mut Random) -> Value) -> Value {
    match random.below(7) {
        0 => Value::Null,
        _ => value(random),
    }
}

pub(super) fn key(random: &mut Random) -> String {
    ["a", "b", "ab", "", "é", "a somewhat longer name of a shop"][random.below(6)].to_owned()
}

pub(super) fn day(random: &mut Random) -> String {
    ["2023-11-10", "2023-11-11", "2023-11-12"][random.below(3)].to_owned()
}

pub(super) fn int(random: &mut Random) -> Value {
    match random.below(12) {
        0 => json!(i32::MAX),
        1 => json!(i32::MIN),
        2..5 => json!(0),
        _ => json!(random.between(-50, 50)),
    }
}

pub(super) fn big(random: &mut Random) -> Value {
    match random.below(6) {
        0 => json!(i64::MAX),
        1 => json!(i64::MIN),
        2 => json!(random.between(-4, 4)),
        _ => json!(random.between(-(1 << 61), 1 << 61)),
    }
}

pub(super) fn wild(random: &mut Random) -> Value {
    // No number whose reciprocal is infinite: of infinities alone, plain `min` gives a number.
    let values = [0.0, 1.0, -2.5, 1e300, -1e300, 1e-300, f64::MAX, f64::MIN];
    json!(values[random.below(values.len())])
}
