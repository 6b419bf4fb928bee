//! `sensor servers` for people: in 80 columns, as long as paths are short enough.

use super::{list, word, words};
use crate::alert::printable;
use serde_json::Value;
use std::fmt::Write;

/// Columns of a kind of component.
const KIND: usize = 14;
/// Columns of a path with something behind it.
const PATH: usize = 36;
/// How much of a container's id is told, as engines do.
const ID: usize = 12;
/// Columns in all.
const COLUMNS: usize = 80;

/// Servers and their directories, and what else listens.
pub fn servers(answer: &Value) -> String {
    let mut out = String::new();
    for server in list(answer, "servers") {
        one(&mut out, server);
    }
    if out.is_empty() {
        out.push_str("no server runs\n");
    }
    let unknown = list(answer, "unknown");
    if !unknown.is_empty() {
        out.push_str("\nlistens, unknown: not in the catalogue, and so not watched\n");
    }
    for program in unknown {
        listens(&mut out, program);
    }
    if answer["unknown_cut"] == true {
        out.push_str("  ... there are more\n");
    }
    out
}

fn one(out: &mut String, server: &Value) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}: {} ({}), instance {}",
        word(server, "id"),
        word(server, "name"),
        words(server, "roles"),
        server["instance"]
    );
    let _ = writeln!(out, "  pid {}, {}{}", server["pid"], printable(word(server, "executable")), at_home(server));
    let container = &server["container"];
    if let Some(id) = container["id"].as_str() {
        let id: String = id.chars().take(ID).collect();
        let known = ["name", "image", "runtime"].map(|key| word(container, key));
        let known = known.into_iter().filter(|word| !word.is_empty()).map(printable);
        let _ = writeln!(out, "  container {}", std::iter::once(id).chain(known).collect::<Vec<_>>().join(", "));
    }
    let directories = list(server, "directories");
    if !directories.is_empty() {
        row(out, "WATCHED", "DIRECTORY", "FOUND BY");
    }
    for directory in directories {
        row(out, word(directory, "component"), word(directory, "path"), word(directory, "origin"));
    }
    let not_watched = list(server, "not_watched");
    if !not_watched.is_empty() {
        row(out, "NOT WATCHED", "DIRECTORY OR FILE", "WANTED BY, WHY NOT");
    }
    for pattern in not_watched {
        let why = format!("{}: {}", word(pattern, "origin"), word(pattern, "reason"));
        row(out, word(pattern, "component"), word(pattern, "pattern"), &why);
    }
}

/// A row of a table: what does not fit behind the path goes below it.
fn row(out: &mut String, kind: &str, path: &str, behind: &str) {
    let (path, behind) = (printable(path), printable(behind));
    let indent = 2 + KIND + 1;
    let fits = path.chars().count() <= PATH && indent + PATH + 1 + behind.chars().count() <= COLUMNS;
    let _ = if fits {
        writeln!(out, "  {kind:<KIND$} {path:<PATH$} {behind}")
    } else {
        writeln!(out, "  {kind:<KIND$} {path}\n{:indent$}  {behind}", "")
    };
}

fn listens(out: &mut String, program: &Value) {
    let executable = match word(program, "executable") {
        "" => word(program, "name"),
        executable => executable,
    };
    let _ = writeln!(out, "  pid {}, {}{}", program["pid"], printable(executable), in_unit(program));
    let addresses: Vec<&str> = list(program, "listens").iter().filter_map(Value::as_str).collect();
    let more = if program["listens_cut"] == true { " and more" } else { "" };
    let _ = writeln!(out, "    {}{more}", addresses.join(", "));
    if let (Some(id), Some(entry)) = (program["id"].as_str(), program["entry"].as_str()) {
        let _ = writeln!(out, "    to watch it, put this into /etc/sensor/catalogue.d/{id}.toml:");
        for line in entry.lines() {
            let _ = writeln!(out, "      {}", printable(line));
        }
    }
}

/// The unit of a server that is in no container.
fn at_home(server: &Value) -> String {
    if server["container"].is_null() { in_unit(server) } else { String::new() }
}

fn in_unit(value: &Value) -> String {
    value["unit"].as_str().map_or_else(String::new, |unit| format!(", {}", printable(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_fits_80_columns_where_paths_do() {
        let server = json!({
            "id": "nginx", "name": "nginx", "roles": ["web", "proxy"], "instance": 3, "pid": 812,
            "executable": "/usr/sbin/nginx", "unit": "nginx.service",
            "directories": [
                {"component": "config_loader", "path": "/etc/nginx", "origin": "usual place"},
                {"component": "script_docroot", "path": "/srv/www", "origin": "nginx.conf: root, default: root, catalogue"},
            ],
            "not_watched": [
                {"component": "native_module", "pattern": "/usr/lib64/nginx/modules", "origin": "catalogue", "reason": "does not exist yet"},
            ],
        });
        let program = json!({
            "pid": 7, "name": "acme", "executable": "/opt/acme", "unit": null, "listens": ["tcp 0.0.0.0:80", "udp [::]:53"],
            "id": "acme", "entry": "[[server]]\nid = \"acme\"\n",
        });
        let inside = json!({
            "id": "redis", "name": "Redis", "roles": ["database"], "instance": 4, "pid": 900,
            "executable": "/usr/local/bin/redis-server", "unit": "docker-4f4f4f4f4f4f",
            "container": {"id": "4f".repeat(32), "runtime": "docker", "name": "cache", "image": "docker.io/library/redis:7"},
        });
        let text = servers(&json!({"servers": [server, inside], "unknown": [program]}));
        expect_test::expect![[r#"
            nginx: nginx (web, proxy), instance 3
              pid 812, /usr/sbin/nginx, nginx.service
              WATCHED        DIRECTORY                            FOUND BY
              config_loader  /etc/nginx                           usual place
              script_docroot /srv/www
                               nginx.conf: root, default: root, catalogue
              NOT WATCHED    DIRECTORY OR FILE                    WANTED BY, WHY NOT
              native_module  /usr/lib64/nginx/modules
                               catalogue: does not exist yet
            redis: Redis (database), instance 4
              pid 900, /usr/local/bin/redis-server
              container 4f4f4f4f4f4f, cache, docker.io/library/redis:7, docker

            listens, unknown: not in the catalogue, and so not watched
              pid 7, /opt/acme
                tcp 0.0.0.0:80, udp [::]:53
                to watch it, put this into /etc/sensor/catalogue.d/acme.toml:
                  [[server]]
                  id = "acme"
        "#]]
        .assert_eq(&text);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS));
    }

    #[test]
    fn nothing_runs() {
        assert_eq!(servers(&json!({"servers": []})), "no server runs\n");
    }
}
