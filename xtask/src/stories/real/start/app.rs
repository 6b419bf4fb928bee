//! Application servers: Node.js, gunicorn, Puma, Tomcat, RabbitMQ.

use super::{age, give, user, write};
use crate::stories::real::hall::{Hall, await_port, free_port, open_to_all};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// An HTTP server under Node.js that runs `ping` on what it is given, through a shell; started by itself or by npm.
pub fn node(hall: &mut Hall, at: &Path, by_npm: bool) -> Result<(u32, u16)> {
    let app = write(at, "app/index.js", include_str!("../pages/index.js"))?;
    let port = free_port()?;
    let (uid, gid) = user("www-data")?;
    let mut command = Command::new(if by_npm { "npm" } else { "node" });
    if by_npm {
        write(at, "app/package.json", "{\"name\": \"story\", \"scripts\": {\"start\": \"node index.js\"}}")?;
        give(&at.join("app"), "www-data")?;
        command.arg("start").env("HOME", at.join("app")).env("npm_config_update_notifier", "false");
    } else {
        command.arg(app).arg(port.to_string());
    }
    command.env("PORT", port.to_string()).uid(uid).gid(gid).current_dir(at.join("app"));
    let pid = hall.launch(at, "node", &mut command)?;
    await_port(port, &at.join("node.log"))?;
    Ok((pid, port))
}

/// A WSGI application under gunicorn that renders whatever expression it is given.
pub fn gunicorn(hall: &mut Hall, at: &Path) -> Result<(u32, u16)> {
    write(at, "app/site_app.py", include_str!("../pages/site_app.py"))?;
    let port = free_port()?;
    let (uid, gid) = user("www-data")?;
    let mut command = Command::new("/usr/bin/gunicorn");
    command.args(["--bind", &format!("127.0.0.1:{port}"), "--workers", "1", "--worker-tmp-dir", "/dev/shm", "--chdir"]);
    command.arg(at.join("app")).arg("site_app:application").env("PYTHONDONTWRITEBYTECODE", "1");
    // Whatever Python a developer has in front: the package's own program names the distribution's.
    command.env_remove("PYTHONHOME").env_remove("PYTHONPATH");
    let pid = hall.launch(at, "gunicorn", command.uid(uid).gid(gid).current_dir(at))?;
    await_port(port, &at.join("gunicorn.log"))?;
    Ok((pid, port))
}

/// A Rack application under Puma.
pub fn puma(hall: &mut Hall, at: &Path) -> Result<(u32, u16)> {
    let app = write(at, "app/config.ru", include_str!("../pages/config.ru"))?;
    std::fs::create_dir_all(at.join("tmp"))?;
    give(&at.join("tmp"), "www-data")?;
    let port = free_port()?;
    let (uid, gid) = user("www-data")?;
    let mut command = Command::new("/usr/bin/puma");
    command.args(["--bind", &format!("tcp://127.0.0.1:{port}"), "--threads", "1:2", "--quiet"]).arg(app);
    command.env("TMPDIR", at.join("tmp")).env("HOME", at.join("tmp"));
    let pid = hall.launch(at, "puma", command.uid(uid).gid(gid).current_dir(at.join("app")))?;
    await_port(port, &at.join("puma.log"))?;
    Ok((pid, port))
}

/// Tomcat by its own start scripts, with a ROOT application that takes PUT through WebDAV, the manager, and an old application with a
/// hole.
pub fn tomcat(hall: &mut Hall, at: &Path) -> Result<(u32, u16)> {
    let port = free_port()?;
    for name in ["webapps/ROOT/WEB-INF", "webapps/hole", "work", "temp", "logs", "conf/Catalina/localhost"] {
        std::fs::create_dir_all(at.join(name))?;
    }
    let web = std::fs::read_to_string("/etc/tomcat10/web.xml").context("tomcat's web.xml")?;
    write(at, "conf/web.xml", &web)?;
    write(at, "webapps/ROOT/WEB-INF/web.xml", include_str!("../pages/web.xml"))?;
    std::fs::copy("/etc/tomcat10/logging.properties", at.join("conf/logging.properties"))?;
    std::fs::copy("/etc/tomcat10/catalina.properties", at.join("conf/catalina.properties"))?;
    write(at, "conf/server.xml", &include_str!("../pages/server.xml").replace("@PORT@", &port.to_string()))?;
    let users = "<tomcat-users><user username=\"admin\" password=\"admin\" roles=\"manager-script,manager-jmx\"/>\
                 </tomcat-users>\n";
    write(at, "conf/tomcat-users.xml", users)?;
    let manager = "<Context docBase=\"/usr/share/tomcat10-admin/manager\" antiResourceLocking=\"false\" \
                   privileged=\"true\"/>\n";
    write(at, "conf/Catalina/localhost/manager.xml", manager)?;
    write(at, "webapps/ROOT/index.jsp", "<%= \"compiled \" + (40 + 2) %>\n")?;
    write(at, "webapps/hole/run.jsp", include_str!("../pages/run.jsp"))?;
    age(&at.join("webapps"))?;
    give(at, "tomcat")?;
    open_to_all(at, 0o755)?;
    let (uid, gid) = user("tomcat")?;
    let mut command = Command::new("/bin/sh");
    command.arg("/usr/libexec/tomcat10/tomcat-start.sh").env("CATALINA_HOME", "/usr/share/tomcat10");
    command.env("CATALINA_BASE", at).env("CATALINA_TMPDIR", at.join("temp"));
    command.env("CATALINA_OPTS", "-Xmx192m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC");
    let pid = hall.launch(at, "tomcat", command.uid(uid).gid(gid).current_dir(at))?;
    await_port(port, &at.join("tomcat.log"))?;
    Ok((pid, port))
}

/// RabbitMQ with its own epmd, both on loopback.
pub fn rabbit(hall: &mut Hall, at: &Path) -> Result<(u32, u16)> {
    let (port, epmd, distribution) = (free_port()?, free_port()?, free_port()?);
    for name in ["mnesia", "log", "home"] {
        std::fs::create_dir_all(at.join(name))?;
    }
    let text = format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\nlog.file = false\nlog.console = true\nlog.console.level = warning\n\
         disk_free_limit.absolute = 1MB\n"
    );
    let configuration = write(at, "rabbitmq.conf", &text)?;
    write(at, "enabled_plugins", "[].\n")?;
    let cookie = write(at, "home/.erlang.cookie", "STORYCOOKIE")?;
    give(at, "rabbitmq")?;
    open_to_all(at, 0o755)?;
    open_to_all(&cookie, 0o400)?;
    let text = format!("{port} {epmd} {distribution}");
    write(at, "ports", &text)?;
    let (uid, gid) = user("rabbitmq")?;
    let mut mapper = Command::new("epmd");
    mapper.args(["-address", "127.0.0.1", "-port", &epmd.to_string()]);
    hall.launch(at, "epmd", mapper.uid(uid).gid(gid).current_dir(at))?;
    let mut server = Command::new("/usr/lib/rabbitmq/bin/rabbitmq-server");
    rabbit_environment(&mut server, at, epmd, distribution);
    server.env("RABBITMQ_CONFIG_FILE", &configuration);
    let pid = hall.launch(at, "rabbitmq", server.uid(uid).gid(gid).current_dir(at))?;
    await_port(port, &at.join("rabbitmq.log"))?;
    Ok((pid, port))
}

/// What RabbitMQ's programs read to find the node.
pub fn rabbit_environment(command: &mut Command, at: &Path, epmd: u16, distribution: u16) {
    command.env("HOME", at.join("home")).env("RABBITMQ_MNESIA_BASE", at.join("mnesia"));
    command.env("RABBITMQ_LOG_BASE", at.join("log")).env("RABBITMQ_NODENAME", "story@localhost");
    command.env("RABBITMQ_DIST_PORT", distribution.to_string()).env("ERL_EPMD_PORT", epmd.to_string());
    command.env("RABBITMQ_ENABLED_PLUGINS_FILE", at.join("enabled_plugins")).env("RABBITMQ_CONF_ENV_FILE", "/dev/null");
    command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1");
    command.env("ERL_EPMD_ADDRESS", "127.0.0.1");
}
