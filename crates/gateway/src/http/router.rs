//! From a request to its handler: finds the route, checks the key, counts, and turns refusals
//! into answers. Nothing of a body is read before the key is checked.

use std::sync::{Arc, OnceLock};

use hyper::{Method, Request, StatusCode, body::Incoming, http::request::Parts};
use mainstem_kernel::metrics::{RouteLabel, Total};

use super::{
    Door,
    answer::Reply,
    auth::{self, Permission},
    call::{Call, Outcome, decode, is_near, shorten},
    errors::HttpError,
    patience::{Busy, Phase},
    problem::Refusal,
    routes::{ROUTES, Route, Verb},
};

/// Counts of answers, without a look at the labels for the common ones.
#[derive(Debug)]
pub(crate) struct Counters {
    ok: Vec<OnceLock<Total>>,
}

impl Counters {
    /// All at zero.
    pub(crate) fn new() -> Self {
        Self {
            ok: ROUTES.iter().map(|_| OnceLock::new()).collect(),
        }
    }

    fn count(&self, door: &Door, index: Option<usize>, status: u16) {
        let family = &door.parts.metrics.http_requests;
        let route = index
            .and_then(|index| ROUTES.get(index))
            .map_or("unknown", |route| route.path);
        let label = || RouteLabel {
            route: route.to_owned(),
            status,
        };
        match index.and_then(|index| self.ok.get(index)) {
            Some(ok) if status == 200 => {
                ok.get_or_init(|| family.get_or_create(&label()).clone())
                    .inc();
            }
            _ => {
                family.get_or_create(&label()).inc();
            }
        }
    }
}

/// A route and what its `{…}` stand for in a path.
#[derive(Debug)]
struct Match<'a> {
    index: usize,
    route: &'static Route,
    parts: [&'a str; 2],
}

/// Answers a request.
pub(crate) async fn answer(
    door: &Arc<Door>,
    phase: &Arc<Phase>,
    request: Request<Incoming>,
) -> Reply {
    let mut busy = Busy::new(phase);
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let found = find(&head.method, path);
    let index = found.as_ref().ok().map(|found| found.index);
    let outcome = match enter(door, &head, found) {
        Ok((route, [name, second])) => {
            busy.trust_if(route.permission != Permission::Open);
            let (door, phase) = (Arc::clone(door), Arc::clone(phase));
            (route.handler)(Call {
                door,
                head,
                body,
                phase,
                name,
                second,
            })
            .await
        }
        Err(refusal) => Err(refusal),
    };
    let mut reply = outcome.unwrap_or_else(|refusal| refuse(door, index, refusal));
    door.counters.count(door, index, reply.status().as_u16());
    if reply.status() == StatusCode::SWITCHING_PROTOCOLS {
        busy.for_ever();
    }
    reply.body_mut().busy = Some(busy);
    reply
}

/// Checks the key, then that there is such a route, then the path's texts.
fn enter(
    door: &Door,
    head: &Parts,
    found: Result<Match<'_>, Refusal>,
) -> Result<(&'static Route, [String; 2]), Refusal> {
    // Without a key nobody learns what there is.
    let permission = found
        .as_ref()
        .map_or(Permission::Read, |found| found.route.permission);
    auth::check(permission, &head.headers, &door.parts.admin_key)?;
    let found = found?;
    let is_own_affair = matches!(
        found.route.permission,
        Permission::Open | Permission::Operate
    );
    if !is_own_affair {
        door.parts.control.door().map_err(Refusal::of_node)?;
    }
    check_parameters(found.route, head.uri.query().unwrap_or_default())?;
    let [name, second] = found
        .parts
        .map(|part| decode(part).ok_or(HttpError::PathText));
    Ok((found.route, [name?, second?]))
}

/// Refuses parameters that the route does not have, so that a slip does not go unnoticed.
fn check_parameters(route: &Route, query: &str) -> Result<(), HttpError> {
    let keys = query.split('&').filter(|pair| !pair.is_empty());
    let mut keys = keys.map(|pair| pair.split_once('=').map_or(pair, |(key, _)| key));
    let is_unknown = |key: &&str| !route.parameters.iter().any(|known| known.name == *key);
    match keys.find(is_unknown) {
        None => Ok(()),
        Some(key) => {
            let known: Vec<_> = route.parameters.iter().map(|known| known.name).collect();
            let expected = match known.is_empty() {
                true => "no parameters".to_owned(),
                false => known.join(", "),
            };
            Err(HttpError::Value {
                what: "parameter of the URL",
                expected,
                found: shorten(key),
            })
        }
    }
}

/// Writes a refusal down for the operator and turns it into an answer.
fn refuse(door: &Door, index: Option<usize>, refusal: Refusal) -> Reply {
    let id = door.next_request_id();
    let code = refusal.code().as_str();
    let error = refusal.chain().to_owned();
    let reply = refusal.render(id);
    let status = reply.status().as_u16();
    let route = index
        .and_then(|index| ROUTES.get(index))
        .map_or("unknown", |route| route.path);
    match status {
        503 => tracing::warn!(
            request = format!("{id:x}"),
            route,
            status,
            code,
            error,
            "refused"
        ),
        _ => tracing::debug!(
            request = format!("{id:x}"),
            route,
            status,
            code,
            error,
            "refused"
        ),
    }
    reply
}

/// The route of a method and path.
fn find<'a>(method: &Method, path: &'a str) -> Result<Match<'a>, Refusal> {
    let wanted = match *method {
        Method::POST => Some(Verb::Post),
        Method::GET | Method::HEAD => Some(Verb::Get),
        _ => None,
    };
    let mut other = None;
    for (index, route) in ROUTES.iter().enumerate() {
        let Some(parts) = parts_of(route.path, path) else {
            continue;
        };
        match wanted {
            Some(verb) if verb == route.verb => {
                return Ok(Match {
                    index,
                    route,
                    parts,
                });
            }
            _ => other = Some(route),
        }
    }
    let Some(route) = other else {
        let near = ROUTES.iter().find(|route| is_path_near(route.path, path));
        return Err(HttpError::NoRoute {
            path: shorten(path),
            near: near.map(|route| route.path),
        }
        .into());
    };
    let allowed = route.verb.allow();
    let method = shorten(method.as_str());
    let refusal = Refusal::from(HttpError::Method {
        path: route.path,
        method,
        allowed,
    });
    Err(refusal.with_allow(allowed))
}

/// What the `{…}` of a pattern stand for in a path, if it has that pattern.
fn parts_of<'a>(pattern: &str, path: &'a str) -> Option<[&'a str; 2]> {
    // Most patterns differ before their first `{…}`.
    let alike = pattern.bytes().zip(path.bytes());
    let alike = alike.take_while(|(a, b)| a == b && *a != b'{').count();
    if pattern.as_bytes().get(alike).is_some_and(|b| *b != b'{') {
        return None;
    }
    let mut parts = [""; 2];
    let mut next = parts.iter_mut();
    let mut path = path.split('/');
    for step in pattern.split('/') {
        let found = path.next()?;
        if step.starts_with('{') {
            if found.is_empty() {
                return None;
            }
            *next.next()? = found;
        } else if step != found {
            return None;
        }
    }
    path.next().is_none().then_some(parts)
}

/// Whether the pattern may have been meant: as many steps, and each near.
fn is_path_near(pattern: &str, path: &str) -> bool {
    let path = path.trim_end_matches('/');
    let (steps, written) = (pattern.split('/'), path.split('/'));
    steps.clone().count() == written.clone().count()
        && steps
            .zip(written)
            .all(|(step, part)| step.starts_with('{') || is_near(step, part))
}

/// The same answer for every handler type.
pub(crate) type Pending = std::pin::Pin<Box<dyn Future<Output = Outcome> + Send>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_take_whole_steps() {
        let pattern = "/v1/streams/{stream}/producers/{producer}";
        assert_eq!(
            parts_of(pattern, "/v1/streams/a/producers/b%2F"),
            Some(["a", "b%2F"])
        );
        assert_eq!(parts_of(pattern, "/v1/streams/a/producers/"), None);
        assert_eq!(parts_of(pattern, "/v1/streams/a/producers/b/c"), None);
        assert_eq!(parts_of("/v1/sql", "/v1/sql/"), None);
        assert_eq!(parts_of("/v1/sql", "/v1/sq"), None);
        assert_eq!(parts_of("/v1/sql", "/v1/sql"), Some(["", ""]));
        let pattern = "/v1/views/{view}/rows";
        assert_eq!(parts_of(pattern, "/v1/views/{/rows"), Some(["{", ""]));
        assert_eq!(
            parts_of(pattern, "/v1/views/{view}/rows"),
            Some(["{view}", ""])
        );
        assert_eq!(parts_of(pattern, "/v1/views/a/row"), None);
    }

    #[test]
    fn a_slip_in_a_path_is_named() {
        assert!(is_path_near(
            "/v1/streams/{stream}/events",
            "/v1/stream/a/event/"
        ));
        assert!(is_path_near("/v1/sql", "/V1/sql"));
        assert!(!is_path_near("/v1/sql", "/v1/apps"));
    }
}
