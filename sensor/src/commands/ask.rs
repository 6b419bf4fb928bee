//! `sensor tree`, `status`, `servers`: questions to the running agent.

use super::{DONE, FAILED, Failure, config, print, text};
use crate::cli::{AskArgs, ExplainArgs, TreeArgs};
use crate::control::{Command, ask};
use serde_json::Value;

/// `sensor tree`.
pub fn tree(arguments: &TreeArgs) -> Result<u8, Failure> {
    show(&arguments.ask, &Command::Tree { pid: arguments.pid }, text::tree)
}

/// `sensor status`.
pub fn status(arguments: &AskArgs) -> Result<u8, Failure> {
    show(arguments, &Command::Status, text::status)
}

/// `sensor servers`.
pub fn servers(arguments: &AskArgs) -> Result<u8, Failure> {
    show(arguments, &Command::Servers, text::servers)
}

/// `sensor explain`.
pub fn explain(arguments: &ExplainArgs) -> Result<u8, Failure> {
    show(&arguments.ask, &Command::Explain { id: arguments.id.clone() }, crate::explain::text)
}

fn show(arguments: &AskArgs, command: &Command, draw: fn(&Value) -> String) -> Result<u8, Failure> {
    let config = config(&arguments.config)?;
    let answer = ask(&config.socket, command).map_err(|error| Failure::new(FAILED, [error]))?;
    let text = if arguments.json { format!("{answer:#}\n") } else { draw(&answer) };
    print(&text)?;
    Ok(DONE)
}
