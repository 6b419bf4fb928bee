//! Patterns for programs and for argument lines.
//!
//! A file pattern is a glob in which `*` stays within one directory and `**` does not. An argument pattern is compared
//! with the whole argument line (all arguments after the program's name, one space between) and knows these words:
//! `*` any run of bytes, `{word}` one word that is no option, `{name}` one file name, `{path}` one absolute path,
//! `{number}` digits. None of them matches a byte that means something to a shell (`; | & $ ( ) < >`, backtick, line
//! break), so a second command cannot hide behind one; what a pattern writes out, it matches.

use globset::{GlobBuilder, GlobMatcher};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Where anybody may leave a program: `{path}` does not match there.
pub const TEMPORARY: [&[u8]; 4] = [b"/tmp/", b"/var/tmp/", b"/dev/shm/", b"/run/shm/"];

/// A glob over file paths or names.
#[derive(Clone, Debug)]
pub struct FilePattern {
    matcher: GlobMatcher,
    /// A pattern without `/` is compared with the last component only.
    whole: bool,
}

impl FilePattern {
    /// Reads a glob; says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        Self::build(text, false)
    }

    /// The same without regard to upper and lower case: `X.PHP` is a script to many a handler.
    pub fn ignoring_case(text: &str) -> Result<Self, String> {
        Self::build(text, true)
    }

    fn build(text: &str, ignore_case: bool) -> Result<Self, String> {
        if text.is_empty() {
            return Err("is empty".to_owned());
        }
        let whole = text.contains('/');
        if whole && !text.starts_with('/') && !text.starts_with("**/") {
            return Err("must be a name, or begin with / or **/".to_owned());
        }
        GlobBuilder::new(text)
            .literal_separator(true)
            .case_insensitive(ignore_case)
            .build()
            .map(|glob| Self { matcher: glob.compile_matcher(), whole })
            .map_err(|error| error.kind().to_string())
    }

    /// Whether it has a directory in it.
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// The glob as it was written.
    pub fn text(&self) -> &str {
        self.matcher.glob().glob()
    }

    /// Whether a path fits. One with `..` in it fits nothing.
    pub fn matches(&self, path: &[u8]) -> bool {
        let subject = if self.whole { path } else { base_name(path) };
        !subject.is_empty() && !climbs(path) && self.matcher.is_match(Path::new(OsStr::from_bytes(subject)))
    }
}

/// A glob over one argument; `*` matches anything.
#[derive(Clone, Debug)]
pub struct ArgumentPattern(GlobMatcher);

impl ArgumentPattern {
    /// Reads a glob; says what is wrong with it.
    pub fn new(text: &str) -> Result<Self, String> {
        let glob = GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build();
        glob.map(|glob| Self(glob.compile_matcher())).map_err(|error| error.kind().to_string())
    }

    /// Whether an argument fits.
    pub fn matches(&self, argument: &[u8]) -> bool {
        self.0.is_match(Path::new(OsStr::from_bytes(argument)))
    }
}

/// The last component of a path.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Whether `..` is one of a path's components.
fn climbs(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|component| component == b"..")
}

/// A pattern for a whole argument line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArgumentLine {
    tokens: Vec<Token>,
    text: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(Vec<u8>),
    Any,
    Word,
    Name,
    Path,
    Number,
}

/// Words of the pattern language.
const WORDS: [(&str, Token); 5] = [
    ("*", Token::Any),
    ("{word}", Token::Word),
    ("{name}", Token::Name),
    ("{path}", Token::Path),
    ("{number}", Token::Number),
];

impl ArgumentLine {
    /// Reads a pattern; every text is one.
    pub fn new(text: &str) -> Self {
        let mut tokens = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let word = WORDS.iter().find(|(word, _)| rest.starts_with(word));
            if let Some((word, token)) = word {
                tokens.push(token.clone());
                rest = &rest[word.len()..];
                continue;
            }
            let length = WORDS.iter().filter_map(|(word, _)| rest.find(word)).min().unwrap_or(rest.len());
            tokens.push(Token::Literal(rest.as_bytes()[..length].to_vec()));
            rest = &rest[length..];
        }
        Self { tokens, text: text.to_owned() }
    }

    /// The pattern as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the whole line fits.
    pub fn matches(&self, line: &[u8]) -> bool {
        self.ends(line)[line.len()]
    }

    /// Whether the line begins so, and goes on with a new word or not at all.
    pub fn begins(&self, line: &[u8]) -> bool {
        let ends = self.ends(line);
        ends.iter().enumerate().any(|(at, reached)| *reached && matches!(line.get(at), None | Some(b' ')))
    }

    /// The first literal bytes of the pattern: a line that begins with them but does not fit nearly did.
    pub fn beginning(&self) -> &[u8] {
        match self.tokens.first() {
            Some(Token::Literal(bytes)) => bytes,
            _ => b"",
        }
    }

    /// At which offsets of the line the pattern may end. Linear in the line for each token: no pattern is slow.
    fn ends(&self, line: &[u8]) -> Vec<bool> {
        let mut reached = vec![false; line.len() + 1];
        reached[0] = true;
        for token in &self.tokens {
            reached = token.step(line, &reached);
        }
        reached
    }
}

impl Token {
    fn step(&self, line: &[u8], reached: &[bool]) -> Vec<bool> {
        let mut next = vec![false; reached.len()];
        if let Self::Literal(literal) = self {
            for at in (0..line.len()).filter(|at| reached[*at]) {
                if line[at..].starts_with(literal) {
                    next[at + literal.len()] = true;
                }
            }
            return next;
        }
        let mut running = false;
        for (at, byte) in line.iter().enumerate() {
            running |= reached[at] && self.may_begin(&line[at..]);
            running &= self.may_hold(*byte, at.checked_sub(1).map(|before| line[before]));
            next[at + 1] = running;
        }
        if *self == Self::Any {
            next.iter_mut().zip(reached).for_each(|(next, reached)| *next |= *reached);
        }
        next
    }

    fn may_begin(&self, rest: &[u8]) -> bool {
        match self {
            Self::Word | Self::Name => rest.first().is_some_and(|byte| !b"-.".contains(byte)),
            Self::Path => rest.first() == Some(&b'/') && !TEMPORARY.iter().any(|place| rest.starts_with(place)),
            Self::Any | Self::Number | Self::Literal(_) => true,
        }
    }

    fn may_hold(&self, byte: u8, before: Option<u8>) -> bool {
        let plain = byte.is_ascii_alphanumeric() || b"._-+@:=%,".contains(&byte);
        match self {
            Self::Any => !is_shell_syntax(byte),
            Self::Word => !is_shell_syntax(byte) && !byte.is_ascii_whitespace() && !b"'\"\\".contains(&byte),
            Self::Name => plain,
            Self::Path => (plain || byte == b'/') && !(byte == b'.' && before == Some(b'.')),
            Self::Number => byte.is_ascii_digit(),
            Self::Literal(_) => false,
        }
    }
}

/// Whether a byte can join, redirect or expand commands in a shell.
pub const fn is_shell_syntax(byte: u8) -> bool {
    matches!(byte, b';' | b'|' | b'&' | b'$' | b'`' | b'(' | b')' | b'<' | b'>' | b'\n' | b'\r' | 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argument_lines() {
        let cases = [
            ("-c /usr/sbin/sendmail -t -i", "-c /usr/sbin/sendmail -t -i", true),
            ("-c /usr/sbin/sendmail -t -i", "-c /usr/sbin/sendmail -t -i; id", false),
            ("-c /usr/sbin/sendmail *", "-c /usr/sbin/sendmail -t -i", true),
            ("-c /usr/sbin/sendmail *", "-c /usr/sbin/sendmail -t -i; id", false),
            ("-c /usr/sbin/sendmail *", "-c /usr/sbin/sendmail -t | sh", false),
            ("-c /usr/sbin/sendmail *", "-c /usr/sbin/sendmail -t\nid", false),
            ("-c /usr/sbin/sendmail *", "-c /usr/sbin/sendmail `id`", false),
            ("-c /usr/sbin/sendmail *", "-c /usr/sbin/sendmail $(id)", false),
            ("-f{word}", "-fa@b.example", true),
            ("-f{word}", "-fa@b.example -X/var/www/html/x.php", false),
            ("cp pg_wal/{name} {path}", "cp pg_wal/000000010000000000000001 /mnt/wal/000000010000000000000001", true),
            ("cp pg_wal/{name} {path}", "cp pg_wal/../../../etc/passwd /mnt/x", false),
            ("cp pg_wal/{name} {path}", "cp pg_wal/0001 /tmp/x", false),
            ("cp pg_wal/{name} {path}", "cp pg_wal/0001 /mnt/../etc/x", false),
            ("test ! -f {path} && cp {word} {path}", "test ! -f /mnt/a && cp pg_wal/a /mnt/a", true),
            ("connect localhost:{number}", "connect localhost:443", true),
            ("connect localhost:{number}", "connect localhost:443@evil", false),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
        ];
        for (pattern, line, fits) in cases {
            assert_eq!(ArgumentLine::new(pattern).matches(line.as_bytes()), fits, "{pattern:?} on {line:?}");
        }
    }

    #[test]
    fn line_beginnings_end_at_a_word() {
        let pattern = ArgumentLine::new("{path}/gunicorn");
        assert!(pattern.begins(b"/usr/bin/gunicorn app:make(1)"));
        assert!(pattern.begins(b"/usr/bin/gunicorn"));
        assert!(!pattern.begins(b"/usr/bin/gunicorn-evil app"));
        assert!(!pattern.begins(b"-c /usr/bin/gunicorn"));
        assert!(!pattern.begins(b"/tmp/gunicorn"));
    }

    #[test]
    fn file_patterns() {
        let cases = [
            ("/usr/sbin/php-fpm*", "/usr/sbin/php-fpm8.2", true),
            ("/usr/sbin/php-fpm*", "/usr/sbin/php-fpm/x", false),
            ("/var/www/**", "/var/www/a/b.php", true),
            ("/var/www/**", "/var/www/../../tmp/b.php", false),
            ("sh", "/tmp/sh", true),
            ("sh", "/tmp/sh/x", false),
        ];
        for (pattern, path, fits) in cases {
            assert_eq!(FilePattern::new(pattern).unwrap().matches(path.as_bytes()), fits, "{pattern} on {path}");
        }
        assert!(FilePattern::ignoring_case("*.php").unwrap().matches(b"/w/X.PhP"));
        assert!(FilePattern::new("usr/bin/x").is_err());
        assert!(FilePattern::new("/a[").is_err());
    }
}
