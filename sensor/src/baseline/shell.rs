//! Takes the text of `sh -c` apart, as far as a shape needs it.
//!
//! Comes in: the text. Goes out: words without their quotes, operators and redirections, in order. Always holds: it ends
//! after one pass and takes any bytes; what is substituted (`$(...)`, backquotes, `<(...)`) is found wherever a shell
//! would run it, in double quotes and in `${...}` too. It is no shell: it expands nothing, and the body of a here-document
//! is read like commands.

/// A word, without its quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// What it says literally.
    pub text: Vec<u8>,
    /// A variable stands in it.
    pub variable: bool,
    /// Commands whose output stands in it.
    pub commands: Vec<Vec<u8>>,
    /// Some of it was quoted.
    pub quoted: bool,
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A word.
    Word(Word),
    /// `;`, `&&`, `|`, `(` and so on; a line break is `;`.
    Operator(&'static str),
    /// `>`, `2>>`, `<`: the next word is a file.
    Redirect(String),
    /// `2>&1`: complete.
    Duplicate(String),
}

/// The longest first.
const OPERATORS: &[&str] = &["&&", "||", ";;", "|&", ";", "&", "|", "(", ")"];
const REDIRECTS: &[&str] = &["&>>", "<<<", "<<-", "&>", ">>", "<<", "<>", ">|", ">", "<"];

impl Word {
    /// A word that is what it says.
    pub fn literal(text: &[u8]) -> Self {
        Self { text: text.to_vec(), ..Self::default() }
    }

    /// Whether nothing in it is only known when it runs.
    pub const fn is_literal(&self) -> bool {
        !self.variable && self.commands.is_empty()
    }
}

/// The pieces of a text.
pub fn pieces(text: &[u8]) -> Vec<Piece> {
    let mut reader = Reader { text, at: 0 };
    let mut pieces = Vec::new();
    while let Some(piece) = reader.piece() {
        pieces.push(piece);
    }
    pieces
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a [u8] {
        &self.text[self.at.min(self.text.len())..]
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.rest().starts_with(word.as_bytes());
        if there {
            self.at += word.len();
        }
        there
    }

    fn piece(&mut self) -> Option<Piece> {
        while matches!(self.rest().first(), Some(b' ' | b'\t' | b'\r')) || self.rest().starts_with(b"\\\n") {
            self.at += if self.rest()[0] == b'\\' { 2 } else { 1 };
        }
        if self.rest().first() == Some(&b'#') {
            self.at += self.rest().iter().position(|byte| *byte == b'\n').unwrap_or(self.rest().len());
        }
        let first = *self.rest().first()?;
        if first == b'\n' {
            self.at += 1;
            return Some(Piece::Operator(";"));
        }
        if let Some(redirect) = self.redirect() {
            return Some(redirect);
        }
        if let Some(operator) = OPERATORS.iter().find(|operator| self.rest().starts_with(operator.as_bytes())) {
            self.at += operator.len();
            return Some(Piece::Operator(operator));
        }
        Some(Piece::Word(self.word()))
    }

    fn redirect(&mut self) -> Option<Piece> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).take(2).count();
        let after = &self.rest()[digits..];
        if after.starts_with(b"<(") || after.starts_with(b">(") {
            return None;
        }
        let redirect = REDIRECTS.iter().find(|redirect| after.starts_with(redirect.as_bytes()))?;
        let mut shown = String::from_utf8_lossy(&self.rest()[..digits]).into_owned();
        shown.push_str(redirect);
        self.at += digits + redirect.len();
        let to = self.rest();
        if matches!(*redirect, ">" | "<") && to.first() == Some(&b'&') {
            self.at += 1;
            shown.push('&');
            if let Some(to) = to.get(1).filter(|to| to.is_ascii_digit() || **to == b'-') {
                self.at += 1;
                shown.push(char::from(*to));
                return Some(Piece::Duplicate(shown));
            }
        }
        Some(Piece::Redirect(shown))
    }

    fn word(&mut self) -> Word {
        let mut word = Word::default();
        while let Some(byte) = self.rest().first().copied() {
            match byte {
                b'<' | b'>' if self.rest().get(1) == Some(&b'(') => {
                    self.at += 2;
                    word.commands.push(self.until_parenthesis());
                }
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'(' | b')' | b'<' | b'>' => break,
                b'\'' => self.single(&mut word),
                b'"' => self.double(&mut word),
                _ => self.unquoted(byte, &mut word),
            }
        }
        word
    }

    fn single(&mut self, word: &mut Word) {
        self.at += 1;
        let length = self.rest().iter().position(|byte| *byte == b'\'').unwrap_or(self.rest().len());
        word.text.extend_from_slice(&self.rest()[..length]);
        word.quoted = true;
        self.at += length + 1;
    }

    fn double(&mut self, word: &mut Word) {
        self.at += 1;
        word.quoted = true;
        while let Some(byte) = self.rest().first().copied() {
            if byte == b'"' {
                self.at += 1;
                return;
            }
            self.unquoted(byte, word);
        }
    }

    /// One byte outside single quotes, or what it begins.
    fn unquoted(&mut self, byte: u8, word: &mut Word) {
        self.at += 1;
        match byte {
            b'\\' => {
                word.text.extend(self.rest().first().filter(|next| **next != b'\n'));
                self.at += 1;
            }
            b'`' => {
                word.commands.push(self.until_backquote());
            }
            b'$' => self.dollar(word),
            _ => word.text.push(byte),
        }
    }

    fn dollar(&mut self, word: &mut Word) {
        if self.take("(") {
            // `$((1 + 1))` comes out as a command with parentheses, which is as good a shape as any.
            word.commands.push(self.until_parenthesis());
        } else if self.take("{") {
            word.variable = true;
            self.braces(word);
        } else if self.rest().first() == Some(&b'\'') && !word.quoted {
            // Escapes may stand for anything.
            self.single(word);
            word.variable = true;
        } else {
            let name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let length = self.rest().iter().take_while(|byte| name(byte)).count();
            let special = self.rest().first().is_some_and(|byte| b"@*#?-$!".contains(byte));
            match (length, special) {
                (0, false) => word.text.push(b'$'),
                _ => word.variable = true,
            }
            self.at += length.max(usize::from(special));
        }
    }

    /// The rest of `${...}`: only what it runs matters.
    fn braces(&mut self, word: &mut Word) {
        let mut inner = Word::default();
        while let Some(byte) = self.rest().first().copied() {
            match byte {
                b'}' => {
                    self.at += 1;
                    break;
                }
                b'$' if self.rest().get(1) == Some(&b'{') => self.at += 2,
                _ => self.unquoted(byte, &mut inner),
            }
        }
        word.commands.append(&mut inner.commands);
    }

    /// The text up to the parenthesis that closes, quotes considered.
    fn until_parenthesis(&mut self) -> Vec<u8> {
        let rest = self.rest();
        let (mut open, mut quote, mut at) = (1_usize, None, 0);
        while let Some(byte) = rest.get(at).copied() {
            match (byte, quote) {
                (b'\\', None | Some(b'"')) => at += 1,
                (b'\'' | b'"', None) => quote = Some(byte),
                (byte, Some(end)) if byte == end => quote = None,
                (b'(', None) => open += 1,
                (b')', None) => open -= 1,
                _ => {}
            }
            if open == 0 {
                break;
            }
            at += 1;
        }
        let end = at.min(rest.len());
        self.at += end + 1;
        rest[..end].to_vec()
    }

    fn until_backquote(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        while let Some(byte) = self.rest().first().copied() {
            self.at += 1;
            match byte {
                b'`' => break,
                b'\\' => {
                    text.extend(self.rest().first());
                    self.at += 1;
                }
                _ => text.push(byte),
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        let word = |word: Word| {
            let mut out = String::from_utf8_lossy(&word.text).into_owned();
            out.push_str(if word.variable { "?" } else { "" });
            out.extend(word.commands.iter().map(|command| format!("`{}`", String::from_utf8_lossy(command))));
            out
        };
        let show = |piece| match piece {
            Piece::Word(inner) => word(inner),
            Piece::Operator(operator) => format!("[{operator}]"),
            Piece::Redirect(redirect) | Piece::Duplicate(redirect) => format!("<{redirect}>"),
        };
        pieces(text.as_bytes()).into_iter().map(show).collect()
    }

    #[test]
    fn words_and_operators() {
        for (text, expected) in [
            ("id", &["id"][..]),
            ("a 'b c' \"d e\" f\\ g", &["a", "b c", "d e", "f g"]),
            ("a;b&&c||d|e&", &["a", "[;]", "b", "[&&]", "c", "[||]", "d", "[|]", "e", "[&]"]),
            ("a >x 2>>y 2>&1 <z", &["a", "<>>", "x", "<2>>>", "y", "<2>&1>", "<<>", "z"]),
            ("a # b\nc", &["a", "[;]", "c"]),
            ("echo \"$(id; x ')')\" `w`", &["echo", "`id; x ')'`", "`w`"]),
            ("$X ${Y:-$(id)} a$'\\x41'", &["?", "?`id`", "a\\x41?"]),
            ("diff <(a b) c", &["diff", "`a b`", "c"]),
            ("a 'open", &["a", "open"]),
            ("echo \"$(open", &["echo", "`open`"]),
            ("cat${IFS}/etc/passwd", &["cat/etc/passwd?"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}
