//! A broker dies while rows come in. Only with three brokers, and with the pid of the one that may
//! be killed in `MAINSTEM_KAFKA_KILL`.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use mainstem_kernel::{Clock as _, Offsets, clock::SystemClock};
use mainstem_log::Refusal;

use super::{append, brokers, counts, draft, readings, request, rows, writer};

const SENDERS: u64 = 4;
/// Appends of each sender, and after how many of all of them the broker dies.
const APPENDS: u64 = 300;
const DEATH: u64 = 300;
/// No door refuses for longer.
const GAP_MAX: Duration = Duration::from_secs(10);

#[test]
#[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
fn a_broker_dies_and_nothing_acknowledged_is_lost() {
    let Ok(victim) = std::env::var("MAINSTEM_KAFKA_KILL") else {
        println!(
            "SKIPPED: MAINSTEM_KAFKA_KILL names no broker (cargo xtask cluster test --brokers 3)"
        );
        return;
    };
    let Some(config) = brokers("death") else {
        return;
    };
    let writer = writer(&config, readings(8));
    let acknowledged = AtomicU64::new(0);
    // One sender's appends, until each is acknowledged; the longest time that one took.
    let send = |sender: u64| {
        let mut longest = Duration::ZERO;
        let device = format!("device-{sender}");
        for turn in 0..APPENDS {
            let start = SystemClock.monotonic();
            let n = i64::try_from(turn).unwrap();
            let stamp = request(sender * APPENDS + turn + 1, 1);
            loop {
                match append(&writer, draft(&[(&device, n)], 8, stamp)) {
                    Ok(_) | Err(Refusal::Repeated(_)) => break,
                    Err(Refusal::Fault(fault)) => println!("sent again: {fault}"),
                    Err(refused) => panic!("{refused:?}"),
                }
            }
            longest = longest.max(SystemClock.monotonic().saturating_sub(start));
            if acknowledged.fetch_add(1, Ordering::Relaxed) + 1 == DEATH {
                let killed = Command::new("kill").args(["-9", &victim]).status().unwrap();
                assert!(killed.success(), "broker {victim} could not be killed");
                println!("killed broker {victim} after {DEATH} appends");
            }
        }
        longest
    };
    let send = &send;
    let longest = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS).map(|s| scope.spawn(move || send(s))).collect();
        senders
            .into_iter()
            .map(|s| s.join().unwrap())
            .max()
            .unwrap()
    });
    println!("the longest append took {longest:?}");
    assert!(longest < GAP_MAX, "{longest:?}");
    let found = rows(&config, &Offsets::default());
    let counts: BTreeMap<String, usize> = counts(&found);
    assert_eq!(counts.len() as u64, SENDERS * APPENDS, "nothing is lost");
    // What was sent again under its stamp may be there twice; its sender and number say so.
    let names: BTreeMap<_, _> = found
        .iter()
        .map(|row| ((row.partition, row.sender), &row.value))
        .collect();
    assert_eq!(
        names.len() as u64,
        SENDERS * APPENDS,
        "each row has its name"
    );
    println!("{} records for {} rows", found.len(), counts.len());
}
