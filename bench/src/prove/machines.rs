//! All processes of a proof: nodes of ours, each with its roles, and the engines.

#![expect(
    clippy::disallowed_methods,
    reason = "settings of child processes are files that Disk cannot give"
)]

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use super::{
    Options,
    engines::Engines,
    look::Eyes,
    node::Node,
    strike::{Action, Strike},
    way::{Way, Ways},
};
use crate::report;

const STREAM: &str = include_str!("../../apps/cluster_proof/ledger.sql");
const VIEWS: &str = include_str!("../../apps/cluster_proof/views.sql");
/// What makes a stream recognise events wherever they are sent again.
const DEDUPLICATE: &str = " DEDUPLICATE BY (event_id) WITHIN '1 hour'";
/// Everything that lets somebody write, as after a slip of whoever keeps the rights.
const FORBID: [&str; 5] = [
    "forbid",
    "*",
    "topic:write",
    "transactional-id:write",
    "cluster:idempotent-write",
];
/// Tiers of clients.
const TIERS: u64 = 3;

/// Nodes and engines.
#[derive(Debug)]
pub(crate) struct Machines {
    program: PathBuf,
    folder: PathBuf,
    nodes: Vec<Node>,
    engines: Engines,
    /// How gateways that are cut off reach Kafka.
    ways: Ways,
    /// Whether events that are sent again are recognised at every gateway.
    pub(crate) deduplicates: bool,
}

impl Machines {
    /// Starts all nodes, in a folder and under a prefix of topics of their own.
    pub(crate) fn start(options: &Options) -> Result<Self> {
        let mut strikes = options.strikes.iter();
        let is_cut = strikes.any(|strike| strike.action == Action::Cut);
        ensure!(
            !is_cut || !options.ways.is_empty(),
            "a gateway can be cut off from Kafka where --ways says how it gets there"
        );
        let program = std::path::absolute(&options.mainstem)?;
        let base = fs::read_to_string(&options.config)
            .with_context(|| format!("reading {}", options.config.display()))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let prefix = format!("prove{now}");
        let folder = std::path::absolute(&options.folder)?.join(&prefix);
        fs::create_dir_all(&folder)?;
        report::progress(&format!("data and logs are in {}", folder.display()))?;
        let ways = Ways::open(if is_cut { &options.ways } else { &[] })?;
        let mut nodes = Vec::new();
        for (name, roles) in wanted(options) {
            let mut settings = settings(&base, &prefix, &roles)?;
            if options.strikes.iter().any(|strike| strike.cuts(&name)) {
                settings = through(&settings, &options.ways)?;
            }
            nodes.push(Node::start(&program, &folder, (&name, &settings))?);
        }
        let mut machines = Self {
            program,
            folder,
            nodes,
            engines: Engines::new(&options.cluster)?,
            ways,
            deduplicates: true,
        };
        for node in &mut machines.nodes {
            node.wait_until_ready()?;
        }
        Ok(machines)
    }

    /// Where clients write, and the key of each.
    pub(crate) fn doors(&self) -> Result<Vec<(SocketAddr, String)>> {
        let gateways = self
            .nodes
            .iter()
            .filter(|node| node.name.starts_with("gateway"));
        gateways
            .map(|node| Ok((node.address, node.key()?)))
            .collect()
    }

    /// Declares what clients write and what is counted of it, as a user does.
    pub(crate) fn apply(&mut self) -> Result<()> {
        let said = match self.try_apply(DEDUPLICATE) {
            Ok(()) => return Ok(()),
            Err(error) => format!("{error:#}"),
        };
        ensure!(said.contains("DEDUPLICATE"), "{said}");
        self.deduplicates = false;
        report::progress("DEDUPLICATE BY is refused: what is sent again may be there twice")?;
        self.try_apply("")
    }

    fn try_apply(&self, deduplicate: &str) -> Result<()> {
        let folder = self.folder.join("app/proof");
        fs::create_dir_all(&folder)?;
        let app = format!("{}{deduplicate};\n{VIEWS}", STREAM.trim_end());
        fs::write(folder.join("app.sql"), app)?;
        let (address, key) = self.doors()?.swap_remove(0);
        let output = Command::new(&self.program)
            .args(["apply", "--yes", "--url", &format!("http://{address}")])
            .args(["--key", &key])
            .arg(&folder)
            .output()?;
        let words = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "mainstem apply: {words}");
        Ok(())
    }

    /// Says of every client what is known of it, before it writes.
    pub(crate) fn fill_tables(&self, eyes: &Eyes, clients: u64) -> Result<()> {
        let rows = (0..clients).map(|client| format!("({client}, 'tier {}')", client % TIERS));
        let rows = rows.collect::<Vec<_>>().join(", ");
        eyes.sql(&format!("INSERT INTO clients VALUES {rows}"))?;
        eyes.sql("INSERT INTO campaigns VALUES ('spring', 0)")?;
        Ok(())
    }

    /// Strikes one process.
    pub(crate) fn strike(&mut self, strike: &Strike) -> Result<()> {
        match (strike.action, strike.is_of_an_engine()) {
            (Action::Kill, true) => self.engines.signal(&strike.victim, Signal::KILL),
            (Action::Pause, true) => self.engines.signal(&strike.victim, Signal::STOP),
            (Action::Kill, false) => self.node(&strike.victim)?.kill(),
            (Action::Pause, false) => self.node(&strike.victim)?.signal(Signal::STOP),
            (Action::Cut, _) => {
                self.ways.cut();
                Ok(())
            }
            (Action::Fill, _) => self.engines.ask(&["fill", &strike.victim]),
            (Action::Forbid, _) => self.engines.ask(&FORBID),
        }
    }

    /// Brings it back: started again as a supervisor does, or continued.
    pub(crate) fn mend(&mut self, strike: &Strike) -> Result<()> {
        match (strike.action, strike.is_of_an_engine()) {
            (Action::Kill, true) => self.engines.up(),
            (Action::Pause, true) => self.engines.signal(&strike.victim, Signal::CONT),
            (Action::Kill, false) => self.node(&strike.victim)?.restart(),
            (Action::Pause, false) => self.node(&strike.victim)?.signal(Signal::CONT),
            (Action::Cut, _) => {
                self.ways.mend();
                Ok(())
            }
            (Action::Fill, _) => {
                self.engines.ask(&["empty", &strike.victim])?;
                self.engines.up()
            }
            (Action::Forbid, _) => self.engines.ask(&["allow", "*"]),
        }
    }

    /// Stops all nodes.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.nodes.drain(..).try_for_each(Node::stop)
    }

    fn node(&mut self, name: &str) -> Result<&mut Node> {
        match self.nodes.iter_mut().find(|node| node.name == name) {
            Some(node) => Ok(node),
            None => bail!("there is no {name}"),
        }
    }
}

/// Names and roles of the nodes.
fn wanted(options: &Options) -> Vec<(String, Vec<&'static str>)> {
    let named = |kind: &str, count: u8, roles: Vec<&'static str>| {
        let kind = kind.to_owned();
        (1..=count).map(move |number| (format!("{kind}-{number}"), roles.clone()))
    };
    let mut worker = vec!["workers", "control"];
    if options.writers == 0 {
        worker.push("rows");
    }
    named("gateway", options.gateways, vec!["doors"])
        .chain(named("worker", options.workers, worker))
        .chain(named("writer", options.writers, vec!["rows"]))
        .collect()
}

/// The settings of the engines, with what belongs to this proof and this node instead.
pub(crate) fn settings(base: &str, prefix: &str, roles: &[&str]) -> Result<String> {
    const OWN: [&str; 3] = ["topic_prefix", "keyspace", "roles"];
    let (before, section) = base
        .split_once("[cluster]\n")
        .context("the settings have no [cluster]")?;
    let is_own = |line: &&str| {
        let name = line.split('=').next().unwrap_or(line).trim();
        OWN.contains(&name)
    };
    let mut folder = None;
    let mut kept = Vec::new();
    for line in section.lines().filter(|line| !is_own(line)) {
        match line.strip_prefix("folder = \"") {
            Some(rest) => folder = Some(rest.trim_end_matches('"').to_owned()),
            None => kept.push(line),
        }
    }
    let folder = folder.context("the settings name no folder")?;
    let roles: Vec<String> = roles.iter().map(|role| format!("\"{role}\"")).collect();
    Ok(format!(
        "{before}[cluster]\ntopic_prefix = \"{prefix}\"\nkeyspace = \"{prefix}\"\n\
         folder = \"{folder}/{prefix}\"\nroles = [{}]\n{}\n",
        roles.join(", "),
        kept.join("\n")
    ))
}

/// The same settings, with Kafka at the end of these ways.
fn through(settings: &str, ways: &[Way]) -> Result<String> {
    let addresses = ways.iter().map(|way| format!("\"{}\"", way.from));
    let kafka = format!("kafka = [{}]", addresses.collect::<Vec<_>>().join(", "));
    let mut lines = settings.lines();
    let found = lines.find(|line| line.starts_with("kafka = "));
    let found = found.context("the settings name no brokers")?;
    Ok(settings.replace(found, &kafka))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_gets_settings_of_its_own() {
        let base = "# x\n[cluster]\nkafka = [\"a:1\"]\nfolder = \"/shared\"\nroles = [\"doors\"]\n";
        let text = settings(base, "p1", &["workers", "rows"]).unwrap();
        assert_eq!(
            text,
            "# x\n[cluster]\ntopic_prefix = \"p1\"\nkeyspace = \"p1\"\nfolder = \"/shared/p1\"\n\
             roles = [\"workers\", \"rows\"]\nkafka = [\"a:1\"]\n"
        );
        assert!(settings("", "p", &[]).is_err());
        let way = "127.0.0.1:1=127.0.0.1:2".parse().unwrap();
        let text = through(&text, &[way]).unwrap();
        assert!(text.contains("\nkafka = [\"127.0.0.1:1\"]\n"), "{text}");
        assert!(through("", &[way]).is_err());
    }
}
