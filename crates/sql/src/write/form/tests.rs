use super::*;

fn check(sql: &str, values: &[Option<&str>], place: (u32, u32)) -> String {
    let form = Form::of(sql).unwrap_or_else(|| panic!("no form: {sql}"));
    let found: Vec<Option<&str>> = form.values.iter().map(Option::as_deref).collect();
    assert_eq!(found, values, "{sql}");
    assert_eq!((form.line, form.column), place, "{sql}");
    form.name
}

#[test]
fn texts_with_other_values_have_one_form() {
    let tail = " ON CONFLICT (id) DO UPDATE SET n = t.n + 1";
    let one = format!("INSERT INTO t VALUES ('a', 1){tail}");
    let one = check(&one, &[Some("a"), Some("1")], (1, 23));
    let other = format!("INSERT INTO t VALUES ('it''s; ü -- VALUES (', 12.50){tail}");
    let values = [Some("it's; ü -- VALUES ("), Some("12.50")];
    assert_eq!(check(&other, &values, (1, 23)), one);
    let spread = format!("INSERT INTO t VALUES (  ''\n,\t0 ){tail}");
    assert_eq!(check(&spread, &[Some(""), Some("0")], (1, 25)), one);
}

#[test]
fn what_else_a_text_says_is_a_part_of_its_form() {
    let forms = [
        check("INSERT INTO t VALUES (1)", &[Some("1")], (1, 23)),
        check("INSERT INTO t VALUES ('1')", &[Some("1")], (1, 23)),
        check("INSERT INTO t VALUES (-1)", &[Some("-1")], (1, 24)),
        check("INSERT INTO t VALUES (null)", &[None], (1, 23)),
        check("INSERT INTO t VALUES (True)", &[Some("true")], (1, 23)),
        check(
            "INSERT INTO t VALUES (1, 1)",
            &[Some("1"), Some("1")],
            (1, 23),
        ),
        check("insert INTO t VALUES (1)", &[Some("1")], (1, 23)),
        check(
            "INSERT INTO t VALUES (1) RETURNING 1",
            &[Some("1")],
            (1, 23),
        ),
        check(
            "INSERT INTO t VALUES (1) RETURNING 2",
            &[Some("1")],
            (1, 23),
        ),
        check("INSERT INTO t VALUES (1), (1)", &[Some("1")], (1, 23)),
        check(
            "\n INSERT INTO t (a,\n b) values\n (1)",
            &[Some("1")],
            (4, 3),
        ),
    ];
    let different: std::collections::BTreeSet<&String> = forms.iter().collect();
    assert_eq!(different.len(), forms.len(), "{forms:#?}");
}

#[test]
fn what_is_not_plain_has_no_form() {
    for sql in [
        "",
        "INSERT",
        "INSERT INTO t",
        "INSERT INTO t VALUES",
        "INSERT INTO t VALUES (",
        "INSERT INTO t VALUES ()",
        "INSERT INTO t VALUES (1",
        "INSERT INTO t VALUES (1,)",
        "INSERT INTO t VALUES ('a)",
        "INSERT INTO t VALUES ('a\\'')",
        "INSERT INTO t VALUES (E'a')",
        "INSERT INTO t VALUES ('a' || 'b')",
        "INSERT INTO t VALUES ('1'::BIGINT)",
        "INSERT INTO t VALUES (1 + 1)",
        "INSERT INTO t VALUES (- 1)",
        "INSERT INTO t VALUES (--1\n)",
        "INSERT INTO t VALUES (1e5)",
        "INSERT INTO t VALUES (1.)",
        "INSERT INTO t VALUES (.5)",
        "INSERT INTO t VALUES (0x1)",
        "INSERT INTO t VALUES (now())",
        "INSERT INTO t VALUES (DEFAULT)",
        "INSERT INTO t VALUES (DATE '2026-01-02')",
        "INSERT INTO \"t\" VALUES (1)",
        "INSERT INTO t /* VALUES (1) */ VALUES (1)",
        "INSERT INTO t -- all\n VALUES (1)",
        "INSERT INTO values VALUES (1)",
        "INSERT INTO t (values) VALUES (1)",
        "INSERT INTO t SELECT 1",
        "UPDATE t SET a = 1",
        "BEGIN; INSERT INTO t VALUES (1); COMMIT",
    ] {
        assert_eq!(Form::of(sql), None, "{sql}");
    }
    let long = format!(
        "INSERT INTO t VALUES (1) RETURNING {}",
        "1 + ".repeat(NAME_MAX)
    );
    assert_eq!(Form::of(&long), None);
    // Values may be long.
    let value = "x".repeat(NAME_MAX);
    let long = format!("INSERT INTO t VALUES ('{value}')");
    check(&long, &[Some(&value)], (1, 23));
}
