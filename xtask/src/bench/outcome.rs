//! What a part of the benchmark came to, as it is kept in `docs/performance/PART.json` and drawn into the document.

use super::spread::Spread;
use crate::{command, workspace};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::path::PathBuf;

/// One part's results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which part: `kernel`, `pipeline`.
    pub part: String,
    /// The command that measures it again.
    pub command: String,
    /// When, UTC, to the minute.
    pub date: String,
    /// Processor, how many of them, memory, kernel.
    pub machine: String,
    /// Numbers that a bar, or the regression check, asks for by id.
    pub figures: Vec<Figure>,
    /// For people.
    pub tables: Vec<Table>,
    /// For people.
    #[serde(default)]
    pub plots: Vec<Plot>,
}

/// One number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// `PART.WHAT`, as bars name it.
    pub id: String,
    /// The middle one of the rounds, and their spread.
    #[serde(flatten)]
    pub spread: Spread,
    /// For a number that is the same on every machine: how much larger it may get, in its own unit, before the
    /// regression check fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<f64>,
}

/// Rows under a title.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What it shows.
    pub title: String,
    /// How it was measured, and what to read from it; Markdown.
    pub about: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// As many cells each as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// A curve or a few.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plot {
    /// Its file is `docs/performance/NAME.svg`.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// What grows, from left to right on a logarithmic scale.
    pub x: String,
    /// What is measured, from zero.
    pub y: String,
    /// Names of the curves, and their points.
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
}

impl Outcome {
    /// An empty one, of now and here.
    pub fn new(part: &str, command: &str) -> Result<Self> {
        Ok(Self {
            part: part.to_owned(),
            command: command.to_owned(),
            date: now(),
            machine: machine()?,
            figures: Vec::new(),
            tables: Vec::new(),
            plots: Vec::new(),
        })
    }

    /// Adds a number.
    pub fn figure(&mut self, id: impl Into<String>, spread: Spread) {
        self.figures.push(Figure { id: id.into(), spread, steady: None });
    }

    /// Adds a number that the regression check keeps; see [`Figure::steady`].
    pub fn steady(&mut self, id: impl Into<String>, spread: Spread, tolerance: f64) {
        self.figures.push(Figure { id: id.into(), spread, steady: Some(tolerance) });
    }

    /// Prints it for people.
    pub fn print(&self) {
        for table in &self.tables {
            table.print();
        }
    }

    /// Keeps it, instead of what the part came to before.
    pub fn save(&self) -> Result<()> {
        let path = path(&self.part);
        std::fs::create_dir_all(directory())?;
        let json = serde_json::to_string_pretty(self)? + "\n";
        std::fs::write(&path, json).with_context(|| path.display().to_string())
    }

    /// What a part came to when it was last measured; `None` if it never was.
    pub fn load(part: &str) -> Result<Option<Self>> {
        let path = path(part);
        let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
        serde_json::from_str(&text).with_context(|| path.display().to_string()).map(Some)
    }
}

impl Table {
    /// An empty table.
    pub fn new(title: impl Into<String>, about: impl Into<String>, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Self { title: title.into(), about: about.into(), columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn print(&self) {
        println!("\n{}", self.title);
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.columns]).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        for row in std::iter::once(&self.columns).chain(&self.rows) {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = width(column);
                // Words begin where the column does, numbers end where it ends.
                let _ = if column == 0 { write!(line, "  {cell:<width$}") } else { write!(line, "  {cell:>width$}") };
            }
            println!("{}", line.trim_end());
        }
    }
}

/// Where results and plots are kept.
pub fn directory() -> PathBuf {
    workspace::root().join("docs/performance")
}

fn path(part: &str) -> PathBuf {
    directory().join(format!("{part}.json"))
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// What was measured on, without its name.
fn machine() -> Result<String> {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo")?;
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(": ")?.1.to_owned())
    };
    let processors = std::thread::available_parallelism()?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let memory = std::fs::read_to_string("/proc/meminfo")?;
    let kib: u64 = memory.split_whitespace().nth(1).and_then(|word| word.parse().ok()).context("MemTotal")?;
    let model = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let virtualised = if command::output(command::command("systemd-detect-virt").arg("--vm")).is_ok()
        || field("flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"))
    {
        ", a virtual machine"
    } else {
        ""
    };
    let gib = (kib + 512 * 1024) / (1024 * 1024);
    Ok(format!("{processors} × {model}{virtualised}, {gib} GiB, kernel {}", kernel.trim()))
}
