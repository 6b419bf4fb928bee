//! `sensor baseline show`, `approve`, `finish`, `forget`, `export`, `import`: what the running agent learned.

use super::{DONE, FAILED, Failure, WRONG, config, print, text};
use crate::baseline::Document;
use crate::baseline::control::BaselineCommand as Ask;
use crate::cli::{AskArgs, BaselineCommand, ConfigArgs};
use crate::control::{Command, ask as ask_agent};
use anyhow::Context;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Longest document.
const MAX_FILE: u64 = 64 << 20;
/// Most edges that are sent at once: with the longest shapes that is half of what the agent takes.
const EDGES_AT_ONCE: usize = 2000;

/// `sensor baseline ...`.
pub fn baseline(command: &BaselineCommand) -> Result<u8, Failure> {
    match command {
        BaselineCommand::Show { kind, ask } => {
            let answer = answered(&ask.config, Ask::Show { kind: kind.clone() })?;
            say(ask, &answer, text::baseline)
        }
        BaselineCommand::Approve { kind, parent: Some(parent), child: Some(child), ask, .. } => {
            let (kind, parent, child) = (kind.clone(), parent.clone(), child.clone());
            order(ask, Ask::Approve { kind, parent, child })
        }
        BaselineCommand::Approve { kind, ask, .. } => order(ask, Ask::ApproveAllNew { kind: kind.clone() }),
        BaselineCommand::Finish { kind, ask } => order(ask, Ask::Finish { kind: kind.clone() }),
        BaselineCommand::Forget { kind, ask } => order(ask, Ask::Forget { kind: kind.clone() }),
        BaselineCommand::Export { output, kind, config } => export(output.as_deref(), kind.clone(), config),
        BaselineCommand::Import { file, ask } => import(file, ask),
    }
}

fn answered(arguments: &ConfigArgs, ask: Ask) -> Result<Value, Failure> {
    let config = config(arguments)?;
    ask_agent(&config.socket, &Command::Baseline { ask }).map_err(|error| Failure::new(FAILED, [error]))
}

fn say(ask: &AskArgs, answer: &Value, draw: fn(&Value) -> String) -> Result<u8, Failure> {
    print(&if ask.json { format!("{answer:#}\n") } else { draw(answer) })?;
    Ok(DONE)
}

fn order(ask: &AskArgs, order: Ask) -> Result<u8, Failure> {
    let answer = answered(&ask.config, order)?;
    say(ask, &answer, text::baseline_done)
}

fn export(output: Option<&Path>, kind: Option<String>, config: &ConfigArgs) -> Result<u8, Failure> {
    let mut answer = answered(config, Ask::Export { kind })?;
    let document: Document =
        serde_json::from_value(answer["document"].take()).context("the agent's answer is no document")?;
    let text = document.to_toml().context("writing the document")?;
    match output {
        None => print(&text)?,
        Some(file) => std::fs::write(file, text).with_context(|| format!("writing {}", file.display()))?,
    }
    Ok(DONE)
}

/// The whole file is looked at before anything is sent.
fn import(file: &Path, ask: &AskArgs) -> Result<u8, Failure> {
    let name = file.display().to_string();
    let document = Document::parse(&name, &read(file)?).map_err(|problems| Failure::new(WRONG, problems))?;
    let kinds = document.kinds.len();
    let (mut new_edges, mut refused) = (0, 0);
    for document in document.parts(EDGES_AT_ONCE) {
        let answer = answered(&ask.config, Ask::Import { document })?;
        new_edges += answer["new_edges"].as_u64().unwrap_or_default();
        refused += answer["refused"].as_u64().unwrap_or_default();
    }
    say(ask, &json!({"kinds": kinds, "new_edges": new_edges, "refused": refused}), text::baseline_imported)
}

fn read(file: &Path) -> Result<String, Failure> {
    let name = file.display();
    let mut text = String::new();
    let read = File::open(file).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text));
    read.map_err(|error| Failure::new(WRONG, [format!("{name}: {error}")]))?;
    if text.len() as u64 > MAX_FILE {
        return Err(Failure::new(WRONG, [format!("{name}: too long; allowed: {MAX_FILE} bytes")]));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::control::answer;
    use crate::baseline::{Baselines, KindKey};
    use crate::control::Control;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread::JoinHandle;

    /// What an agent does with these questions, on a socket.
    struct Answering {
        arguments: ConfigArgs,
        ended: Arc<AtomicBool>,
        thread: JoinHandle<Baselines>,
    }

    impl Answering {
        fn with(socket: &Path, mut baselines: Baselines) -> Self {
            let control = Control::start(socket).unwrap();
            let ended = Arc::new(AtomicBool::new(false));
            let stop = Arc::clone(&ended);
            let thread = std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    if let Some(question) = control.next() {
                        let Command::Baseline { ask } = question.command.clone() else {
                            panic!("another question");
                        };
                        question.reply(answer(&mut baselines, ask, 5).0);
                    }
                    std::thread::sleep(std::time::Duration::from_millis(1));
                }
                baselines
            });
            let set = vec![format!("agent.socket={}", socket.display())];
            Self { arguments: ConfigArgs { config: None, set }, ended, thread }
        }

        fn ask(&self) -> AskArgs {
            AskArgs { config: ConfigArgs { config: None, set: self.arguments.set.clone() }, json: true }
        }

        fn end(self) -> Baselines {
            self.ended.store(true, Ordering::Relaxed);
            self.thread.join().unwrap()
        }
    }

    #[test]
    fn a_baseline_goes_from_one_agent_to_another() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("baseline.toml");
        let kind =
            |number| KindKey { server: "php-fpm".into(), executable: "/x".into(), unit: format!("image{number}") };
        let mut learned = Baselines::new(24);
        for number in 0..9_u32 {
            for edge in 0..1000 {
                let child = format!("sh -c {edge} {}", "x".repeat(200));
                learned.observe(&kind(number), "php-fpm", &child, 5, false);
            }
        }
        learned.finish(&kind(3), 5).unwrap();

        let one = Answering::with(&directory.path().join("one.sock"), learned);
        assert!(export(Some(&file), None, &one.arguments).is_ok());
        let learned = one.end();
        assert!(std::fs::metadata(&file).unwrap().len() > 2_000_000, "so that it takes several parts");

        let other = Answering::with(&directory.path().join("other.sock"), Baselines::new(24));
        assert!(import(&file, &other.ask()).is_ok());
        let show = BaselineCommand::Show { kind: Some("nginx".into()), ask: other.ask() };
        assert!(baseline(&show).is_err_and(|failure| failure.lines[0].contains("no server of the kind \"nginx\"")));
        assert!(baseline(&BaselineCommand::Finish { kind: "image4".into(), ask: other.ask() }).is_ok());
        let mut expected = learned.export(None);
        expected.kinds[4].learned = true;
        assert_eq!(other.end().export(None), expected);
    }

    #[test]
    fn what_cannot_be() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("baseline.toml");
        let set = vec![format!("agent.socket={}", directory.path().join("none.sock").display())];
        let ask = AskArgs { config: ConfigArgs { config: None, set }, json: false };
        let show = BaselineCommand::Show { kind: None, ask };
        assert!(baseline(&show).is_err_and(|failure| failure.lines[0].starts_with("no sensor answers on")));
        let BaselineCommand::Show { ask, .. } = show else { return };
        assert!(import(&file, &ask).is_err_and(|failure| failure.code == WRONG), "no such file");
        std::fs::write(&file, "version = 1\nkinds = 3\n").unwrap();
        let wrong = import(&file, &ask).err().unwrap();
        assert_eq!(wrong.code, WRONG);
        assert!(wrong.lines[0].ends_with("kinds = 3: no such key; did you mean kind?; allowed: version, kind"));
    }
}
