//! `ROUTES`: every route there is, with its permission. Router, OpenAPI document and the matrix
//! of tests are made from this table, so that none of them can miss one.

use super::{
    answer, apps, auth::Permission, call::Call, changes, events, graph, openapi, router::Pending,
    rows, sql, status, streams,
};

/// The methods there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Reads; HEAD is the same without the body.
    Get,
    /// Sends.
    Post,
}

impl Verb {
    /// What the header `Allow` says.
    pub(crate) const fn allow(self) -> &'static str {
        match self {
            Self::Get => "GET, HEAD",
            Self::Post => "POST",
        }
    }
}

/// A route.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its method.
    pub(crate) verb: Verb,
    /// Its path; `{…}` stands for one step.
    pub(crate) path: &'static str,
    /// Who may.
    pub(crate) permission: Permission,
    /// What it is called in generated clients.
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) summary: &'static str,
    /// Its parameters in the URL; others are refused.
    pub(crate) parameters: &'static [Parameter],
    /// Its headers, beyond the key.
    pub(crate) headers: &'static [Parameter],
    /// Its body.
    pub(crate) takes: Takes,
    /// Its answer.
    pub(crate) gives: Gives,
    /// What answers.
    pub(crate) handler: fn(Call) -> Pending,
}

/// A parameter or header.
#[derive(Debug)]
pub(crate) struct Parameter {
    /// As it is written.
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) summary: &'static str,
}

/// What a route reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// No body.
    Nothing,
    /// Events in any of their formats.
    Events,
    /// JSON of that schema.
    Json(&'static str),
}

/// What a route answers.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gives {
    /// JSON of that schema.
    Json(&'static str),
    /// JSON: a list of that schema.
    List(&'static str),
    /// The answer to a question in any of its formats.
    Rows,
    /// A graph, as JSON or as a picture.
    Graph,
    /// Server-sent events.
    Feed,
    /// Text of that media type.
    Text(&'static str),
}

const fn parameter(name: &'static str, summary: &'static str) -> Parameter {
    Parameter { name, summary }
}

pub(crate) const KEY: Parameter = parameter(
    "key",
    "A value of the key; once for each of its columns, in their order. The first columns alone \
     find all rows that have these.",
);
pub(crate) const LIMIT: Parameter = parameter(
    "limit",
    "Most rows, up to 100000; 1000 if it is missing. An answer that would be too large has fewer.",
);
pub(crate) const AFTER: Parameter = parameter(
    "after",
    "Go on behind an earlier answer: what that gave as next, as the header Mainstem-Next and as \
     a field of JSON; with the same key. Rows come in the order of the key. Each answer shows the \
     rows at its own position, so what changes in between may be missing or new, and what stays \
     comes exactly once.",
);
pub(crate) const WAIT: Parameter = parameter("wait", "Answer at this position or later.");
pub(crate) const FROM: Parameter = parameter(
    "from",
    "Where to begin: earliest, now (the default), or a position.",
);
/// Of rows by key.
const FROM_ROWS: Parameter = parameter(
    FROM.name,
    "Where to begin: earliest (the rows that are there), now (the default), or a position.",
);
const ACCEPT: Parameter = parameter(
    "Accept",
    "How the answer is written; JSON if it is missing.",
);
const GRAPH_ACCEPT: Parameter = parameter(
    "Accept",
    "application/json (if it is missing) or image/svg+xml. Rows per second come with the second \
     look within 30 seconds.",
);
const LAST_EVENT_ID: Parameter = parameter(
    "Last-Event-ID",
    "Where to go on; goes before the parameter from.",
);

const UPGRADE: Parameter = parameter(
    "Upgrade",
    "websocket, for the same as messages of a WebSocket (RFC 6455): each is a JSON text with the \
     fields that an event has, {\"id\":…,\"data\":…}; go on with from and the last id. Who takes \
     nothing for 30 s is closed with 1013. Browsers, which send no Authorization, name the protocols \
     mainstem.feed and mainstem.key.KEY.",
);

/// The common case, to be changed by the fields that differ.
const fn route(
    (verb, path): (Verb, &'static str),
    permission: Permission,
    (name, summary): (&'static str, &'static str),
    handler: fn(Call) -> Pending,
) -> Route {
    Route {
        verb,
        path,
        permission,
        name,
        summary,
        parameters: &[],
        headers: &[],
        takes: Takes::Nothing,
        gives: Gives::Json("Problem"),
        handler,
    }
}

use Permission::{Define, Open, Operate, Read, Write};
use Verb::{Get, Post};

/// Every route. The one that is asked most comes first.
pub(crate) static ROUTES: &[Route] = &[
    Route {
        headers: &[
            parameter(
                "Idempotency-Key",
                "1 to 255 visible ASCII characters. A request that comes again with the same key \
                 within 24 hours is answered as the first time and kept once; another body with \
                 the same key is refused.",
            ),
            parameter(
                "Mainstem-Producer",
                "Name of a loader that numbers all rows that it sends, such as the hash of a file.",
            ),
            parameter(
                "Mainstem-First-Row",
                "Number of the request's first row, from 0; together with Mainstem-Producer.",
            ),
            parameter("Content-Encoding", "gzip or zstd."),
        ],
        takes: Takes::Events,
        gives: Gives::Json("Ack"),
        ..route(
            (Post, "/v1/streams/{stream}/events"),
            Write,
            (
                "sendEvents",
                "Send events to a stream; answered once they are on disk",
            ),
            |call| Box::pin(events::send(call)),
        )
    },
    Route {
        parameters: &[WAIT],
        headers: &[
            ACCEPT,
            parameter(
                "Idempotency-Key",
                "Of a statement that writes, 1 to 255 visible ASCII characters: beyond one machine \
                 it is done once under a key, and answered as the first time by whichever node it \
                 comes to. One machine does not look at it.",
            ),
        ],
        takes: Takes::Json("Question"),
        gives: Gives::Rows,
        ..route(
            (Post, "/v1/sql"),
            Read,
            ("ask", "Answer a question in SQL"),
            |call| Box::pin(sql::ask(call)),
        )
    },
    Route {
        parameters: &[FROM],
        headers: &[LAST_EVENT_ID, UPGRADE],
        gives: Gives::Feed,
        ..route(
            (Get, "/v1/streams/{stream}/changes"),
            Read,
            (
                "followStream",
                "Follow a stream: its rows as server-sent events, as they arrive",
            ),
            |call| Box::pin(changes::follow(call)),
        )
    },
    Route {
        parameters: &[KEY, AFTER, LIMIT, WAIT],
        headers: &[ACCEPT],
        gives: Gives::Rows,
        ..route(
            (Get, "/v1/tables/{table}/rows"),
            Read,
            (
                "rowsOfTable",
                "The rows of a table, by their key and in its order",
            ),
            |call| Box::pin(rows::of_table(call)),
        )
    },
    Route {
        parameters: &[FROM_ROWS],
        headers: &[LAST_EVENT_ID, UPGRADE],
        gives: Gives::Feed,
        ..route(
            (Get, "/v1/tables/{table}/changes"),
            Read,
            (
                "followTable",
                "Follow a table: changes of its rows as server-sent events",
            ),
            |call| Box::pin(changes::follow_table(call)),
        )
    },
    Route {
        parameters: &[KEY, AFTER, LIMIT, WAIT],
        headers: &[ACCEPT],
        gives: Gives::Rows,
        ..route(
            (Get, "/v1/views/{view}/rows"),
            Read,
            (
                "rowsOfView",
                "The rows of a view, by their key and in its order",
            ),
            |call| Box::pin(rows::of_view(call)),
        )
    },
    Route {
        parameters: &[FROM_ROWS],
        headers: &[LAST_EVENT_ID, UPGRADE],
        gives: Gives::Feed,
        ..route(
            (Get, "/v1/views/{view}/changes"),
            Read,
            (
                "followView",
                "Follow a view: changes of its rows as server-sent events",
            ),
            |call| Box::pin(changes::follow_view(call)),
        )
    },
    Route {
        gives: Gives::Json("NextRow"),
        ..route(
            (Get, "/v1/streams/{stream}/producers/{producer}"),
            Read,
            ("nextRow", "Tell a loader which row to go on from"),
            |call| Box::pin(streams::next_row(call)),
        )
    },
    Route {
        gives: Gives::Json("Stream"),
        ..route(
            (Get, "/v1/streams/{stream}"),
            Read,
            ("describeStream", "Describe a stream"),
            |call| Box::pin(streams::describe(call)),
        )
    },
    Route {
        gives: Gives::List("Stream"),
        ..route(
            (Get, "/v1/streams"),
            Read,
            ("listStreams", "List all streams"),
            |call| Box::pin(streams::list(call)),
        )
    },
    Route {
        gives: Gives::List("App"),
        ..route(
            (Get, "/v1/apps"),
            Read,
            ("listApps", "List all applications"),
            |call| Box::pin(apps::list(call)),
        )
    },
    Route {
        headers: &[GRAPH_ACCEPT],
        gives: Gives::Graph,
        ..route(
            (Get, "/v1/apps/{app}/graph"),
            Read,
            (
                "graphOfApp",
                "Show an application as a graph: its streams, tables and views, and how they go",
            ),
            |call| Box::pin(graph::of_app(call)),
        )
    },
    Route {
        headers: &[GRAPH_ACCEPT],
        gives: Gives::Graph,
        ..route(
            (Get, "/v1/views/{view}/graph"),
            Read,
            (
                "graphOfView",
                "Show a view as a graph: what it reads, its operators with what they keep, and its \
                 readers",
            ),
            |call| Box::pin(graph::of_view(call)),
        )
    },
    Route {
        takes: Takes::Json("AppSource"),
        gives: Gives::Json("Plan"),
        ..route(
            (Post, "/v1/apps/{app}/plan"),
            Read,
            ("planApp", "Say what an apply would change"),
            |call| Box::pin(apps::plan(call)),
        )
    },
    Route {
        takes: Takes::Json("AppSource"),
        gives: Gives::Json("Applied"),
        ..route(
            (Post, "/v1/apps/{app}/apply"),
            Define,
            ("applyApp", "Do what a plan says"),
            |call| Box::pin(apps::apply(call)),
        )
    },
    Route {
        gives: Gives::Json("Plan"),
        ..route(
            (Post, "/v1/apps/{app}/rollback/plan"),
            Read,
            (
                "planRollback",
                "Say what going back to the revision before would change",
            ),
            |call| Box::pin(apps::plan_rollback(call)),
        )
    },
    Route {
        takes: Takes::Json("Rollback"),
        gives: Gives::Json("Applied"),
        ..route(
            (Post, "/v1/apps/{app}/rollback"),
            Define,
            ("rollbackApp", "Go back to the revision before"),
            |call| Box::pin(apps::rollback(call)),
        )
    },
    Route {
        gives: Gives::Json("Status"),
        ..route(
            (Get, "/v1/status"),
            Operate,
            ("status", "Say how the node is doing"),
            |call| Box::pin(status::status(call)),
        )
    },
    Route {
        takes: Takes::Json("Flush"),
        gives: Gives::Json("Flushed"),
        ..route(
            (Post, "/v1/flush"),
            Operate,
            ("flush", "Write a stream, or all, to history up to now"),
            |call| Box::pin(status::flush(call)),
        )
    },
    Route {
        takes: Takes::Json("Backup"),
        gives: Gives::Json("BackupSummary"),
        ..route(
            (Post, "/v1/backup"),
            Operate,
            (
                "backup",
                "Write a consistent copy into a folder of the node's machine",
            ),
            |call| Box::pin(status::backup(call)),
        )
    },
    Route {
        takes: Takes::Json("Doors"),
        gives: Gives::Json("DoorsChanged"),
        ..route(
            (Post, "/v1/doors"),
            Operate,
            (
                "changeDoors",
                "Take writes, refuse them for a moment, or send them to another server",
            ),
            |call| Box::pin(status::doors(call)),
        )
    },
    Route {
        gives: Gives::Text(status::OPENMETRICS),
        ..route(
            (Get, "/metrics"),
            Operate,
            ("metrics", "All metrics as OpenMetrics text"),
            |call| Box::pin(status::metrics(call)),
        )
    },
    Route {
        gives: Gives::Text("text/plain"),
        ..route(
            (Get, "/healthz"),
            Open,
            ("health", "Say that the process lives"),
            |_call| Box::pin(async { Ok(answer::text("ok\n")) }),
        )
    },
    Route {
        gives: Gives::Json("Readiness"),
        ..route(
            (Get, "/readyz"),
            Open,
            (
                "ready",
                "Say whether requests are served, and which applications stand still",
            ),
            |call| Box::pin(status::ready(call)),
        )
    },
    Route {
        gives: Gives::Text("text/html"),
        ..route(
            (Get, "/graph"),
            Open,
            (
                "graphPage",
                "A page that shows graphs while they change; it asks for the key, /graph#APP for an \
                 application",
            ),
            |_call| Box::pin(async { Ok(graph::page()) }),
        )
    },
    Route {
        gives: Gives::Text("application/json"),
        ..route(
            (Get, "/openapi.json"),
            Read,
            ("openapi", "This description of all routes"),
            |_call| Box::pin(async { Ok(openapi::serve()) }),
        )
    },
];
