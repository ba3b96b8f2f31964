//! A hundred vouchers, many clients at once, and a server that is killed meanwhile: a hundred are
//! redeemed, and whoever was told that one is theirs has it.
//!
//! Each client tries twice: once for any voucher of a campaign, which is a counter that all
//! clients change, and once for one certain voucher, which is a row of its own.
//!
//! `MAINSTEM_CLIENTS=10000` makes it the long run.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::{runtime, setting};
use crate::world::{Server, World};

const APP: &str = "
CREATE TABLE campaigns (name TEXT PRIMARY KEY, taken BIGINT NOT NULL);
CREATE TABLE vouchers (number BIGINT PRIMARY KEY, holder BIGINT);
";
const VOUCHERS: u64 = 100;
/// Requests under way at once.
const AT_ONCE: usize = 64;
/// The server is killed after so many answers: while vouchers are left, and when none is.
const KILLS: [usize; 4] = [5, 60, 130, 400];

/// A server that clients can reach: where, its key, and how often it was started.
#[derive(Clone)]
struct Place {
    url: String,
    key: String,
    start: usize,
}

impl Place {
    fn of(server: &Server, start: usize) -> Self {
        let (url, key) = (server.url.clone(), server.key.clone());
        Self { url, key, start }
    }
}

/// What all clients share.
#[derive(Clone)]
struct Shop {
    http: reqwest::Client,
    place: watch::Receiver<Place>,
    at_once: Arc<Semaphore>,
    answers: watch::Sender<usize>,
}

impl Shop {
    /// The rows of an answer; `None` if the connection ended before there was one.
    async fn ask(&self, statement: &str) -> Option<Value> {
        let _slot = self.at_once.acquire().await.unwrap();
        let mut place = self.place.clone();
        loop {
            let Place { url, key, start } = place.borrow_and_update().clone();
            let request = self.http.post(format!("{url}/v1/sql")).bearer_auth(key);
            let request = request
                .header("Content-Type", "application/json")
                .body(json!({ "query": statement }).to_string());
            let sent = request.send().await;
            let response = match sent {
                Ok(response) => response,
                // Nobody was there to take it.
                Err(error) if error.is_connect() => {
                    place.wait_for(|now| now.start > start).await.unwrap();
                    continue;
                }
                Err(_gone) => return None,
            };
            let status = response.status();
            let answer = response.text().await.ok()?;
            if status == 429 {
                continue;
            }
            assert_eq!(status, 200, "{statement}: {answer}");
            self.answers.send_modify(|answers| *answers += 1);
            let answer: Value = serde_json::from_str(&answer).unwrap();
            return Some(answer["rows"].clone());
        }
    }

    /// Redeems any voucher: which of the hundred it is, if one is left. Not to be repeated when
    /// there is no answer.
    async fn redeem_any(&self) -> Option<Option<u64>> {
        let statement = format!(
            "UPDATE campaigns SET taken = taken + 1 \
             WHERE name = 'spring' AND taken < {VOUCHERS} RETURNING taken"
        );
        let rows = self.ask(&statement).await?;
        Some(rows[0][0].as_u64())
    }

    /// Redeems a certain voucher, if it has no holder; whether this client has it then.
    async fn redeem(&self, number: u64, client: u64) -> bool {
        let redeem = format!(
            "UPDATE vouchers SET holder = {client} WHERE number = {number} AND holder IS NULL"
        );
        let look = format!("SELECT holder FROM vouchers WHERE number = {number}");
        loop {
            if let Some(rows) = self.ask(&redeem).await {
                return rows[0][1] == 1;
            }
            // Nobody knows whether it was written: the table does.
            let rows = loop {
                if let Some(rows) = self.ask(&look).await {
                    break rows;
                }
            };
            if let Some(holder) = rows[0][0].as_u64() {
                return holder == client;
            }
        }
    }
}

/// What clients were told.
#[derive(Default)]
struct Told {
    /// Who has which of any vouchers.
    any: BTreeMap<u64, u64>,
    /// Clients that were told nothing.
    nothing: u64,
    /// Who has which certain voucher.
    certain: BTreeMap<u64, u64>,
}

impl Told {
    fn note(&mut self, client: u64, any: Option<Option<u64>>, certain: Option<u64>) {
        match any {
            None => self.nothing += 1,
            Some(None) => {}
            Some(Some(number)) => {
                let other = self.any.insert(number, client);
                assert_eq!(other, None, "voucher {number} was redeemed twice");
            }
        }
        if let Some(number) = certain {
            let other = self.certain.insert(number, client);
            assert_eq!(other, None, "voucher {number} was redeemed twice");
        }
    }
}

/// Lets all clients redeem while the server is killed and started again.
async fn redeem_all(world: &World, clients: u64) -> (Told, Server, usize) {
    let mut server = world.serve();
    let (places, place) = watch::channel(Place::of(&server, 0));
    let (answers, mut answered) = watch::channel(0);
    let shop = Shop {
        http: reqwest::Client::new(),
        place,
        at_once: Arc::new(Semaphore::new(AT_ONCE)),
        answers,
    };
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let shop = shop.clone();
        tasks.spawn(async move {
            let any = shop.redeem_any().await;
            let number = 1 + client % VOUCHERS;
            let certain = shop.redeem(number, client).await.then_some(number);
            (client, any, certain)
        });
    }
    drop(shop);
    let redeeming = tokio::spawn(async move {
        let mut told = Told::default();
        while let Some(ended) = tasks.join_next().await {
            let (client, any, certain) = ended.unwrap();
            told.note(client, any, certain);
        }
        told
    });
    let mut kills = 0;
    for after in KILLS {
        // All clients are gone when nobody counts answers any more.
        if answered.wait_for(|count| *count >= after).await.is_err() {
            break;
        }
        server = tokio::task::block_in_place(|| {
            server.kill();
            world.serve()
        });
        kills += 1;
        places.send(Place::of(&server, kills)).unwrap();
    }
    (redeeming.await.unwrap(), server, kills)
}

#[test]
fn a_hundred_vouchers_are_redeemed_a_hundred_times() {
    let clients = setting("MAINSTEM_CLIENTS", 500);
    let world = World::new();
    world.write("app/vouchers.sql", APP);
    let server = world.serve();
    world.ok(&["apply", &world.path("app").display().to_string(), "--yes"]);
    world.ok(&["sql", "INSERT INTO campaigns VALUES ('spring', 0)"]);
    let numbers = (1..=VOUCHERS).map(|number| format!("({number}, NULL)"));
    let numbers = numbers.collect::<Vec<_>>().join(", ");
    world.ok(&["sql", &format!("INSERT INTO vouchers VALUES {numbers}")]);
    server.kill();

    let (told, server, kills) = runtime().block_on(redeem_all(&world, clients));
    assert!(
        kills >= 2,
        "only {kills} kills while vouchers were redeemed"
    );
    check(&world, &told);
    server.kill();
    let _server = world.serve();
    check(&world, &told);
    let (any, nothing) = (told.any.len(), told.nothing);
    println!("{clients} clients, {kills} kills, {any} told of one of any, {nothing} told nothing");
}

/// Exactly a hundred are redeemed, and everyone who was told so has one.
fn check(world: &World, told: &Told) {
    let taken = world.ask("SELECT taken FROM campaigns WHERE name = 'spring'");
    assert_eq!(taken, VOUCHERS.to_string());
    let any = told.any.len() as u64;
    assert!(
        told.any
            .keys()
            .all(|number| (1..=VOUCHERS).contains(number))
    );
    assert!(
        any + told.nothing >= VOUCHERS,
        "{any} were told of one, {} nothing",
        told.nothing
    );
    let question = "SELECT number, holder FROM vouchers ORDER BY number";
    let answer = world.ok(&["sql", "--format", "csv", question]);
    let row = |line: &str| {
        let (number, holder) = line.split_once(',').unwrap();
        (number.parse().unwrap(), holder.parse().unwrap())
    };
    let holders: BTreeMap<u64, u64> = answer.lines().skip(1).map(row).collect();
    assert_eq!(holders.len() as u64, VOUCHERS);
    assert_eq!(holders, told.certain, "holders are not who was told so");
}
