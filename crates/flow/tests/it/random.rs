//! Batch = stream for views at random: whatever is declared, whatever happens, however the log is cut
//! and whenever the process dies, each view has the rows that plain DataFusion gives for the same
//! question over the same rows.

mod behind;
mod beside;
mod calls;
mod expressions;
mod joined;
mod keyed;
mod life;
mod oracle;
mod questions;
mod together;
mod values;
mod view;
mod windows;
mod writing;

use std::panic::{AssertUnwindSafe, catch_unwind};

use datafusion::arrow::array::{AsArray, RecordBatch};
use mainstem_kernel::Seq;

use self::{
    life::{Life, objects},
    oracle::Oracle,
    view::{View, relations, view},
};
use crate::{
    settings::setting,
    verify::verified_if_possible,
    world::{Pace, Random, USUAL, World, lines},
};

/// Seeds of a run by `cargo test`; `cargo xtask sim views` asks for more.
const ROUNDS: u64 = 30;
/// Appends of a seed.
const APPENDS: usize = 120;

/// What all seeds did together.
#[derive(Debug, Default)]
struct Counts {
    views: usize,
    /// Views that had rows at the end.
    filled: usize,
    rows: usize,
    letters: usize,
    late: usize,
    deaths: usize,
    built: usize,
    /// Views of several relations, and views of these.
    together: usize,
    /// Those of them that VERIFY VIEW looked at.
    verified: usize,
    /// Runs with streams that rest.
    resting: usize,
}

#[test]
fn sim_views_have_the_rows_of_the_batch() {
    let first = setting("MAINSTEM_SIM_SEED", 1);
    let rounds = setting("MAINSTEM_SIM_ROUNDS", ROUNDS);
    let mut counts = Counts::default();
    for seed in first..first + rounds {
        let mut random = Random(seed);
        let scene = Scene::new(&mut random);
        let run = AssertUnwindSafe(|| scene.run(&mut random, &mut counts));
        if let Err(panic) = catch_unwind(run) {
            let words = panic.downcast_ref::<String>().cloned();
            let words = words.unwrap_or_default();
            panic!("seed {seed}: {words}\n{scene:#?}\n{}", scene.sql());
        }
    }
    println!("{rounds} rounds: {counts:?}");
    let Counts {
        views,
        filled,
        rows,
        letters,
        late,
        deaths,
        built,
        together,
        verified,
        resting,
    } = counts;
    assert!(filled * 2 > views, "few views have rows");
    let all = [
        rows, letters, late, deaths, built, together, verified, resting,
    ];
    assert!(
        rounds < ROUNDS || all.iter().all(|count| *count > 10),
        "a run that exercised nothing: {all:?}"
    );
}

/// Views, and how they are run.
#[derive(Debug)]
struct Scene {
    delays: [i64; 2],
    /// After how many seconds without rows event time of a stream goes on by itself.
    idles: [Option<i64>; 2],
    views: Vec<View>,
    /// Views that are there from the start; the others come later and are built.
    first: usize,
    pace: Pace,
}

impl Scene {
    fn new(random: &mut Random) -> Self {
        let delays = [(); 2].map(|()| [0, 5, 30][random.below(3)]);
        let idles = [(); 2].map(|()| [None, None, Some(7), Some(40)][random.below(4)]);
        let mut known = relations(delays);
        let mut views: Vec<View> = Vec::new();
        for number in 0..3 + random.below(4) {
            let view = view(random, number, &known);
            known.push(view.relation.clone());
            views.push(view);
        }
        let pace = Pace {
            threads: [1, 2, 8][random.below(3)],
            step: [1, 3_000, 100_000, 8 << 20][random.below(4)],
            state: [0, 1 << 14, 64 << 20][random.below(3)],
            ..USUAL
        };
        Self {
            delays,
            idles,
            first: random.below(views.len() + 1),
            views,
            pace,
        }
    }

    fn sql(&self) -> String {
        let views: Vec<&str> = self.views.iter().map(|view| view.sql.as_str()).collect();
        format!("{}\n{}", self.objects(), views.join("\n"))
    }

    fn objects(&self) -> String {
        objects(self.delays, self.idles)
    }

    fn run(&self, random: &mut Random, counts: &mut Counts) {
        let mut declared = self.first;
        let names = |views: &[View]| {
            let views: Vec<&str> = views.iter().map(|view| view.sql.as_str()).collect();
            views.join("\n")
        };
        let first = format!("{}{}", self.objects(), names(&self.views[..declared]));
        let mut world = World::paced(&first, self.pace);
        let mut life = Life::new(self.delays, self.idles);
        life.begin(&world, random);
        let mut oracle = Oracle::new();
        for _ in 0..APPENDS {
            life.happen(&world, random);
            for _ in 0..random.below(3) {
                world.work().unwrap();
            }
            match random.below(61) {
                0..3 => {
                    world.die();
                    world.open();
                    counts.deaths += 1;
                }
                3 => drop(world.apply_checkpoints()),
                4 => world.flush("events"),
                5 => world.flush("shops"),
                60 => world.flush("visits"),
                6..9 if declared < self.views.len() => {
                    world.declare(&self.views[declared].sql);
                    declared += 1;
                    counts.built += 1;
                }
                9 | 10 => {
                    world.settle();
                    self.compare(&world, (&life, &mut oracle), declared);
                }
                _ => {}
            }
        }
        for view in &self.views[declared..] {
            world.declare(&view.sql);
            counts.built += 1;
        }
        world.finish();
        self.compare(&world, (&life, &mut oracle), self.views.len());
        self.compare_aside(&world, &oracle, &life, counts);
        counts.resting += usize::from(self.idles.iter().any(Option::is_some));
        self.verify(&mut world, &oracle, counts);
        counts.views += self.views.len();
        for view in &self.views {
            let rows = oracle.relations[&view.relation.name].num_rows();
            counts.rows += rows;
            counts.together += usize::from(view.relation.is_together && rows > 0);
            counts.filled += usize::from(rows > 0);
        }
    }

    /// Each view has what the plain question gives of the rows up to the frontier.
    fn compare(&self, world: &World, (life, oracle): (&Life, &mut Oracle), declared: usize) {
        oracle.relations.clear();
        let frontier = world.tables().frontier().arrival().0;
        let all = life.streams(world).into_iter().chain(life.tables(frontier));
        for (name, rows) in all {
            oracle.relations.insert(name.to_owned(), rows);
        }
        for view in &self.views[..declared] {
            let name = &view.relation.name;
            let rows = oracle.answer(&asked((life, world), &view.rows));
            let width = view.relation.columns.len();
            let theirs = told(lines(&rows), width);
            oracle.relations.insert(name.clone(), rows);
            if world.is_building(world.id(name)) {
                continue;
            }
            let ours = match view.is_stream() {
                true => world.seen(name),
                false => world.rows(name),
            };
            assert_eq!(
                told(ours, width),
                theirs,
                "{}\n{}",
                view.sql,
                asked((life, world), &view.rows)
            );
        }
    }

    /// Views of several relations are what VERIFY VIEW computes, too, where it does not refuse.
    fn verify(&self, world: &mut World, oracle: &Oracle, counts: &mut Counts) {
        // What is built has its name from now on.
        world.swap();
        world.settle();
        let views = self.views.iter().map(|view| &view.relation);
        for view in views.filter(|view| view.is_together) {
            let found = oracle
                .runtime
                .block_on(verified_if_possible(world, &view.name));
            let Some(found) = found else { continue };
            assert_eq!(found, [""; 0], "VERIFY VIEW {}", view.name);
            counts.verified += 1;
        }
    }

    /// What failed or was late is named, each row once.
    fn compare_aside(&self, world: &World, oracle: &Oracle, life: &Life, counts: &mut Counts) {
        for view in &self.views {
            let name = &view.relation.name;
            let aside = [(&view.letters, "dead_letters", 0), (&view.late, "late", 1)];
            for (question, stream, which) in aside {
                let Some(question) = question else {
                    continue;
                };
                let expected = count(&oracle.answer(&asked((life, world), question)));
                let found = world.logged(&format!("{name}_{stream}"));
                assert_eq!(
                    found.len(),
                    expected,
                    "{stream} of {}\n{question}\n{found:#?}",
                    view.sql
                );
                *[&mut counts.letters, &mut counts.late][which] += expected;
            }
        }
    }
}

/// A plain question as of now.
fn asked((life, world): (&Life, &World), question: &str) -> String {
    // What moves just before a millisecond has moved as of the seq before it.
    let now = Seq(world.tables().frontier().0 + 1).arrival().0;
    let watermarks = life.watermarks(now).into_iter().enumerate();
    watermarks.fold(question.to_owned(), |question, (stream, watermark)| {
        let watermark = watermark.unwrap_or(-(1 << 61)).to_string();
        question.replace(&format!(":watermark{stream}"), &watermark)
    })
}

/// Rows without the columns that nobody sees, in the order of their texts.
fn told(rows: Vec<String>, width: usize) -> Vec<String> {
    let shown = |line: String| line.split('|').take(width).collect::<Vec<_>>().join("|");
    let mut rows: Vec<String> = rows.into_iter().map(shown).collect();
    rows.sort();
    rows
}

fn count(rows: &RecordBatch) -> usize {
    let counts = rows
        .column(0)
        .as_primitive::<datafusion::arrow::datatypes::Int64Type>();
    usize::try_from(counts.value(0)).unwrap()
}
