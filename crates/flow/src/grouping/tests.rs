use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};

use super::*;
use crate::hash::hash_rows;

#[test]
fn rows_of_one_key_are_one_group_in_the_order_of_their_first() {
    let names: ArrayRef = Arc::new(StringArray::from(vec![
        Some("b"),
        None,
        Some("a"),
        Some("b"),
        None,
        Some(""),
    ]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 1, 1, 2, 1]));
    let columns = [names, numbers];
    let columns = KeyColumn::all(&columns).unwrap();
    let Grouping { groups, firsts } = group_rows(&columns, &hash_rows(&columns, 6));
    assert_eq!(groups, [0, 1, 2, 0, 3, 4]);
    assert_eq!(firsts, [0, 1, 2, 4, 5]);
}

#[test]
fn equal_hashes_do_not_make_equal_keys() {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..3_000).map(|n| n % 1_500)));
    let columns = [KeyColumn::of(&numbers).unwrap()];
    let Grouping { groups, firsts } = group_rows(&columns, &vec![7; 3_000]);
    assert_eq!(firsts.len(), 1_500);
    assert!(
        groups
            .iter()
            .enumerate()
            .all(|(row, group)| row % 1_500 == *group as usize)
    );
}
