//! What runs inside a virtual machine, as root, with the console as its only way out ([`crate::report::Message`]).

mod matrix;
mod package;
mod verifier;

use crate::bench;
use crate::report::Message;
use crate::scenarios;
use crate::vm::Hooks;
use crate::{containers, kubernetes};
use anyhow::Result;

/// `xtask guest`.
#[derive(clap::Args)]
pub struct Options {
    #[command(subcommand)]
    task: Task,
}

#[derive(clap::Subcommand)]
enum Task {
    /// Loads each hook set, counts instructions, runs the scenarios.
    Matrix {
        /// Only this hook set.
        #[arg(long, value_enum)]
        hooks: Option<Hooks>,
        /// Only these scenarios.
        #[arg(long)]
        only: Vec<String>,
    },
    /// Runs the pod of the Helm chart.
    Node {
        /// Only with this hook set.
        #[arg(long, value_enum)]
        hooks: Option<Hooks>,
        /// Only these checks.
        #[arg(long)]
        only: Vec<String>,
    },
    /// Runs containers, and a sensor beside them.
    Containers(containers::Guest),
    /// Becomes a program, with these capabilities at most.
    With {
        /// Their bits, in hexadecimal.
        mask: String,
        /// The program.
        program: std::path::PathBuf,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measures with and without the sensor.
    Bench {
        /// With this hook set.
        #[arg(long, value_enum)]
        hooks: Hooks,
    },
    /// Loads servers with and without the sensor.
    Workloads,
    /// One measured loop.
    BenchLoop(bench::loops::Options),
    /// Work for an agent that is measured.
    BenchLoad(bench::load::Options),
    /// A server that does something that is told.
    BenchAttack(bench::agent::AttackOptions),
    /// Tries out the Debian package.
    Package {
        /// Only steps whose names contain this.
        #[arg(long)]
        only: Option<String>,
    },
    /// Counts the instructions that the verifier looks at while `sensor check` runs.
    Verifier {
        /// With this hook set.
        #[arg(long, value_enum)]
        hooks: Hooks,
    },
}

/// Does the task, and says that it is done.
pub fn run(options: &Options) -> Result<()> {
    match &options.task {
        Task::Matrix { hooks, only } => matrix::run(*hooks, only),
        Task::Node { hooks, only } => kubernetes::node::guest(*hooks, only)?,
        Task::Containers(options) => containers::guest(options)?,
        Task::With { mask, program, arguments } => return scenarios::become_with(mask, program, arguments),
        Task::Bench { hooks } => bench::guest(*hooks)?,
        Task::Package { only } => package::run(only.as_deref())?,
        Task::Workloads => bench::workloads::guest(),
        Task::BenchLoop(options) => return bench::loops::run(options),
        Task::BenchLoad(options) => return bench::load::run(options),
        Task::BenchAttack(options) => return bench::agent::attack(options),
        Task::Verifier { hooks } => {
            for program in verifier::count(*hooks)?.programs {
                println!("{:>9}  {}", program.instructions, program.name);
            }
            return Ok(());
        }
    }
    Message::Done.send();
    Ok(())
}
