//! Rust source without what is not code.

/// The source with comments, strings and character literals replaced by blanks; line breaks stay where they are.
pub fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let length = skipped(&bytes[at..], code.last().copied());
        if length == 0 {
            code.push(bytes[at]);
            at += 1;
        } else {
            let end = (at + length).min(bytes.len());
            code.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// How many bytes of a comment or literal begin here; 0 for code.
fn skipped(rest: &[u8], before: Option<u8>) -> usize {
    let in_word = before.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match rest {
        [b'/', b'/', ..] => find(rest, b"\n"),
        [b'/', b'*', ..] => block_comment(rest),
        [b'"', ..] => quoted(rest, b'"'),
        [b'r', b'"' | b'#', ..] if !in_word => raw_string(rest),
        // A lifetime has no closing quote.
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        [b'\'', first, ..] => {
            let width = char_width(*first);
            if rest.get(1 + width) == Some(&b'\'') { width + 2 } else { 0 }
        }
        _ => 0,
    }
}

fn char_width(first: u8) -> usize {
    match first {
        0xf0.. => 4,
        0xe0.. => 3,
        0xc0.. => 2,
        _ => 1,
    }
}

fn find(rest: &[u8], what: &[u8]) -> usize {
    let position = rest.windows(what.len()).position(|window| window == what);
    position.unwrap_or(rest.len())
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

fn raw_string(rest: &[u8]) -> usize {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return 0;
    }
    let mut end = vec![b'"'];
    end.resize(1 + hashes, b'#');
    let start = hashes + 2;
    start + find(&rest[start..], &end) + end.len()
}

fn block_comment(rest: &[u8]) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => depth += 1,
            [b'*', b'/', ..] => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// The lines, counted from 1, that have `word` (a name or a path) and not as a part of a longer one.
pub fn lines_with_word(code: &str, word: &str) -> Vec<usize> {
    let numbered = code.lines().enumerate();
    numbered.filter(|(_, line)| has_word(line, word)).map(|(index, _)| index + 1).collect()
}

fn has_word(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, after) = (&line[..at], &line[at + word.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

/// The modules of this crate that `code` names, with `crate::` before them, also inside braces.
pub fn crate_modules(code: &str) -> Vec<String> {
    let dense: String = code.split_whitespace().collect::<Vec<_>>().join(" ").replace(":: ", "::");
    let mut modules = Vec::new();
    for rest in dense.split("crate::").skip(1) {
        match rest.trim_start().strip_prefix('{') {
            Some(group) => modules.extend(top_level_names(group)),
            None => modules.push(first_name(rest)),
        }
    }
    modules
}

fn top_level_names(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut names = vec![String::new()];
    for character in group.chars() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(String::new()),
            _ if depth > 0 => {}
            _ => {
                if let Some(name) = names.last_mut() {
                    name.push(character);
                }
            }
        }
    }
    names.iter().map(|name| first_name(name.trim())).collect()
}

fn first_name(path: &str) -> String {
    let is_part = |c: &char| c.is_alphanumeric() || *c == '_';
    path.trim_start().chars().take_while(is_part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_code_is_left() {
        let source = r##"let a = "unsafe"; // unsafe
/* unsafe /* unsafe */ unsafe */ let b: &'static str = r#"unsafe "x" unsafe"#; let c = '"'; unsafe {}"##;
        let code = code_only(source);
        assert_eq!(lines_with_word(&code, "unsafe"), [2]);
        assert!(code.ends_with("unsafe {}"));
        assert!(code.contains("&'static str"));
    }

    #[test]
    fn a_word_is_not_found_in_a_longer_one() {
        assert!(lines_with_word("deny(unsafe_code)", "unsafe").is_empty());
        assert_eq!(lines_with_word("x\nuse aya::Ebpf;", "aya"), [2]);
    }

    #[test]
    fn modules_are_found_inside_braces() {
        let code = "use crate::tree::Node; use crate::{event::{Body, Exec}, kernel,\n output};";
        assert_eq!(crate_modules(code), ["tree", "event", "kernel", "output"]);
    }
}
