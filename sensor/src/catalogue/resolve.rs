//! From a text to the catalogue's types, or everything that is wrong with it.

use super::Problem;
use super::pattern::Pattern;
use super::places::{Application, InstallerProgram, Part, Place, Runner};
use super::raw;
use super::rules::{Component, NormalChild, Program, ServerKind};
use std::sync::Arc;

/// What one text declares.
#[derive(Default)]
pub struct Facts {
    pub servers: Vec<ServerKind>,
    pub applications: Vec<Application>,
    pub installers: Vec<InstallerProgram>,
    pub sessions: Vec<Program>,
    pub runners: Vec<Runner>,
    pub persistence: Vec<Place>,
    pub secrets: Vec<Place>,
}

impl Facts {
    /// Another text's behind them.
    pub fn add(&mut self, other: Self) {
        self.servers.extend(other.servers);
        self.applications.extend(other.applications);
        self.installers.extend(other.installers);
        self.sessions.extend(other.sessions);
        self.runners.extend(other.runners);
        self.persistence.extend(other.persistence);
        self.secrets.extend(other.secrets);
    }
}

/// Executables that a normal child without `exe` may be,
const SHELLS: &str = "{,/usr,/usr/local}/bin/{sh,dash,bash,ash,busybox}";
/// and one that names a script.
const INTERPRETERS: &str = "{,/usr,/usr/local}/bin/{sh,dash,bash,ash,busybox,perl*,python[0-9]*,ruby,ruby[0-9]*,php[0-9]*,php,php-cgi*,node,nodejs}";

/// Reads a text.
pub fn parse(file: &str, text: &str) -> Result<Facts, Vec<Problem>> {
    let problem = |message: String| Problem { file: file.to_owned(), message };
    let raw: raw::File = toml::from_str(text).map_err(|error| vec![problem(error.to_string())])?;
    let mut reader = Reader::default();
    let facts = Facts {
        servers: raw.server.into_iter().map(|server| reader.server(server)).collect(),
        applications: raw.application.into_iter().map(|application| reader.application(application)).collect(),
        installers: raw.installer.into_iter().map(|program| reader.installer(program)).collect(),
        sessions: raw.session.iter().map(|program| reader.session(program)).collect(),
        runners: raw.runner.into_iter().map(|runner| reader.runner(runner)).collect(),
        persistence: raw.persistence.into_iter().flat_map(|places| reader.places("persistence", places)).collect(),
        secrets: raw.secret.into_iter().flat_map(|places| reader.places("secret", places)).collect(),
    };
    let problems = reader.wrong.into_iter().map(problem).collect::<Vec<_>>();
    if problems.is_empty() { Ok(facts) } else { Err(problems) }
}

type Make = fn(&str) -> Result<Pattern, globset::Error>;

#[derive(Default)]
struct Reader {
    wrong: Vec<String>,
    /// What is being read, for messages.
    what: String,
}

impl Reader {
    fn report(&mut self, message: &str) {
        self.wrong.push(format!("{}{message}", self.what));
    }

    fn id(&mut self, table: &str, id: &str) {
        self.what.clear();
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
            self.report(&format!("{table}.id = {id:?}: lower-case letters, digits and '-' are allowed"));
        }
        self.what = format!("{table} {id}: ");
    }

    fn patterns(&mut self, key: &str, texts: &[String], make: Make) -> Vec<Pattern> {
        let mut patterns = Vec::with_capacity(texts.len());
        for text in texts {
            match make(text) {
                Ok(pattern) => patterns.push(pattern),
                Err(error) => self.report(&format!("{key} = {text:?}: {error}")),
            }
        }
        patterns
    }

    fn paths(&mut self, key: &str, texts: &[String]) -> Vec<Pattern> {
        self.patterns(key, texts, Pattern::path)
    }

    fn program(&mut self, raw: &raw::Program) -> Program {
        if raw.exe.is_empty() {
            self.report("exe is empty; at least one executable is needed");
        }
        Program {
            exe: self.paths("exe", &raw.exe),
            argv0: self.paths("argv0", &raw.argv0),
            script: self.paths("script", &raw.script),
            module: self.paths("module", &raw.module),
            argument: self.paths("argument", &raw.argument),
        }
    }

    fn server(&mut self, raw: raw::Server) -> ServerKind {
        let id = raw.id;
        self.id("server", &id);
        if raw.roles.is_empty() {
            self.report("roles is empty; at least one role is needed");
        }
        let raw::Server { exe, argv0, script, module, argument, .. } = raw;
        let program = self.program(&raw::Program { exe, argv0, script, module, argument });
        let own = self.paths("own", &raw.own);
        let own_secrets = self.paths("own_secrets", &raw.own_secrets);
        let components = raw.component.into_iter().flat_map(|component| self.components(component)).collect();
        let normal_children = raw.normal_child.into_iter().map(|child| self.child(child, raw.titles)).collect();
        ServerKind {
            name: raw.name.unwrap_or_else(|| id.clone()),
            roles: raw.roles,
            program,
            generic: raw.generic,
            platform: raw.platform,
            titles: raw.titles,
            supervisor: raw.supervisor,
            exec_policy: raw.exec_policy,
            egress: raw.egress,
            own,
            own_secrets,
            components,
            normal_children,
            id,
        }
    }

    fn components(&mut self, raw: raw::Component) -> Vec<Component> {
        let usual = || raw.kind.usual_files().iter().map(|name| (*name).to_owned()).collect();
        let files = raw.files.unwrap_or_else(usual);
        let files = self.patterns("component.files", &files, Pattern::path);
        let mut components = Vec::new();
        for path in raw.path.into_vec() {
            let path = path.trim_end_matches('/').to_owned();
            if !path.starts_with('/') {
                self.report(&format!("component.path = {path:?}: an absolute path is needed"));
            }
            if path.contains("**") {
                self.report(&format!(
                    "component.path = {path:?}: '*' stands for a part of one name; '**' is not known"
                ));
            }
            match Pattern::below(&path) {
                Ok(below) => {
                    let files = files.clone();
                    components.push(Component { path, kind: raw.kind, files, own: raw.own_writes, below });
                }
                Err(error) => self.report(&format!("component.path = {path:?}: {error}")),
            }
        }
        components
    }

    fn child(&mut self, raw: raw::Child, titles: bool) -> NormalChild {
        if raw.reason.trim().is_empty() {
            self.report("normal_child.reason is empty; say why it is normal");
        }
        if !raw.title.is_empty() && !titles {
            self.report("normal_child.title needs `titles = true`: without it the server's titles are not read");
        }
        let told = !raw.args.is_empty() || !raw.script.is_empty();
        if raw.exe.is_none() && (!told || raw.args.iter().any(|args| !args.starts_with("sh "))) {
            self.report(
                "normal_child.exe is missing; it may be where every args begins with \"sh \" (any shell), and with \
                 script (any interpreter)",
            );
        }
        let usual = if raw.script.is_empty() { SHELLS } else { INTERPRETERS };
        let exe = raw.exe.unwrap_or_else(|| vec![usual.to_owned()]);
        NormalChild {
            exe: self.paths("normal_child.exe", &exe),
            args: self.patterns("normal_child.args", &raw.args, Pattern::plain_command),
            script: self.paths("normal_child.script", &raw.script),
            below: self.paths("normal_child.below", &raw.below),
            directory: self.paths("normal_child.directory", &raw.directory),
            title: self.paths("normal_child.title", &raw.title),
            user: raw.user,
            leaves: raw.leaves,
            learned: raw.learned,
            reason: raw.reason,
        }
    }

    fn application(&mut self, raw: raw::Application) -> Application {
        self.id("application", &raw.id);
        let name = raw.name.unwrap_or_else(|| raw.id.clone());
        let mut parts = Vec::new();
        for part in raw.part {
            let application = part.of.unwrap_or_else(|| name.clone());
            let paths = self.paths("part.path", &part.path.into_vec());
            let make = |path| Part { path, kind: part.kind, own: part.own_writes, application: application.clone() };
            parts.extend(paths.into_iter().map(make).map(Arc::new));
        }
        Application { id: raw.id, name, parts }
    }

    fn installer(&mut self, raw: raw::Installers) -> InstallerProgram {
        "installer: ".clone_into(&mut self.what);
        let raw::Installers { kind, exe, script, module, argument } = raw;
        let program = self.program(&raw::Program { exe, argv0: Vec::new(), script, module, argument });
        InstallerProgram { program, installer: kind }
    }

    fn session(&mut self, raw: &raw::Program) -> Program {
        "session: ".clone_into(&mut self.what);
        self.program(raw)
    }

    fn runner(&mut self, raw: raw::Runner) -> Runner {
        self.what = format!("runner {}: ", raw.name);
        let raw::Runner { name, exe, argv0, argument } = raw;
        let program = raw::Program { exe, argv0, script: Vec::new(), module: Vec::new(), argument };
        Runner { program: self.program(&program), name }
    }

    fn places(&mut self, table: &str, raw: raw::Places) -> Vec<Place> {
        self.what = format!("{table} {:?}: ", raw.what);
        let paths = raw.path.into_vec();
        let absolute = |path: &&String| ["/", "{/", "{,/"].iter().any(|start| path.starts_with(start));
        for path in paths.iter().filter(|path| !absolute(path)) {
            self.wrong.push(format!("{}path = {path:?}: an absolute path is needed", self.what));
        }
        let patterns = self.paths("path", &paths);
        let make = |pattern| Place { pattern, what: raw.what.clone(), technique: raw.technique.clone() };
        patterns.into_iter().map(make).collect()
    }
}
