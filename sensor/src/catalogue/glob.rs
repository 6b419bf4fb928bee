//! How a glob is told.
//!
//! Nearly all globs of the catalogue are made of literal text, `*` and `{alternatives}`. Those are taken apart once, and
//! then told by comparing bytes. The rest (`?`, classes, escapes, `*` within one name) is left to globset, whose matchers
//! cost tens of kilobytes each and are made when first needed, which for most is never: their ends tell.

use bstr::ByteSlice;
use globset::{Glob, GlobBuilder, GlobMatcher};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

/// Most alternatives that one glob is taken apart into.
const MAX_ALTERNATIVES: usize = 1024;

/// A glob, taken apart.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// What all alternatives begin and end with.
    beginning: Box<[u8]>,
    end: Box<[u8]>,
    /// One of these it has to be,
    alternatives: Box<[Pieces]>,
    /// and where they say less than the glob does, this decides.
    glob: Option<(Glob, OnceLock<GlobMatcher>)>,
}

impl Matcher {
    /// Of a glob in which `*` stands for anything, or, with `one_name`, for a part of one name.
    pub fn new(text: &str, one_name: bool) -> Result<Self, globset::Error> {
        let mut builder = GlobBuilder::new(text);
        let glob = builder.literal_separator(one_name).backslash_escape(true).empty_alternates(true).build()?;
        let (beginning, end) = ends(text.as_bytes());
        let said_less = text.contains(['?', '[', ']', '\\'])
            || ["}**", "**{"].iter().any(|odd| text.contains(odd))
            || one_name && text.trim_end_matches("/**").contains('*');
        let (alternatives, said_less) = match alternatives(&widened(text)) {
            Some(alternatives) => (alternatives.iter().map(|text| Pieces::of(text)).collect(), said_less),
            None => ([Pieces([beginning, end].map(Box::from).into())].into(), true),
        };
        let glob = said_less.then(|| (glob, OnceLock::new()));
        Ok(Self { beginning: beginning.into(), end: end.into(), alternatives, glob })
    }

    /// Whether it stands for `subject`.
    pub fn is_match(&self, subject: &[u8]) -> bool {
        // Most paths differ in their last byte, and begin alike.
        (self.end.is_empty() || self.end.last() == subject.last() && subject.ends_with(&self.end))
            && subject.starts_with(&self.beginning)
            && self.alternatives.iter().any(|pieces| pieces.is_match(subject))
            && self.glob.as_ref().is_none_or(|(glob, matcher)| {
                matcher.get_or_init(|| glob.compile_matcher()).is_match(OsStr::from_bytes(subject))
            })
    }

    /// The texts that stand, in this order, in whatever is meant, by alternative. It begins with the first and ends with
    /// the last; a single one is all of it.
    pub fn literals(&self) -> impl Iterator<Item = &[Box<[u8]>]> {
        self.alternatives.iter().map(|pieces| &*pieces.0)
    }
}

/// Texts with anything between them; a single one is all there is.
#[derive(Clone, Debug)]
struct Pieces(Box<[Box<[u8]>]>);

impl Pieces {
    fn of(text: &str) -> Self {
        Self(text.split('*').map(|piece| piece.as_bytes().into()).collect())
    }

    fn is_match(&self, subject: &[u8]) -> bool {
        let [first, between @ .., last] = &*self.0 else {
            return self.0.first().is_some_and(|only| **only == *subject);
        };
        let Some(mut rest) = subject.strip_prefix(&**first).and_then(|rest| rest.strip_suffix(&**last)) else {
            return false;
        };
        for piece in between {
            let Some(at) = rest.find(piece) else {
                return false;
            };
            rest = &rest[at + piece.len()..];
        }
        true
    }
}

/// The literal beginning and end of a glob.
fn ends(glob: &[u8]) -> (&[u8], &[u8]) {
    let special = |byte: &u8| b"*?[]{}\\".contains(byte);
    let Some(first) = glob.iter().position(special) else {
        return (glob, glob);
    };
    let last = glob.iter().rposition(special).unwrap_or(first);
    // `**/` also stands for no directory at all, and then there is no slash.
    let end = &glob[last + 1..];
    let end = if glob[last] == b'*' { end.strip_prefix(b"/").unwrap_or(end) } else { end };
    (&glob[..first], end)
}

/// The glob with `*` for whatever else stands for several things, so that it means no less.
fn widened(text: &str) -> String {
    let mut wide = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '?' => wide.push('*'),
            '\\' => wide.push(letters.next().filter(|escaped| !"*?[]{},".contains(*escaped)).unwrap_or('*')),
            '[' => {
                // The first of a class may be the bracket that would close it.
                let mut first = true;
                for of_class in letters.by_ref() {
                    if of_class == ']' && !first {
                        break;
                    }
                    first &= "!^".contains(of_class);
                }
                wide.push('*');
            }
            _ => wide.push(letter),
        }
    }
    wide
}

/// The glob without braces, and with `*` for anything; `None` if it cannot be said so.
fn alternatives(text: &str) -> Option<Vec<String>> {
    if text == "**/" {
        // Just this is anything.
        return Some(vec!["*".to_owned()]);
    }
    let mut flat = Vec::new();
    for text in expanded(text)? {
        let text = text.strip_suffix("/**").map_or_else(|| text.clone(), |directory| format!("{directory}/*"));
        flat.extend(without_directories(&text)?);
    }
    Some(flat)
}

/// What `**/` stands for, at the beginning and after a slash: some directories, or none. Elsewhere `**` is `*`.
fn without_directories(text: &str) -> Option<Vec<String>> {
    if text.contains("***") || text.contains("**/**") {
        return None;
    }
    let mut flat = vec![String::new()];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("**") {
        let begins = before.is_empty() && rest.len() == text.len();
        let directories = after.strip_prefix('/').filter(|_| begins || before.ends_with('/'));
        rest = directories.unwrap_or(after);
        flat = match directories {
            Some(_) => flat.iter().flat_map(|one| [format!("{one}{before}"), format!("{one}{before}*/")]).collect(),
            None => flat.iter().map(|one| format!("{one}{before}*")).collect(),
        };
        if flat.len() > MAX_ALTERNATIVES {
            return None;
        }
    }
    Some(flat.iter().map(|one| format!("{one}{rest}")).collect())
}

/// Every choice of braces.
fn expanded(text: &str) -> Option<Vec<String>> {
    let Some(open) = text.find('{') else {
        return Some(vec![text.to_owned()]);
    };
    let (choices, rest) = choices(&text[open + 1..])?;
    // What follows a brace may depend on what is in it.
    if choices.iter().any(|choice| choice.contains("**")) {
        return None;
    }
    let rest = expanded(rest)?;
    let mut all = Vec::new();
    for choice in choices {
        for inner in expanded(choice)? {
            all.extend(rest.iter().map(|rest| format!("{}{inner}{rest}", &text[..open])));
        }
        if all.len() > MAX_ALTERNATIVES {
            return None;
        }
    }
    Some(all)
}

/// What stands between commas up to the closing brace, and what follows that.
fn choices(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut depth, mut begin, mut choices) = (0_u32, 0, Vec::new());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b',' | b'}' if depth == 0 => {
                choices.push(text.get(begin..at)?);
                begin = at + 1;
                if byte == b'}' {
                    return Some((choices, text.get(begin..)?));
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn by_globset(text: &str, one_name: bool, subject: &str) -> bool {
        let mut builder = GlobBuilder::new(text);
        let glob = builder.literal_separator(one_name).backslash_escape(true).empty_alternates(true).build().unwrap();
        glob.compile_matcher().is_match(subject)
    }

    #[test]
    fn what_most_globs_are_made_of_needs_no_globset() {
        for (text, one_name) in [
            ("/usr/sbin/nginx", false),
            ("/usr/{bin,{s,local/}bin}/php*", false),
            ("**/wp-content/**/cache/**", false),
            ("/var/www/**", true),
        ] {
            assert!(Matcher::new(text, one_name).unwrap().glob.is_none(), "{text}");
        }
        assert!(Matcher::new("/usr/bin/python[0-9]*", false).unwrap().glob.is_some());
        assert!(Matcher::new("/home/*/html/**", true).unwrap().glob.is_some());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        /// Few letters, so that many match.
        #[test]
        fn it_is_told_as_globset_tells_it(
            parts in prop::collection::vec(
                prop::sample::select(vec!["a", "b", "/", "/", "*", "**", "**/", "/**", "{a,b}", "{,a/}", "{a,{b,}*}",
                    "?", "[a]", "[!a]", "[]a]", "\\\\a", "\\\\*"]), 1..7),
            subject in "[ab/]{0,8}",
            one_name: bool,
        ) {
            let text = parts.concat();
            if let Ok(matcher) = Matcher::new(&text, one_name) {
                prop_assert_eq!(matcher.is_match(subject.as_bytes()), by_globset(&text, one_name, &subject), "{}", text);
            }
        }
    }
}
