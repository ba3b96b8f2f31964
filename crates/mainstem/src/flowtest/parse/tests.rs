use expect_test::{Expect, expect};

use super::{
    super::script::{Action, Asked},
    parse,
};

/// The mistakes of a text, a line each.
fn mistakes(text: &str, expected: &Expect) {
    let problems = parse("a.flow", text).err().unwrap_or_default();
    let shown = problems.iter().map(|problem| {
        let place = problem.position.as_ref().unwrap();
        let hint = problem.hint.as_deref().unwrap_or_default();
        format!("{place}: {} ({hint})\n", problem.message)
    });
    expected.assert_eq(&shown.collect::<String>());
}

#[test]
fn a_whole_file_is_read() {
    let text = "# A shop.\n\ncase orders add up\nat 2026-01-01T10:00:00Z\n  send orders rejecting 1\n  \
                {\"shop\": \"a\"}\n{broken}\nwrite rejecting SQL-042 UPDATE shops\n  SET town = 'Ulm';\nat +90s\nrestart\n\
                expect totals\nexpect SELECT shop\nFROM totals ORDER BY shop;\n{\"shop\": \"a\"}\n\n\
                case nothing\nat 2026-01-01T00:00:00+01:00\nexpect totals";
    let script = parse("a.flow", text).unwrap();
    let [orders, nothing] = &script.cases[..] else {
        panic!("{script:?}");
    };
    assert_eq!(orders.name, "orders add up");
    assert_eq!(nothing.start.to_string(), "2025-12-31T23:00:00.000000Z");
    let actions: Vec<_> = orders.steps.iter().map(|step| &step.action).collect();
    let [
        Action::At(start),
        Action::Send {
            stream,
            rejecting: 1,
            rows,
        },
        Action::Write {
            sql: write,
            rejecting: Some(code),
        },
        Action::At(later),
        Action::Restart,
        Action::Expect {
            asked: Asked::Object(totals),
            rows: none,
        },
        Action::Expect { asked, rows: one },
    ] = &actions[..]
    else {
        panic!("{actions:?}");
    };
    assert_eq!(*start, orders.start);
    assert_eq!(later.since(*start).as_secs(), 90);
    assert_eq!((stream.as_str(), totals.as_str()), ("orders", "totals"));
    assert_eq!((rows.before, rows.lines.len()), (5, 2));
    assert_eq!(code.as_str(), "SQL-042");
    assert_eq!(write, "UPDATE shops\n  SET town = 'Ulm'");
    assert_eq!((none.before, none.lines.len()), (12, 0));
    assert_eq!((one.before, one.lines.len()), (14, 1));
    let sql = "SELECT shop\nFROM totals ORDER BY shop".to_owned();
    let is_ordered = true;
    assert_eq!(*asked, Asked::Question { sql, is_ordered });
    assert_eq!((orders.steps[6].line, orders.steps[1].column), (13, 3));
}

#[test]
fn only_an_order_of_the_whole_answer_counts() {
    let is_ordered = super::words::is_ordered;
    assert!(is_ordered("SELECT a FROM t order\n by a LIMIT 3"));
    assert!(is_ordered("SELECT a FROM (SELECT 1)ORDER BY a"));
    assert!(!is_ordered("SELECT a FROM (SELECT a FROM t ORDER BY a)"));
    assert!(!is_ordered("SELECT 'x ORDER BY y' AS \"ORDER BY\" FROM t"));
    assert!(!is_ordered("SELECT a -- ORDER BY a\nFROM t"));
}

#[test]
fn every_mistake_is_told_with_its_place() {
    mistakes(
        "send orders\n{}\ncase a\nsend orders\n{}\ncase a\nat 10:00\nat +1h\n",
        &expect![[r#"
            a.flow:1:1: "send" is outside of a case (a case begins with its name: case orders add up)
            a.flow:4:1: "send" comes before the time of its case (the first step of a case is its time: at 2026-01-01T10:00:00Z)
            a.flow:6:6: there is another case "a" in this file (give one of them another name)
            a.flow:7:4: expected a time, found "10:00" (such as: at 2026-01-01T10:00:00Z; or, after the time before: at +90s (ms, s, m, h, d))
            a.flow:8:4: "+1h" comes after no time (such as: at 2026-01-01T10:00:00Z; or, after the time before: at +90s (ms, s, m, h, d))
        "#]],
    );
    mistakes(
        "case a\nat 2026-01-01T10:00:00Z\nat 2026-01-01T09:00:00Z\n  snd orders\nsend\nsend orders {}\n\
         {\"a\":1}\nsend orders\n\nexpect t\n{\"ä\":1,}\n\n{\"b\":2}\nexpect SELECT 1\n{\"a\":1}\nwrite ;\n\
         restart now\nwrite rejecting SQL-999 DELETE FROM t;\nwrite SELECT 1;\nwrite BEGIN;\ncase\n",
        &expect![[r#"
            a.flow:3:4: "2026-01-01T09:00:00Z" is before the time of the step before (the clock never goes back; a row may have any time of its own)
            a.flow:4:3: expected a step, found "snd" (a line begins with case, at, send, write, expect, restart or #; `mainstem test --help` shows a file)
            a.flow:5:5: expected the name of a stream (such as: send orders; or, if rows are to be refused: send orders rejecting 1)
            a.flow:6:13: expected rows on lines of their own, found "{}" (such as: send orders; or, if rows are to be refused: send orders rejecting 1)
            a.flow:8:1: nothing is sent to "orders" (write rows below it, each a JSON object on a line of its own)
            a.flow:11:9: this row is no JSON object: trailing comma (a row is one object on one line: {"country": "Norway", "orders": 2})
            a.flow:13:1: this row belongs to no step (rows are directly below `send STREAM` or `expect VIEW`)
            a.flow:14:1: this statement has no end (a statement ends with a semicolon at the end of a line)
            a.flow:16:1: expected a statement before ";" (such as: expect SELECT count(*) AS n FROM orders;)
            a.flow:17:9: expected nothing after "restart", found "now" (put the next step on a line of its own)
            a.flow:18:17: there is no error code "SQL-999" (`mainstem explain-error` lists all codes)
            a.flow:19:7: expected a statement that writes after "write" (INSERT, UPDATE or DELETE; or several between BEGIN and COMMIT;)
            a.flow:20:1: this statement has no end (a statement ends with a semicolon at the end of a line)
        "#]],
    );
}
