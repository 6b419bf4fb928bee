//! The command line.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Catches abuse of server software by process ancestry, with eBPF.
#[derive(Debug, Parser)]
#[command(name = "sensor", version, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_long_help = "Exit codes: 0 done; 1 failed while running; 2 wrong command line or configuration; 3 the kernel or \
    privileges lack something."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch this machine until SIGTERM or SIGINT; alerts go to standard output, logs to standard error
    Run(RunArgs),
    /// Say what would work here, without staying: kernel, privileges, hooks, configuration
    Check(CheckArgs),
    /// Run, and write every record into a capture file
    Record(RecordArgs),
    /// Run a capture through the same pipeline; needs no privileges
    Replay(ReplayArgs),
    /// Ask the running agent for the ancestry of a process, or of all servers
    Tree(TreeArgs),
    /// Ask the running agent how it is and what it lost
    Status(StatusArgs),
    /// Ask the running agent which servers it found and what it watches for them
    Servers(AskArgs),
    /// Ask the running agent why an alert was told, and which exception would silence it
    Explain(ExplainArgs),
    /// Show the catalogue of servers that is in force
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// Ask the running agent what it learned of servers, and correct it
    #[command(subcommand)]
    Baseline(BaselineCommand),
    /// Print a configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the completions of a shell, for it to source
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Write the manual: a page for each command
    Man {
        /// The directory to write to; it is made if it is not there
        directory: PathBuf,
    },
    /// The process that answers HTTP; `sensor run` starts it for itself
    #[command(hide = true)]
    Listener,
}

/// Where the configuration comes from.
#[derive(Args, Debug, Default)]
pub struct ConfigArgs {
    /// Configuration file (default: /etc/sensor/sensor.toml, if it exists)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Set a configuration key, over the file: output.stdout.format=json
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// `sensor run`.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
}

/// `sensor check`.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `sensor record`.
#[derive(Args, Debug)]
pub struct RecordArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The capture file
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
    /// Stop after this time: 30s, 5m, 1h
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub length: Option<Duration>,
}

/// `sensor replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// The capture file
    #[arg(value_name = "FILE")]
    pub capture: PathBuf,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print JSON, whatever output.stdout.format says
    #[arg(long)]
    pub json: bool,
}

/// `sensor tree`.
#[derive(Args, Debug)]
pub struct TreeArgs {
    /// The process; all servers without it
    pub pid: Option<u32>,
    /// How often to ask.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// How to ask.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// `sensor status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// How often to ask.
    #[command(flatten)]
    pub watch: WatchArgs,
    /// How to ask.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// Once, or again and again.
#[derive(Args, Debug)]
pub struct WatchArgs {
    /// Ask again and again, every second or after this time (--watch=5s), until Ctrl-C
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "1s", value_parser = duration)]
    pub watch: Option<Duration>,
}

/// `sensor explain`.
#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The alert's event.id, or the beginning of it; the latest alert without it
    #[arg(value_name = "EVENT_ID")]
    pub id: Option<String>,
    /// How to ask.
    #[command(flatten)]
    pub ask: AskArgs,
}

/// A question to the running agent.
#[derive(Args, Debug)]
pub struct AskArgs {
    /// Where the configuration comes from (for agent.socket).
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `sensor catalogue ...`.
#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// List the servers that are known
    List(AskArgs),
    /// Show all that is known of one
    Show {
        /// Its id, as in the list
        id: String,
        /// How to show it.
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Say whether a catalogue file can be used
    Check {
        /// The file
        file: PathBuf,
    },
}

/// `sensor config ...`.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Every key with its default and its explanation, all as comments: a file to begin with
    Default,
}

/// `sensor baseline ...`. KIND is a kind as `show` prints it, or a part of it that no other has.
#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// Show what was learned, and how far learning is: of all kinds of servers, or all of one
    Show {
        /// Which kind, as the list prints it, or a part that no other has
        kind: Option<String>,
        /// How to ask.
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Say that an edge is normal, so that it is no finding any more
    Approve {
        /// All new edges of the kind that no other detector has something against
        #[arg(long, conflicts_with_all = ["parent", "child"])]
        all_new: bool,
        /// The kind of server
        kind: String,
        /// The shape of who starts
        #[arg(required_unless_present = "all_new", allow_hyphen_values = true)]
        parent: Option<String>,
        /// The shape of what is started
        #[arg(required_unless_present = "all_new", allow_hyphen_values = true)]
        child: Option<String>,
        /// How to ask.
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Say that all is learned: from now on what is new is a finding
    Finish {
        /// The kind of server
        kind: String,
        /// How to ask.
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Forget a kind of server, and learn it anew
    Forget {
        /// The kind of server
        kind: String,
        /// How to ask.
        #[command(flatten)]
        ask: AskArgs,
    },
    /// Write what was learned as TOML, for other hosts or to be kept
    Export {
        /// The file; standard output without it
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Which kind; all without it
        kind: Option<String>,
        /// Where the configuration comes from (for agent.socket).
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Take in what was exported, beside what is known
    Import {
        /// The file
        file: PathBuf,
        /// How to ask.
        #[command(flatten)]
        ask: AskArgs,
    },
}

/// A time such as `30s`, `5m`, `1h`, `250ms`; a number alone is seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "allowed: a number with ms, s, m or h".to_owned())?;
    let milliseconds = match unit {
        "ms" => 1,
        "" | "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("allowed: a number with ms, s, m or h".to_owned()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(|| "too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_approval_names_an_edge_or_all() {
        let parse = |words: &str| Cli::try_parse_from(format!("sensor baseline approve {words}").split(' '));
        assert!(parse("php a b").is_ok() && parse("--all-new php").is_ok());
        assert!(parse("php a").is_err() && parse("php").is_err() && parse("--all-new php a b").is_err());
    }

    #[test]
    fn durations() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("7"), Ok(Duration::from_secs(7)));
        assert!(duration("fast").is_err());
        assert!(duration("99999999999999999999h").is_err());
    }
}
