//! Which directories a server loads from now, and who can see them.

use crate::catalogue::ServerKind;
use crate::discover::{self, Environment, discover};
use crate::event::Exec;
use crate::procfs::{Root, parse_stat};
use crate::watch::{Found, NotWatched, Wanted, expand};
use bstr::ByteSlice;
use sensor_common::key::ProcessKey;
use std::path::{Path, PathBuf};

/// How far up a process is looked for that has the root of its mount namespace.
const MAX_ANCESTORS: usize = 64;

/// A server that loads components.
#[derive(Clone, Copy)]
pub struct Loading<'a> {
    /// Where procfs is.
    pub proc_root: &'a Path,
    /// Its first process.
    pub process: ProcessKey,
    /// Its number.
    pub lineage: u32,
    /// What it is.
    pub kind: &'a ServerKind,
    /// What that process runs.
    pub image: Option<&'a Exec>,
    /// Whether the server of a number runs.
    pub runs: &'a dyn Fn(u32) -> bool,
}

/// The directories of a server, each with the process that sees it, and what none of the processes sees.
pub fn look(loading: &Loading<'_>, views: &[u32]) -> (Vec<(u32, Found)>, Vec<NotWatched>) {
    let mut all = Vec::new();
    let mut missing: Option<Vec<NotWatched>> = None;
    for view in views {
        let wanted = wanted(loading, *view);
        let expansion = expand(loading.proc_root, *view, &wanted);
        all.extend(expansion.found.into_iter().map(|found| (*view, found)));
        missing = Some(match missing {
            None => expansion.not_watched,
            Some(earlier) => {
                let is_wanted =
                    |one: &NotWatched| wanted.iter().any(|wanted| wanted.pattern.as_os_str() == &*one.pattern);
                let also = |one: &NotWatched| expansion.not_watched.iter().any(|other| other.pattern == one.pattern);
                let (mut both, only): (Vec<_>, Vec<_>) = earlier.into_iter().partition(|one| also(one));
                both.extend(only.into_iter().filter(|one| !is_wanted(one)));
                both
            }
        });
    }
    (all, missing.unwrap_or_default())
}

/// Whose eyes a server's directories are looked up with: its first process, and if that went into a root of its own
/// after it had read its configuration (HAProxy), the nearest ancestor in the same mount namespace that has not.
pub fn views(proc_root: &Path, pid: u32) -> Vec<u32> {
    let link = |pid: u32, name: &str| std::fs::read_link(proc_root.join(pid.to_string()).join(name)).ok();
    let (root, namespace) = (link(pid, "root"), link(pid, "ns/mnt"));
    if namespace.is_none() || root.is_none_or(|root| root == Path::new("/")) {
        return vec![pid];
    }
    let parent = |pid: u32| {
        let stat = std::fs::read(proc_root.join(pid.to_string()).join("stat")).ok()?;
        parse_stat(&stat).map(|stat| stat.parent).filter(|parent| *parent != 0)
    };
    let mut ancestors = std::iter::successors(parent(pid), |pid| parent(*pid)).take(MAX_ANCESTORS);
    let outside =
        |pid: &u32| link(*pid, "ns/mnt") == namespace && link(*pid, "root").is_some_and(|root| root == Path::new("/"));
    std::iter::once(pid).chain(ancestors.find(outside)).collect()
}

fn wanted(loading: &Loading<'_>, view: u32) -> Vec<Wanted> {
    let components = loading.kind.components.iter();
    let mut wanted: Vec<Wanted> =
        components.map(|component| Wanted::new(component.kind.name(), &component.path, "catalogue")).collect();
    wanted.extend(loading.image.map(|image| from_configuration(loading, view, image)).unwrap_or_default());
    wanted
}

fn from_configuration(loading: &Loading<'_>, view: u32, image: &Exec) -> Vec<Wanted> {
    let Loading { proc_root, process, kind, .. } = *loading;
    let Ok(root) = Root::of(proc_root, view) else {
        return Vec::new();
    };
    let directory = in_root(&root, &image.directory.to_path_lossy());
    let now = std::fs::read_link(proc_root.join(process.tgid.to_string()).join("cwd")).ok();
    let now = now.map(|path| in_root(&root, &path));
    let environment = Environment::of(proc_root, process.tgid);
    let facts = discover::Facts {
        root: &root,
        executable: &image.executable,
        argv: &image.argv,
        directory: &directory,
        current: now.as_deref(),
        environment: &environment,
    };
    discover(&kind.id, &facts)
}

/// A path of the mount namespace as the process itself calls it, which may have its root elsewhere.
fn in_root(root: &Root, path: &Path) -> PathBuf {
    root.own_path(path).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_server_in_a_root_of_its_own_is_also_seen_from_outside() {
        let proc_root = tempfile::tempdir().unwrap();
        let proc = proc_root.path();
        fs::create_dir_all(proc.join("7")).unwrap();
        symlink("/jail", proc.join("7/root")).unwrap();
        let link = |target: &str, name: &str| {
            let name = proc.join(name);
            fs::create_dir_all(name.parent().unwrap()).unwrap();
            symlink(target, name).unwrap();
        };
        for (pid, parent, namespace) in
            [("7", 5, "mnt:[2]"), ("5", 4, "mnt:[2]"), ("4", 3, "mnt:[2]"), ("3", 0, "mnt:[1]")]
        {
            link(namespace, &format!("{pid}/ns/mnt"));
            let stat = format!("{pid} (x) S {parent} 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 1 10\n");
            fs::write(proc.join(pid).join("stat"), stat).unwrap();
        }
        link("/jail", "5/root");
        link("/", "4/root");
        link("/", "3/root");
        assert_eq!(views(proc, 7), [7, 4]);
        assert_eq!(views(proc, 4), [4]);
        // Another mount namespace's root shows other files.
        fs::remove_file(proc.join("4/root")).unwrap();
        link("/jail", "4/root");
        assert_eq!(views(proc, 7), [7]);
    }
}
