use mainstem_kernel::Fault as _;

use super::{Deed, judge};

/// The code that Spark's words have, if they have one of their own.
fn code(words: &str) -> Option<&'static str> {
    let error = judge(&Deed::new("start", "v"), words)?;
    Some(error.answer().code.as_str())
}

#[test]
fn what_is_missing_is_named() {
    for (words, expected) in [
        (
            "[DATA_SOURCE_NOT_FOUND] Failed to find the data source: kafka. Please find …",
            Some("CLUS-053"),
        ),
        (
            "[DATA_SOURCE_NOT_FOUND] Failed to find the data source: delta.",
            Some("CLUS-053"),
        ),
        (
            "[DATA_SOURCE_NOT_FOUND] Failed to find the data source: csvv.",
            None,
        ),
        (
            "Streaming query 03750f0f-2ab7 is not found",
            Some("CLUS-057"),
        ),
        ("[DIVIDE_BY_ZERO] Division by zero.", None),
        (
            "[TABLE_OR_VIEW_NOT_FOUND] The table or view `kafka` cannot be found.",
            None,
        ),
    ] {
        assert_eq!(code(words), expected, "{words}");
    }
}

#[test]
fn a_question_is_shown_on_one_line_and_cut_short() {
    let deed = Deed::new("answer", "SELECT\n  1");
    assert_eq!(deed.name, "SELECT 1");
    let deed = Deed::new("answer", &"é".repeat(200));
    assert_eq!(deed.name.chars().count(), 61);
}
