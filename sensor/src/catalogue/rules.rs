//! What a server is, loads, and normally starts.

use super::base_name;
use super::command_line::plain_command_line;
use super::pattern::{Pattern, any};
use super::words::{ChildUser, ComponentKind, Egress, ExecPolicy, OwnWrites, Role};
use crate::event::Exec;
use bstr::{BStr, ByteSlice};

/// A server product.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own that the catalogue states")]
#[derive(Clone, Debug, PartialEq)]
pub struct ServerKind {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it does.
    pub roles: Vec<Role>,
    /// What its program must look like.
    pub program: Program,
    /// A runtime that is a server only when it listens.
    pub generic: bool,
    /// Something on which other products are built (a servlet container): another product that matches as well is the
    /// one.
    pub platform: bool,
    /// It rewrites its arguments, so that a process's current title tells what it is for.
    pub titles: bool,
    /// Everything it starts leaves its lineage and is on its own.
    pub supervisor: bool,
    /// Other programs in its lineage.
    pub exec_policy: ExecPolicy,
    /// Where it connects to.
    pub egress: Egress,
    /// Further programs of its own.
    pub own: Vec<Pattern>,
    /// Files with credentials that it reads in normal service.
    pub own_secrets: Vec<Pattern>,
    /// Where it loads components from.
    pub components: Vec<Component>,
    /// What it normally starts.
    pub normal_children: Vec<NormalChild>,
}

/// How a program is recognised: by its executable, and by what it was started with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Program {
    /// Its executables.
    pub exe: Vec<Pattern>,
    /// If any: `argv[0]` must be one of these.
    pub argv0: Vec<Pattern>,
    /// If any of the three next has entries, one of them must match: the script an interpreter runs,
    pub script: Vec<Pattern>,
    /// the module after `-m`,
    pub module: Vec<Pattern>,
    /// any argument, or what the program calls itself instead of its arguments.
    pub argument: Vec<Pattern>,
}

/// Directories with components.
#[derive(Clone, Debug, PartialEq)]
pub struct Component {
    /// A directory; `*` stands for a part of one name. Everything below it counts.
    pub path: String,
    /// What is in it.
    pub kind: ComponentKind,
    /// Names of the files that are loaded; empty for all.
    pub files: Vec<Pattern>,
    /// What it means when the server writes there itself.
    pub own: OwnWrites,
    /// `path` and everything below it.
    pub(super) below: Pattern,
}

/// A program that a server normally starts, and what may run below it.
#[derive(Clone, Debug, PartialEq)]
pub struct NormalChild {
    /// Its executable.
    pub exe: Vec<Pattern>,
    /// The command line, arguments joined by spaces, any shell named `sh`.
    pub args: Vec<Pattern>,
    /// The script that an interpreter runs. If `args` or `script` has entries, one of either must match.
    pub script: Vec<Pattern>,
    /// Executables that may run below it, at any depth, or in its place.
    pub below: Vec<Pattern>,
    /// Its working directory. Empty for any.
    pub directory: Vec<Pattern>,
    /// What its parent calls itself at that moment. Empty for anything.
    pub title: Vec<Pattern>,
    /// As whom it runs; `None` for anybody.
    pub user: Option<ChildUser>,
    /// It begins a life of its own (a login session, a scheduled job, a service): it and its descendants leave the
    /// server's lineage.
    pub leaves: bool,
    /// That there are such commands is normal; which of them are is for the baseline to say.
    pub learned: bool,
    /// Why it is normal.
    pub reason: String,
}

impl Program {
    /// Whether it is that program.
    pub fn is(&self, image: &Exec) -> bool {
        any(&self.exe, &image.executable) && self.was_started_so(image)
    }

    /// Whether it was started as that program is, its executable aside.
    pub fn was_started_so(&self, image: &Exec) -> bool {
        self.argv0_matches(image) && self.marker_matches(image)
    }

    /// Whether more than the executable is needed to know it.
    pub fn needs_more_than_exe(&self) -> bool {
        !self.argv0.is_empty() || self.needs_marker()
    }

    fn needs_marker(&self) -> bool {
        !(self.script.is_empty() && self.module.is_empty() && self.argument.is_empty())
    }

    fn argv0_matches(&self, image: &Exec) -> bool {
        self.argv0.is_empty() || image.argv.first().is_some_and(|argv0| any(&self.argv0, argv0))
    }

    fn marker_matches(&self, image: &Exec) -> bool {
        if !self.needs_marker() {
            return true;
        }
        let after_m = image.argv.iter().position(|argument| argument == "-m").map(|at| at + 1);
        let module = after_m.and_then(|at| image.argv.get(at));
        image.script.as_ref().is_some_and(|script| any(&self.script, script))
            || first_operand(image).is_some_and(|first| any(&self.script, first))
            || module.is_some_and(|module| any(&self.module, module))
            || image.argv.iter().skip(1).any(|argument| any(&self.argument, argument))
            || title(image).is_some_and(|title| any(&self.argument, title))
    }
}

/// The first argument that is no option: the script of an interpreter, unless an option before it took a value.
fn first_operand(image: &Exec) -> Option<&[u8]> {
    image.argv.iter().skip(1).map(|argument| argument.as_slice()).find(|argument| !argument.starts_with(b"-"))
}

/// What a program wrote over its arguments: all of it is in the first then.
fn title(image: &Exec) -> Option<&[u8]> {
    let rest_is_empty = image.argv.iter().skip(1).all(|argument| argument.is_empty());
    image.argv.first().filter(|_| rest_is_empty).map(|title| title.trim_end_with(|letter| letter == ' '))
}

impl ServerKind {
    /// Whether a program is this server.
    pub fn is(&self, image: &Exec) -> bool {
        self.program.is(image)
    }

    /// Whether a program belongs to the server itself.
    pub fn owns(&self, image: &Exec) -> bool {
        self.is(image) || any(&self.own, &image.executable)
    }

    /// Whether anything that it starts leaves its lineage.
    pub fn lets_leave(&self) -> bool {
        self.supervisor || self.normal_children.iter().any(|child| child.leaves)
    }

    /// The normal child that a program is, if it is one. `title` is what its parent called itself at that moment, if that
    /// is known.
    pub fn normal_child(&self, image: &Exec, title: Option<&BStr>) -> Option<&NormalChild> {
        self.normal_children.iter().find(|child| child.is(image, title))
    }

    /// The component that a file is part of: of those that hold it and load files of its name, the one with the longest
    /// path. What is watched may be wider than a component, and one watched directory may hold components of several
    /// kinds; this says which.
    pub fn component(&self, path: &[u8]) -> Option<&Component> {
        let fits = |known: &&Component| known.holds(path) && known.loads(path);
        self.components.iter().filter(fits).max_by_key(|known| known.path.len())
    }

    /// Whether it reads that file with credentials in normal service.
    pub fn reads_secret(&self, path: &[u8]) -> bool {
        any(&self.own_secrets, path)
    }
}

impl NormalChild {
    /// Whether a program is this child. `title` is what its parent called itself at that moment, if that is known: where
    /// the title decides, an unknown one is not the right one.
    pub fn is(&self, image: &Exec, title: Option<&BStr>) -> bool {
        any(&self.exe, &image.executable)
            && self.user.is_none_or(|user| user.is(image.euid))
            && (self.title.is_empty() || title.is_some_and(|title| any(&self.title, title)))
            && (self.directory.is_empty() || any(&self.directory, &image.directory))
            && (self.args.is_empty() && self.script.is_empty() || self.command_is(image))
    }

    fn command_is(&self, image: &Exec) -> bool {
        let script = || script(image).is_some_and(|script| !climbs(script) && any(&self.script, script));
        let command = || {
            let line = plain_command_line(image);
            // A cut command line may hide anything.
            !image.argv_cut && any(&self.args, &line) && !command_word(&line).is_some_and(climbs)
        };
        script() || command()
    }

    /// Whether a program may run below this child. Busybox is the program that it plays.
    pub fn allows(&self, image: &Exec) -> bool {
        if base_name(&image.executable) != b"busybox" {
            return any(&self.below, &image.executable);
        }
        let mut names = image.argv.iter().map(|argument| base_name(argument)).skip_while(|name| *name == b"busybox");
        let Some(applet) = names.next() else {
            return false;
        };
        let places = ["/bin/", "/usr/bin/", "/sbin/", "/usr/sbin/"];
        places.iter().any(|place| any(&self.below, &[place.as_bytes(), applet].concat()))
    }
}

/// Options after which an interpreter still runs the script that comes next.
const HARMLESS: &[&str] = &["-e", "-x", "-u", "-ex", "-xe", "-eu", "-ue", "-eux", "-w", "-T", "-wT", "-B", "-W0"];
/// And of perl, whose `-e` has code.
const HARMLESS_IN_PERL: &[&str] = &["-w", "-T", "-wT", "-t", "-wt"];

/// The script that an interpreter runs: as the kernel says it, or the first argument after options of no consequence.
fn script(image: &Exec) -> Option<&[u8]> {
    if let Some(script) = &image.script {
        return Some(script);
    }
    let name = base_name(&image.executable);
    let codes = ["perl", "ruby", "node", "php"].iter().any(|name_of| name.starts_with(name_of.as_bytes()));
    let harmless = if codes { HARMLESS_IN_PERL } else { HARMLESS };
    let mut arguments = image.argv.iter().skip(1);
    let first = arguments.find(|argument| !harmless.iter().any(|option| option.as_bytes() == argument.as_slice()));
    first.map(|first| first.as_slice()).filter(|first| !first.starts_with(b"-"))
}

/// Whether a path goes up again, so that its beginning says nothing.
fn climbs(path: &[u8]) -> bool {
    path.find("/../").is_some()
}

/// The program in a plain command line: what follows `sh -c`, without `exec`.
fn command_word(line: &[u8]) -> Option<&[u8]> {
    line.split_str(" ").find(|word| ![&b"sh"[..], b"exec", b""].contains(word) && !word.starts_with(b"-"))
}

impl Component {
    /// Whether a file of that name is loaded from here.
    pub fn loads(&self, path: &[u8]) -> bool {
        self.files.is_empty() || any(&self.files, &base_name(path).to_ascii_lowercase())
    }

    /// Whether a path lies below the directory.
    pub fn holds(&self, path: &[u8]) -> bool {
        self.below.is_match(path)
    }
}
