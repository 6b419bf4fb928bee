//! Texts of configuration languages as statements: the name first, then its values.
//!
//! Always holds: a statement has at least one word, and the first is in lower case with `_` for `-`, so that the ways in
//! which servers let people write a name are one. What a language has beside names and values is not understood.

use bstr::{BString, ByteSlice};

/// Deepest nesting of XML elements.
const MAX_ELEMENTS: usize = 64;

/// How a text is divided into statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Words up to `;`, `{` or `}` (nginx, BIND).
    Braces,
    /// Words up to the end of the line (Apache, redis, HAProxy, OpenSSH).
    Lines,
    /// `name = value` a line, or words where there is no `=` (PHP, MySQL, PostgreSQL, Samba, Postfix).
    Ini,
    /// Elements that hold text (`tag`), and attributes (`tag@name`).
    Xml,
}

/// The statements of a text.
pub fn statements(text: &[u8], language: Language) -> Vec<Vec<BString>> {
    let mut all = match language {
        Language::Braces => tokens(text, |byte| matches!(byte, b';' | b'{' | b'}')),
        Language::Lines => tokens(text, |byte| byte == b'\n'),
        Language::Ini => text.lines().flat_map(ini_line).collect(),
        Language::Xml => xml(text),
    };
    for words in &mut all {
        if let Some(name) = words.first_mut() {
            name.make_ascii_lowercase();
            for byte in name.iter_mut().filter(|byte| **byte == b'-') {
                *byte = b'_';
            }
        }
    }
    all
}

/// Words of each statement. Quotes hold words together; `#` begins a comment where a word could begin.
fn tokens(text: &[u8], ends: fn(u8) -> bool) -> Vec<Vec<BString>> {
    let mut all = Vec::new();
    let mut words: Vec<BString> = Vec::new();
    let mut word: Option<BString> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if let Some(open) = quote {
            match byte {
                _ if byte == open => quote = None,
                b'\\' => word.get_or_insert_default().extend(bytes.next()),
                _ => word.get_or_insert_default().push(byte),
            }
            continue;
        }
        match byte {
            _ if ends(byte) => {
                words.extend(word.take());
                all.push(std::mem::take(&mut words));
            }
            b'#' if word.is_none() => while bytes.next_if(|byte| *byte != b'\n').is_some() {},
            b'"' | b'\'' => {
                word.get_or_insert_default();
                quote = Some(byte);
            }
            b'\\' if bytes.peek() == Some(&b'\n') => {
                bytes.next();
            }
            _ if byte.is_ascii_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    all.push(words);
    all.retain(|words| !words.is_empty());
    all
}

fn ini_line(line: &[u8]) -> Vec<Vec<BString>> {
    let line = line.trim_ascii();
    if line.is_empty() || b"#;[".contains(&line[0]) {
        return Vec::new();
    }
    match line.split_once_str("=") {
        Some((name, value)) if !name.trim_ascii().is_empty() => {
            let name = name.trim_ascii().trim_end_with(|letter| letter == '+');
            vec![vec![BString::from(name.trim_ascii()), ini_value(value.trim_ascii())]]
        }
        _ => tokens(line, |byte| byte == b'\n'),
    }
}

/// Without quotes and without a comment behind it.
fn ini_value(value: &[u8]) -> BString {
    if let Some(quote) = value.first().filter(|first| b"\"'".contains(first))
        && let Some(end) = value[1..].find_byte(*quote)
    {
        return BString::from(&value[1..=end]);
    }
    let comment = (1..value.len()).find(|at| b"#;".contains(&value[*at]) && value[at - 1].is_ascii_whitespace());
    BString::from(value[..comment.unwrap_or(value.len())].trim_ascii_end())
}

/// What is not well formed ends the reading there.
fn xml(text: &[u8]) -> Vec<Vec<BString>> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_reader(text);
    let mut open: Vec<BString> = Vec::new();
    let mut all = Vec::new();
    loop {
        let event = reader.read_event();
        if let Ok(Event::Start(element) | Event::Empty(element)) = &event {
            for attribute in element.attributes().flatten() {
                let name = [element.name().as_ref(), "@", attribute.key.as_ref()].concat();
                all.push(vec![BString::from(name), BString::from(attribute.value.as_ref())]);
            }
        }
        match event {
            Ok(Event::Start(element)) if open.len() < MAX_ELEMENTS => open.push(BString::from(element.name().as_ref())),
            Ok(Event::End(_)) => drop(open.pop()),
            Ok(Event::Text(value)) => {
                let value = value.trim_ascii();
                if let Some(tag) = open.last().filter(|_| !value.is_empty()) {
                    all.push(vec![tag.clone(), BString::from(value)]);
                }
            }
            Ok(Event::Start(_) | Event::Eof) | Err(_) => return all,
            Ok(_) => {}
        }
    }
}
