//! Plays one story's deeds, in order, and keeps when each began.

use super::cast::Cast;
use super::deed::{Deed, Program};
use super::script::{Content, Scene, user};
use crate::ear::boottime_ns;
use anyhow::{Context, Result, bail};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Who stands for everybody that is somewhere else: it listens wherever the story connects to.
const FAR_END: &str = "far end";
/// What programs find in their environment; also the room that titles take, as in real life.
const ENVIRONMENT: &[&str] = &[
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG=C.UTF-8",
    "INVOCATION_ID=7c1e0f6a4b5d4c0e9a3f2d1b8e7a6c50",
    "JOURNAL_STREAM=8:20411",
    "SYSTEMD_EXEC_PID=412",
    "MEMORY_PRESSURE_WATCH=/sys/fs/cgroup/system.slice/memory.pressure",
];

/// One story on its stage.
pub struct Play {
    cast: Cast,
    /// Descriptors that a process keeps, by the story's name for them.
    kept: HashMap<String, String>,
    /// When each deed began.
    pub acted: Vec<u64>,
    /// Files that begin with `#!`: their interpreters read them.
    scripts: BTreeSet<String>,
    /// Every program that a process became, by pid, with its arguments.
    pub execs: Vec<(u32, Vec<String>)>,
}

impl Play {
    /// Lets the far end listen wherever these scenes connect to.
    pub fn new(mut cast: Cast, scenes: &[&Scene]) -> Result<Self> {
        let deeds = scenes.iter().flat_map(|scene| &scene.steps);
        let addresses: BTreeSet<&str> = deeds
            .clone()
            .filter_map(|deed| match deed {
                Deed::Connect { to, .. } => Some(to.as_str()),
                _ => None,
            })
            .collect();
        let comes = deeds.clone().any(|deed| matches!(deed, Deed::Accept { .. }));
        if comes || !addresses.is_empty() {
            cast.fork("init", FAR_END)?;
            cast.tell(FAR_END, &["exec", "/opt/far-end/far-end", "1", "/opt/far-end/far-end"])?;
        }
        // What the story itself listens on needs no other.
        let own: BTreeSet<&str> = deeds.flat_map(listens).map(String::as_str).collect();
        for address in addresses.difference(&own) {
            cast.tell(FAR_END, &["listen", address])?;
        }
        let scripts = scenes.iter().flat_map(|scene| scene.scripts()).collect();
        Ok(Self { cast, kept: HashMap::new(), scripts, acted: Vec::new(), execs: Vec::new() })
    }

    /// The story's processes, in our own namespace.
    pub const fn pids(&self) -> &std::collections::HashSet<u32> {
        &self.cast.pids
    }

    /// Plays a scene, with a pause before each deed. A process that was just started goes on at once, as programs do.
    pub fn scene(&mut self, scene: &Scene, pause: Duration) -> Result<()> {
        let mut just_started: Option<&str> = None;
        for (index, deed) in scene.steps.iter().enumerate() {
            if just_started.is_none() || just_started != deed.by() {
                std::thread::sleep(pause);
            }
            self.deed(deed).with_context(|| format!("step {}", index + 1))?;
            just_started = deed.starts();
        }
        Ok(())
    }

    fn deed(&mut self, deed: &Deed) -> Result<()> {
        self.acted.push(boottime_ns());
        match deed {
            Deed::Start(program) => {
                self.cast.fork(&program.by, &program.name)?;
                self.program(&program.name, program)?;
            }
            Deed::Exec(program) => self.program(&program.by, program)?,
            Deed::ExecMemory { by, name, args } => {
                let mut words = vec!["exec-memory", name];
                words.extend(args.iter().map(String::as_str));
                self.cast.tell_with_program(by, &words)?;
            }
            Deed::Fork { by, name, user, title, comm } => {
                self.cast.fork(by, name)?;
                if let Some(user) = user {
                    self.become_user(name, user)?;
                }
                if let Some(title) = title {
                    self.tell(name, &["title", title])?;
                }
                if let Some(comm) = comm {
                    self.tell(name, &["name", comm])?;
                }
            }
            Deed::Become { by, user } => self.become_user(by, user)?,
            Deed::Title { by, title } => self.tell(by, &["title", title])?,
            Deed::Name { by, comm } => self.tell(by, &["name", comm])?,
            Deed::Standard { by, is } => self.tell(by, &["standard", is])?,
            Deed::Listen { by, at } => self.tell(by, &["listen", at])?,
            Deed::Connect { by, to, standard } => {
                self.tell(by, &["connect", to, ""])?;
                if *standard {
                    self.tell(by, &["standard", "socket"])?;
                }
            }
            Deed::Accept { by, at, to, from } => {
                self.tell(FAR_END, &["connect", to, from])?;
                self.tell(by, &["accept", at])?;
            }
            Deed::Exit { by } => {
                self.tell(by, &["exit"])?;
                self.cast.leave(by);
            }
            Deed::Wait { milliseconds } => std::thread::sleep(Duration::from_millis(*milliseconds)),
            _ => self.file(deed)?,
        }
        Ok(())
    }

    fn file(&mut self, deed: &Deed) -> Result<()> {
        match deed {
            Deed::Write { by, path, how, content, mode, keep, times } => {
                let (kind, text) = match content {
                    Content::Text(text) => ("text", text.as_str()),
                    Content::Library => ("library", ""),
                    Content::Program => ("program", ""),
                };
                let mode = mode.unwrap_or(0o644).to_string();
                let keep = keep.as_deref().unwrap_or_default();
                for time in 0..times.unwrap_or(1) {
                    let path = path.replace("{n}", &time.to_string());
                    let words = ["write", &path, how.word(), &mode, kind, text, keep];
                    let said = if matches!(content, Content::Program) {
                        self.cast.tell_with_program(by, &words)?
                    } else {
                        self.cast.tell(by, &words)?
                    };
                    self.kept.insert(keep.to_owned(), said);
                }
                Ok(())
            }
            Deed::Read { by, path } => self.tell(by, &["read", path]),
            Deed::Rename { by, from, to } => self.tell(by, &["rename", from, to]),
            Deed::Link { by, from, to } => self.tell(by, &["link", from, to]),
            Deed::Symlink { by, from, to } => self.tell(by, &["symlink", from, to]),
            Deed::Unlink { by, path } => self.tell(by, &["unlink", path]),
            Deed::Mkdir { by, path } => self.tell(by, &["mkdir", path]),
            Deed::Chmod { by, path, mode } => self.tell(by, &["chmod", path, &mode.to_string()]),
            Deed::Map { by, path } => {
                let path = self.filled(path)?;
                self.tell(by, &["map", &path])
            }
            _ => bail!("not a deed with files: {deed:?}"),
        }
    }

    /// Replaces `{pid:NAME}` and `{fd:NAME}`.
    fn filled(&self, text: &str) -> Result<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').context("a { without its }")?;
            filled.push_str(before);
            match name.split_once(':') {
                Some(("pid", name)) => filled.push_str(&self.cast.inside(name)?.to_string()),
                Some(("fd", name)) => filled.push_str(self.kept.get(name).context("nothing is kept by that name")?),
                _ => bail!("nothing stands for {{{name}}}"),
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn tell(&mut self, by: &str, words: &[&str]) -> Result<()> {
        self.cast.tell(by, words).map(drop)
    }

    fn become_user(&mut self, name: &str, as_whom: &str) -> Result<()> {
        self.tell(name, &["user", &user(as_whom)?.to_string()])
    }

    /// Has a process become a program.
    fn program(&mut self, name: &str, program: &Program) -> Result<()> {
        if let Some(user) = &program.user {
            self.become_user(name, user)?;
        }
        if let Some(directory) = &program.cwd {
            self.tell(name, &["directory", directory])?;
        }
        if let Some(standard) = &program.standard {
            self.tell(name, &["standard", standard])?;
        }
        let count = program.args.len().to_string();
        let mut words = vec!["exec", program.exe.as_str(), &count];
        words.extend(program.args.iter().map(String::as_str));
        words.extend(ENVIRONMENT);
        words.extend(program.env.iter().map(String::as_str));
        // The time of an exec is that of the exec itself.
        self.acted.pop();
        self.acted.push(boottime_ns());
        self.tell(name, &words)?;
        if let Some(pid) = self.cast.pid(name) {
            self.execs.push((pid, program.args.clone()));
        }
        if self.scripts.contains(&program.exe) {
            self.tell(name, &["read", &program.exe])?;
        }
        for address in &program.listen {
            self.tell(name, &["listen", address])?;
        }
        if let Some(title) = &program.title {
            self.tell(name, &["title", title])?;
        }
        Ok(())
    }
}

/// Where a deed listens.
fn listens(deed: &Deed) -> &[String] {
    match deed {
        Deed::Start(program) | Deed::Exec(program) => &program.listen,
        Deed::Listen { at, .. } => std::slice::from_ref(at),
        _ => &[],
    }
}
