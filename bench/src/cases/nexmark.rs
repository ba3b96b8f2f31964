//! Nexmark: its events through the log and one of its queries, and as a question over the same rows.
//!
//! Events of all three streams are sent and counted, whichever a query reads: so does everybody who
//! runs it. A query that keeps rows for ever says here for how long.

mod peers;
mod queries;

use anyhow::Result;

use super::{
    Case, Setting, add_load,
    views::{FIRST, Followed, check, follow},
};
use crate::{
    events::Events,
    load::{Load, as_f64},
    report::{Findings, Unit},
    server::Server,
    usage,
};
use peers::Ours;
use queries::{QUERIES, Query};

const STREAMS: &str = include_str!("../../apps/nexmark/streams.sql");
/// Of all streams together: 3,680 bids, 240 auctions and 80 people.
const EVENTS_PER_REQUEST: usize = 4_000;
/// Rows of the table of q13.
const SIDE_INPUT: u64 = 10_000;
/// Rows of one INSERT.
const INSERTED: usize = 500;
/// Our rate per core over Flink's, where ours has a goal.
const RATIO: &str = "≥ 3";

/// Queries that are in the plan of this bench and not in it, and why.
pub(crate) const LEFT_OUT: &str = "q12 is left out: it groups by the time at which the query \
     happens to see a bid, and a view gives the same rows whenever it is computed";

/// The cases, in the order of the queries.
pub(super) const CASES: [Case; 18] = [
    case::<0>(),
    case::<1>(),
    case::<2>(),
    case::<3>(),
    case::<4>(),
    case::<5>(),
    case::<6>(),
    case::<7>(),
    case::<8>(),
    case::<9>(),
    case::<10>(),
    case::<11>(),
    case::<12>(),
    case::<13>(),
    case::<14>(),
    case::<15>(),
    case::<16>(),
    case::<17>(),
];

const fn case<const PLACE: usize>() -> Case {
    Case {
        name: QUERIES[PLACE].name,
        run: |setting| run(setting, &QUERIES[PLACE]),
    }
}

fn run(setting: &Setting, query: &Query) -> Result<Findings> {
    let title = format!("HTTP NDJSON → journal → {}", query.title);
    let mut findings = Findings::new(query.name, title);
    let app = format!("{STREAMS}\n{}", query.view);
    let server = setting.server_of(query.name, "", &app)?;
    if query.view.contains("CREATE TABLE side_input") {
        let rows = (0..SIDE_INPUT).map(|key| format!("({key}, 'side-{key}')"));
        insert(&server, "side_input", rows)?;
    }
    let load = Load {
        of: Events::Auctions,
        events_per_request: EVENTS_PER_REQUEST,
        ..Load::of_events(setting.rows, FIRST)
    };
    let followed = follow(&server, load, query.name)?;
    add_costs(&mut findings, &server, (&followed, query.goal))?;
    check(&mut findings, &server, query.same)?;
    let told = peers::ask(setting, &server, &mut findings)?;
    setting.finish(query.name, server, &mut findings)?;
    if let Some(told) = told {
        let per_core = followed.per_core();
        let goal = query.goal.and(Some(RATIO));
        peers::run(setting, &told, (&mut findings, Ours { per_core, goal }))?;
    }
    Ok(findings)
}

/// Rates, what they cost the server, and what it keeps; the goal is of the rate per core.
pub(super) fn add_costs(
    findings: &mut Findings,
    server: &Server,
    (followed, goal): (&Followed, Option<&'static str>),
) -> Result<()> {
    let per_core = followed.per_core();
    findings
        .add("per core of the server", per_core, Unit::EventsPerSecond)
        .goal = goal;
    findings.add("kept up with", followed.rate(), Unit::EventsPerSecond);
    findings.add("behind at the end", followed.behind, Unit::Seconds);
    add_load(findings, &followed.outcome);
    let views = server.status()?.views;
    let state: u64 = views.iter().map(|view| view.state_bytes).sum();
    findings.add("state in memory", as_f64(state), Unit::Bytes);
    let store = usage::folder_bytes(&server.data().join("store"))?;
    findings.add(
        "store on disk, its journal of 64 MiB among it",
        as_f64(store),
        Unit::Bytes,
    );
    let rows: u64 = views.iter().map(|view| view.rows).sum();
    findings.add("rows of its views", as_f64(rows), Unit::Count);
    Ok(())
}

/// Writes rows into a table.
pub(super) fn insert(
    server: &Server,
    table: &str,
    rows: impl Iterator<Item = String>,
) -> Result<()> {
    let rows: Vec<String> = rows.collect();
    for rows in rows.chunks(INSERTED) {
        server.sql(&format!("INSERT INTO {table} VALUES {}", rows.join(", ")))?;
    }
    Ok(())
}
