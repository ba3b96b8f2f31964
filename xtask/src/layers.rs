//! The table of crates and the edges that are allowed between them, as data.
//!
//! A crate may use only what its row names. Dev-dependencies may reach `sim` besides.

/// One crate: its folder's name, and the crates it may use.
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    pub(crate) may_use: &'static [&'static str],
}

const fn layer(name: &'static str, may_use: &'static [&'static str]) -> Layer {
    Layer { name, may_use }
}

/// Lowest tier first.
pub(crate) const LAYERS: &[Layer] = &[
    layer("kernel", &[]),
    layer("disk", &["kernel"]),
    layer("log", &["kernel", "disk"]),
    layer("store", &["kernel", "disk"]),
    layer("history", &["kernel", "disk", "log"]),
    layer("catalog", &["kernel", "log"]),
    layer(
        "table",
        &["kernel", "disk", "log", "store", "history", "catalog"],
    ),
    layer("admit", &["kernel", "log", "catalog"]),
    layer(
        "sql",
        &["kernel", "log", "history", "store", "catalog", "table"],
    ),
    layer(
        "flow",
        &[
            "kernel", "disk", "log", "history", "store", "catalog", "table", "sql",
        ],
    ),
    layer(
        "cluster",
        &[
            "kernel", "disk", "log", "store", "catalog", "table", "admit", "sql", "flow",
        ],
    ),
    layer("app", &["kernel", "log", "catalog", "sql"]),
    layer(
        "gateway",
        &[
            "kernel", "log", "history", "store", "catalog", "table", "admit", "sql", "app",
        ],
    ),
    layer(
        "node",
        &[
            "kernel", "disk", "log", "history", "store", "catalog", "table", "admit", "sql",
            "flow", "cluster", "app", "gateway",
        ],
    ),
    layer(
        "mainstem",
        &[
            "kernel", "disk", "log", "catalog", "sql", "cluster", "app", "gateway", "node",
        ],
    ),
    layer("sim", &["kernel", "disk", "log", "history", "catalog"]),
    layer("bench", &["kernel", "disk"]),
];

/// Libraries that only some crates may use, because they are heavy or decide too much.
pub(crate) const GUARDED: &[(&str, &[&str], &str)] = &[
    (
        "datafusion",
        &["sql", "flow"],
        "only sql and flow plan and evaluate",
    ),
    (
        "fjall",
        &["store"],
        "only store knows its engine: another can take its place",
    ),
    (
        "rdkafka",
        &["cluster"],
        "only cluster speaks to Kafka, behind its feature",
    ),
    (
        "scylla",
        &["cluster"],
        "only cluster speaks to Cassandra, behind its feature",
    ),
    (
        "tonic",
        &["cluster"],
        "only cluster speaks to Spark, behind its feature",
    ),
    ("sqlparser", &["sql"], "only sql parses and plans"),
    ("axum", &["gateway"], "only gateway knows a status code"),
    (
        "anyhow",
        &["mainstem", "bench"],
        "errors are enums that implement Fault",
    ),
];
