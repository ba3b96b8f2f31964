//! Questions over a log and a history on a real disk: one frontier, hidden columns, limits, and
//! nothing but registered streams.

mod bed;
mod coded;
mod forms;
mod grammar;
mod inner;
mod keyed;
mod moving;
mod page;
mod refused;
mod rows;
mod verify;
mod writing;

use bed::Bed;
use mainstem_kernel::Code;

#[tokio::test]
async fn answers_over_history_and_log_are_one() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM sales (id BIGINT NOT NULL, country TEXT, price NUMERIC(12,3), at TIMESTAMPTZ)");
    bed.append("sales", 0..100);
    bed.flush("sales");
    bed.append("sales", 100..150);
    let sql = "SELECT country, count(*) AS n, sum(2 * price) AS s, max(id) AS top FROM sales \
               GROUP BY country ORDER BY country";
    expect_test::expect![[r#"
        {"country":"c0","n":50,"s":"149.970","top":147}
        {"country":"c1","n":50,"s":"149.970","top":148}
        {"country":"c2","n":50,"s":"149.970","top":149}
    "#]]
    .assert_eq(&bed.ask(sql).await);
    assert_eq!(
        bed.ask("SELECT count(*) AS n FROM sales").await,
        "{\"n\":150}\n"
    );
    assert_eq!(
        bed.ask("SELECT id FROM sales WHERE id >= 98 AND id < 102 ORDER BY id DESC LIMIT 3")
            .await,
        "{\"id\":101}\n{\"id\":100}\n{\"id\":99}\n"
    );
    bed.flush("sales");
    assert_eq!(
        bed.ask("SELECT count(*) AS n, max(id) AS top FROM sales")
            .await,
        "{\"n\":150,\"top\":149}\n"
    );
    let explained = bed.ask("EXPLAIN SELECT count(*) AS n FROM sales").await;
    assert!(
        !explained.contains("DataSourceExec"),
        "counted from statistics: {explained}"
    );
}

#[tokio::test]
async fn nothing_is_computed_of_rows_that_a_condition_leaves_out() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM sales (id BIGINT NOT NULL, country TEXT, price NUMERIC(12,3))");
    bed.append("sales", 0..3);
    bed.flush("sales");
    bed.append("sales", 3..4);
    for sql in [
        "SELECT id, (length(country) + length(price::TEXT)) / id AS q FROM sales WHERE id <> 0 \
         ORDER BY id",
        "SELECT s.id, (length(s.country) + length(s.price::TEXT)) / s.id AS q FROM sales s \
         JOIN sales o ON o.id = s.id WHERE s.id <> 0 AND o.country IS NOT NULL ORDER BY 1",
    ] {
        assert_eq!(
            bed.ask(sql).await,
            "{\"id\":1,\"q\":7}\n{\"id\":2,\"q\":3}\n{\"id\":3,\"q\":2}\n",
            "{sql}"
        );
    }
    let zero = bed.code("SELECT id, 6 / id AS share FROM sales").await;
    assert_eq!(zero, Code::Sql026);
}

#[tokio::test]
async fn stars_show_declared_columns_and_names_show_all() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM a (id BIGINT, country TEXT); CREATE STREAM b (id BIGINT, price NUMERIC(12,3))");
    bed.append("a", 0..2);
    bed.append("b", 0..2);
    bed.flush("a");
    let check = async |sql: &str, expected: &str| assert_eq!(bed.ask(sql).await, expected, "{sql}");
    check(
        "SELECT * FROM a ORDER BY id LIMIT 1",
        "{\"id\":0,\"country\":\"c0\"}\n",
    )
    .await;
    check(
        "SELECT a.*, price FROM a JOIN b ON a.id = b.id WHERE a.id = 1",
        "{\"id\":1,\"country\":\"c1\",\"price\":\"0.333\"}\n",
    )
    .await;
    check(
        "SELECT * FROM a JOIN b USING (id) WHERE id = 1",
        "{\"id\":1,\"country\":\"c1\",\"price\":\"0.333\"}\n",
    )
    .await;
    check(
        "SELECT * EXCLUDE (country) FROM a ORDER BY id LIMIT 1",
        "{\"id\":0}\n",
    )
    .await;
    check(
        "WITH a AS (SELECT * FROM a) SELECT * FROM a ORDER BY id LIMIT 1",
        "{\"id\":0,\"country\":\"c0\"}\n",
    )
    .await;
    check(
        "SELECT * FROM (SELECT _partition, id FROM a) t ORDER BY id LIMIT 1",
        "{\"_partition\":0,\"id\":0}\n",
    )
    .await;
    check(
        "SELECT x.* FROM a x ORDER BY 1 LIMIT 1",
        "{\"id\":0,\"country\":\"c0\"}\n",
    )
    .await;
    check(
        "SELECT count(*) AS n FROM a WHERE EXISTS (SELECT * FROM b WHERE b.id = a.id)",
        "{\"n\":2}\n",
    )
    .await;
    check("SELECT _offset, _extra, arrival_time(_seq) IS NOT NULL AS t FROM a ORDER BY _offset LIMIT 1", "{\"_offset\":0,\"_extra\":null,\"t\":true}\n").await;
}

#[tokio::test]
async fn ranges_of_seq_and_arrival_prune_what_is_read() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM a (id BIGINT)");
    bed.append("a", 0..10);
    bed.flush("a");
    let middle = bed.frontier();
    bed.advance(60);
    bed.append("a", 10..20);
    bed.flush("a");
    bed.advance(60);
    bed.append("a", 20..30);
    let seq = middle.0;
    let count = async |filter: String| {
        bed.ask(&format!("SELECT count(*) AS n FROM a WHERE {filter}"))
            .await
    };
    assert_eq!(count(format!("_seq <= {seq}")).await, "{\"n\":10}\n");
    assert_eq!(count(format!("_seq > {seq}")).await, "{\"n\":20}\n");
    let later = "arrival_time(_seq) > now() - INTERVAL '90 seconds'";
    assert_eq!(count(later.to_owned()).await, "{\"n\":20}\n");
    let plan = bed
        .ask(&format!("EXPLAIN SELECT id FROM a WHERE {later}"))
        .await;
    assert_eq!(
        plan.matches(".parquet").count(),
        1,
        "one of two files is read: {plan}"
    );
    let plan = bed
        .ask(&format!("EXPLAIN SELECT id FROM a WHERE _seq <= {seq}"))
        .await;
    assert!(
        !plan.contains("StreamingTableExec"),
        "the log is not read: {plan}"
    );
}

#[tokio::test]
async fn columns_follow_their_id_through_renames_and_additions() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM a (id BIGINT, country TEXT)");
    bed.append("a", 0..2);
    bed.flush("a");
    bed.append("a", 2..4);
    bed.change(
        "CREATE STREAM a (id BIGINT, land TEXT, more BIGINT)",
        &[("country", "land")],
    );
    let all = "SELECT id, land, more FROM a ORDER BY id";
    let expected = "{\"id\":0,\"land\":\"c0\",\"more\":null}\n{\"id\":1,\"land\":\"c1\",\"more\":null}\n\
                    {\"id\":2,\"land\":\"c2\",\"more\":null}\n{\"id\":3,\"land\":\"c0\",\"more\":null}\n";
    assert_eq!(
        bed.ask(all).await,
        expected,
        "history does not know of it yet"
    );
    bed.tables();
    assert_eq!(bed.ask(all).await, expected, "history knows, files are old");
    bed.flush("a");
    assert_eq!(bed.ask(all).await, expected, "files of both kinds");
    assert_eq!(
        bed.ask("SELECT count(*) AS n FROM a WHERE land = 'c0'")
            .await,
        "{\"n\":2}\n"
    );
    assert_eq!(
        bed.ask("SELECT count(more) AS n FROM a").await,
        "{\"n\":0}\n"
    );
    assert_eq!(bed.code("SELECT country FROM a").await, Code::Sql022);
}

#[tokio::test]
async fn shows_what_is_declared() {
    let bed = Bed::new();
    bed.declare("CREATE STREAM a (id BIGINT NOT NULL, j JSON) PARTITION BY (id) WITH (retention = '2 years')");
    expect_test::expect![[r#"
        {"stream":"a","kind":"stream","application":"test","partitions":8,"retention":"2 years"}
        {"stream":"a_dead_letters","kind":"dead letters","application":"test","partitions":1,"retention":"2 years"}
    "#]]
    .assert_eq(&bed.ask("SHOW STREAMS").await);
    expect_test::expect![[r#"
        {"column":"id","type":"BIGINT","nullable":false,"default":null,"role":"partition key"}
        {"column":"j","type":"JSON","nullable":true,"default":null,"role":""}
        {"column":"_extra","type":"JSON","nullable":true,"default":null,"role":"hidden: fields that are not declared"}
        {"column":"_seq","type":"BIGINT","nullable":false,"default":null,"role":"hidden: order of arrival"}
        {"column":"_partition","type":"INTEGER","nullable":false,"default":null,"role":"hidden"}
        {"column":"_offset","type":"BIGINT","nullable":false,"default":null,"role":"hidden"}
    "#]]
    .assert_eq(&bed.ask("DESCRIBE a").await);
    let shown = bed.ask("SHOW CREATE STREAM a").await;
    assert!(
        shown.contains("PARTITION BY (id) WITH (retention = '2 years')"),
        "{shown}"
    );
    assert!(
        bed.ask("SHOW FUNCTIONS")
            .await
            .contains("\"function\":\"approx_distinct\"")
    );
    assert_eq!(
        bed.ask("SELECT count(*) AS n FROM a_dead_letters").await,
        "{\"n\":0}\n"
    );
}
