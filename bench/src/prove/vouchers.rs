//! A hundred vouchers, many clients at once, and the worker that decides is killed meanwhile: a
//! hundred are redeemed, none of them twice.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use mainstem_kernel::{Clock, clock::SystemClock};
use serde_json::Value;
use tokio::{task::JoinSet, time};

use super::{
    Options,
    client::Doors,
    look::{Eyes, number},
    machines::Machines,
    strike::{Action, Strike},
};
use crate::{
    client::{Connection, Request},
    report,
};

const VOUCHERS: u64 = 100;
/// Clients at once; each of them is the next one when it is done. A door takes 1,024 connections.
const AT_ONCE: u64 = 1_000;
/// The worker is killed after so many were told of a voucher.
const KILL_AFTER: u64 = 30;
const ANSWER_MAX: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(100);
/// Longest that all of it may take.
const WHOLE_MAX: Duration = Duration::from_secs(300);

/// How it went.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redeemed {
    pub(crate) clients: u64,
    /// Clients that were told of a voucher.
    pub(crate) told: u64,
    /// Attempts without an answer: the same client asks again, under the same key.
    pub(crate) unanswered: u64,
    /// What the table says.
    pub(crate) taken: u64,
    pub(crate) took: Duration,
    pub(crate) mistakes: Vec<String>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Clients that have begun.
    begun: AtomicU64,
    told: AtomicU64,
    unanswered: AtomicU64,
}

/// Lets all clients redeem while the first worker is killed and comes back.
pub(crate) fn redeem(options: &Options, machines: &mut Machines, eyes: &Eyes) -> Result<Redeemed> {
    report::progress(&format!(
        "{} clients redeem {VOUCHERS} vouchers",
        options.redeemers
    ))?;
    let begin = SystemClock.monotonic();
    let shared = Arc::new(Shared::default());
    let doors = Arc::new(Doors::new(machines.doors()?));
    let (for_thread, clients) = (Arc::clone(&shared), options.redeemers);
    let redeeming = thread::Builder::new()
        .name("redeemers".to_owned())
        .spawn(move || redeem_all(&for_thread, &doors, clients))?;
    let strike = Strike {
        action: Action::Kill,
        victim: "worker-1".to_owned(),
    };
    while shared.told.load(Ordering::Acquire) < KILL_AFTER && !redeeming.is_finished() {
        thread::sleep(Duration::from_millis(1));
    }
    machines.strike(&strike)?;
    machines.mend(&strike)?;
    let told = match redeeming.join() {
        Ok(told) => told?,
        Err(_panicked) => bail!("the thread of the redeemers has panicked"),
    };
    let taken = taken(eyes)?;
    let redeemed = Redeemed {
        clients: options.redeemers,
        told: u64::try_from(told.len())?,
        unanswered: shared.unanswered.load(Ordering::Acquire),
        taken,
        took: SystemClock.monotonic() - begin,
        mistakes: Vec::new(),
    };
    let mut redeemed = judged(redeemed, &told);
    if !is_seen(eyes, taken, options.catch_up_max()) {
        let mistake = "questions do not come to see what was taken".to_owned();
        redeemed.mistakes.push(mistake);
    }
    Ok(redeemed)
}

/// What whoever decides has, behind all that was decided.
fn taken(eyes: &Eyes) -> Result<u64> {
    let decided = "UPDATE campaigns SET taken = taken WHERE name = 'spring' RETURNING taken";
    count(&eyes.sql(decided)?)
}

/// Whether a question comes to see the same: it reads rows that are written behind decisions.
fn is_seen(eyes: &Eyes, taken: u64, max: Duration) -> bool {
    let begin = SystemClock.monotonic();
    while SystemClock.monotonic() - begin < max {
        let rows = eyes.sql("SELECT taken FROM campaigns WHERE name = 'spring'");
        // While everything is away, nothing answers: that is waited for, too.
        if rows.is_ok_and(|rows| count(&rows).is_ok_and(|seen| seen == taken)) {
            return true;
        }
        thread::sleep(PAUSE);
    }
    false
}

fn count(rows: &[Value]) -> Result<u64> {
    let row = rows.first().context("the campaign is gone")?;
    number(&row["taken"])
}

/// Names what is wrong.
fn judged(mut redeemed: Redeemed, told: &[u64]) -> Redeemed {
    let different: BTreeSet<u64> = told.iter().copied().collect();
    let twice = told.len() - different.len();
    if twice > 0 {
        let mistake = format!("{twice} vouchers were redeemed twice");
        redeemed.mistakes.push(mistake);
    }
    if different
        .iter()
        .any(|number| !(1..=VOUCHERS).contains(number))
    {
        redeemed
            .mistakes
            .push("a voucher was redeemed that there is not".to_owned());
    }
    let wanted = VOUCHERS.min(redeemed.clients);
    if redeemed.taken != wanted {
        let mistake = format!("{} vouchers are taken, not {wanted}", redeemed.taken);
        redeemed.mistakes.push(mistake);
    }
    if redeemed.told < redeemed.taken {
        let mistake = format!(
            "{} vouchers are taken by nobody",
            redeemed.taken - redeemed.told
        );
        redeemed.mistakes.push(mistake);
    }
    redeemed
}

fn redeem_all(shared: &Arc<Shared>, doors: &Arc<Doors>, clients: u64) -> Result<Vec<u64>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for lane in 0..AT_ONCE.min(clients) {
            let (shared, doors) = (Arc::clone(shared), Arc::clone(doors));
            tasks.spawn(async move { one_after_the_other(&shared, &doors, (lane, clients)).await });
        }
        let mut told = Vec::new();
        while let Some(ended) = tasks.join_next().await {
            told.extend(ended??);
        }
        Ok(told)
    })
}

/// Clients on one connection, until all have been served.
async fn one_after_the_other(
    shared: &Shared,
    doors: &Doors,
    (lane, clients): (u64, u64),
) -> Result<Vec<u64>> {
    let mut told = Vec::new();
    let mut door = usize::try_from(lane)?;
    let mut connection = None;
    let begin = SystemClock.monotonic();
    loop {
        let client = shared.begun.fetch_add(1, Ordering::AcqRel);
        if client >= clients {
            return Ok(told);
        }
        loop {
            match attempt(doors.of(door), client, &mut connection).await {
                Ok(Some(number)) => {
                    shared.told.fetch_add(1, Ordering::AcqRel);
                    told.push(number);
                    break;
                }
                Ok(None) => break,
                Err(why) => {
                    shared.unanswered.fetch_add(1, Ordering::AcqRel);
                    if SystemClock.monotonic() - begin > WHOLE_MAX {
                        return Err(why.context("vouchers are refused for too long"));
                    }
                    connection = None;
                    door += 1;
                    time::sleep(PAUSE).await;
                }
            }
        }
    }
}

/// Redeems one: its number, or `None` if none is left. Whoever asks again takes no second one: a
/// statement under a key is done once.
async fn attempt(
    (address, key): (std::net::SocketAddr, &str),
    client: u64,
    kept: &mut Option<Connection>,
) -> Result<Option<u64>> {
    let query = format!(
        "UPDATE campaigns SET taken = taken + 1 \
         WHERE name = 'spring' AND taken < {VOUCHERS} RETURNING taken"
    );
    let body = serde_json::json!({ "query": query }).to_string();
    let head = format!(
        "content-type: application/json\r\naccept: application/json\r\n\
         idempotency-key: redeemer-{client}\r\n"
    );
    let request = Request::new("POST /v1/sql", key, &head, body.as_bytes());
    let exchange = async {
        let connection = match kept {
            Some(connection) => connection,
            None => kept.insert(Connection::open(address).await?),
        };
        let answer: Value = connection.exchange(&request).await?.json()?;
        let taken = &answer["rows"][0][0];
        Ok(match taken {
            Value::Null => None,
            taken => Some(number(taken)?),
        })
    };
    let answer = time::timeout(ANSWER_MAX, exchange).await;
    answer.context("no answer came")?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(told: &[u64], taken: u64) -> String {
        let redeemed = Redeemed {
            clients: 1_000,
            told: told.len() as u64,
            taken,
            ..Redeemed::default()
        };
        judged(redeemed, told).mistakes.join("; ")
    }

    #[test]
    fn a_hundred_are_redeemed_and_none_twice() {
        let all: Vec<u64> = (1..=100).collect();
        assert_eq!(check(&all, 100), "");
        assert!(check(&all[..98], 100).contains("2 vouchers are taken by nobody"));
        assert!(check(&all, 101).contains("101 vouchers are taken"));
        let twice = [&all[..], &[7]].concat();
        assert!(check(&twice, 100).contains("1 vouchers were redeemed twice"));
        assert!(check(&[101], 1).contains("there is not"));
    }
}
