//! Which runs of files are worth merging.

use std::sync::Arc;

use mainstem_kernel::Seq;

use super::plan;
use crate::pinned::{DataFile, FileStats};

const LIMIT: u64 = 100;

/// Which neighbours are merged of files given as (day, size); today is day 9.
fn check(files: &[(i64, u64)], expected: Option<std::ops::Range<usize>>) {
    let file = |(at, (day, size)): (u64, &(i64, u64))| {
        let (first_seq, last_seq) = (Seq(at), Seq(at));
        let (path, stats) = (at.to_string(), FileStats::default());
        Arc::new(DataFile {
            path,
            size: *size,
            rows: 1,
            day: *day,
            first_seq,
            last_seq,
            stats,
        })
    };
    let files: Vec<_> = (0..).zip(files).map(file).collect();
    let found = plan(&files, 9, LIMIT);
    let paths = found.map(|run| run.iter().map(|file| file.path.clone()).collect::<Vec<_>>());
    let expected = expected.map(|range| range.map(|at| at.to_string()).collect::<Vec<_>>());
    assert_eq!(paths, expected);
}

#[test]
fn days_that_are_over_are_merged_up_to_the_limit() {
    check(&[], None);
    check(&[(1, 10)], None);
    check(&[(1, 10), (1, 20)], Some(0..2));
    check(&[(1, 10), (2, 20)], None);
    check(&[(1, 100), (1, 20), (1, 30), (1, 60)], Some(1..3));
    check(&[(1, 90), (1, 20), (1, 90)], None);
    check(&[(1, 500), (1, 20)], None);
}

#[test]
fn today_waits_for_enough_neighbours_of_like_size() {
    check(&[(9, 1); 7], None);
    check(&[(9, 1); 8], Some(0..8));
    let mut files = vec![(9, 90)];
    files.extend([(9, 1); 8]);
    check(&files, Some(1..9));
    let mut merged_before = vec![(9, 8)];
    merged_before.extend([(9, 1); 7]);
    check(&merged_before, None);
    merged_before.extend([(9, 1); 17]);
    check(&merged_before, Some(0..25));
}
