//! Vouchers are redeemed once each, whoever is killed or held up.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use futures::stream::{self, StreamExt};
use mainstem_kernel::Fault as _;

use super::bed::{Bed, until};
use crate::kafka::fixture::Process;

const VOUCHERS: usize = 100;
const CLIENTS: usize = 10_000;
/// Clients that wait at the same time.
const AT_ONCE: usize = 500;
/// Tells a process of this test where it is.
const CHILD: &str = "MAINSTEM_TEST_TABLES";

/// A process that owns the tables of a bed, or stands by.
fn owner(bed: &Bed, instance: &str) -> Process {
    let place = format!("{}/{instance}", bed.config.kafka.topic_prefix);
    let test = "tables::contract::dying::an_owner_of_its_own";
    Process::start(test, (CHILD, &place))
}

/// The child: owns until it is killed. As a test of its own it does nothing.
#[test]
#[expect(clippy::disallowed_methods, reason = "the parent says where")]
fn an_owner_of_its_own() {
    let Ok(place) = std::env::var(CHILD) else {
        return;
    };
    let (prefix, instance) = place.split_once('/').unwrap();
    let Some(bed) = Bed::at(prefix) else { return };
    let owners = bed.owners(instance);
    // A parent that dies takes the pipe with it; ten minutes are more than it ever needs.
    for _ in 0..6_000 {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    owners.close();
}

/// Redeems a voucher for a client until it is told whether it has.
async fn redeem(bed: &Bed, client: usize) -> bool {
    let sql = format!(
        "UPDATE vouchers SET redeemed_by = 'c-{client}', left_over = left_over - 1 \
         WHERE code = 'v-{}' AND left_over > 0",
        client % VOUCHERS
    );
    let key = format!("redeem-{client}");
    for _ in 0..20 {
        match bed.keyed(&sql, Some(&key)).await {
            Ok(heard) => return heard.rows.contains(r#""rows":1"#),
            Err(error) => {
                let code = error.answer().code.as_str();
                assert!(
                    ["CLUS-090", "CLUS-092"].contains(&code),
                    "{}",
                    error.problem()
                );
            }
        }
    }
    panic!("client {client} was never told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_clients_redeem_a_hundred_while_owners_die_and_come_back() {
    let Some(bed) = Bed::new("dying") else { return };
    let first = owner(&bed, "first");
    let values: Vec<String> = (0..VOUCHERS)
        .map(|n| format!("('v-{n}', NULL, 1)"))
        .collect();
    let insert = format!("INSERT INTO vouchers VALUES {}", values.join(", "));
    assert_eq!(
        bed.write(&insert).await,
        r#"{"statement":"INSERT","rows":100}"#
    );
    let (told, won) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let clients = stream::iter(0..CLIENTS).map(|client| {
        let (told, won, bed) = (&told, Arc::clone(&won), &bed);
        async move {
            let has_won = redeem(bed, client).await;
            won.fetch_add(usize::from(has_won), Ordering::Relaxed);
            told.fetch_add(1, Ordering::Relaxed);
            has_won.then_some(client)
        }
    });
    let clients = clients.buffer_unordered(AT_ONCE).collect::<Vec<_>>();
    let deaths = async {
        let at = |count: usize| told.load(Ordering::Relaxed) >= count;
        until("the first owner is at work", || at(CLIENTS / 10)).await;
        first.signal("-KILL");
        println!(
            "killed the first owner after {}",
            told.load(Ordering::Relaxed)
        );
        let second = owner(&bed, "second");
        until("the second owner is at work", || at(CLIENTS * 3 / 10)).await;
        second.signal("-STOP");
        let stopped = told.load(Ordering::Relaxed);
        println!("stopped the second owner after {stopped}");
        assert!(
            stopped < CLIENTS * 9 / 10,
            "it is stopped while it is at work"
        );
        let third = bed.owners("third");
        until("the third owner is at work", || {
            at(stopped + AT_ONCE) || third.health().iter().any(|app| app.is_owner)
        })
        .await;
        second.signal("-CONT");
        println!(
            "let the second go on after {}",
            told.load(Ordering::Relaxed)
        );
        until("all are told", || at(CLIENTS)).await;
        third.close();
        second
    };
    let (winners, second) = futures::join!(clients, deaths);
    let winners: Vec<usize> = winners.into_iter().flatten().collect();
    assert_eq!(winners.len(), VOUCHERS, "each voucher is redeemed once");
    let kept = bed.kept("vouchers");
    assert_eq!(kept.len(), VOUCHERS);
    for winner in winners {
        let code = format!("v-{}", winner % VOUCHERS);
        let row = format!(r#"{{"code":"{code}","redeemed_by":"c-{winner}","left_over":0}}"#);
        assert_eq!(kept.get(&format!(r#"{{"code":"{code}"}}"#)), Some(&row));
    }
    drop(second);
}
