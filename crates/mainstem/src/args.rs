//! What can be typed: commands, their options, and help that teaches by example.
//!
//! It never does anything; `command` does.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "mainstem",
    version,
    about = "A fast data platform for connected products: events in, durable, asked in SQL",
    long_about = "Mainstem takes events in over HTTP, acknowledges them once they are on disk, ages them \
                  into open Parquet files (Delta tables) and answers SQL over all of it, to the last \
                  acknowledged event. One program, no other service.",
    after_help = "First steps:
  mainstem demo                                a simulated vehicle fleet, live in this terminal
  mainstem serve --data ./data                 a server; prints where it listens
  mainstem apply apps/retail                   declare streams from a folder of SQL
  mainstem load sales.csv.gz --stream sales    load a file; run it again to resume
  mainstem sql \"SELECT count(*) FROM sales\"    ask

How a command finds the server: --url and --key; else --data; else the variables MAINSTEM_URL
and MAINSTEM_KEY; else the folder ./data, where `mainstem serve` leaves both.
Answers go to standard output, everything else to standard error.
Exit codes: 0 done, 1 it failed (the reason is printed), 2 the command was not understood."
)]
pub(crate) struct Cli {
    /// Which server, and which folder.
    #[command(flatten)]
    pub(crate) target: Target,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which server a command talks to; `serve`, `demo` and `restore` use `data` as their own folder.
#[derive(Args, Clone, Debug)]
pub(crate) struct Target {
    /// Address of the server, such as http://127.0.0.1:7400
    #[arg(long, global = true, help_heading = "Which server", value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The server's key, as its file admin.key holds it
    #[arg(long, global = true, help_heading = "Which server", value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// The server's data folder; the default is ./data
    #[arg(
        long,
        global = true,
        help_heading = "Which server",
        value_name = "FOLDER"
    )]
    pub(crate) data: Option<PathBuf>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a server on a data folder
    #[command(after_help = "Examples:
  mainstem serve                                            ./data, on 127.0.0.1:7400
  mainstem serve --data /srv/mainstem --listen 0.0.0.0:7400
  mainstem serve --print-config > mainstem-config.toml      every setting, its meaning and default
  mainstem serve --config mainstem-config.toml
  mainstem serve --engine cluster --config deploy/local-cluster.toml

An empty or absent folder becomes a data folder; the key is made then, in <data>/admin.key.
SIGTERM or Ctrl-C: requests under way are finished, then it ends, within five seconds.")]
    Serve(Serve),
    /// Watch a simulated vehicle fleet and its owners' shop, live in this terminal
    #[command(after_help = "Examples:
  mainstem demo
  mainstem demo --rate 200000 --vehicles 50000
  mainstem demo --seconds 10 > lines.txt       without a terminal: a line a second

The demo is a real server: while it runs, every other command works on it with the --data
folder that it shows.")]
    Demo(Demo),
    /// Find the mistakes in an application, without a server
    #[command(after_help = "Examples:
  mainstem check apps/retail
  mainstem check apps/retail --engine cluster                  whether it runs beyond one machine, too
  mainstem check apps/retail --engine cluster --format json    with the Spark SQL of each view

An application is a folder of SQL files, read in name order. mainstem.toml in it may give a
`name` (default: the folder's) and a `version`.")]
    Check(CheckFor),
    /// Run an application's tests under simulated time, without a server
    #[command(after_help = "Examples:
  mainstem test apps/retail
  mainstem test apps/retail --filter late      cases with that in their file or name
  mainstem test apps/retail --update           what is found becomes what is expected
  mainstem test apps/retail --engine cluster --config deploy/local-cluster.toml
                                               on Kafka, Spark and Cassandra instead

Each file apps/retail/tests/*.flow holds cases: what arrives at which time, and which rows are
expected then. Every case begins with an empty node in memory.

  # Orders of a shop.
  case a late order corrects its hour

  at 2026-01-01T10:00:00Z
  send orders
  {\"shop\": \"a\", \"pieces\": 2, \"at\": \"2026-01-01T10:00:00Z\"}
  write INSERT INTO shops VALUES ('a', 'Ulm');
  expect totals
  {\"shop\": \"a\", \"pieces\": 2}

  at +1h
  restart
  expect SELECT town FROM shops ORDER BY town;
  {\"town\": \"Ulm\"}

Order counts only after ORDER BY. `send orders rejecting 1` sends rows of which one does not fit;
`write rejecting SQL-042 INSERT …;` is a write that has to be refused with that code.")]
    Test(Test),
    /// Show what applying an application would change
    #[command(after_help = "Example:
  mainstem plan apps/retail

+ is new, ~ changes, - goes. A dropped stream keeps its data for seven days.")]
    Plan(Check),
    /// Make the server's definitions those of an application
    #[command(after_help = "Examples:
  mainstem apply apps/retail            shows the plan and asks
  mainstem apply apps/retail --yes      for scripts

Applying the same folder twice changes nothing. `mainstem rollback` goes back.")]
    Apply(Apply),
    /// Take an application back to what it was before the last apply
    #[command(after_help = "Examples:
  mainstem rollback retail
  mainstem rollback retail --yes

A rollback is one more apply: rolling back twice goes forward again.")]
    Rollback(Rollback),
    /// Load a file of rows into a stream, resuming where an earlier run stopped
    #[command(after_help = "Examples:
  mainstem load online-retail.csv.gz --stream purchases
  mainstem load events.ndjson.zst --stream events
  generate-rows | mainstem load - --stream events --format ndjson

Formats by name: .csv (with a header line), .ndjson or .jsonl, .json (an array, or objects one
after the other), each also as .gz or .zst. Rows are numbered under the hash of the file's
content: the same command again sends only what did not arrive, and no row arrives twice.
Rows that do not fit the stream are kept in <stream>_dead_letters with the reason, and named at
the end. Standard input (-) cannot be resumed.")]
    Load(Load),
    /// Ask a question in SQL
    #[command(after_help = "Examples:
  mainstem sql \"SELECT country, sum(quantity * unit_price) AS revenue
                FROM purchases GROUP BY 1 ORDER BY 2 DESC LIMIT 5\"
  mainstem sql --format csv -f report.sql > report.csv
  echo \"SHOW STREAMS\" | mainstem sql
  mainstem sql --wait p1-0199a8c3f2010000 \"SELECT count(*) FROM purchases\"

Every stream has the columns _seq, _partition and _offset beside its own, and _extra with the
fields that it does not declare.")]
    Sql(Sql),
    /// Show how a view or a question is computed, or draw it
    #[command(after_help = "Examples:
  mainstem explain minute_by_vehicle                    a tree: operators, what each keeps, its bound
  mainstem explain \"SELECT count(*) FROM purchases\"    how a question is answered
  mainstem explain minute_by_vehicle --svg -o view.svg  a picture with rows/s and state, as it runs
  mainstem explain fleet --svg -o fleet.svg             a whole application
  mainstem explain --folder apps/fleet                  every view of a folder, without a server
  mainstem explain minute_by_vehicle --folder apps/fleet --svg > view.svg

In SQL the same is EXPLAIN VIEW minute_by_vehicle and EXPLAIN SELECT …: a line per row.
A picture that moves: http://127.0.0.1:7400/graph on a running server.")]
    Explain(Explain),
    /// Follow the rows of a stream as they arrive, as one JSON object per line
    #[command(after_help = "Examples:
  mainstem tail purchases
  mainstem tail purchases --from earliest --limit 10
  mainstem tail purchases --from p1-0199a8c3f2010000

A broken connection is taken up again where it broke; no row is missed or shown twice.")]
    Tail(Tail),
    /// Show how the server is doing
    #[command(after_help = "Examples:
  mainstem status
  mainstem status --json")]
    Status(Status),
    /// Carry tables and history to another server, most often one on Kafka, Spark and Cassandra
    #[command(after_help = "Examples:
  mainstem apply apps/retail --url http://10.0.0.7:7400 --key …      the same application, there
  mainstem move --to http://10.0.0.7:7400 --to-key …
  mainstem move --to-data /srv/cluster-node                          a server of this machine
  mainstem move --back                                               take writes here again

This server goes on while its rows follow. Only for the last ones its doors are paused, for ten
seconds at most: writes are told to come again (429). Then they say where the data is now, and both
servers count. Whatever breaks off is taken up by the same command; the notebook knows where.
Lookups are made anew there, with the rows that tables have when they are moved; the time to live of
such rows begins anew. Dead letters stay here.")]
    Move(Move),
    /// Write a consistent copy of everything while the server runs
    #[command(after_help = "Example:
  mainstem backup --to /backups/2026-11-21

The folder is on the server's machine and must be empty or absent. Every file is read back and
compared; manifest.json names each with its hash, and is written last.")]
    Backup(Backup),
    /// Make a data folder from a backup
    #[command(after_help = "Example:
  mainstem restore --from /backups/2026-11-21 --data ./data2
  mainstem serve --data ./data2

The data folder must be empty or absent. Every file is checked before and after it is copied.")]
    Restore(Restore),
    /// Explain an error code
    #[command(after_help = "Examples:
  mainstem explain-error LOG-001
  mainstem explain-error              lists all codes")]
    ExplainError(ExplainError),
}

/// Options of `serve`.
#[derive(Args, Debug)]
pub(crate) struct Serve {
    /// Address to listen on; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7400")]
    pub(crate) listen: SocketAddr,
    /// File of settings; what it does not name keeps its default
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What it runs on: its own disk, or Kafka, Spark and Cassandra as [cluster] of the settings
    /// names them
    #[arg(long, value_name = "ENGINE", default_value = "embedded")]
    pub(crate) engine: Engine,
    /// Print every setting with its meaning and default, and end
    #[arg(long)]
    pub(crate) print_config: bool,
}

/// Options of `demo`.
#[derive(Args, Clone, Debug)]
pub(crate) struct Demo {
    /// Events per second that the fleet sends
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    pub(crate) rate: u32,
    /// Vehicles in the fleet
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pub(crate) vehicles: u32,
    /// End by itself after this many seconds
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u64>,
}

/// Options of `check` and `plan`.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Folder of the application
    #[arg(value_name = "APP")]
    pub(crate) folder: PathBuf,
}

/// Options of `check`.
#[derive(Args, Debug)]
pub(crate) struct CheckFor {
    /// What is checked.
    #[command(flatten)]
    pub(crate) check: Check,
    /// What it is to run on: `cluster` names every view that Spark would not compute alike
    #[arg(long, value_name = "ENGINE", default_value = "embedded")]
    pub(crate) engine: Engine,
    /// How to print what the engine makes of the views
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: CheckFormat,
}

/// What an application runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// One machine
    Embedded,
    /// Kafka, Spark and Cassandra
    Cluster,
}

/// How `check` prints what it found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// Lines for people
    Text,
    /// One JSON document on standard output
    Json,
}

/// Options of `test`.
#[derive(Args, Debug)]
pub(crate) struct Test {
    /// Folder of the application
    #[arg(value_name = "APP")]
    pub(crate) folder: PathBuf,
    /// Run only cases whose file or name contains this
    #[arg(long, value_name = "NAME")]
    pub(crate) filter: Option<String>,
    /// Rewrite what is expected as what was found
    #[arg(long, conflicts_with = "engine")]
    pub(crate) update: bool,
    /// What cases are played on: `cluster` takes Kafka, Spark and Cassandra of --config, and
    /// deletes all that a case leaves there
    #[arg(long, value_name = "ENGINE", default_value = "embedded")]
    pub(crate) engine: Engine,
    /// Settings with the addresses of the engines
    #[arg(long, value_name = "FILE", requires = "engine")]
    pub(crate) config: Option<PathBuf>,
}

/// Options of `apply`.
#[derive(Args, Debug)]
pub(crate) struct Apply {
    /// Folder of the application
    #[arg(value_name = "APP")]
    pub(crate) folder: PathBuf,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Return at once, before new and changed views are live; `mainstem status` shows them
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// Options of `rollback`.
#[derive(Args, Debug)]
pub(crate) struct Rollback {
    /// Name of the application
    #[arg(value_name = "APP")]
    pub(crate) app: String,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Return at once, before views that come back are live; `mainstem status` shows them
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// Options of `load`.
#[derive(Args, Debug)]
pub(crate) struct Load {
    /// File of rows, or - for standard input
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Stream that takes the rows
    #[arg(long, short, value_name = "STREAM")]
    pub(crate) stream: String,
    /// How the file spells its rows, if its name does not tell
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<RowFormat>,
}

/// How a file spells its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// A header line, then a row per line
    Csv,
    /// One object per line
    Ndjson,
    /// An array of objects, or objects one after the other
    Json,
}

/// Options of `sql`.
#[derive(Args, Debug)]
pub(crate) struct Sql {
    /// The statement; standard input if neither it nor a file is given
    #[arg(value_name = "QUERY")]
    pub(crate) query: Option<String>,
    /// Read the statement from a file
    #[arg(long, short, value_name = "FILE", conflicts_with = "query")]
    pub(crate) file: Option<PathBuf>,
    /// How to print the answer
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) format: AnswerFormat,
    /// Answer at this position or later, as an acknowledgement gave it
    #[arg(long, value_name = "POSITION")]
    pub(crate) wait: Option<String>,
    /// Give up after this many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
}

/// How an answer is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerFormat {
    /// For people
    Table,
    /// One document with columns and rows
    Json,
    /// One object per line
    Ndjson,
    /// A header line, then a row per line
    Csv,
    /// An Arrow IPC stream
    Arrow,
}

/// Options of `explain`.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// A view, a question in SQL, or with --svg also an application
    #[arg(value_name = "VIEW", required_unless_present = "folder")]
    pub(crate) what: Option<String>,
    /// Draw it
    #[arg(long)]
    pub(crate) svg: bool,
    /// Where the text or the picture goes; standard output if it is missing
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Folder of an application: what is explained is what it declares, and no server is asked
    #[arg(long, value_name = "APP")]
    pub(crate) folder: Option<PathBuf>,
}

/// Options of `tail`.
#[derive(Args, Debug)]
pub(crate) struct Tail {
    /// The stream
    #[arg(value_name = "STREAM")]
    pub(crate) stream: String,
    /// Where to begin: earliest, now, or a position
    #[arg(long, value_name = "WHERE", default_value = "now")]
    pub(crate) from: String,
    /// End after this many rows
    #[arg(long, short = 'n', value_name = "ROWS")]
    pub(crate) limit: Option<u64>,
}

/// Options of `status`.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `move`.
#[derive(Args, Debug)]
pub(crate) struct Move {
    /// Address of the other server
    #[arg(long, value_name = "URL", required_unless_present_any = ["to_data", "back"])]
    pub(crate) to: Option<String>,
    /// The other server's key, as its file admin.key holds it
    #[arg(long, value_name = "KEY")]
    pub(crate) to_key: Option<String>,
    /// The other server's data folder, if it is on this machine
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to_data: Option<PathBuf>,
    /// Where the way of every stream is noted; the default is moving.json in the data folder
    #[arg(long, value_name = "FILE")]
    pub(crate) notebook: Option<PathBuf>,
    /// Open the doors of this server again, and carry nothing
    #[arg(long, conflicts_with_all = ["to", "to_key", "to_data"])]
    pub(crate) back: bool,
}

/// Options of `backup`.
#[derive(Args, Debug)]
pub(crate) struct Backup {
    /// Folder for the copy, on the server's machine; empty or absent
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: PathBuf,
}

/// Options of `restore`.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    /// Folder of the backup
    #[arg(long, value_name = "FOLDER")]
    pub(crate) from: PathBuf,
}

/// Options of `explain-error`.
#[derive(Args, Debug)]
pub(crate) struct ExplainError {
    /// The code, such as LOG-001
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
}
