//! What several statements can get wrong together: names, and renames that lead nowhere.

use std::collections::BTreeMap;

use mainstem_catalog::StreamSpec;
use mainstem_kernel::{Code, Place, Problem};

use super::{
    Declaration, Declared,
    cursor::{Told, mistake},
};
use crate::nearest::did_you_mean;

/// Checks the declarations against each other. Renames are only checked when `complete`: a
/// statement that did not read would be missed once more.
pub(crate) fn across(declared: &[Declared], complete: bool, problems: &mut Vec<Problem>) {
    let mut streams: BTreeMap<&str, (&StreamSpec, &Place)> = BTreeMap::new();
    for Declared { declaration, place } in declared {
        let Declaration::Stream(spec) = declaration else {
            continue;
        };
        let name = spec.name.as_str();
        if let Some((_, first)) = streams.get(name) {
            let message = format!("stream \"{name}\" is declared twice");
            problems.push(
                mistake(Code::Sql006, place.clone(), message)
                    .detail(format!("It was declared first at {first}."))
                    .hint("names are unique in a tenant; unquoted ones fold to lower case"),
            );
        } else {
            streams.insert(name, (spec, place));
        }
    }
    if complete {
        renames(declared, &streams, problems);
    }
}

fn renames(
    declared: &[Declared],
    streams: &BTreeMap<&str, (&StreamSpec, &Place)>,
    problems: &mut Vec<Problem>,
) {
    let mut seen: BTreeMap<(&str, &str), &Place> = BTreeMap::new();
    for Declared { declaration, place } in declared {
        let (stream, from, to) = match declaration {
            Declaration::Stream(_) => continue,
            Declaration::RenameStream { from, to } => ("", from.as_str(), to.as_str()),
            Declaration::RenameColumn { stream, from, to } => {
                (stream.as_str(), from.as_str(), to.as_str())
            }
        };
        if let Some(first) = seen.insert((stream, from), place) {
            let message = format!("\"{from}\" is renamed twice");
            problems.push(
                mistake(Code::Sql006, place.clone(), message)
                    .detail(format!("It was renamed first at {first}.")),
            );
            continue;
        }
        problems.extend(match stream {
            "" => stream_rename((from, to), streams, place),
            stream => column_rename(stream, (from, to), streams, place),
        });
    }
}

type Streams<'a> = BTreeMap<&'a str, (&'a StreamSpec, &'a Place)>;

fn stream_rename(
    (from, to): (&str, &str),
    streams: &Streams<'_>,
    place: &Place,
) -> Option<Problem> {
    if !streams.contains_key(to) {
        let message = format!("stream \"{to}\" is not declared, so \"{from}\" cannot become it");
        return Some(mistake(Code::Sql007, place.clone(), message).hint(format!(
            "rename it in its statement too: CREATE STREAM {to} (…)"
        )));
    }
    streams.get(from).map(|(_, first)| {
        let message = format!("stream \"{from}\" is renamed and declared");
        mistake(Code::Sql006, place.clone(), message)
            .detail(format!("It is declared at {first}."))
            .hint("remove the statement that declares the old name")
    })
}

fn column_rename(
    stream: &str,
    (from, to): (&str, &str),
    streams: &Streams<'_>,
    place: &Place,
) -> Option<Problem> {
    let Some((spec, first)) = streams.get(stream) else {
        let message = format!("stream \"{stream}\" is not declared");
        return Some(
            mistake(Code::Sql007, place.clone(), message)
                .hint_if(did_you_mean(stream, streams.keys().copied())),
        );
    };
    if spec.columns.get(to).is_none() {
        let names = spec.columns.0.iter().map(|column| column.name.as_str());
        let message =
            format!("stream \"{stream}\" has no column \"{to}\", so \"{from}\" cannot become it");
        return Some(
            mistake(Code::Sql007, place.clone(), message).hint_if(did_you_mean(to, names)),
        );
    }
    spec.columns.get(from).map(|_| {
        let message = format!("column \"{from}\" is renamed and declared");
        mistake(Code::Sql006, place.clone(), message)
            .detail(format!("Stream \"{stream}\" declares it at {first}."))
            .hint("remove the old name from the statement")
    })
}
