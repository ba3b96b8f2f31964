//! What has no spelling in Spark SQL.

use mainstem_kernel::{Answer, Code, Fault};

/// Why an expression has no spelling in Spark SQL that gives the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unspelled {
    /// Caller: use another function, or run on one machine.
    #[error("function \"{name}\" has none that gives the same")]
    Function {
        /// Its name.
        name: String,
    },
    /// Caller: convert the argument, or use another function.
    #[error("function \"{name}\" gives the same only of other types than {ty}")]
    Argument {
        /// Its name.
        name: String,
        /// The argument's type.
        ty: String,
    },
    /// Caller: give it as a constant.
    #[error("function \"{name}\" gives the same only with {expected}")]
    Constant {
        /// Its name.
        name: String,
        /// What the argument has to be.
        expected: &'static str,
    },
    /// Caller: leave the conversion out.
    #[error("converting {from} to {to} gives something else")]
    Cast {
        /// The type before.
        from: String,
        /// The type behind.
        to: String,
    },
    /// Caller: write it in another way.
    #[error("operator \"{operator}\" of {ty} gives something else")]
    Operator {
        /// As it is written.
        operator: String,
        /// The type of its left side.
        ty: String,
    },
    /// Caller: use columns of other types.
    #[error("values of type {ty} are not carried there")]
    Type {
        /// The type.
        ty: String,
    },
    /// Caller: make the operands narrower with CAST.
    #[error("a NUMERIC result of {digits} digits is rounded there, it keeps at most 38")]
    Digits {
        /// How many it would need.
        digits: u32,
    },
    /// Caller: aggregate something else.
    #[error("{function} of {ty} gives something else")]
    Aggregate {
        /// The aggregate function.
        function: &'static str,
        /// Its argument's type.
        ty: String,
    },
    /// Caller: run on one machine, or number rows when you ask.
    #[error("{operator} keeps rows of each key, which no streaming query there does")]
    Keyed {
        /// As SQL writes it.
        operator: &'static str,
    },
    /// Caller: use other windows, or run on one machine.
    #[error("windows of {function} have none")]
    Windows {
        /// The table function that opens them.
        function: &'static str,
    },
    /// Caller: write it in another way.
    #[error("the expression {text} has none")]
    Expression {
        /// As the planner writes it.
        text: String,
    },
}

impl Fault for Unspelled {
    fn answer(&self) -> Answer {
        Answer::caller(Code::Clus030)
    }
}
