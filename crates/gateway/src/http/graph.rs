//! The live graph of an application or a view: as JSON, as a picture, and a page that shows it while
//! it changes. What there is comes from the definitions, how it goes from the node's status; nothing
//! is counted for it while nobody looks.

mod page;
mod rates;

use std::{collections::BTreeMap, sync::Arc};

use hyper::{
    StatusCode,
    header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderValue},
};
use mainstem_app::{
    AppError,
    graph::{Graph, GraphNode, Live, app_graph, view_graph},
    picture,
};
use mainstem_catalog::{Definitions, Kind};
use mainstem_kernel::{Fault, Problem};
use mainstem_sql::QueryError;

use super::{
    Door, answer,
    call::{Call, Outcome, no_object, shorten},
    errors::HttpError,
    problem::Refusal,
    sql::weigh,
};
use crate::{OperatorStatus, Status};

pub(crate) use page::page;
pub(crate) use rates::Rates;
use rates::{Counted, Counts};

/// Media type of pictures.
pub(crate) const SVG: &str = "image/svg+xml";
/// What a graph is answered as.
const GRAPH_TYPES: &str = "application/json, image/svg+xml";

/// `GET /v1/apps/{app}/graph`.
pub(crate) async fn of_app(call: Call) -> Outcome {
    let (tenant, name) = (call.tenant(), call.name.clone());
    let app = call.door.parts.catalog.definitions();
    let app = app.app(tenant, &name).map(|app| app.name.clone());
    let app = app.ok_or_else(|| AppError::Unknown {
        app: shorten(&name),
    })?;
    reply(&call, move |defs| app_graph(defs, tenant, &app)).await
}

/// `GET /v1/views/{view}/graph`.
pub(crate) async fn of_view(call: Call) -> Outcome {
    let defs = call.door.parts.catalog.definitions();
    let Some(def) = defs.view(call.tenant(), &call.name).cloned() else {
        return Err(no_object(&defs, call.tenant(), (Kind::View, &call.name)).into());
    };
    reply(&call, move |defs| view_graph(defs, &def)).await
}

/// The graph with how it goes. Planning and asking the disk may take their time.
async fn reply(
    call: &Call,
    graph: impl FnOnce(&Definitions) -> Result<Graph, Vec<Problem>> + Send + 'static,
) -> Outcome {
    let is_picture = wants_picture(&call.head.headers)?;
    let door = Arc::clone(&call.door);
    let made = tokio::task::spawn_blocking(move || {
        let mut made = graph(&door.parts.catalog.definitions());
        if let Ok(graph) = &mut made {
            enliven(graph, &door);
        }
        made
    });
    let made = made.await;
    let made = made.map_err(|source| HttpError::Panicked { source })?;
    let graph = made.map_err(|problems| {
        let problem = problems.into_iter().next();
        Refusal::of_node(problem.unwrap_or_else(|| unplanned().problem()))
    })?;
    let mut reply = match is_picture {
        false => answer::json(&graph),
        true => {
            let mut reply = answer::whole(StatusCode::OK, SVG, picture::svg(&graph));
            // Its own colours, and still nothing that runs or is loaded.
            let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
            let policy = HeaderValue::from_static(policy);
            reply.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
            reply
        }
    };
    let never = HeaderValue::from_static("no-store");
    reply.headers_mut().insert(CACHE_CONTROL, never);
    Ok(reply)
}

fn unplanned() -> QueryError {
    QueryError::Broken {
        source: "a view that is declared does not plan as it did".into(),
    }
}

/// Whether a picture is liked better than JSON.
fn wants_picture(headers: &HeaderMap) -> Result<bool, HttpError> {
    let mut best: Option<(u32, bool)> = None;
    let mut sent = Vec::new();
    for value in headers.get_all(ACCEPT) {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        for range in text.split(',') {
            let (media, weight) = weigh(range);
            let is_picture = match media.to_ascii_lowercase().as_str() {
                "application/json" | "application/*" | "*/*" => false,
                SVG | "image/*" => true,
                _ => continue,
            };
            if weight > 0 && best.is_none_or(|(other, _)| weight > other) {
                best = Some((weight, is_picture));
            }
        }
        sent.push(text);
    }
    match best {
        Some((_, is_picture)) => Ok(is_picture),
        None if sent.is_empty() => Ok(false),
        None => Err(HttpError::NotAcceptable {
            found: shorten(&sent.join(", ")),
            allowed: GRAPH_TYPES,
        }),
    }
}

/// Adds what the node tells of streams and views.
fn enliven(graph: &mut Graph, door: &Door) {
    let status = door.parts.control.status();
    let mut lives = lives(&status);
    let now = door.parts.clock.monotonic();
    let rates = door.rates.look(now, counts(&status, &lives));
    for (name, live) in &mut lives {
        let rate = rates.get(&Counted::Object(name.clone()));
        live.rows_per_second = rate.copied();
    }
    let version = graph.version;
    let passed = |place: usize| {
        let version = version?;
        rates.get(&Counted::Operator { version, place }).copied()
    };
    let position = Some(status.position.to_string());
    let view = status
        .views
        .iter()
        .find(|view| Some(view.version) == version);
    let live = |node: &GraphNode| match node.operator {
        Some(place) => view?.operators.get(place).map(of_operator),
        None => lives.get(&node.id).cloned(),
    };
    graph.enliven(position, live, passed);
}

fn of_operator(operator: &OperatorStatus) -> Live {
    Live {
        rows: Some(operator.rows),
        bytes: Some(operator.state_bytes),
        ..Live::default()
    }
}

/// Rows of streams and views, and what came out of the operators of views.
fn counts(status: &Status, lives: &BTreeMap<String, Live>) -> Counts {
    let objects = lives.iter();
    let objects =
        objects.filter_map(|(name, live)| Some((Counted::Object(name.clone()), live.rows?)));
    let operators = status.views.iter().flat_map(|view| {
        let version = view.version;
        let places = view.operators.iter().enumerate();
        places.map(move |(place, operator)| (Counted::Operator { version, place }, operator.rows))
    });
    objects.chain(operators).collect()
}

/// How streams and views go, by name.
fn lives(status: &Status) -> BTreeMap<String, Live> {
    let streams = status.streams.iter().map(|stream| {
        let live = Live {
            rows: Some(stream.history_rows.saturating_add(stream.log_rows)),
            bytes: Some(stream.bytes),
            dead_letters: stream.dead_letters,
            ..Live::default()
        };
        (stream.name.clone(), live)
    });
    let mut lives: BTreeMap<String, Live> = streams.collect();
    // Of a name that two versions have, the one that is shown comes last.
    let (shown, others): (Vec<_>, Vec<_>) =
        status.views.iter().partition(|view| view.state == "live");
    for view in others.into_iter().chain(shown) {
        let live = Live {
            state: Some(view.state.clone()),
            percent: view.percent,
            rows: Some(view.rows),
            rows_per_second: None,
            behind_ms: Some(view.behind_ms),
            bytes: Some(view.state_bytes),
            groups: Some(view.groups),
            late: view.late,
            dead_letters: view.dead_letters,
            problem: view.problem.clone(),
        };
        lives.insert(view.name.clone(), live);
    }
    lives
}
