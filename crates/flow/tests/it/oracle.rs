//! Batch = stream: DataFusion answers the same view as a plain question over the same rows.

use std::{sync::Arc, time::Duration};

use datafusion::arrow::array::RecordBatch;
use futures::StreamExt;
use mainstem_kernel::{ByteSize, TenantId, clock::SharedClock, metrics::Metrics};
use mainstem_sql::{Engine, Question, SqlConfig, SqlParts, plan_view, view_text};
use serde_json::{Value, json};

use crate::{
    verify::differences,
    world::{Pace, Random, SECOND, START, USUAL, World, at, lines},
};

const STREAM: &str = "
CREATE STREAM sales (
  id BIGINT NOT NULL, shop TEXT, pieces INTEGER, price NUMERIC(12, 3), weight DOUBLE PRECISION,
  day DATE, at TIMESTAMPTZ NOT NULL,
  WATERMARK FOR at AS at - INTERVAL '30 seconds'
);
";

/// Views of which every row is told in the end, without late rows.
const VIEWS: [&str; 18] = [
    "SELECT shop, count(*) AS n, count(price) AS priced, sum(pieces) AS pieces, avg(pieces) AS mean
     FROM sales GROUP BY shop EMIT ON UPDATE",
    "SELECT shop, day, sum(price * pieces) AS money, min(price) AS least, max(price) AS most
     FROM sales WHERE pieces > 0 GROUP BY shop, day HAVING count(*) > 1 EMIT ON UPDATE",
    "SELECT sum(weight) AS weight, avg(weight) AS mean, max(weight) AS most FROM sales EMIT ON UPDATE",
    "WITH (distinct_max = 10000) AS SELECT day, count(DISTINCT shop) AS shops, sum(DISTINCT price) AS prices, avg(DISTINCT pieces) AS mean
     FROM sales GROUP BY day EMIT ON UPDATE",
    "SELECT upper(shop) AS shop, pieces % 3 AS part, max(day) AS last, min(at) AS first
     FROM sales GROUP BY upper(shop), pieces % 3 EMIT ON UPDATE",
    "SELECT window_start, window_end, shop, sum(pieces) FILTER (WHERE weight > 0) AS pieces
     FROM TUMBLE(sales, at, INTERVAL '5 minutes') s
     GROUP BY window_start, window_end, shop
     EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '10 minutes'",
    "SELECT id, shop, coalesce(price, 0) * 2 AS twice FROM sales WHERE weight IS NOT NULL",
    "SELECT window_start, count(*) AS n, avg(price) AS mean
     FROM TUMBLE(sales, at, INTERVAL '1 minute') s
     GROUP BY window_start, window_end EMIT ON WINDOW CLOSE",
    "SELECT window_start, window_end, day, min(shop) AS first, max(shop) AS last
     FROM TUMBLE(sales, at, INTERVAL '10 minutes') s
     GROUP BY window_start, window_end, day EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 hour'",
    "SELECT shop, last_value(pieces ORDER BY at) AS last, min_by(day, weight) AS lightest, bool_or(pieces < 0) AS back,
       approx_distinct(day) AS days, approx_percentile_cont(0.9) WITHIN GROUP (ORDER BY weight) AS heavy,
       round(stddev(weight), 3) AS spread
     FROM sales GROUP BY shop EMIT ON UPDATE",
    "SELECT window_start, window_end, round(var_pop(pieces), 6) AS spread, first_value(shop ORDER BY at) AS first
     FROM TUMBLE(sales, at, INTERVAL '10 minutes') s
     GROUP BY window_start, window_end EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '1 hour'",
    "SELECT shop, id, price, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY shop ORDER BY price DESC) AS n FROM sales)
     WHERE n <= 3 EMIT ON UPDATE",
    "SELECT shop, id, weight FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY shop, day ORDER BY _seq DESC) AS n FROM sales WHERE pieces > 3) s
     WHERE n <= 4 AND weight > 0 EMIT ON UPDATE",
    "SELECT shop, id, at FROM sales QUALIFY ROW_NUMBER() OVER (PARTITION BY shop ORDER BY at) = 1 EMIT ON UPDATE",
    "SELECT upper(shop) AS shop, n FROM (SELECT shop, pieces, ROW_NUMBER() OVER (PARTITION BY upper(shop), pieces % 2 ORDER BY weight NULLS FIRST, price) AS n FROM sales)
     WHERE n BETWEEN 2 AND 5 EMIT ON UPDATE",
    "SELECT window_start, shop, pieces, n FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY pieces DESC) AS n
       FROM (SELECT window_start, window_end, shop, sum(pieces) AS pieces FROM TUMBLE(sales, at, INTERVAL '2 minutes') s GROUP BY window_start, window_end, shop))
     WHERE n <= 2 EMIT ON WINDOW CLOSE",
    "SELECT id, shop, avg(weight) OVER (PARTITION BY shop ORDER BY _seq ROWS BETWEEN 7 PRECEDING AND 1 PRECEDING) AS mean,
       sum(pieces) OVER (PARTITION BY shop ORDER BY _seq) AS pieces, max(price) FILTER (WHERE pieces > 2) OVER (PARTITION BY shop ORDER BY _seq ROWS 3 PRECEDING) AS most,
       lag(price, 2) OVER (PARTITION BY shop ORDER BY _seq) AS before FROM sales",
    "SELECT id, n, least FROM (SELECT id, count(*) OVER (PARTITION BY day ORDER BY _seq ROWS BETWEEN 4 PRECEDING AND 2 PRECEDING) AS n,
       min(shop) OVER (ORDER BY _seq ROWS BETWEEN 9 PRECEDING AND CURRENT ROW) AS least FROM sales) s WHERE n > 1",
];

fn sale(random: &mut Random, id: i64, now: i64) -> Value {
    let mut maybe = |value: Value| {
        if random.below(7) == 0 {
            Value::Null
        } else {
            value
        }
    };
    let (shop, pieces) = (maybe(json!(1)), maybe(json!(1)));
    let (price, weight) = (maybe(json!(1)), maybe(json!(1)));
    let shop = shop.as_i64().map(|_| format!("shop {}", random.below(5)));
    let pieces = pieces.as_i64().map(|_| random.between(-5, 50));
    let price = price
        .as_i64()
        .map(|_| format!("{}.{:03}", random.between(0, 90), random.below(1_000)));
    let weight = weight
        .as_i64()
        .map(|_| random.between(-1_000_000, 1_000_000) as f64 / 1_024.0);
    let day = format!("2023-11-{:02}", 10 + random.below(4));
    let time = at(now - random.between(0, 30 * SECOND));
    json!({"id": id, "shop": shop, "pieces": pieces, "price": price, "weight": weight, "day": day, "at": time})
}

fn engine(world: &World) -> Arc<Engine> {
    let clock: SharedClock = Arc::<mainstem_kernel::clock::ManualClock>::clone(&world.clock);
    let parts = SqlParts {
        catalog: Arc::clone(&world.catalog),
        log: Arc::clone(&world.log),
        history: Arc::clone(&world.history),
        clock,
        metrics: Metrics::new(),
        runtime: tokio::runtime::Handle::current(),
        rows: Arc::new(mainstem_sql::NoRows),
    };
    let config = SqlConfig {
        memory_max: ByteSize::mib(256),
        query_memory_max: ByteSize::mib(128),
        query_time_max: Duration::from_secs(60),
        queries_max: 4,
        threads: 1,
    };
    Engine::open(parts, config)
}

async fn asked(engine: &Arc<Engine>, sql: &str) -> Vec<RecordBatch> {
    let question = Question {
        tenant: TenantId::ONLY,
        sql: sql.to_owned(),
        rights: mainstem_sql::Rights::Read,
        wait: None,
        time_max: None,
        request: None,
    };
    let answered = engine.ask(question).await;
    let mut rows = answered.unwrap_or_else(|e| panic!("{sql}: {e}")).rows;
    let mut batches = Vec::new();
    while let Some(batch) = rows.next().await {
        batches.push(batch.unwrap_or_else(|e| panic!("{sql}: {e}")));
    }
    batches
}

/// Sales at random, in history and in the log; gives the time of the last.
fn sell(world: &mut World, random: &mut Random) -> i64 {
    let mut now = START;
    for id in 0..400 {
        world.advance(Duration::from_secs(2));
        now += 2 * SECOND;
        let rows = [sale(random, id, now), sale(random, id, now)];
        world.push("sales", &rows);
        if random.below(30) == 0 {
            world.settle();
            world.advance(Duration::from_secs(1));
            now += SECOND;
        }
        if id == 200 {
            world.flush("sales");
        }
    }
    // All windows close: this row's own do not, and it is left out.
    world.advance(Duration::from_secs(7_200));
    let last = json!({"id": 999, "at": at(now + 7_200 * SECOND)});
    world.push("sales", &[last]);
    world.finish();
    now
}

/// Rows of a view as it has told them, without hidden columns, and the plain question.
fn told(world: &World, name: &str) -> (Vec<String>, String) {
    let defs = world.defs();
    let def = defs.view(TenantId::ONLY, name).unwrap();
    let text = view_text(&def.spec.sql).unwrap();
    let planned = plan_view(&defs, TenantId::ONLY, &text).unwrap();
    let width = def.spec.columns.0.len() - def.spec.hidden.len();
    let rows = match def.spec.emit.is_stream() {
        true => world.logged(name),
        false => world.rows(name),
    };
    let shown = |line: &String| {
        let cells: Vec<&str> = line.split('|').take(width).collect();
        cells.join("|")
    };
    let mut rows: Vec<String> = rows.iter().map(shown).collect();
    rows.sort();
    (rows, planned.batch_sql)
}

#[tokio::test]
async fn the_stream_has_the_rows_of_the_batch() {
    let statements = (0..).zip(VIEWS).map(|(number, view)| {
        let between = if view.starts_with("WITH") { "" } else { "AS" };
        format!("CREATE MATERIALIZED VIEW v{number} {between} {view};")
    });
    let statements: Vec<String> = statements.collect();
    let sql = format!("{STREAM}{}", statements.join("\n"));
    let mut compared = 0;
    let paces = [(1, 8 << 20, 64 << 20), (2, 4_000, 0), (8, 1, 1 << 14)];
    for (seed, (threads, step, state)) in (1..).zip(paces) {
        let pace = Pace {
            threads,
            step,
            state,
            ..USUAL
        };
        let mut world = World::paced(&sql, pace);
        let now = sell(&mut world, &mut Random(seed));
        let engine = engine(&world);
        for (number, view) in VIEWS.iter().enumerate() {
            let (ours, batch_sql) = told(&world, &format!("v{number}"));
            let answer = asked(&engine, &batch_sql).await;
            let mut theirs: Vec<String> = answer.iter().flat_map(lines).collect();
            if view.contains("ON WINDOW CLOSE") {
                let open = at(now + 3_600 * SECOND);
                theirs.retain(|line| *line < open);
            }
            theirs.sort();
            assert_eq!(ours, theirs, "seed {seed}, {view}\n{batch_sql}");
            compared += ours.len();
        }
        world.swap();
        world.settle();
        for (number, view) in VIEWS.iter().enumerate() {
            let found = differences(&world, &format!("v{number}")).await;
            assert!(found.is_empty(), "seed {seed}, {view}: {found:#?}");
        }
    }
    assert!(compared > 2_000, "{compared}");
}
