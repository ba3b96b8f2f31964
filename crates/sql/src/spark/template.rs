//! The last column of the function table: how Spark spells a call.
//!
//! | spelling | means |
//! |---|---|
//! | `upper` | `upper(…)` with the same arguments |
//! | `instr($1, $2)` | arguments by their number; `$*` is all of them |
//! | `~ln` | the last digits may be others |
//! | `btrim($1); btrim($1, $2)` | by the number of arguments |
//! | `[double] sqrt` | only where all arguments are of that kind; several are parted by commas |
//!
//! Kinds are text, integer, double, numeric, boolean, date, time and bytes; without brackets, all but
//! numeric and bytes.

use datafusion::arrow::datatypes::DataType;

/// How one function is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    /// Whether the last digits may be others.
    pub(super) rounds: bool,
    kinds: &'static str,
    text: &'static str,
}

/// Kinds that are taken where none are named.
const USUAL: &str = "text,integer,double,boolean,date,time";

impl Template {
    pub(crate) fn new(written: &'static str) -> Self {
        let (kinds, rest) = match written
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
        {
            Some((kinds, rest)) => (kinds, rest.trim_start()),
            None => (USUAL, written),
        };
        let (rounds, text) = match rest.strip_prefix('~') {
            Some(text) => (true, text),
            None => (false, rest),
        };
        Self {
            rounds,
            kinds,
            text,
        }
    }

    pub(super) fn takes(&self, ty: &DataType) -> bool {
        let kind = kind(ty);
        kind.is_some_and(|kind| self.kinds.split(',').any(|taken| taken == kind))
            || *ty == DataType::Null
    }

    /// The call; `None` with a number of arguments that it has no spelling for.
    pub(super) fn call(&self, args: &[String]) -> Option<String> {
        let all = args.join(", ");
        if !self.text.contains(['$', '(']) {
            return Some(format!("{}({all})", self.text));
        }
        let mut ways = self.text.split("; ");
        let way = ways.find(|way| way.contains("$*") || most(way) == args.len())?;
        // One pass: what an argument is made of is not looked through again.
        let mut text = String::new();
        let mut parts = way.split('$');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let mut letters = part.chars();
            let place = letters.next().unwrap_or('*');
            let index = place.to_digit(10).and_then(|digit| digit.checked_sub(1));
            text.push_str(match index {
                Some(index) => args.get(usize::try_from(index).unwrap_or_default())?,
                None => &all,
            });
            text.push_str(letters.as_str());
        }
        Some(text)
    }

    /// For people: which arguments it takes, and whether digits differ.
    pub(crate) fn described(&self) -> String {
        let kinds = match self.kinds {
            USUAL => "any".to_owned(),
            kinds => kinds.replace(',', ", "),
        };
        match self.rounds {
            true => format!("{kinds}; the last digits may differ"),
            false => kinds,
        }
    }
}

/// The number of the last argument that is placed.
fn most(way: &str) -> usize {
    let places = way.split('$').skip(1);
    let digits = places.filter_map(|part| part.chars().next()?.to_digit(10));
    digits
        .max()
        .map_or(0, |most| usize::try_from(most).unwrap_or_default())
}

fn kind(ty: &DataType) -> Option<&'static str> {
    Some(match ty {
        DataType::Utf8 => "text",
        DataType::Int16 | DataType::Int32 | DataType::Int64 => "integer",
        DataType::Float64 => "double",
        DataType::Decimal128(..) => "numeric",
        DataType::Boolean => "boolean",
        DataType::Date32 => "date",
        DataType::Timestamp(..) => "time",
        DataType::Binary => "bytes",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &'static str, args: &[&str], expected: &str) {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let call = Template::new(written).call(&args);
        assert_eq!(call.as_deref(), Some(expected), "{written}");
    }

    #[test]
    fn calls_have_their_arguments_where_they_are_told() {
        check("upper", &["a"], "upper(a)");
        check("pi()", &[], "pi()");
        check("instr($1, $2)", &["a", "b"], "instr(a, b)");
        check("concat_ws($*)", &["a", "b"], "concat_ws(a, b)");
        check("[double] ceil", &["a"], "ceil(a)");
        check("instr($2, $1)", &["'$1'", "b"], "instr(b, '$1')");
        let trim = "btrim($1); trim(BOTH $2 FROM $1)";
        check(trim, &["a"], "btrim(a)");
        check(trim, &["a", "b"], "trim(BOTH b FROM a)");
        assert_eq!(Template::new(trim).call(&[]), None);
        assert!(Template::new("~ln").rounds);
        assert!(Template::new("[double] ~ln").rounds);
    }

    #[test]
    fn kinds_that_are_not_named_are_not_taken() {
        let takes = |written, ty| Template::new(written).takes(&ty);
        assert!(takes("upper", DataType::Utf8));
        assert!(!takes("upper", DataType::Binary));
        assert!(!takes("abs", DataType::Decimal128(3, 1)));
        assert!(takes("[numeric,double] abs", DataType::Decimal128(3, 1)));
        assert!(!takes("[numeric,double] abs", DataType::Int64));
        assert!(!takes("abs", DataType::Float32));
    }
}
