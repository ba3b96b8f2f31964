//! The description of all routes for programs: OpenAPI 3.1, made from `ROUTES` and the types
//! that are sent and received, so that it cannot miss a route.

mod shapes;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    answer::{self, Reply},
    auth::Permission,
    problem::PROBLEM_JSON,
    routes::{Gives, Parameter, ROUTES, Route, Takes, Verb},
};

/// The document as text.
pub(crate) fn document() -> &'static str {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    DOCUMENT.get_or_init(|| build().to_string())
}

/// `GET /openapi.json`.
pub(crate) fn serve() -> Reply {
    answer::whole(StatusCode::OK, "application/json", document())
}

fn build() -> Value {
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        let verb = match route.verb {
            Verb::Get => "get",
            Verb::Post => "post",
        };
        path[verb] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Mainstem",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Events in, durable before they are acknowledged; questions in SQL; \
                feeds. Every error is a problem with a stable code, which \
                `mainstem explain-error CODE` explains.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": shapes::schemas(),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The content of the file admin.key in the server's data folder.",
                },
            },
        },
        "security": [{ "key": [] }],
    })
}

fn operation(route: &Route) -> Value {
    let mut parameters: Vec<Value> = names_in(route.path)
        .map(|name| {
            json!({
                "name": name, "in": "path", "required": true,
                "description": format!("Name of the {name}."),
                "schema": { "type": "string" },
            })
        })
        .collect();
    parameters.extend(
        route
            .parameters
            .iter()
            .map(|known| parameter(known, "query")),
    );
    // OpenAPI leaves Accept to the answers and Content-Encoding to nobody.
    let headers = route
        .headers
        .iter()
        .filter(|header| header.name != "Accept");
    parameters.extend(headers.map(|known| parameter(known, "header")));
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.summary,
        "responses": responses(route),
    });
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    if let Some(content) = request_content(route.takes) {
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    if route.permission == Permission::Open {
        operation["security"] = json!([]);
    }
    operation
}

/// The names in the braces of a path.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|step| step.strip_prefix('{')?.strip_suffix('}'))
}

fn parameter(known: &Parameter, place: &str) -> Value {
    json!({
        "name": known.name, "in": place, "required": false,
        "description": known.summary,
        "schema": { "type": "string" },
    })
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

fn request_content(takes: Takes) -> Option<Value> {
    match takes {
        Takes::Nothing => None,
        Takes::Json(schema) => {
            let example = shapes::example(schema);
            Some(json!({ "application/json": { "schema": reference(schema), "example": example } }))
        }
        Takes::Events => {
            let object = json!({ "type": "object" });
            Some(json!({
                "application/json": {
                    "schema": { "oneOf": [object, { "type": "array", "items": object }] },
                    "example": [{ "device_id": "d-1", "celsius": 21.5, "at": "2026-11-21T10:00:00Z" }],
                },
                "application/x-ndjson": {
                    "schema": { "type": "string" },
                    "example": "{\"device_id\": \"d-1\", \"celsius\": 21.5}\n",
                },
                "text/csv": {
                    "schema": { "type": "string" },
                    "example": "device_id,celsius\nd-1,21.5\n",
                },
                "application/vnd.apache.arrow.stream": { "schema": {} },
            }))
        }
    }
}

fn responses(route: &Route) -> Value {
    let content = match route.gives {
        Gives::Json(schema) => {
            let example = shapes::example(schema);
            json!({ "application/json": { "schema": reference(schema), "example": example } })
        }
        Gives::List(schema) => json!({
            "application/json": { "schema": { "type": "array", "items": reference(schema) } },
        }),
        Gives::Rows => json!({
            "application/json": {
                "schema": reference("Answer"), "example": shapes::example("Answer"),
            },
            "application/x-ndjson": { "schema": { "type": "string" } },
            "text/csv": { "schema": { "type": "string" } },
            "application/vnd.apache.arrow.stream": { "schema": {} },
        }),
        Gives::Graph => json!({
            "application/json": {
                "schema": reference("Graph"), "example": shapes::example("Graph"),
            },
            "image/svg+xml": { "schema": { "type": "string" } },
        }),
        Gives::Feed => json!({ "text/event-stream": { "schema": { "type": "string" } } }),
        Gives::Text(media) => json!({ media: { "schema": { "type": "string" } } }),
    };
    let mut responses = json!({ "200": { "description": "Done.", "content": content } });
    if matches!(route.gives, Gives::Feed) {
        let description = "A WebSocket, whose messages have the fields that events have.";
        responses["101"] = json!({ "description": description });
    }
    for (status, description) in errors(route) {
        responses[status] = json!({
            "description": description,
            "content": { PROBLEM_JSON: { "schema": reference("Problem") } },
        });
    }
    responses
}

/// The statuses that a route may refuse with.
fn errors(route: &Route) -> Vec<(&'static str, &'static str)> {
    let mut errors = vec![("503", "The node cannot do it now.")];
    if route.permission != Permission::Open {
        errors.push(("401", "The key is missing or wrong."));
    }
    let is_named = names_in(route.path).next().is_some();
    if is_named || matches!(route.takes, Takes::Json("Flush")) {
        errors.push(("404", "What the path or body names does not exist."));
    }
    if !route.parameters.is_empty() || is_named || !matches!(route.takes, Takes::Nothing) {
        errors.push(("400", "The request must change."));
    }
    if matches!(route.takes, Takes::Events | Takes::Json(_)) {
        errors.push(("408", "The body stopped coming."));
        errors.push(("413", "The body is too large."));
        errors.push((
            "429",
            "The node is full: Retry-After says when to try again.",
        ));
    }
    match (route.takes, route.gives) {
        (Takes::Events, _) => {
            errors.push((
                "409",
                "Same Idempotency-Key with another body, or rows are missing.",
            ));
            errors.push(("415", "The body's type or encoding is not read."));
        }
        (Takes::Json(_), Gives::Json("Plan" | "Applied")) => {
            errors.push(("409", "The plan is not what would be done now."));
            errors.push(("422", "The application has mistakes: `problems` names all."));
        }
        (_, Gives::Rows) => {
            errors.push(("406", "None of the accepted formats."));
            errors.push(("422", "The question takes too long or too much memory."));
        }
        (_, Gives::Graph) => {
            errors.push(("406", "None of the accepted formats."));
        }
        (_, Gives::Feed) => {
            errors.push(("429", "Too many feeds are open."));
        }
        (_, Gives::Json("BackupSummary")) => {
            errors.push(("409", "The folder is not empty."));
        }
        _ => {}
    }
    errors
}
