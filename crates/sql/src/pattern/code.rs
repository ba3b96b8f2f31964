//! A pattern as steps: what a machine that reads rows one by one does next. The way from patterns to such
//! steps is that of K. Thompson, "Regular Expression Search Algorithm", CACM 11 (1968).

use mainstem_kernel::Problem;
use serde::{Deserialize, Serialize};
use sqlparser::ast::{
    Ident, MatchRecognizePattern as Pattern, MatchRecognizeSymbol, RepetitionQuantifier as Times,
};

use crate::engine::folded;

/// Steps of one pattern, its repetitions written out.
const STEPS_MAX: usize = 1_000;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Step {
    /// A symbol takes a row.
    Take(usize),
    /// Two ways to go on, the preferred one first.
    Either(usize, usize),
    /// Goes on there.
    Go(usize),
    /// A match.
    End,
}

/// How many rows a pattern takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Length {
    pub(super) least: usize,
    /// None if there is no end of it.
    pub(super) most: Option<usize>,
}

/// A pattern while it becomes steps.
#[derive(Debug, Default)]
pub(super) struct Coding {
    pub(super) steps: Vec<Step>,
    /// Names of symbols, in the order in which they appear.
    pub(super) symbols: Vec<String>,
}

impl Coding {
    /// The steps of a whole pattern; `refused` makes a problem of what is not built.
    ///
    /// # Errors
    /// What is not built, or is too long.
    pub(super) fn whole(
        pattern: &Pattern,
        refused: &impl Fn(&str, &str) -> Problem,
    ) -> Result<(Self, Length), Problem> {
        let mut coding = Self::default();
        let length = coding.part(pattern, refused)?;
        coding.steps.push(Step::End);
        Ok((coding, length))
    }

    fn part(
        &mut self,
        pattern: &Pattern,
        refused: &impl Fn(&str, &str) -> Problem,
    ) -> Result<Length, Problem> {
        if self.steps.len() > STEPS_MAX {
            return Err(refused(
                "a pattern this long",
                "repeat less: at most 1,000 steps",
            ));
        }
        match pattern {
            Pattern::Symbol(MatchRecognizeSymbol::Named(name)) => {
                let symbol = self.symbol(name);
                self.steps.push(Step::Take(symbol));
                Ok(Length {
                    least: 1,
                    most: Some(1),
                })
            }
            Pattern::Concat(parts) => {
                let mut all = Length {
                    least: 0,
                    most: Some(0),
                };
                for part in parts {
                    all = all.then(self.part(part, refused)?);
                }
                Ok(all)
            }
            Pattern::Group(inner) => self.part(inner, refused),
            Pattern::Alternation(parts) => self.either(parts, refused),
            Pattern::Repetition(inner, times) => self.repeated(inner, times, refused),
            Pattern::Symbol(_) => Err(refused("^ and $ in a pattern", "leave them out")),
            Pattern::Exclude(_) => Err(refused(
                "{- … -} in a pattern",
                "leave the braces out: one row is told per match",
            )),
            Pattern::Permute(_) => Err(refused(
                "PERMUTE in a pattern",
                "write the orders out: ((A B) | (B A))",
            )),
        }
    }

    fn symbol(&mut self, name: &Ident) -> usize {
        let name = folded(name);
        let known = self.symbols.iter().position(|known| *known == name);
        known.unwrap_or_else(|| {
            self.symbols.push(name);
            self.symbols.len().saturating_sub(1)
        })
    }

    fn either(
        &mut self,
        parts: &[Pattern],
        refused: &impl Fn(&str, &str) -> Problem,
    ) -> Result<Length, Problem> {
        let (mut ends, mut all) = (Vec::new(), None::<Length>);
        for (at, part) in parts.iter().enumerate() {
            let fork = self.steps.len();
            let is_last = at.saturating_add(1) == parts.len();
            if !is_last {
                self.steps.push(Step::End);
            }
            let length = self.part(part, refused)?;
            all = Some(all.map_or(length, |all| all.or(length)));
            if !is_last {
                ends.push(self.steps.len());
                self.steps.push(Step::End);
                self.put(fork, Step::Either(fork.saturating_add(1), self.steps.len()));
            }
        }
        let behind = self.steps.len();
        for end in ends {
            self.put(end, Step::Go(behind));
        }
        Ok(all.unwrap_or(Length {
            least: 0,
            most: Some(0),
        }))
    }

    fn repeated(
        &mut self,
        inner: &Pattern,
        times: &Times,
        refused: &impl Fn(&str, &str) -> Problem,
    ) -> Result<Length, Problem> {
        let (least, most) = bounds(times);
        if most.is_some_and(|most| most < least || most == 0) {
            return Err(refused(
                "a repetition that ends before it begins",
                "write {2,5}, {2,}, {,5}, {3}, *, + or ?",
            ));
        }
        let mut all = Length {
            least: 0,
            most: Some(0),
        };
        for _ in 0..least {
            all = all.then(self.part(inner, refused)?);
        }
        match most {
            Some(most) => {
                let mut forks = Vec::new();
                for _ in least..most {
                    forks.push(self.steps.len());
                    self.steps.push(Step::End);
                    all = all.then(self.part(inner, refused)?.or_none());
                }
                let behind = self.steps.len();
                for fork in forks {
                    self.put(fork, Step::Either(fork.saturating_add(1), behind));
                }
            }
            None => {
                let fork = self.steps.len();
                self.steps.push(Step::End);
                let once = self.part(inner, refused)?;
                if once.least == 0 {
                    return Err(refused(
                        "a repetition of what may take no row",
                        "repeat what takes at least one: (A B?)*, not (A?)*",
                    ));
                }
                self.steps.push(Step::Go(fork));
                self.put(fork, Step::Either(fork.saturating_add(1), self.steps.len()));
                all = Length {
                    least: all.least,
                    most: None,
                };
            }
        }
        Ok(all)
    }

    fn put(&mut self, at: usize, step: Step) {
        if let Some(place) = self.steps.get_mut(at) {
            *place = step;
        }
    }
}

impl Length {
    fn then(self, next: Self) -> Self {
        Self {
            least: self.least.saturating_add(next.least),
            most: self.most.zip(next.most).map(|(a, b)| a.saturating_add(b)),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.zip(other.most).map(|(a, b)| a.max(b)),
        }
    }

    const fn or_none(self) -> Self {
        Self {
            least: 0,
            most: self.most,
        }
    }
}

fn bounds(times: &Times) -> (u32, Option<u32>) {
    match *times {
        Times::ZeroOrMore => (0, None),
        Times::OneOrMore => (1, None),
        Times::AtMostOne => (0, Some(1)),
        Times::Exactly(count) => (count, Some(count)),
        Times::AtLeast(least) => (least, None),
        Times::AtMost(most) => (0, Some(most)),
        Times::Range(least, most) => (least, Some(most)),
    }
}

/// The symbol that takes the last row of every match, if it is always the same.
pub(super) fn last(pattern: &Pattern) -> Option<String> {
    match pattern {
        Pattern::Symbol(MatchRecognizeSymbol::Named(name)) => Some(folded(name)),
        Pattern::Concat(parts) => last(parts.last()?),
        Pattern::Group(inner) => last(inner),
        Pattern::Repetition(inner, times) if bounds(times).0 > 0 => last(inner),
        Pattern::Alternation(parts) => {
            let mut ends = parts.iter().map(last);
            let first = ends.next()??;
            ends.all(|end| end.as_ref() == Some(&first))
                .then_some(first)
        }
        _ => None,
    }
}
