//! MATCH_RECOGNIZE: rows of a key, one behind the other, that follow a pattern.
//!
//! # What it means
//!
//! `FROM t MATCH_RECOGNIZE (PARTITION BY k ORDER BY at MEASURES … PATTERN (A B+ C) WITHIN INTERVAL '…' DEFINE …)`
//! reads the rows of each key in their order. A match is a row that begins it and all rows of the key from there
//! to one that ends it, each taken by a symbol, as the pattern says: no row between them is left out.
//!
//! * **A match ends as soon as it can**, and is told with the row that ends it, never later: no decision
//!   waits for rows that may never come. So a pattern that could go on does not (`A B+` ends with the first B).
//! * Of several matches that end with one row the one that began first counts. Of several ways to give
//!   its rows to symbols the preferred one counts: repetitions take as many rows as they can, `|`
//!   prefers its left side.
//! * Behind a match everything begins anew with the next row (AFTER MATCH SKIP PAST LAST ROW).
//! * WITHIN: the last row of a match is at most so much later than its first.
//!
//! The standard would have the match that began first, however much later it ends; see decision 13.
//!
//! # How it is computed
//!
//! The text is rewritten before names are bound (`rewrite`): what DEFINE says of one row alone, and every value
//! that is compared with another row or told, becomes an argument of an aggregate function with OVER, whose
//! answer is NULL but in the row that ends a match. The program of the pattern is the function's name
//! (`Program::name`), so that the rewritten question is complete as text. DataFusion runs it as any
//! aggregate (`function`), `flow` as a figure of a key's rows; both do so with the code in `matcher`,
//! which decides every row once.
//!
//! # What is kept
//!
//! Of a key the beginnings of matches that still may end, and the rows since the first of them, of
//! these only what is compared or told; behind them as many rows as PREV looks back. WITHIN bounds it, or the
//! pattern's own length; a key that has more than `ROWS_MAX` rows since its first beginning gives that one up.

mod answer;
mod code;
mod define;
mod function;
mod matcher;
mod measures;
mod reads;
mod rewrite;
mod rows;
mod tokens;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use answer::Answered;
use code::Step;
pub(crate) use function::{offer, program_of};
pub use matcher::{Found, Matcher};
pub(crate) use rewrite::rewrite;
pub use rows::Rows;
pub(crate) use tokens::{Withins, without_ours};

/// Rows of a key since the first beginning of a match.
pub const ROWS_MAX: usize = 10_000;
/// Rows that PREV looks back.
const PREV_MAX: u64 = 100;
/// How the function that a pattern becomes begins; behind it follows its program.
const NAME: &str = "_match_recognize ";
/// Takes a value out of what that function answers.
pub(crate) const VALUE: &str = "_match_value";

/// A pattern, and what is told of its matches. The arguments that it is computed of are, in order: the
/// time of the row, if there is a WITHIN; the conditions of symbols; values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Program {
    /// The pattern, as people read it.
    pub text: String,
    /// µs that the last row of a match may be behind its first.
    pub within_us: Option<i64>,
    /// Rows of the longest match, if there is one.
    pub rows_max: Option<usize>,
    symbols: Vec<Symbol>,
    steps: Vec<Step>,
    /// How many arguments are conditions, and how many values.
    flags: usize,
    values: usize,
    told: Vec<Told>,
    /// How each of these is written; no two are alike.
    labels: Vec<String>,
}

/// What has to hold of a row that a symbol takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Symbol {
    /// Which condition.
    flag: Option<usize>,
    compared: Vec<Compared>,
}

/// A value of the row beside one of another row: both have to be there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
struct Compared {
    value: usize,
    way: Way,
    with: Reach,
    other: usize,
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Way {
    Equal,
    Different,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Another row of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Reach {
    /// So many rows before.
    Prev(u64),
    /// The first row of the match that a symbol took; of all of them the first.
    First(Option<usize>),
    /// The last one.
    Last(Option<usize>),
}

/// What is told of a match.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
enum Told {
    /// The value of a row; NULL if there is none.
    One(Reach, usize),
    /// How many rows a symbol took, or all; with a value only those that have one.
    Count(Option<usize>, Option<usize>),
    /// An aggregate function over the values of a symbol's rows, or of all.
    Aggregate(String, Option<usize>, usize),
}

impl Program {
    /// The function that computes it.
    pub(crate) fn name(&self) -> String {
        // Numbers and texts cannot fail to be written.
        let json = serde_json::to_string(self).unwrap_or_default();
        format!("{NAME}{json}")
    }

    /// The program of a function, if it is one.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        serde_json::from_str(name.strip_prefix(NAME)?).ok()
    }

    /// How many rows before a row are looked at, outside of matches.
    #[must_use]
    pub fn depth(&self) -> u64 {
        let compared = self.symbols.iter().flat_map(|symbol| &symbol.compared);
        let back = compared.map(|compared| match compared.with {
            Reach::Prev(rows) => rows,
            Reach::First(_) | Reach::Last(_) => 0,
        });
        back.max().unwrap_or(0)
    }

    /// How many arguments it has.
    fn arguments(&self) -> usize {
        usize::from(self.within_us.is_some())
            .saturating_add(self.flags)
            .saturating_add(self.values)
    }

    /// Where values begin among the arguments.
    fn first_value(&self) -> usize {
        self.arguments().saturating_sub(self.values)
    }
}

/// Whether a function is what a pattern becomes, or takes a value out of it.
pub(crate) fn is_ours(name: &str) -> bool {
    name == VALUE || name.starts_with(NAME)
}
