//! The actor: one small static program that stands under every name that a story needs, and does what it is told.
//!
//! Comes in: messages on the socket [`CONTROL`], which is inherited over fork and exec, so that arguments, environment
//! and files are the story's own. Goes out: an answer to each, `ok ...` or `error ...`. Always holds: it ends when nobody
//! holds the other end any more. It decides nothing, and touches only what it is told to.

mod deeds;
mod socket;
mod stage;
mod system;

/// The descriptor that orders come through. High, so that it never is where a program's own would be.
const CONTROL: libc::c_int = 100;
/// First argument of the one that makes the namespaces.
const STAGE: &str = "story-stage";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.first().is_some_and(|name| name == STAGE) {
        let argument = |at: usize| arguments.get(at).map(String::as_str).unwrap_or_default();
        stage::build(argument(1), argument(2));
    }
    deeds::obey()
}
