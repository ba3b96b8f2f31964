//! `serve`: runs a node until it is told to end.

use std::{path::Path, time::Duration};

use mainstem_disk::{Disk, RealDisk};
use mainstem_node::{
    Config, ConfigError, DEFAULT_TOML, Engines, Node, Options, Shares,
    config::{TraceConfig, TraceFormat},
};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

use crate::{
    allocator,
    args::{Engine, Serve, Target},
    client::DATA_DEFAULT,
    errors::CliError,
    failure::Outcome,
    screen,
};

/// How often it is looked whether the door still stands.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs a node in the foreground.
pub(crate) fn serve(target: &Target, options: &Serve) -> Outcome {
    if options.print_config {
        return Ok(screen::print(DEFAULT_TOML.as_bytes())?);
    }
    let config = match &options.config {
        None => Config::defaults()?,
        Some(path) => read_config(path)?,
    };
    trace(&config.trace);
    allocator::fit(Shares::split(&config)?.budget);
    let engines = match options.engine {
        Engine::Embedded => Engines::Embedded,
        Engine::Cluster => Engines::Cluster,
    };
    let data = target.data.clone().unwrap_or_else(|| DATA_DEFAULT.into());
    let node = Node::start(Options {
        data,
        listen: options.listen,
        config,
        engines,
    })?;
    greet(&node, target);
    let told = wait_for_the_end(&node)?;
    if let Told::ToStop = told {
        screen::note("stopping: requests under way are finished");
    }
    node.stop()?;
    screen::note("stopped; everything acknowledged is on disk");
    Ok(())
}

pub(crate) fn read_config(path: &Path) -> Result<Config, ConfigError> {
    let text = RealDisk.read(path).and_then(|bytes| {
        String::from_utf8(bytes)
            .map_err(|source| std::io::Error::new(std::io::ErrorKind::InvalidData, source))
    });
    let text = text.map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Config::read(path, &text)
}

/// Says where everything is and what to type next.
fn greet(node: &Node, target: &Target) {
    let data = target
        .data
        .as_ref()
        .map(|data| format!(" --data {}", data.display()));
    let data = data.unwrap_or_default();
    let version = env!("CARGO_PKG_VERSION");
    screen::note(&format!("mainstem {version} listens on {}", node.url()));
    screen::note(&format!("  key     {}", node.key_file().display()));
    screen::note(&format!("  data    {}", node.data().display()));
    screen::note(&format!("  memory  {}", node.shares()));
    let program = screen::program();
    screen::note("next, in another terminal:");
    screen::note(&format!("  {program} apply apps/retail{data}"));
    screen::note(&format!("  {program} status{data}"));
}

/// Tells on standard error what the settings ask for.
pub(crate) fn trace(config: &TraceConfig) {
    let filter = EnvFilter::try_new(directives(&config.level)).unwrap_or_else(|error| {
        screen::note(&format!(
            "trace.level is not understood ({error}); \"info\" is used"
        ));
        EnvFilter::new(directives("info"))
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let done = match config.format {
        TraceFormat::Text => builder.with_ansi(screen::is_watched()).try_init(),
        TraceFormat::Json => builder.json().try_init(),
    };
    if let Err(error) = done {
        screen::note(&format!("nothing will be told while it runs: {error}"));
    }
}

/// What is told at a level: at "info" of our own, of libraries only what an operator should know.
fn directives(level: &str) -> &str {
    match level {
        "info" => "warn,mainstem=info",
        level => level,
    }
}

/// Why a node should end.
#[derive(Clone, Copy, Debug)]
enum Told {
    /// By a signal.
    ToStop,
    /// Its door has broken.
    ByItself,
}

/// Until SIGTERM or SIGINT, or until nobody can reach the node any more.
fn wait_for_the_end(node: &Node) -> Result<Told, CliError> {
    let fail = |source| CliError::System { source };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(fail)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(fail)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(fail)?;
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok(Told::ToStop),
                _ = interrupt.recv() => return Ok(Told::ToStop),
                _ = looks.tick() => if node.is_broken() { return Ok(Told::ByItself) },
            }
        }
    })
}
