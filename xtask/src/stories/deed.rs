//! What the processes of a story can do, as the stories say it.
//!
//! Each is carried out by [`super::play`]; nothing here does anything.

use super::script::Content;
use serde::Deserialize;

fn first() -> String {
    "init".to_owned()
}

/// How a file is opened for writing.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Made, or emptied if it is there.
    #[default]
    Create,
    /// Made, and must not be there.
    Exclusive,
    /// Made or continued.
    Append,
    /// Emptied, and must be there.
    Truncate,
}

impl How {
    /// The word for the actor.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Exclusive => "exclusive",
            Self::Append => "append",
            Self::Truncate => "truncate",
        }
    }
}

/// A program to become.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Who does it.
    #[serde(default = "first")]
    pub by: String,
    /// What the new process is called in the story.
    #[serde(default, rename = "as")]
    pub name: String,
    /// The program.
    pub exe: String,
    /// Its arguments, the zeroth first.
    pub args: Vec<String>,
    /// The user that it is before it becomes the program.
    #[serde(default)]
    pub user: Option<String>,
    /// Its working directory.
    #[serde(default)]
    pub cwd: Option<String>,
    /// What its standard input and output are, as in [`Deed::Standard`]; what the parent's are, if unsaid.
    #[serde(default)]
    pub standard: Option<String>,
    /// Further environment.
    #[serde(default)]
    pub env: Vec<String>,
    /// Where it listens then.
    #[serde(default)]
    pub listen: Vec<String>,
    /// What it then writes over its arguments.
    #[serde(default)]
    pub title: Option<String>,
}

/// One thing that a process does.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// Forks a child that becomes a program.
    Start(Program),
    /// Becomes a program, in the same process.
    Exec(Program),
    /// Becomes a program that only memory holds.
    ExecMemory { by: String, name: String, args: Vec<String> },
    /// Forks a child that stays what it is.
    Fork {
        by: String,
        #[serde(rename = "as")]
        name: String,
        #[serde(default)]
        user: Option<String>,
        #[serde(default)]
        title: Option<String>,
        #[serde(default)]
        comm: Option<String>,
    },
    /// Becomes another user.
    Become { by: String, user: String },
    /// Writes over its arguments.
    Title { by: String, title: String },
    /// Names its thread.
    Name { by: String, comm: String },
    /// Makes standard input and output something else: `null`; `input`, `output` or `pipes`: a pipe for this or both;
    /// `unix`: a pair of sockets; `socket`: what it connected or accepted last; `listener`: where it listens.
    Standard { by: String, is: String },
    /// Listens.
    Listen { by: String, at: String },
    /// Connects; with `standard` its standard input, output and error become the socket.
    Connect {
        by: String,
        to: String,
        #[serde(default)]
        standard: bool,
    },
    /// Takes a connection that comes from somewhere else.
    Accept { by: String, at: String, to: String, from: String },
    /// Opens for writing and writes. `{n}` counts up if it does so several times.
    Write {
        by: String,
        path: String,
        #[serde(default)]
        how: How,
        #[serde(default)]
        content: Content,
        #[serde(default)]
        mode: Option<u32>,
        #[serde(default)]
        keep: Option<String>,
        #[serde(default)]
        times: Option<u32>,
    },
    /// Opens for reading and reads.
    Read { by: String, path: String },
    /// Renames.
    Rename { by: String, from: String, to: String },
    /// Makes a hard link.
    Link { by: String, from: String, to: String },
    /// Makes a symbolic link at `to`.
    Symlink { by: String, from: String, to: String },
    /// Removes a file.
    Unlink { by: String, path: String },
    /// Makes a directory.
    Mkdir { by: String, path: String },
    /// Changes a mode.
    Chmod { by: String, path: String, mode: u32 },
    /// Maps a file as code, as dlopen does.
    Map { by: String, path: String },
    /// Ends.
    Exit { by: String },
    /// Nobody does anything for so many milliseconds.
    Wait { milliseconds: u64 },
}

impl Deed {
    /// Who does it; `None` if nobody does anything.
    pub fn by(&self) -> Option<&str> {
        match self {
            Self::Start(program) | Self::Exec(program) => Some(&program.by),
            Self::ExecMemory { by, .. }
            | Self::Fork { by, .. }
            | Self::Become { by, .. }
            | Self::Title { by, .. }
            | Self::Name { by, .. }
            | Self::Standard { by, .. }
            | Self::Listen { by, .. }
            | Self::Connect { by, .. }
            | Self::Accept { by, .. }
            | Self::Write { by, .. }
            | Self::Read { by, .. }
            | Self::Rename { by, .. }
            | Self::Link { by, .. }
            | Self::Symlink { by, .. }
            | Self::Unlink { by, .. }
            | Self::Mkdir { by, .. }
            | Self::Chmod { by, .. }
            | Self::Map { by, .. }
            | Self::Exit { by } => Some(by),
            Self::Wait { .. } => None,
        }
    }

    /// The process that has just become a program afterwards.
    pub fn starts(&self) -> Option<&str> {
        match self {
            Self::Start(program) => Some(&program.name),
            Self::Exec(program) => Some(&program.by),
            Self::ExecMemory { by, .. } => Some(by),
            Self::Fork { name, .. } => Some(name),
            _ => None,
        }
    }
}
