use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int32Array, Int64Array, StringArray,
};

use super::*;

fn hashes(columns: &[ArrayRef]) -> Vec<u64> {
    let rows = columns[0].len();
    hash_rows(&KeyColumn::all(columns).unwrap(), rows)
}

/// State on disk is found by these numbers: if one changes, old state is lost.
#[test]
fn hashes_never_change() {
    let columns: [ArrayRef; 6] = [
        Arc::new(Int64Array::from(vec![Some(7), None, Some(-1)])),
        Arc::new(StringArray::from(vec![Some("device-0001"), Some(""), None])),
        Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        Arc::new(Float64Array::from(vec![
            Some(1.5),
            Some(-0.0),
            Some(f64::NAN),
        ])),
        Arc::new(Decimal128Array::from(vec![Some(1), Some(-1), None])),
        Arc::new(Int32Array::from(vec![Some(7), None, Some(-1)])),
    ];
    let expected: [[u64; 3]; 6] = [
        [
            0x37a8_5eb1_8527_ea11,
            0x8302_55ea_47f7_697c,
            0xd111_bbf2_944b_fa09,
        ],
        [
            0x2d72_d162_c5f9_ca0e,
            0x3841_f612_3767_19ec,
            0x8302_55ea_47f7_697c,
        ],
        [
            0x5ed9_c758_b9c4_8de0,
            0xca81_3bf4_c7ab_f0a9,
            0x8302_55ea_47f7_697c,
        ],
        [
            0x3cc6_8169_10e1_312f,
            0xca81_3bf4_c7ab_f0a9,
            0x5bb4_9c0e_0b15_da59,
        ],
        [
            0x47e1_4248_5859_7e42,
            0x6ea2_eef0_b5e4_a366,
            0x8302_55ea_47f7_697c,
        ],
        [
            0x37a8_5eb1_8527_ea11,
            0x8302_55ea_47f7_697c,
            0xd111_bbf2_944b_fa09,
        ],
    ];
    let found: Vec<Vec<u64>> = columns
        .iter()
        .map(|column| hashes(std::slice::from_ref(column)))
        .collect();
    assert_eq!(found, expected, "{found:#x?}");
}

#[test]
fn buckets_are_filled_evenly() {
    let texts: ArrayRef = Arc::new(StringArray::from_iter_values(
        (0..25_600).map(|n| format!("device-{n}")),
    ));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..25_600));
    for column in [texts, numbers] {
        let mut counts = vec![0; 256];
        hashes(&[column])
            .into_iter()
            .for_each(|hash| counts[bucket_of(hash)] += 1);
        assert!(
            counts.iter().all(|count| (50..160).contains(count)),
            "{counts:?}"
        );
    }
}

#[test]
fn equal_floats_hash_alike() {
    let zeroes: ArrayRef = Arc::new(Float64Array::from(vec![0.0, -0.0, f64::NAN, -f64::NAN]));
    let found = hashes(&[zeroes]);
    assert_eq!((found[0], found[2]), (found[1], found[3]));
}
