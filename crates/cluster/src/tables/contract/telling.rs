//! Answers are those of one machine, a repetition gets the first one, and rows go when their time is
//! over.

use mainstem_kernel::{Fault as _, Offsets};

use super::bed::{Bed, until};

const STATEMENTS: [&str; 11] = [
    "INSERT INTO vouchers (code, left_over) VALUES ('a', 2), ('b', 1) RETURNING code, left_over",
    "INSERT INTO vouchers VALUES ('a', NULL, 7)",
    "INSERT INTO vouchers VALUES ('a', NULL, 7) ON CONFLICT DO NOTHING",
    "INSERT INTO vouchers VALUES ('a', NULL, 7)
       ON CONFLICT (code) DO UPDATE SET left_over = vouchers.left_over + excluded.left_over",
    "UPDATE vouchers SET left_over = left_over - 1 WHERE left_over > 5 RETURNING code, left_over",
    "UPDATE vouchers SET left_over = 1 / (left_over - 1) WHERE code = 'b'",
    "INSERT INTO vouchers VALUES ('c', NULL, 'many')",
    "BEGIN; DELETE FROM vouchers WHERE code = 'b'; INSERT INTO owners VALUES ('ada', 1, NULL);
     UPDATE vouchers SET redeemed_by = 'ada' WHERE code = 'a'; COMMIT",
    "BEGIN; DELETE FROM vouchers; INSERT INTO owners VALUES ('ada', 1, NULL); COMMIT",
    "INSERT INTO owners SELECT code, 1, NULL FROM vouchers",
    "DELETE FROM voucher",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_are_answered_as_on_one_machine() {
    let Some(bed) = Bed::new("telling") else {
        return;
    };
    let owners = bed.owners("a");
    let mut told = Vec::new();
    for sql in STATEMENTS {
        told.push(format!(
            "> {}\n{}\n",
            sql.lines().next().unwrap(),
            bed.write(sql).await
        ));
    }
    expect_test::expect![[r#"
        > INSERT INTO vouchers (code, left_over) VALUES ('a', 2), ('b', 1) RETURNING code, left_over
        {"code":"a","left_over":2}
        {"code":"b","left_over":1}
        > INSERT INTO vouchers VALUES ('a', NULL, 7)
        error[SQL-040]: table "vouchers" has a row with this key
          --> line 1, column 30
        detail: The key is (code).
        hint: ON CONFLICT DO NOTHING keeps it, ON CONFLICT DO UPDATE SET … changes it
        > INSERT INTO vouchers VALUES ('a', NULL, 7) ON CONFLICT DO NOTHING
        {"statement":"INSERT","rows":0}
        > INSERT INTO vouchers VALUES ('a', NULL, 7)
        {"statement":"INSERT","rows":1}
        > UPDATE vouchers SET left_over = left_over - 1 WHERE left_over > 5 RETURNING code, left_over
        {"code":"a","left_over":8}
        > UPDATE vouchers SET left_over = 1 / (left_over - 1) WHERE code = 'b'
        error[SQL-026]: division by zero
        hint: guard it: nullif(x, 0) against zero, TRY_CAST against odd text
        > INSERT INTO vouchers VALUES ('c', NULL, 'many')
        error[SQL-042]: "many" does not fit column "left_over", which is INTEGER
          --> line 1, column 41
        hint: a whole number from -2147483648 to 2147483647
        > BEGIN; DELETE FROM vouchers WHERE code = 'b'; INSERT INTO owners VALUES ('ada', 1, NULL);
        {"statement":"DELETE","rows":1}
        {"statement":"INSERT","rows":1}
        {"statement":"UPDATE","rows":1}
        > BEGIN; DELETE FROM vouchers; INSERT INTO owners VALUES ('ada', 1, NULL); COMMIT
        error[SQL-040]: table "owners" has a row with this key
          --> line 1, column 57
        detail: The key is (name, n).
        hint: ON CONFLICT DO NOTHING keeps it, ON CONFLICT DO UPDATE SET … changes it
        > INSERT INTO owners SELECT code, 1, NULL FROM vouchers
        error[CLUS-091]: a question inside of a statement that writes has no answer beyond one machine
          --> line 1, column 20
        detail: Whoever decides writes there has the rows of tables and asks no other engine.
        hint: ask first, and write the values that were answered
        > DELETE FROM voucher
        error[SQL-021]: there is no stream, table or view "voucher"
          --> line 1, column 13
        hint: did you mean "vouchers"?
    "#]].assert_eq(&told.concat());
    let kept = bed.kept("vouchers");
    let kept: Vec<_> = kept
        .iter()
        .map(|(key, row)| format!("{key} {row}"))
        .collect();
    assert_eq!(
        kept,
        [r#"{"code":"a"} {"code":"a","redeemed_by":"ada","left_over":8}"#]
    );
    owners.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repetition_gets_the_first_answer_from_whoever_owns() {
    let Some(bed) = Bed::new("repeating") else {
        return;
    };
    let owners = bed.owners("a");
    let sql = "INSERT INTO vouchers VALUES ('a', NULL, 2) RETURNING left_over";
    let first = bed.keyed(sql, Some("k-1")).await.unwrap();
    assert_eq!(first.rows, r#"{"left_over":2}"#);
    assert_ne!(
        first.offsets,
        Offsets::default(),
        "it says where its row is"
    );
    assert_eq!(bed.keyed(sql, Some("k-1")).await.unwrap(), first);
    let other = "DELETE FROM vouchers";
    let refused = bed.keyed(other, Some("k-1")).await.unwrap_err();
    assert_eq!(refused.answer().code.as_str(), "CLUS-093");
    // The same in one breath.
    let many =
        (0..50).map(|_| bed.keyed("UPDATE vouchers SET left_over = left_over + 1", Some("k-2")));
    let all = futures::future::join_all(many).await;
    assert!(
        all.iter()
            .all(|one| one.as_ref().unwrap() == all[0].as_ref().unwrap())
    );
    // Another owner has read it all.
    owners.close();
    let next = bed.owners("b");
    assert_eq!(bed.keyed(sql, Some("k-1")).await.unwrap(), first);
    assert_eq!(
        bed.write("UPDATE vouchers SET left_over = left_over RETURNING left_over")
            .await,
        r#"{"left_over":3}"#,
        "once, whoever was asked"
    );
    let refused = bed.keyed(other, Some("k-1")).await.unwrap_err();
    assert_eq!(refused.answer().code.as_str(), "CLUS-093");
    next.close();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_go_when_their_time_is_over_whoever_owns() {
    let Some(bed) = Bed::new("expiring") else {
        return;
    };
    let owners = bed.owners("a");
    let insert = "INSERT INTO sessions VALUES ('s', 1)";
    assert_eq!(
        bed.write(insert).await,
        r#"{"statement":"INSERT","rows":1}"#
    );
    until("the row has gone", || bed.kept("sessions").is_empty()).await;
    assert_eq!(
        bed.write(insert).await,
        r#"{"statement":"INSERT","rows":1}"#,
        "it is gone to who decides, too"
    );
    owners.close();
    // Whoever takes over knows when it was written.
    let next = bed.owners("b");
    until("the row has gone", || bed.kept("sessions").is_empty()).await;
    next.close();
}
