//! `demo`: a node in this process, a simulated fleet that talks to it over HTTP, and a dashboard.
//!
//! Nothing is staged: events go through the door, and what is shown comes from the server's
//! answers. Every other command works on it while it runs.

mod board;
mod draw;
mod fleet;
mod probe;
mod random;
mod registry;
mod send;
mod show;

use std::{
    collections::BTreeMap,
    io::IsTerminal,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use mainstem_app::{Applied, Plan, Source};
use mainstem_disk::{Disk, RealDisk};
use mainstem_kernel::{AppName, Clock, clock::SystemClock};
use mainstem_node::{Config, Engines, Node, NodeError, Options};
use serde_json::json;
use tokio::{
    runtime::{Builder, Runtime},
    sync::watch,
};

use crate::{
    args::{Demo, Target},
    client::Server,
    command::app::request_body,
    errors::CliError,
    failure::Outcome,
    screen,
};

use board::Board;

/// Port that a person would expect.
const PORT: u16 = 7400;
/// The application, as `apps/fleet` has it.
const APP: &str = "fleet";
const FILES: [(&str, &str); 3] = [
    (
        "1-vehicles.sql",
        include_str!("../../../apps/fleet/1-vehicles.sql"),
    ),
    ("2-shop.sql", include_str!("../../../apps/fleet/2-shop.sql")),
    (
        "3-views.sql",
        include_str!("../../../apps/fleet/3-views.sql"),
    ),
];

/// Runs the demo until somebody ends it.
pub(crate) fn demo(target: &Target, options: &Demo) -> Outcome {
    let data = target.data.clone().unwrap_or_else(temporary_folder);
    let has_terminal = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    let config = Config::defaults()?;
    if !has_terminal {
        let trace = mainstem_node::config::TraceConfig {
            level: "warn".into(),
            ..config.trace.clone()
        };
        crate::command::serve::trace(&trace);
    }
    let node = start(&data, config)?;
    let shown = shown_folder(&data);
    let outcome = run(&node, options, (&shown, has_terminal));
    let stopped = node.stop();
    screen::note(&format!(
        "the data is in {}; to go on with it:",
        data.display()
    ));
    screen::note(&format!("  {} serve --data {shown}", screen::program()));
    outcome.and(stopped.map_err(Into::into))
}

/// Fleet, probes and picture, until the end.
fn run(node: &Node, options: &Demo, (data, has_terminal): (&str, bool)) -> Outcome {
    let runtime = runtime()?;
    let server = Server::at(&node.url(), &key(node)?)?;
    runtime.block_on(apply(&server))?;
    runtime.block_on(registry::fill(&server, options.vehicles))?;
    let board = Arc::new(Board::new(
        options,
        &node.url(),
        data,
        SystemClock.monotonic(),
    ));
    let (stop, stopped) = watch::channel(false);
    runtime.spawn(watch_signals(stop.clone()));
    send::start(&runtime, &server, (options, &board), &stopped);
    runtime.spawn(probe::probe(server, Arc::clone(&board), stopped.clone()));
    let limit = options.seconds;
    let outcome = match has_terminal {
        true => show::dashboard(&board, limit, &stopped),
        false => show::lines(&board, limit, &stopped),
    };
    stop.send_replace(true);
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    Ok(outcome?)
}

/// On the expected port if it is free, else on any.
fn start(data: &Path, config: Config) -> Result<Node, NodeError> {
    let at = |port| Options {
        data: data.to_owned(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        config: config.clone(),
        engines: Engines::Embedded,
    };
    match Node::start(at(PORT)) {
        Err(NodeError::Listen { .. }) => Node::start(at(0)),
        started => started,
    }
}

fn runtime() -> Result<Runtime, CliError> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("demo")
        .enable_all()
        .build()
        .map_err(|source| CliError::System { source })
}

fn key(node: &Node) -> Result<String, CliError> {
    let path = node.key_file();
    let bytes = RealDisk
        .read(&path)
        .map_err(|source| CliError::Read { path, source })?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// Declares the fleet's streams, tables and views, over HTTP like anybody.
async fn apply(server: &Server) -> Outcome {
    let files = FILES
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    let name = AppName::new(APP).map_err(|source| CliError::Manifest {
        folder: APP.into(),
        reason: source.to_string(),
    })?;
    let source = Source {
        name,
        version: None,
        files: files.collect::<BTreeMap<_, _>>(),
    };
    let mut body = request_body(&source);
    let plan: Plan = server.post(&format!("/v1/apps/{APP}/plan"), &body).await?;
    if plan.steps.is_empty() {
        return Ok(());
    }
    body["fingerprint"] = json!(plan.fingerprint);
    let _applied: Applied = server.post(&format!("/v1/apps/{APP}/apply"), &body).await?;
    Ok(())
}

/// Ends the demo at SIGTERM or SIGINT; in the dashboard Ctrl-C is a key.
async fn watch_signals(stop: watch::Sender<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.send_replace(true);
}

/// A folder of its own for each demo; it stays, so that its data can be looked at. Its name is
/// short, because it is typed.
fn temporary_folder() -> PathBuf {
    let seconds = SystemClock.now().millis() / 1_000;
    let mut names = (0..10_000).map(|i| (seconds + i) % 10_000);
    let folder = |n| std::env::temp_dir().join(format!("fleet-{n:04}"));
    let free = names.find(|n| matches!(RealDisk.stat(&folder(*n)), Ok(None)));
    folder(free.unwrap_or(seconds))
}

/// The folder as it can be copied into another terminal.
fn shown_folder(data: &Path) -> String {
    let whole = std::path::absolute(data).unwrap_or_else(|_source| data.to_owned());
    let text = whole.display().to_string();
    match text.contains(|c: char| c.is_whitespace() || c == '\'') {
        true => format!("'{}'", text.replace('\'', "'\\''")),
        false => text,
    }
}
