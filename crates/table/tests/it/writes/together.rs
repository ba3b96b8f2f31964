//! Statements that are alike are decided at once: the answers are those of one after the other.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use arrow::array::RecordBatch;
use mainstem_kernel::{ByteSize, Code, Timestamp};
use mainstem_table::{Alike, Decide, Effects, Met, Statement, Target, WriteError, WriterConfig};

use super::bed::{ACCOUNTS, Bank, Overdrawn, config, ids, is_code, keys, pairs, rows, transaction};

/// What `decide_alike` was asked of, and what it gave.
#[derive(Debug, Default)]
struct Asked {
    together: AtomicUsize,
    given_up: AtomicUsize,
}

/// Adds to the balance of an account, or opens it; refuses to overdraw one.
#[derive(Debug)]
struct Deposit {
    id: i64,
    amount: i64,
    /// `None` for one that is always decided alone.
    asked: Option<Arc<Asked>>,
}

/// An amount that can only be decided alone.
const ODD: i64 = 13;

impl Deposit {
    fn like(other: &Arc<dyn Decide>) -> Option<&Self> {
        let other: &dyn std::any::Any = other.as_ref();
        other
            .downcast_ref()
            .filter(|other: &&Self| other.asked.is_some())
    }

    fn balance(&self, there: Option<i64>) -> Result<i64, WriteError> {
        let balance = there.unwrap_or_default() + self.amount;
        match balance < 0 {
            true => Err(WriteError::Refused(Arc::new(Overdrawn(self.id)))),
            false => Ok(balance),
        }
    }
}

impl Decide for Deposit {
    fn target(&self) -> Target {
        Target::Exact(ids(&[self.id]))
    }

    fn decide(&self, current: &RecordBatch, _now: Timestamp) -> Result<Effects, WriteError> {
        let there = pairs(current).first().map(|(_, balance)| *balance);
        let upserts = rows(&[(self.id, self.balance(there)?)]);
        Ok(Effects {
            deletes: keys(&[]),
            affected: 1,
            returning: Some(upserts.clone()),
            upserts,
        })
    }

    fn is_alike(&self, other: &Arc<dyn Decide>) -> bool {
        self.asked.is_some() && Self::like(other).is_some()
    }

    fn decide_alike(
        &self,
        others: &[Arc<dyn Decide>],
        met: Met<'_>,
        _now: Timestamp,
    ) -> Option<Alike> {
        let asked = self.asked.as_ref()?;
        let others = others.iter().map(Self::like);
        let all: Vec<&Self> = std::iter::once(Some(self))
            .chain(others)
            .collect::<Option<_>>()?;
        if all.iter().any(|one| one.amount == ODD) {
            asked.given_up.fetch_add(all.len(), Ordering::Relaxed);
            return None;
        }
        asked.together.fetch_add(all.len(), Ordering::Relaxed);
        let there = pairs(met.rows);
        let (mut upserts, mut of, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (number, one) in all.into_iter().enumerate() {
            let row = met.of.iter().position(|of| *of == number);
            let there = row.map(|row| there[row]);
            assert!(
                there.is_none_or(|(id, _)| id == one.id),
                "the row of another"
            );
            match one.balance(there.map(|(_, balance)| balance)) {
                Ok(balance) => {
                    upserts.push((one.id, balance));
                    of.push(number);
                }
                Err(error) => refused.push((number, error)),
            }
        }
        let upserts = rows(&upserts);
        Some(Alike {
            returning: Some(upserts.clone()),
            upserts,
            of,
            refused,
        })
    }
}

fn deposit(id: i64, amount: i64, asked: Option<&Arc<Asked>>) -> Statement {
    let asked = asked.map(Arc::clone);
    Statement {
        table: ACCOUNTS,
        decide: Arc::new(Deposit { id, amount, asked }),
    }
}

fn roomy() -> WriterConfig {
    WriterConfig {
        queue_max: 100,
        ..config()
    }
}

/// What each writer was told.
type Told = Vec<Result<(u64, Vec<(i64, i64)>), String>>;

fn write_all(bank: &mut Bank, deposits: &[(i64, i64)], asked: Option<&Arc<Asked>>) -> Told {
    let statements = deposits
        .iter()
        .map(|(id, amount)| deposit(*id, *amount, asked));
    let waiting: Vec<_> = statements
        .map(|statement| bank.submit(transaction(vec![statement])))
        .collect();
    bank.sequencer.work();
    let told = waiting
        .into_iter()
        .map(|answer| match answer.try_recv().unwrap() {
            Ok(written) => {
                let [outcome] = written.outcomes.as_slice() else {
                    panic!("{} outcomes of one statement", written.outcomes.len());
                };
                Ok((outcome.rows, pairs(outcome.returning.as_ref().unwrap())))
            }
            Err(error) => Err(error.to_string()),
        });
    told.collect()
}

/// xorshift: seeds are written down.
fn random(mut state: u64) -> impl FnMut(i64) -> i64 {
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        i64::try_from(state >> 1).unwrap() % below
    }
}

#[test]
fn a_crowd_is_told_what_one_after_the_other_would_be() {
    let (mut together, mut alone) = (Bank::with(roomy()), Bank::with(roomy()));
    let asked = Arc::new(Asked::default());
    let mut random = random(0x5EED_0601);
    let mut refused = 0;
    for round in 0..200 {
        let deposits: Vec<(i64, i64)> = (0..=random(40))
            .map(|_| {
                // Few keys in some rounds, so that they come again; the odd amount in others.
                let id = 1 + random(if round % 3 == 0 { 8 } else { 1_000 });
                let amount = random(60) - 30;
                (
                    id,
                    if amount == ODD && round % 5 > 0 {
                        0
                    } else {
                        amount
                    },
                )
            })
            .collect();
        let told = write_all(&mut together, &deposits, Some(&asked));
        refused += told.iter().filter(|told| told.is_err()).count();
        assert_eq!(
            told,
            write_all(&mut alone, &deposits, None),
            "round {round}"
        );
        if random(3) == 0 {
            together.step();
            alone.step();
            assert_eq!(together.accounts(), alone.accounts(), "round {round}");
        }
    }
    let (decided, given_up) = (&asked.together, &asked.given_up);
    let (decided, given_up) = (
        decided.load(Ordering::Relaxed),
        given_up.load(Ordering::Relaxed),
    );
    assert!(
        decided > 2_000 && given_up > 20 && refused > 100,
        "{decided} together, {given_up} alone after all, {refused} refused"
    );
}

#[test]
fn a_crowd_that_does_not_fit_is_written_in_parts() {
    let small = WriterConfig {
        batch_size_max: ByteSize(400),
        ..roomy()
    };
    let mut bank = Bank::with(small);
    let asked = Arc::new(Asked::default());
    let deposits: Vec<(i64, i64)> = (1..=60).map(|id| (id, 5)).collect();
    let told = write_all(&mut bank, &deposits, Some(&asked));
    assert!(told.iter().all(Result::is_ok), "{told:?}");
    bank.step();
    let expected = (1..=60).map(|id| (id, if id <= 5 { 105 } else { 5 }));
    assert_eq!(bank.accounts(), expected.collect::<Vec<_>>());
}

#[test]
fn a_crowd_is_told_together_that_nothing_was_written() {
    let mut bank = Bank::with(roomy());
    let asked = Arc::new(Asked::default());
    *bank.log.fails.lock() = 1;
    let waiting: Vec<_> = (1..=9)
        .map(|id| bank.submit(transaction(vec![deposit(id, 5, Some(&asked))])))
        .collect();
    bank.sequencer.work();
    for answer in waiting {
        is_code(&answer.try_recv().unwrap().unwrap_err(), Code::Log009);
    }
    assert_eq!(asked.together.load(Ordering::Relaxed), 9);
    // What was decided and is nowhere is not seen by the next.
    let told = write_all(&mut bank, &[(1, 1), (2, 1)], Some(&asked));
    assert_eq!(told, [Ok((1, vec![(1, 101)])), Ok((1, vec![(2, 101)]))]);
}
