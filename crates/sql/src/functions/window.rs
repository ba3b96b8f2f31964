//! Window functions, beside the aggregates, which all take OVER. Only the table.

use super::Row;

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    ("row_number", "", "", "row_number() OVER (…)", "The number of the row, from 1.", "row_number() OVER (ORDER BY x)", "1,2,3,4"),
    ("rank", "", "", "rank() OVER (…)", "Its rank; equal rows share one, and the next ones are skipped.", "rank() OVER (ORDER BY x)", "1,2,2,4"),
    ("dense_rank", "", "", "dense_rank() OVER (…)", "Its rank without gaps.", "dense_rank() OVER (ORDER BY x)", "1,2,2,3"),
    ("percent_rank", "", "", "percent_rank() OVER (…)", "Its rank from 0 to 1.", "round(percent_rank() OVER (ORDER BY x), 2)", "0.0,0.33,0.33,1.0"),
    ("cume_dist", "", "", "cume_dist() OVER (…)", "The part of rows up to it.", "cume_dist() OVER (ORDER BY x)", "0.25,0.75,0.75,1.0"),
    ("ntile", "", "", "ntile(n) OVER (…)", "Its number among n parts of equal size.", "ntile(2) OVER (ORDER BY x)", "1,1,2,2"),
    ("lag", "", "", "lag(x[, n[, default]]) OVER (…)", "The value n rows before.", "lag(x) OVER (ORDER BY x)", "NULL,1,2,2"),
    ("lead", "", "", "lead(x[, n[, default]]) OVER (…)", "The value n rows behind.", "lead(x, 1, 0) OVER (ORDER BY x)", "2,2,5,0"),
    ("first_value", "", "", "first_value(x) OVER (…)", "The first of the frame.", "first_value(x) OVER (ORDER BY x)", "1,1,1,1"),
    ("last_value", "", "", "last_value(x) OVER (…)", "The last of the frame.", "last_value(x) OVER (ORDER BY x)", "1,2,2,5"),
    ("nth_value", "", "", "nth_value(x, n) OVER (…)", "The n-th of the frame.", "nth_value(x, 2) OVER (ORDER BY x ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)", "2,2,2,2"),
];
