//! How much of everything is kept, so that an alert is at most [`MAX_BYTES`] long whatever it tells.
//!
//! Always holds: with the last of [`ROOMS`] an alert fits, even if every text is made of bytes that take six in JSON. Texts
//! are what attackers choose; what else an alert has is bounded by itself.

/// Longest alert.
pub const MAX_BYTES: usize = 4096;

/// How much is kept.
#[derive(Clone, Copy)]
pub struct Room {
    /// Characters of a text.
    pub text: usize,
    /// Arguments of a program.
    pub arguments: usize,
    /// Programs in a lineage.
    pub programs: usize,
    /// Whether the true bytes of texts that are no UTF-8 are kept.
    pub raw: bool,
}

const fn room(text: usize, arguments: usize, programs: usize) -> Room {
    Room { text, arguments, programs, raw: text >= 32 }
}

/// From everything to the least.
pub const ROOMS: [Room; 13] = [
    room(4096, 256, 40),
    room(512, 32, 40),
    room(160, 16, 24),
    room(128, 8, 16),
    room(128, 4, 10),
    room(128, 2, 6),
    room(96, 2, 6),
    room(64, 2, 6),
    room(32, 2, 6),
    room(32, 1, 2),
    room(24, 1, 2),
    room(12, 1, 2),
    room(4, 0, 2),
];

impl Room {
    /// Characters of a sentence that says why: the facts stand there.
    pub const fn sentence(self) -> usize {
        if self.text >= 160 {
            self.text
        } else if self.text >= 32 {
            160
        } else {
            self.text * 5
        }
    }

    /// Lines of the timeline.
    pub const fn lines(self) -> usize {
        if self.text >= 64 { self.text / 32 } else { 1 }
    }

    /// Characters of names that are usually short and always telling: of users, packages.
    pub const fn name(self) -> usize {
        if self.text >= 64 { 64 } else { self.text }
    }
}
