//! Discovery in made-up roots: configurations as Debian and the official images have them, cut to what matters.

mod database;
mod java;
mod runtime;
mod service;
mod web;

use super::*;
use std::fs;
use std::path::PathBuf;

/// A process in a root of its own.
pub struct Case<'a> {
    executable: &'a str,
    argv: Vec<&'a str>,
    directory: &'a str,
    current: Option<&'a str>,
    environment: &'a str,
    files: &'a [(&'a str, &'a str)],
}

/// A process with these arguments, started in `/`, with these files; a path that ends in `/` is a directory.
pub fn case<'a>(argv: &[&'a str], files: &'a [(&'a str, &'a str)]) -> Case<'a> {
    Case { executable: "/usr/sbin/x", argv: argv.to_vec(), directory: "/", current: None, environment: "", files }
}

impl<'a> Case<'a> {
    fn executable(self, executable: &'a str) -> Self {
        Self { executable, ..self }
    }

    fn started_in(self, directory: &'a str) -> Self {
        Self { directory, ..self }
    }

    fn now_in(self, directory: &'a str) -> Self {
        Self { current: Some(directory), ..self }
    }

    fn environment(self, environment: &'a str) -> Self {
        Self { environment, ..self }
    }

    /// `kind place (origin)` of all that is found.
    fn found(&self, server: &str) -> Vec<String> {
        let (_kept, root) = fake(self.files);
        let argv: Vec<BString> = self.argv.iter().map(|word| BString::from(*word)).collect();
        let environment = Environment::parse(self.environment.as_bytes());
        let facts = Facts {
            root: &root,
            executable: self.executable.as_bytes(),
            argv: &argv,
            directory: Path::new(self.directory),
            current: self.current.map(Path::new),
            environment: &environment,
        };
        let wanted = discover(server, &facts);
        let line = |wanted: &Wanted| format!("{} {} ({})", wanted.component, wanted.pattern.display(), wanted.origin);
        wanted.iter().map(line).collect()
    }

    fn check(&self, server: &str, expected: &[&str]) {
        assert_eq!(self.found(server), expected, "{server} {:?}", self.argv);
    }
}

/// A procfs with one process, 7, whose root holds these files.
fn fake(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("7")).unwrap();
    let root = directory.path().join("root");
    fs::create_dir_all(&root).unwrap();
    for (path, text) in files {
        let there = root.join(path.trim_start_matches('/'));
        if path.ends_with('/') {
            fs::create_dir_all(there).unwrap();
            continue;
        }
        fs::create_dir_all(there.parent().unwrap()).unwrap();
        fs::write(there, text).unwrap();
    }
    std::os::unix::fs::symlink(&root, directory.path().join("7/root")).unwrap();
    let root = Root::of(directory.path(), 7).unwrap();
    (directory, root)
}

#[test]
fn nothing_is_read_outside_the_root() {
    let (directory, root) =
        fake(&[("/etc/nginx/nginx.conf", "include /out/*.conf; include ../../../../../out/*.conf;")]);
    // Outside: a file that the links and the dots would lead to.
    fs::create_dir(directory.path().join("out")).unwrap();
    fs::write(directory.path().join("out/evil.conf"), "root /evil/root;").unwrap();
    let outside = directory.path().join("out");
    std::os::unix::fs::symlink(&outside, directory.path().join("root/out")).unwrap();
    std::os::unix::fs::symlink("../../../../../../../../out", directory.path().join("root/etc/out")).unwrap();
    let environment = Environment::default();
    let argv = ["nginx".into()];
    let facts = Facts {
        root: &root,
        executable: b"/usr/sbin/nginx",
        argv: &argv,
        directory: Path::new("/"),
        current: None,
        environment: &environment,
    };
    let wanted = discover("nginx", &facts);
    assert!(wanted.iter().all(|wanted| !wanted.pattern.starts_with("/evil")), "{wanted:?}");
    assert!(root.read(&PathBuf::from("/out/evil.conf"), 10).is_none());
}

#[test]
fn what_is_read_and_found_is_bounded() {
    let roots: Vec<String> = (0..2 * MAX_WANTED).map(|number| format!("root /srv/{number};")).collect();
    let roots = roots.concat();
    let loops = format!("include /etc/nginx/nginx.conf; include /etc/nginx/*; {roots}");
    let files = [
        ("/etc/nginx/nginx.conf", loops.as_str()),
        ("/etc/nginx/a.conf", "include b.conf;"),
        ("/etc/nginx/b.conf", "include a.conf;"),
    ];
    assert_eq!(case(&["nginx"], &files).found("nginx").len(), MAX_WANTED);
}

#[test]
fn only_named_variables_are_kept() {
    let environment = Environment::parse(b"SECRET=x\0JENKINS_HOME=/j\0JENKINS_HOME=/k\0PHPRC=\0broken\0");
    assert_eq!(environment.get("JENKINS_HOME"), Some(&b"/j"[..]));
    assert_eq!((environment.get("PHPRC"), environment.get("SECRET")), (None, None));
    assert!(!format!("{environment:?}").contains("SECRET"));
}

#[test]
fn servers_that_are_not_known_give_nothing() {
    case(&["memcached", "-m", "64"], &[]).check("memcached", &[]);
    case(&["x"], &[]).check("no-such-server", &[]);
}
