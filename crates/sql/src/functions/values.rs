//! Functions of any value, of arrays and rows, and those that make rows. Only the table.

use super::Row;

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    ("coalesce", "", "[text,integer,double,numeric,boolean,date,time] coalesce", "coalesce(a, b, …)", "The first that is not NULL.", "coalesce(NULL, 2, 3)", "2"),
    ("nullif", "", "[text,integer,double,numeric,boolean,date,time] nullif", "nullif(a, b)", "NULL if both are equal, else the first.", "nullif(1, 1)", "NULL"),
    ("greatest", "", "[text,integer,double,numeric,boolean,date,time] greatest", "greatest(a, b, …)", "The greatest that is not NULL.", "greatest(1, 3, NULL)", "3"),
    ("least", "", "[text,integer,double,numeric,boolean,date,time] least", "least(a, b, …)", "The least that is not NULL.", "least(1, 3, NULL)", "1"),
    ("arrival_time", "", "", "arrival_time(_seq)", "When a row arrived, to the millisecond.", "arrival_time(65536000)", "1970-01-01T00:00:01Z"),
    
    ("arrow_typeof", "", "", "arrow_typeof(a)", "The name of the value's type in Arrow.", "arrow_typeof('a')", "Utf8"),
    ("row", "struct", "", "row(a, b, …)", "A row of values; its fields are c0, c1, …", "row(1, 'a')", "{c0: 1, c1: a}"),
    ("named_struct", "", "", "named_struct('name', a, …)", "A row of values with names.", "named_struct('n', 1)['n']", "1"),
    ("get_field", "", "", "get_field(row, 'name') = (row).name", "A field of a row.", "get_field(named_struct('n', 1), 'n')", "1"),
    ("make_array", "", "", "make_array(a, b, …) = ARRAY[a, b]", "An array.", "make_array(1, 2)", "[1, 2]"),
    ("array_length", "", "", "array_length(array)", "How many items.", "array_length(ARRAY[1, 2])", "2"),
    ("cardinality", "", "", "cardinality(array)", "How many items, at all depths.", "cardinality(ARRAY[1, 2])", "2"),
    ("array_append", "", "", "array_append(array, a)", "With one more item at the end.", "array_append(ARRAY[1], 2)", "[1, 2]"),
    ("array_prepend", "", "", "array_prepend(a, array)", "With one more item at the beginning.", "array_prepend(1, ARRAY[2])", "[1, 2]"),
    ("array_concat", "", "", "array_concat(array, array)", "Both, one behind the other.", "array_concat(ARRAY[1], ARRAY[2])", "[1, 2]"),
    ("array_cat", "", "", "array_cat(array, array)", "The same as array_concat.", "array_cat(ARRAY[1], ARRAY[2])", "[1, 2]"),
    ("array_position", "", "", "array_position(array, a)", "The number of the first such item, from 1.", "array_position(ARRAY[5, 6], 6)", "2"),
    
    ("array_remove_all", "", "", "array_remove_all(array, a)", "Without such items.", "array_remove_all(ARRAY[1, 2, 1], 1)", "[2]"),
    ("array_remove", "array_remove_all", "", "array_remove(array, a)", "The same as array_remove_all.", "array_remove(ARRAY[1, 2, 1], 1)", "[2]"),
    ("array_replace", "array_replace_all", "", "array_replace(array, a, b)", "With each such item replaced.", "array_replace(ARRAY[1, 2, 1], 1, 3)", "[3, 2, 3]"),
    ("array_positions", "", "", "array_positions(array, a)", "The numbers of all such items, from 1.", "array_positions(ARRAY[1, 2, 1], 1)", "[1, 3]"),
    ("array_ndims", "", "", "array_ndims(array)", "How deep it is.", "array_ndims(ARRAY[ARRAY[1]])", "2"),
    ("array_has", "", "", "array_has(array, a)", "Whether it has such an item.", "array_has(ARRAY[1, 2], 2)", "true"),
    ("array_contains", "", "", "array_contains(array, a)", "The same as array_has.", "array_contains(ARRAY[1, 2], 3)", "false"),
    ("array_distinct", "", "", "array_distinct(array)", "Each item once.", "array_distinct(ARRAY[1, 1])", "[1]"),
    ("array_sort", "", "", "array_sort(array)", "Sorted.", "array_sort(ARRAY[2, 1])", "[1, 2]"),
    ("array_slice", "", "", "array_slice(array, from, to)", "The items between, both included, from 1.", "array_slice(ARRAY[1, 2, 3], 2, 3)", "[2, 3]"),
    ("array_to_string", "", "", "array_to_string(array, text)", "The items as text, with the text between.", "array_to_string(ARRAY[1, 2], '-')", "1-2"),
    ("string_to_array", "", "", "string_to_array(text, text)", "The parts between the texts.", "string_to_array('a-b', '-')", "[a, b]"),
    ("flatten", "", "", "flatten(array of arrays)", "One array of all items.", "flatten(ARRAY[ARRAY[1], ARRAY[2]])", "[1, 2]"),
];

#[rustfmt::skip]
pub(super) const TABLES: &[Row] = &[
    ("generate_series", "", "", "generate_series(from, to[, step])", "The numbers from … to, both included.", "generate_series(1, 3)", "1,2,3"),
    ("range", "", "", "range(from, to[, step])", "The numbers from … to, the last not included.", "range(1, 3)", "1,2"),
];
