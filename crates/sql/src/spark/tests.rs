//! The table of functions as it is spelled; `tests/python/spark_views.py` runs the spellings.

use std::collections::BTreeMap;

use datafusion::execution::session_state::SessionStateBuilder;

use super::Template;
use crate::functions::{self, Kind};

#[test]
fn names_of_one_function_are_spelled_alike() {
    let state = functions::register(SessionStateBuilder::new()).build();
    let mut spelled: BTreeMap<&str, (&str, Option<Template>)> = BTreeMap::new();
    for row in functions::table()
        .iter()
        .filter(|row| row.kind == Kind::Scalar)
    {
        let Some(found) = state.scalar_functions().get(row.engine) else {
            continue;
        };
        let mine = row.spark.map(Template::new);
        let (other, theirs) = *spelled.entry(found.name()).or_insert((row.name, mine));
        assert_eq!(mine, theirs, "{} and {other}", row.name);
    }
    assert!(spelled.len() > 60, "{} functions", spelled.len());
}
