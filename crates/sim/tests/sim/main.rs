//! The journal and history together on one disk that loses power: whatever happens, each
//! acknowledged row is in history or in the log, once.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::clone_on_ref_ptr,
    reason = "a simulation that cannot go on has failed"
)]

mod world;

use mainstem_sim::Random;
use world::{Counts, World};

/// Rounds of a run by `cargo test`; `cargo xtask sim` asks for more.
const ROUNDS: u64 = 15;

#[test]
fn sim_power_cuts_lose_and_double_nothing() {
    let first = setting("MAINSTEM_SIM_SEED", 1);
    let rounds = setting("MAINSTEM_SIM_ROUNDS", ROUNDS);
    let mut counts = Counts::default();
    for seed in first..first + rounds {
        println!("seed {seed}");
        run(seed, &mut counts);
    }
    println!("{rounds} rounds: {counts:?}");
    assert!(
        counts.exercised_everything(),
        "a run that exercised nothing proves nothing: {counts:?}"
    );
}

/// Some lives of a node, each ended by a power cut at a random call of its disk.
fn run(seed: u64, counts: &mut Counts) {
    let mut random = Random::new(seed);
    let mut world = World::new(seed);
    for _ in 0..4 {
        world.cut_power_in(random.below(400));
        for _ in 0..60 {
            match random.below(10) {
                0..5 => world.append(1 + random.below(400)),
                5..7 => world.work(),
                7 => world.flush(),
                8 => world.wait_minutes(1 + random.below(600)),
                _ => world.check(),
            }
        }
        world.restart(random.number());
        world.check();
    }
    counts.add(&world);
}

#[expect(
    clippy::disallowed_methods,
    reason = "`cargo xtask sim` hands its flags over this way"
)]
fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}
