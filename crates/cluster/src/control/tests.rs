//! What has to be done, by what is declared and what is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use mainstem_catalog::Change;
use mainstem_kernel::{
    ByteSize, Fault, Offset, Offsets, PartitionId, StreamId, Timestamp, fault::chain,
};

use super::{
    claims::{Claims, Ends},
    fixture::{BRANDS, Shop, TOTALS, TOTALS_ANEW},
    reconcile::day_text,
    *,
};
use crate::{kafka::KafkaConfig, progress::Query};

pub(super) fn kafka() -> KafkaConfig {
    KafkaConfig {
        brokers: vec!["127.0.0.1:9092".to_owned()],
        topic_prefix: "mainstem".to_owned(),
        replicas: 3,
        in_sync_min: 2,
        connect_max: Duration::from_secs(5),
        acknowledge_max: Duration::from_secs(10),
        queue_size_max: ByteSize::mib(64),
        requests_max: 1_000,
        request_keep: Duration::from_secs(60),
    }
}

/// What is there, and what is done about it until nothing has to be.
struct World {
    shop: Shop,
    made: BTreeSet<StreamId>,
    queries: BTreeMap<Query, QueryFacts>,
    now: Timestamp,
    elapsed: Duration,
}

impl World {
    fn new(sql: &[&str]) -> Self {
        Self {
            shop: Shop::of(sql),
            made: BTreeSet::new(),
            queries: BTreeMap::new(),
            now: Timestamp(0),
            elapsed: Duration::from_secs(100),
        }
    }

    fn needs(&self) -> Needs {
        Needs::of(&self.shop.defs, &kafka())
    }

    fn actions(&self) -> Vec<Action> {
        let needs = self.needs();
        assert!(needs.refused.is_empty(), "{:?}", needs.refused);
        reconcile(&Facts {
            definitions: &self.shop.defs,
            needs: &needs,
            made: &self.made,
            queries: &self.queries,
            now: self.now,
            elapsed: self.elapsed,
        })
    }

    /// Does it, as if nothing ever failed.
    fn act(&mut self) -> Vec<Action> {
        let actions = self.actions();
        for action in &actions {
            match action {
                Action::Make(id) => {
                    self.made.insert(*id);
                }
                Action::Start(query) => {
                    self.queries.entry(*query).or_default().is_active = true;
                }
                Action::Stop(query) => {
                    *self.queries.entry(*query).or_default() = QueryFacts::default();
                }
                Action::Swap { views, .. } => {
                    for id in views {
                        self.shop.apply(Change::SwapView { id: *id });
                    }
                }
                Action::Expire { stream, day } => {
                    let known = self.queries.entry(Query::History(*stream)).or_default();
                    known.expired = Some(*day);
                }
                Action::Sweep { view, generation } => {
                    let known = self.queries.entry(Query::View(*view)).or_default();
                    known.swept = *generation;
                }
                Action::Forget(id) => {
                    let object = self.shop.defs.by_id(*id).unwrap().forget();
                    self.shop.apply(object);
                }
            }
        }
        actions
    }

    fn settle(&mut self) {
        for _ in 0..10 {
            if self.act().is_empty() {
                return;
            }
        }
        panic!("it never comes to rest: {:?}", self.actions());
    }

    fn catch_up(&mut self, id: StreamId) {
        let query = self.queries.entry(Query::View(id)).or_default();
        query.is_caught_up = true;
    }

    fn is_active(&self, id: StreamId) -> bool {
        self.queries
            .get(&Query::View(id))
            .is_some_and(|query| query.is_active)
    }
}

#[test]
fn topics_come_first_then_queries_then_nothing() {
    let mut world = World::new(&[TOTALS]);
    let first = world.actions();
    assert!(
        first.iter().all(|action| matches!(action, Action::Make(_))),
        "{first:?}"
    );
    world.act();
    let totals = world.shop.view("totals");
    let orders = world.shop.defs.views[&totals].spec.reads[0];
    let started = [Query::View(totals), Query::History(orders)];
    assert_eq!(world.act(), started.map(Action::Start));
    assert_eq!(world.act(), []);
}

#[test]
fn a_view_is_live_once_it_has_caught_up_and_not_before() {
    let mut world = World::new(&[TOTALS]);
    world.settle();
    let first = world.shop.view("totals");
    assert_eq!(world.actions(), []);
    world.catch_up(first);
    world.settle();
    world.shop.declare(TOTALS_ANEW);
    let second = world.shop.view("totals");
    world.settle();
    assert!(world.is_active(first) && world.is_active(second));
    let name = |world: &World| world.shop.defs.names.values().copied().collect::<Vec<_>>();
    assert!(name(&world).contains(&first), "the old one answers still");
    world.catch_up(second);
    world.settle();
    assert!(name(&world).contains(&second));
    assert!(!world.is_active(first) && world.is_active(second));
}

#[test]
fn a_rollback_starts_the_old_version_again_and_swaps_it_in() {
    let mut world = World::new(&[TOTALS]);
    world.settle();
    let first = world.shop.view("totals");
    world.catch_up(first);
    world.settle();
    world.shop.declare(TOTALS_ANEW);
    let second = world.shop.view("totals");
    world.settle();
    world.catch_up(second);
    world.settle();
    world.shop.apply(Change::RestoreView { id: first });
    assert_eq!(world.act(), [Action::Start(Query::View(first))]);
    world.catch_up(first);
    world.settle();
    assert!(world.is_active(first) && !world.is_active(second));
}

#[test]
fn what_was_replaced_is_forgotten_a_day_later_once_its_query_is_stopped() {
    let mut world = World::new(&[TOTALS]);
    world.settle();
    let first = world.shop.view("totals");
    world.catch_up(first);
    world.settle();
    world.shop.declare(TOTALS_ANEW);
    let second = world.shop.view("totals");
    world.settle();
    world.catch_up(second);
    world.act();
    let stop = Action::Stop(Query::View(first));
    world.now = Timestamp::from_millis(86_400_000 - 1_000);
    assert_eq!(world.actions(), std::slice::from_ref(&stop));
    world.now = Timestamp::from_millis(86_400_000 + 1_000);
    assert_eq!(world.actions(), [stop], "its topic is in use still");
    world.act();
    assert_eq!(world.act(), [Action::Forget(first)]);
    assert!(!world.shop.defs.views.contains_key(&first));
    assert_eq!(world.actions(), []);
}

#[test]
fn a_query_that_failed_is_started_after_its_pause() {
    let mut world = World::new(&[TOTALS]);
    world.settle();
    let query = Query::View(world.shop.view("totals"));
    let failed = QueryFacts {
        not_before: Duration::from_secs(160),
        ..QueryFacts::default()
    };
    world.queries.insert(query, failed);
    assert_eq!(world.actions(), []);
    world.elapsed = Duration::from_secs(160);
    assert_eq!(world.actions(), [Action::Start(query)]);
}

#[test]
fn a_query_of_columns_that_were_declared_before_is_started_anew() {
    let mut world = World::new(&[TOTALS]);
    world.settle();
    let query = Query::View(world.shop.view("totals"));
    if let Some(facts) = world.queries.get_mut(&query) {
        facts.is_outdated = true;
    }
    assert_eq!(world.act(), [Action::Stop(query)]);
    assert_eq!(world.act(), [Action::Start(query)]);
    assert_eq!(world.actions(), []);
}

#[test]
fn queries_of_what_is_not_declared_are_stopped() {
    let mut world = World::new(&[]);
    world.settle();
    let stray = Query::View(StreamId(999));
    let active = QueryFacts {
        is_active: true,
        ..QueryFacts::default()
    };
    world.queries.insert(stray, active);
    assert_eq!(world.actions(), [Action::Stop(stray)]);
}

#[test]
fn what_a_worker_makes_has_a_topic_of_its_own() {
    let world = World::new(&[BRANDS]);
    let brands = world.shop.view("brands");
    let needs = world.needs();
    let topics = &needs.objects[&brands].topics;
    let names: Vec<&str> = topics.values().map(|topic| topic.name.as_str()).collect();
    let rows = format!("mainstem-{brands}-brands");
    assert_eq!(names, [rows.clone(), format!("{rows}-input")]);
    let need = &needs.queries[&Query::View(brands)];
    assert_eq!(need.inputs(), [(brands, Part::Input)]);
    assert_eq!(need.changes(), Some((brands, Part::Rows)));
}

#[test]
fn a_view_of_several_streams_reads_the_topic_of_each() {
    let world = World::new(&["CREATE MATERIALIZED VIEW big AS
          SELECT country, paid_at FROM orders WHERE amount > 9;
        CREATE MATERIALIZED VIEW all_of_them AS
          SELECT country, paid_at FROM orders UNION ALL SELECT country, paid_at FROM big;
        CREATE MATERIALIZED VIEW hourly AS
          SELECT window_start, window_end, count(*) AS n
          FROM TUMBLE(all_of_them, paid_at, INTERVAL '1 hour')
          GROUP BY window_start, window_end EMIT ON WINDOW CLOSE;"]);
    let needs = world.needs();
    let view = |name| world.shop.view(name);
    let orders = world.shop.defs.streams.values();
    let mut orders = orders.filter(|def| def.spec.name.as_str() == "orders");
    let orders = orders.next().unwrap().id;
    let both = [(orders, Part::Rows), (view("big"), Part::Rows)];
    // Windows wait for the streams themselves, not for a topic of both.
    for name in ["all_of_them", "hourly"] {
        let need = &needs.queries[&Query::View(view(name))];
        assert_eq!(need.inputs(), both, "{name}");
    }
    let reader = needs.reader(Query::View(view("big")));
    assert!(reader.is_some());
    assert!(needs.reader(Query::View(view("all_of_them"))).is_none());
}

#[test]
fn windows_that_outlive_their_rows_are_refused_by_name() {
    let declare = |corrections: &str| {
        let mut shop = Shop::default();
        shop.apply(fixture::begin());
        shop.declare(&format!(
            "CREATE STREAM orders (country TEXT NOT NULL, paid_at TIMESTAMPTZ NOT NULL,
               WATERMARK FOR paid_at AS paid_at - INTERVAL '10 seconds')
               WITH (retention = '2 days');
             CREATE MATERIALIZED VIEW hourly AS
               SELECT window_start, window_end, country, count(*) AS n
               FROM TUMBLE(orders, paid_at, INTERVAL '1 hour')
               GROUP BY window_start, window_end, country
               EMIT ON WINDOW CLOSE WITH CORRECTIONS FOR INTERVAL '{corrections}';"
        ));
        Needs::of(&shop.defs, &kafka())
    };
    let fine = declare("1 day");
    assert!(fine.refused.is_empty(), "{:?}", fine.refused);
    let refused = declare("3 days");
    let error = refused.refused.values().next().unwrap();
    assert_eq!(error.answer().code.as_str(), "CLUS-061", "{error}");
    let words = chain(error);
    assert!(
        words.contains("\"orders\"") && words.contains("\"hourly\""),
        "{words}"
    );
    let views = refused
        .queries
        .keys()
        .filter(|query| matches!(query, Query::View(_)));
    assert_eq!(views.count(), 0, "it is not started");
    assert_eq!(refused.queries.len(), 1, "history goes on");
}

fn places(places: &[(u32, u16, u64)]) -> Offsets {
    let mut offsets = Offsets::default();
    for (stream, partition, next) in places {
        offsets.reach(StreamId(*stream), PartitionId(*partition), Offset(*next));
    }
    offsets
}

#[test]
fn a_query_stands_for_what_its_worker_had_read_when_its_input_ended_there() {
    let mut claims = Claims::default();
    claims.claim(places(&[(17, 0, 10)]), places(&[(16, 0, 100)]));
    claims.claim(places(&[(17, 0, 20)]), places(&[(16, 0, 200)]));
    // Nothing was made of the rows up to 300: the end is the same.
    claims.claim(places(&[(17, 0, 20)]), places(&[(16, 0, 300)]));
    claims.read(&places(&[(17, 0, 9)]));
    assert_eq!(claims.reached, Offsets::default());
    claims.read(&places(&[(17, 0, 19)]));
    assert_eq!(claims.reached, places(&[(16, 0, 100)]));
    claims.read(&places(&[(17, 0, 20)]));
    assert_eq!(claims.reached, places(&[(16, 0, 300)]));
    // A reader that falls far behind never claims what it has not seen.
    for step in 3..1_000 {
        claims.claim(
            places(&[(17, 0, step * 10)]),
            places(&[(16, 0, step * 100)]),
        );
    }
    claims.read(&places(&[(17, 0, 9_980)]));
    assert!(!claims.reached.covers(&places(&[(16, 0, 99_900)])));
    claims.read(&places(&[(17, 0, 9_990)]));
    assert!(claims.reached.covers(&places(&[(16, 0, 99_900)])));
}

#[test]
fn whoever_is_behind_by_a_moment_has_caught_up() {
    let second = Duration::from_secs;
    let none = Offsets::default();
    let mut ends = Ends::default();
    assert!(!ends.are_kept(&none), "nothing is known");
    for at in 0..20 {
        ends.note((second(at), second(5)), places(&[(16, 0, at * 10)]));
    }
    // Five seconds ago it ended at 140.
    ends.read(&places(&[(16, 0, 139)]), &none);
    assert!(!ends.are_kept(&none));
    ends.read(&places(&[(16, 0, 140)]), &none);
    assert!(ends.are_kept(&none));
}

#[test]
fn a_view_has_not_caught_up_while_its_rows_are_on_their_way() {
    let second = Duration::from_secs;
    let mut ends = Ends::default();
    // There were no changes when the input was looked at, but they are made of it.
    ends.note((second(0), second(5)), places(&[(16, 0, 7)]));
    ends.read(&Offsets::default(), &Offsets::default());
    ends.read(&places(&[(16, 0, 7)]), &places(&[(17, 0, 3)]));
    assert!(!ends.are_kept(&Offsets::default()));
    assert!(!ends.are_kept(&places(&[(17, 0, 2)])));
    // What is made of later rows does not count.
    ends.read(&places(&[(16, 0, 9)]), &places(&[(17, 0, 5)]));
    assert!(ends.are_kept(&places(&[(17, 0, 3)])));
    // Looks at all hours are not all remembered, and the last ones decide.
    for at in 1..10_000 {
        ends.note(
            (Duration::from_millis(at), second(5)),
            places(&[(16, 0, 7 + at)]),
        );
    }
    ends.note((second(16), second(5)), places(&[(16, 0, 99_999)]));
    assert!(!ends.are_kept(&places(&[(17, 0, 3)])), "they are too old");
}

#[test]
fn days_past_the_retention_are_taken_out_once_a_day() {
    let mut world = World::new(&["CREATE STREAM short (n BIGINT NOT NULL) \
         WITH (retention = '2 days');"]);
    world.settle();
    let mut streams = world.shop.defs.streams.values();
    let short = streams
        .find(|def| def.spec.name.as_str() == "short")
        .unwrap()
        .id;
    let query = Query::History(short);
    world.now = Timestamp::from_millis(10 * 86_400_000 + 3_600_000);
    assert_eq!(world.actions(), [], "nothing is written");
    world.queries.entry(query).or_default().has_read = true;
    let expire = |day| Action::Expire { stream: short, day };
    // Up to the eighth, which is kept for an hour less than two days.
    assert_eq!(world.act(), [expire(8)]);
    assert_eq!(day_text(8), "1970-01-09");
    world.now = Timestamp::from_millis(11 * 86_400_000 - 1);
    assert_eq!(world.actions(), []);
    world.now = Timestamp::from_millis(11 * 86_400_000);
    assert_eq!(world.actions(), [expire(9)]);
}

#[test]
fn rows_of_earlier_generations_go_once_the_new_one_has_caught_up() {
    let mut world = World::new(&[TOTALS]);
    world.settle();
    let view = world.shop.view("totals");
    world.catch_up(view);
    world.settle();
    assert_eq!(world.actions(), [], "the first has none before it");
    let query = world.queries.entry(Query::View(view)).or_default();
    (query.generation, query.is_caught_up) = (2, false);
    assert_eq!(world.actions(), [], "its rows are shown until then");
    world.catch_up(view);
    assert_eq!(
        world.act(),
        [Action::Sweep {
            view,
            generation: 2
        }]
    );
    assert_eq!(world.actions(), []);
}

#[test]
fn whoever_asks_is_told_how_each_query_is() {
    let mut shop = Shop::of(&[TOTALS]);
    let totals = shop.view("totals");
    let told = |shop: &Shop, doing, input: u64| {
        let mut progress = crate::progress::Progress::default();
        let query = crate::progress::QueryProgress {
            doing,
            input: places(&[(16, 0, input)]),
            ends: places(&[(16, 0, 100)]),
            ..Default::default()
        };
        progress.queries.insert(Query::View(totals), query);
        let all = statuses(&progress, &shop.defs);
        let metrics = mainstem_kernel::metrics::Metrics::new();
        measure(&progress, &shop.defs, &metrics);
        let lag = format!(
            "mainstem_query_lag_rows{{app=\"shop\",query=\"view-{totals}\"}} {}",
            100 - input
        );
        assert!(metrics.encode().contains(&lag), "{}", metrics.encode());
        let of = |name: &str| {
            all.iter()
                .find(|status| status.name == name)
                .unwrap()
                .clone()
        };
        assert_eq!(of("orders").state, "starting", "nobody has started it");
        let view = of("totals");
        (view.state, view.rows_read, view.lag_rows)
    };
    use crate::progress::Doing::{Failed, Running, Starting};
    assert_eq!(told(&shop, Starting, 0), ("starting", 0, 100));
    assert_eq!(told(&shop, Running, 40), ("building", 40, 60));
    assert_eq!(told(&shop, Running, 100), ("ready", 100, 0));
    shop.apply(Change::SwapView { id: totals });
    assert_eq!(told(&shop, Starting, 100), ("live", 100, 0));
    assert_eq!(told(&shop, Failed, 90), ("failed", 90, 10));
}
