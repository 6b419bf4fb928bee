//! The terminal, if standard output is one: its size, and whether colours are wanted (no-color.org).

use crate::paint::Paint;
use rustix::termios::tcgetwinsize;
use std::io::IsTerminal;

/// What standard output can show.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    /// Colours, or none.
    pub paint: Paint,
    /// Its width; `None` if it is no terminal: then lines are as long as they are.
    pub columns: Option<usize>,
    /// Its height; `None` likewise.
    pub rows: Option<usize>,
}

impl Screen {
    /// One that is no terminal.
    pub const PLAIN: Self = Self { paint: Paint(false), columns: None, rows: None };

    /// As it is now.
    pub fn now() -> Self {
        let size = tcgetwinsize(std::io::stdout()).ok();
        // A serial console says 0.
        let told = |number: u16| (number > 0).then_some(usize::from(number));
        let (columns, rows) = (size.and_then(|size| told(size.ws_col)), size.and_then(|size| told(size.ws_row)));
        Self { paint: Paint(colour()), columns, rows }
    }
}

/// Whether standard output shows colours: a terminal, and no `NO_COLOR`.
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && wanted()
}

/// Whether standard error does.
pub fn error_colour() -> bool {
    std::io::stderr().is_terminal() && wanted()
}

fn wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
