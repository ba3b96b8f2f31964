use mainstem_catalog::Definitions;
use mainstem_kernel::{Offset, PartitionId, TenantId};

use super::*;
use crate::rows::fixture::declared;

const DECLARED: &str = "
CREATE STREAM readings (device TEXT NOT NULL, at TIMESTAMPTZ NOT NULL, n BIGINT,
  WATERMARK FOR at AS at - INTERVAL '10 seconds');
CREATE STREAM others (device TEXT NOT NULL);
CREATE TABLE owners (device TEXT PRIMARY KEY, name TEXT);
CREATE MATERIALIZED VIEW positive AS SELECT device, n FROM readings WHERE n > 0;
CREATE MATERIALIZED VIEW sums AS SELECT device, count(*) AS n FROM positive GROUP BY device
  EMIT ON UPDATE;
";

fn id(definitions: &Definitions, name: &str) -> StreamId {
    definitions.object(TenantId::ONLY, name).unwrap().id()
}

fn places(places: &[(StreamId, u64)]) -> Offsets {
    let mut offsets = Offsets::default();
    for (stream, next) in places {
        offsets.reach(*stream, PartitionId(0), Offset(*next));
    }
    offsets
}

#[test]
fn a_view_waits_for_what_it_stands_for_and_nothing_else() {
    let defs = declared(DECLARED);
    let of = |name: &str| id(&defs, name);
    let (readings, others, owners, sums) = (of("readings"), of("others"), of("owners"), of("sums"));
    let progress = QueryProgress {
        reached: places(&[(readings, 10)]),
        changes: places(&[(sums, 4)]),
        ..QueryProgress::default()
    };
    let told = |wanted: &[(StreamId, u64)], progress: Option<&QueryProgress>| {
        step(&defs, (sums, &places(wanted)), progress)
    };
    assert_eq!(told(&[(others, 7), (owners, 3)], None), Step::There);
    assert_eq!(told(&[(readings, 7)], None), Step::Progress);
    assert_eq!(told(&[(readings, 11)], Some(&progress)), Step::Progress);
    let rows = Step::Rows(progress.changes.clone());
    assert_eq!(told(&[(readings, 10), (others, 99)], Some(&progress)), rows);
    // Given by a node that knows more than this one.
    let newer = StreamId(defs.next_stream.0);
    assert_eq!(told(&[(newer, 1)], Some(&progress)), Step::Definitions);
}

#[test]
fn a_table_waits_for_its_own_rows_and_a_stream_for_none() {
    let defs = declared(DECLARED);
    let (readings, owners) = (id(&defs, "readings"), id(&defs, "owners"));
    let wanted = places(&[(readings, 7), (owners, 3)]);
    let own = Step::Rows(places(&[(owners, 3)]));
    assert_eq!(step(&defs, (owners, &wanted), None), own);
    assert_eq!(
        step(&defs, (owners, &places(&[(readings, 7)])), None),
        Step::There
    );
    assert_eq!(step(&defs, (readings, &wanted), None), Step::There);
}
