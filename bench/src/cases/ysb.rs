//! The streaming benchmark of Yahoo: events that are views, the campaign of each, a count every
//! ten seconds.

use anyhow::Result;

use super::{
    Setting,
    nexmark::{add_costs, insert},
    views::{FIRST, check, follow},
};
use crate::{
    events::{ADS, Events, ad, campaign},
    load::Load,
    report::Findings,
};

const APP: &str = include_str!("../../apps/ysb/ysb.sql");

pub(super) fn run(setting: &Setting) -> Result<Findings> {
    let title = "HTTP NDJSON → journal → views of advertisements → 10 s window per campaign";
    let mut findings = Findings::new("ysb", title);
    let server = setting.server_of("ysb", "", APP)?;
    let rows = (0..ADS).map(|number| format!("('{}', '{}')", ad(number), campaign(number)));
    insert(&server, "ad", rows)?;
    let load = Load {
        of: Events::Ads,
        ..Load::of_events(setting.rows, FIRST)
    };
    let followed = follow(&server, load, "ysb")?;
    let goal = "600,000, aiming at 1,000,000";
    add_costs(&mut findings, &server, (&followed, Some(goal)))?;
    let same = [
        "SELECT count(*), CAST(sum(views) AS BIGINT) FROM ysb",
        "SELECT count(*), CAST(sum(n) AS BIGINT) FROM (SELECT count(*) AS n FROM ad_event e JOIN ad a \
         ON a.ad_id = e.ad_id WHERE event_type = 'view' AND event_time < (SELECT max(window_end) FROM ysb) \
         GROUP BY date_bin(INTERVAL '10 seconds', event_time), campaign_id) q",
    ];
    check(&mut findings, &server, same)?;
    setting.finish("ysb", server, &mut findings)?;
    Ok(findings)
}
