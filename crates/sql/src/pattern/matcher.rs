//! `Matcher`: what a pattern remembers of one key, and what one more row does to it.
//!
//! A thread is a match that has begun: where it is in the steps, and which symbol took each of its rows. Threads
//! are ordered: those that began first come first, of one beginning the preferred ones. A row moves
//! each thread on or ends it. Two threads of one beginning that come to the same step are one from then on:
//! the preferred one.

mod kept;

use std::collections::VecDeque;

use super::{Compared, Program, ROWS_MAX, Reach, Rows, Told, Way, code::Step};

/// A program, made ready to run.
#[derive(Debug)]
pub(super) struct Machine {
    /// Which steps begin a match.
    begins: Vec<usize>,
    /// By step: what follows once it has taken its row.
    behind: Vec<Next>,
}

/// Where a pattern goes on.
#[derive(Clone, Debug, Default)]
struct Next {
    /// Steps that take a row, the preferred one first.
    steps: Vec<usize>,
    /// Whether it is a match already.
    ends: bool,
}

impl Machine {
    pub(super) fn new(program: &Program) -> Self {
        let begins = next(program, 0).steps;
        let all = 0..program.steps.len();
        Self {
            begins,
            behind: all.map(|at| next(program, at.saturating_add(1))).collect(),
        }
    }
}

/// What can be reached from a step without a row.
fn next(program: &Program, from: usize) -> Next {
    let (mut found, mut seen) = (Next::default(), Vec::new());
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        if seen.contains(&at) {
            continue;
        }
        seen.push(at);
        match program.steps.get(at) {
            Some(Step::Take(_)) => found.steps.push(at),
            Some(Step::Either(first, second)) => open.extend([*second, *first]),
            Some(Step::Go(to)) => open.push(*to),
            Some(Step::End) => found.ends = true,
            None => {}
        }
    }
    found
}

/// What is remembered of one key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matcher {
    /// Rows that have come.
    count: u64,
    /// The last of them, as far as they are looked at.
    rows: VecDeque<Row>,
    /// Bytes of these.
    rows_size: usize,
    threads: Vec<Thread>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    time: i64,
    values: Box<[Option<Box<[u8]>>]>,
}

impl Row {
    fn size(&self) -> usize {
        let values = self.values.iter().map(|value| {
            let bytes = value.as_ref().map_or(0, |value| value.len());
            bytes.saturating_add(size_of::<Option<Box<[u8]>>>())
        });
        values.sum::<usize>().saturating_add(size_of::<Self>())
    }
}

/// A match that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Thread {
    /// The step that takes its next row.
    step: usize,
    /// The number of its first row.
    first: u64,
    /// Which symbol took each row.
    symbols: Vec<usize>,
}

/// What is told of a match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found(pub(super) Vec<Cell>);

/// One thing that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    One(Option<Box<[u8]>>),
    Count(u64),
    Many(Vec<Box<[u8]>>),
}

/// A row while it comes.
struct Coming<'a> {
    program: &'a Program,
    rows: &'a Rows,
    at: usize,
    number: u64,
}

impl Coming<'_> {
    /// Whether the step takes it, as far as the row alone says.
    fn may_be_taken(&self, step: usize) -> bool {
        let Some(Step::Take(symbol)) = self.program.steps.get(step) else {
            return false;
        };
        let symbol = self.program.symbols.get(*symbol);
        let mut flag = symbol.into_iter().flat_map(|symbol| symbol.flag);
        flag.all(|flag| self.rows.holds(flag, self.at))
    }
}

impl Matcher {
    /// One more row of the key; the match that it ends.
    pub(super) fn step(
        &mut self,
        (program, machine): (&Program, &Machine),
        rows: &Rows,
        at: usize,
    ) -> Option<Found> {
        // A row without a time stands nowhere.
        let time = rows.time(at)?;
        let coming = Coming {
            program,
            rows,
            at,
            number: self.count,
        };
        if let Some(within_us) = program.within_us {
            self.end_before(time.saturating_sub(within_us));
        }
        let mut threads = std::mem::take(&mut self.threads);
        let begins = machine.begins.iter();
        let begins = begins.filter(|step| coming.may_be_taken(**step));
        let begins = begins.map(|step| Thread {
            step: *step,
            first: coming.number,
            symbols: Vec::new(),
        });
        threads.extend(begins);
        let mut moved: Vec<Thread> = Vec::new();
        let mut found = None;
        for mut thread in threads {
            let Some(Step::Take(symbol)) = program.steps.get(thread.step).copied() else {
                continue;
            };
            thread.symbols.push(symbol);
            if !self.takes(&coming, symbol, &thread) {
                continue;
            }
            let Some(next) = machine.behind.get(thread.step) else {
                continue;
            };
            if next.ends {
                found = Some(self.told(&coming, &thread));
                break;
            }
            go_on(&mut moved, &thread, &next.steps);
        }
        if found.is_some() {
            moved.clear();
        }
        self.threads = moved;
        self.keep(&coming, time);
        found
    }

    /// Forgets what began before a time.
    fn end_before(&mut self, time: i64) {
        let (count, rows) = (self.count, &self.rows);
        self.threads.retain(|thread| {
            let began = row_of((count, rows), thread.first);
            began.is_some_and(|row| row.time >= time)
        });
    }

    /// Whether a symbol takes the row that comes, which is the last of the thread.
    fn takes(&self, coming: &Coming<'_>, symbol: usize, thread: &Thread) -> bool {
        let Some(symbol) = coming.program.symbols.get(symbol) else {
            return false;
        };
        let holds = symbol
            .flag
            .is_none_or(|flag| coming.rows.holds(flag, coming.at));
        let mut compared = symbol.compared.iter();
        holds && compared.all(|compared| self.compares(coming, compared, thread))
    }

    fn compares(&self, coming: &Coming<'_>, compared: &Compared, thread: &Thread) -> bool {
        let value = coming.rows.value(compared.value, coming.at);
        let number = reached(compared.with, coming.number, thread);
        let other = number.and_then(|number| self.value(coming, number, compared.other));
        let (Some(value), Some(other)) = (value, other) else {
            return false;
        };
        match compared.way {
            Way::Equal => value == other,
            Way::Different => value != other,
            Way::Less => value < other,
            Way::LessOrEqual => value <= other,
            Way::Greater => value > other,
            Way::GreaterOrEqual => value >= other,
        }
    }

    /// A value of a row by its number.
    fn value<'a>(&'a self, coming: &'a Coming<'_>, number: u64, value: usize) -> Option<&'a [u8]> {
        if number == coming.number {
            return coming.rows.value(value, coming.at);
        }
        let row = row_of((self.count, &self.rows), number)?;
        row.values.get(value)?.as_deref()
    }

    fn told(&self, coming: &Coming<'_>, thread: &Thread) -> Found {
        let value = |number, value| self.value(coming, number, value).map(Box::from);
        let of = |symbol: &Option<usize>| {
            let taken = (thread.first..).zip(&thread.symbols);
            let taken = taken.filter(|(_, by)| symbol.is_none_or(|symbol| symbol == **by));
            taken.map(|(number, _)| number).collect::<Vec<u64>>()
        };
        let values = |symbol: &Option<usize>, at: usize| {
            let numbers = of(symbol).into_iter();
            numbers.filter_map(|number| value(number, at)).collect()
        };
        let count = |count: usize| Cell::Count(u64::try_from(count).unwrap_or(u64::MAX));
        let cells = coming.program.told.iter().map(|told| match told {
            Told::One(reach, at) => {
                let number = reached(*reach, coming.number, thread);
                Cell::One(number.and_then(|number| value(number, *at)))
            }
            Told::Count(symbol, None) => count(of(symbol).len()),
            Told::Count(symbol, Some(at)) => {
                let values: Vec<Box<[u8]>> = values(symbol, *at);
                count(values.len())
            }
            Told::Aggregate(_, symbol, at) => Cell::Many(values(symbol, *at)),
        });
        Found(cells.collect())
    }

    /// Keeps the row that has come, and lets those go that nobody looks at.
    fn keep(&mut self, coming: &Coming<'_>, time: i64) {
        self.count = self.count.saturating_add(1);
        let since = |threads: &[Thread], count: u64| {
            let first = threads.first().map_or(count, |thread| thread.first);
            count.saturating_sub(first)
        };
        let most = u64::try_from(ROWS_MAX).unwrap_or(u64::MAX);
        if since(&self.threads, self.count) > most {
            let first = self.threads.first().map(|thread| thread.first);
            self.threads.retain(|thread| Some(thread.first) != first);
        }
        let wanted = since(&self.threads, self.count).max(coming.program.depth());
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        if wanted == 0 {
            self.rows.clear();
            self.rows_size = 0;
            return;
        }
        let row = Row {
            time,
            values: coming.rows.values(coming.at),
        };
        self.rows_size = self.rows_size.saturating_add(row.size());
        self.rows.push_back(row);
        let gone = self.rows.len().saturating_sub(wanted);
        let gone: usize = self.rows.drain(..gone).map(|row| row.size()).sum();
        self.rows_size = self.rows_size.saturating_sub(gone);
    }

    /// Bytes that it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        let threads = self.threads.iter().map(|thread| {
            let symbols = thread.symbols.len().saturating_mul(size_of::<usize>());
            symbols.saturating_add(size_of::<Thread>())
        });
        let threads: usize = threads.sum();
        threads
            .saturating_add(self.rows_size)
            .saturating_add(size_of::<Self>())
    }
}

/// Puts a thread at the steps behind, unless one of its beginning is there.
fn go_on(moved: &mut Vec<Thread>, thread: &Thread, steps: &[usize]) {
    for step in steps {
        let same = moved
            .iter()
            .rev()
            .take_while(|other| other.first == thread.first);
        if same.into_iter().all(|other| other.step != *step) {
            moved.push(Thread {
                step: *step,
                ..thread.clone()
            });
        }
    }
}

/// The number of a row that is looked at from another one, which is the last of the thread.
fn reached(reach: Reach, number: u64, thread: &Thread) -> Option<u64> {
    let is_it = |symbol: Option<usize>, by: &usize| symbol.is_none_or(|symbol| symbol == *by);
    let mut taken = (thread.first..).zip(&thread.symbols);
    let found = match reach {
        Reach::Prev(rows) => return number.checked_sub(rows),
        Reach::First(symbol) => taken.find(|(_, by)| is_it(symbol, by)),
        Reach::Last(symbol) => taken.filter(|(_, by)| is_it(symbol, by)).last(),
    };
    found.map(|(number, _)| number)
}

/// A kept row by its number; the last of them is the one before `count`.
fn row_of((count, rows): (u64, &VecDeque<Row>), number: u64) -> Option<&Row> {
    let back = usize::try_from(count.checked_sub(number)?).ok()?;
    rows.get(rows.len().checked_sub(back)?)
}
