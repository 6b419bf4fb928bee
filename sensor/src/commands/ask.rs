//! `sensor tree`, `status`, `servers`, `explain`: questions to the running agent, once or again and again.

use super::{DONE, FAILED, Failure, config, print, text};
use crate::cli::{AskArgs, ExplainArgs, StatusArgs, TreeArgs};
use crate::control::{Command, ask};
use crate::terminal::Screen;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write};
use std::time::Duration;

/// `sensor tree`.
pub fn tree(arguments: &TreeArgs) -> Result<u8, Failure> {
    show(&arguments.ask, arguments.watch.watch, &Command::Tree { pid: arguments.pid }, text::tree)
}

/// `sensor status`.
pub fn status(arguments: &StatusArgs) -> Result<u8, Failure> {
    show(&arguments.ask, arguments.watch.watch, &Command::Status, text::status)
}

/// `sensor servers`.
pub fn servers(arguments: &AskArgs) -> Result<u8, Failure> {
    show(arguments, None, &Command::Servers, |answer, _| text::servers(answer))
}

/// `sensor explain`.
pub fn explain(arguments: &ExplainArgs) -> Result<u8, Failure> {
    let command = Command::Explain { id: arguments.id.clone() };
    show(&arguments.ask, None, &command, |answer, _| crate::explain::text(answer))
}

fn show(
    arguments: &AskArgs,
    again: Option<Duration>,
    command: &Command,
    draw: impl Fn(&Value, Screen) -> String,
) -> Result<u8, Failure> {
    let config = config(&arguments.config)?;
    let drawn = |answer: &Value, screen| match (arguments.json, again) {
        (true, None) => format!("{answer:#}\n"),
        (true, Some(_)) => format!("{answer}\n"),
        (false, _) => draw(answer, screen),
    };
    let answer = ask(&config.socket, command).map_err(|error| Failure::new(FAILED, [error]))?;
    let Some(pause) = again else {
        print(&drawn(&answer, Screen::now()))?;
        return Ok(DONE);
    };
    let mut text = drawn(&answer, Screen::now());
    while told(&text, arguments.json)? {
        std::thread::sleep(pause);
        // The agent may be restarting: the next time it may answer.
        text = match ask(&config.socket, command) {
            Ok(answer) => drawn(&answer, Screen::now()),
            Err(error) if arguments.json => return Err(Failure::new(FAILED, [error])),
            Err(error) => format!("{error}\n"),
        };
    }
    Ok(DONE)
}

/// Shows a text in the place of the one before, on a terminal; else below it. `false` when nobody reads any more.
fn told(text: &str, json: bool) -> Result<bool, Failure> {
    let screen = Screen::now();
    let whole = match screen.rows {
        Some(rows) if !json => over(text, rows),
        _ if json => text.to_owned(),
        _ => format!("{text}\n"),
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(whole.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(anyhow::Error::from(error).context("writing to standard output").into()),
    }
}

/// The text from the upper left corner on, over what stands there: ECMA-48 CUP, EL, ED. What is longer than the screen is cut.
fn over(text: &str, rows: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let room = rows.saturating_sub(1).max(1);
    let mut whole = String::from("\x1b[H");
    let shown = if lines.len() > room { room - 1 } else { lines.len() };
    for line in &lines[..shown] {
        whole.push_str(line);
        whole.push_str("\x1b[K\r\n");
    }
    if shown < lines.len() {
        // Writing to a String cannot fail.
        let _ = write!(whole, "... {} more lines\x1b[K\r\n", lines.len() - shown);
    }
    whole.push_str("\x1b[J");
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_is_never_overfull() {
        assert_eq!(over("a\nb\n", 24), "\x1b[Ha\x1b[K\r\nb\x1b[K\r\n\x1b[J");
        let cut = over("1\n2\n3\n4\n5\n", 4);
        assert_eq!(cut, "\x1b[H1\x1b[K\r\n2\x1b[K\r\n... 3 more lines\x1b[K\r\n\x1b[J");
        assert!(over("1\n2\n", 0).contains("2 more lines"));
    }
}
