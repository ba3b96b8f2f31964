use super::*;

fn rows(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn shown(differences: Option<Vec<Difference>>) -> String {
    let line = |difference| match difference {
        Difference::Missing(row) => format!("-{row}"),
        Difference::Surplus(row) => format!("+{row}"),
        Difference::Column {
            name,
            expected,
            found,
        } => format!("{name}:{expected}/{found}"),
        Difference::Equal(rows) => format!("={rows}"),
    };
    let lines = differences.unwrap_or_default().into_iter().map(line);
    lines.collect::<Vec<_>>().join(" ")
}

#[test]
fn values_are_compared_however_they_are_spelled() {
    let equal = [
        (r#"{"a":1,"b":2}"#, r#"{ "b": 2.0, "a": 1 }"#),
        (
            r#"{"t":"2026-01-01T10:00:00Z"}"#,
            r#"{"t":"2026-01-01T10:00:00.000000Z"}"#,
        ),
        (r#"{"l":[1,null]}"#, r#"{"l":[1.0,null]}"#),
    ];
    for (a, b) in equal {
        assert_eq!(unordered(&rows(&[a]), &rows(&[b])), None, "{a} {b}");
    }
    let different = [
        (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
        (r#"{"a":"1"}"#, r#"{"a":1}"#),
        (r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#),
        (
            r#"{"t":"2026-01-01T10:00:00Z"}"#,
            r#"{"t":"2026-01-01T10:00:00.000001Z"}"#,
        ),
    ];
    for (a, b) in different {
        assert!(unordered(&rows(&[a]), &rows(&[b])).is_some(), "{a} {b}");
        assert!(ordered(&rows(&[a]), &rows(&[b])).is_some(), "{a} {b}");
    }
}

#[test]
fn a_row_that_is_there_twice_is_expected_twice() {
    let (one, two) = (rows(&[r#"{"a":1}"#]), rows(&[r#"{"a":1}"#, r#"{"a":1}"#]));
    assert_eq!(shown(unordered(&one, &two)), r#"+{"a":1} =1"#);
    assert_eq!(shown(unordered(&two, &one)), r#"-{"a":1} =1"#);
    assert_eq!(shown(ordered(&two, &one)), r#"-{"a":1} =1"#);
    assert_eq!(unordered(&two, &two), None);
}

#[test]
fn without_order_a_row_is_shown_beside_the_one_that_was_meant() {
    let expected = rows(&[r#"{"k":"b","n":3}"#, r#"{"k":"a","n":1}"#, r#"{"k":"c"}"#]);
    let found = rows(&[r#"{"k":"a","n":2}"#, r#"{"k":"b","n":3}"#, r#"{"k":"d"}"#]);
    assert_eq!(
        shown(unordered(&expected, &found)),
        r#"-{"k":"a","n":1} +{"k":"a","n":2} n:1/2 -{"k":"c"} +{"k":"d"} =1"#
    );
}

#[test]
fn with_order_a_row_in_another_place_differs() {
    let (ab, ba) = (
        rows(&[r#"{"k":1}"#, r#"{"k":2}"#, r#"{"k":9}"#]),
        rows(&[r#"{"k":2}"#, r#"{"k":1}"#, r#"{"k":9}"#]),
    );
    assert_eq!(unordered(&ab, &ba), None);
    assert_eq!(
        shown(ordered(&ab, &ba)),
        r#"-{"k":1} +{"k":2} k:1/2 -{"k":2} +{"k":1} k:2/1 =1"#
    );
}
