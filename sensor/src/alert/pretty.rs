//! An alert for people: readable at 80 columns, and at 3 a.m.

use super::fields::{cut, timestamp};
use super::{Alert, Process};
use crate::catalogue::command_line;
use crate::container::Container;
use crate::paint::Paint;
use bstr::ByteSlice;
use std::fmt::Write;

/// Columns that lines keep to, where a word allows it.
const COLUMNS: usize = 80;

impl Alert {
    /// Several lines, the last one empty.
    pub fn to_pretty(&self, colour: bool) -> String {
        let paint = Paint(colour);
        let mut out = String::new();
        let severity = paint.severity(self.severity, &self.severity.name().to_uppercase());
        let techniques: Vec<&str> = self.techniques.iter().map(|technique| technique.id).collect();
        let server = self
            .server
            .as_ref()
            .map_or_else(String::new, |server| format!("  {} ({}, pid {})", server.id, server.role.name(), server.pid));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{severity}  {}{server}  {}", paint.bold(self.detector.id()), techniques.join(" "));
        let _ = writeln!(out, "  {}  {}", timestamp(self.time_unix_ns), self.host_name);
        if let Some(container) = &self.container {
            let _ = writeln!(out, "  {}", printable(&in_container(container)));
        }
        for why in &self.why {
            wrap(&mut out, &printable(why), 2);
        }
        if let Some(file) = &self.file {
            let _ = writeln!(out, "  file  {}", printable(&file.path.to_str_lossy()));
        }
        self.draw_lineage(&mut out, paint);
        if self.blind {
            let _ = writeln!(out, "  records were lost shortly before: the ancestry may have gaps");
        }
        let _ = writeln!(out, "  seen by {}, event {}", self.hook.name(), self.id);
        out.push('\n');
        out
    }

    fn draw_lineage(&self, out: &mut String, paint: Paint) {
        let width = self.lineage.iter().map(|program| digits(program.key.tgid)).max().unwrap_or(0);
        for (depth, program) in self.lineage.iter().enumerate() {
            let last = depth + 1 == self.lineage.len();
            let indent = " ".repeat(depth.min(12) * 2);
            let arrow = if depth == 0 { "" } else { "\u{2514}\u{2500} " };
            let room = COLUMNS.saturating_sub(2 + width + 2 + indent.len() + 3 + 12).max(20);
            let line = printable(&title(program, room));
            let line = if last { paint.bold(&line) } else { line };
            let user = program.user_name.clone().unwrap_or_else(|| program.image.euid.to_string());
            let _ = writeln!(out, "  {:>width$}  {indent}{arrow}{line}  {}", program.key.tgid, paint.dim(&user));
        }
    }
}

fn digits(number: u32) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

fn title(program: &Process, room: usize) -> String {
    let line = command_line(&program.image).to_string();
    let line = if line.is_empty() { program.image.executable.to_string() } else { line };
    cut(&line, room)
}

/// Control characters cannot reach the terminal: an attacker chooses the arguments.
pub fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{b7}' } else { letter }).collect()
}

/// `container shop, docker.io/library/php:8.2`, with the pod where there is one.
fn in_container(container: &Container) -> String {
    let mut text = format!("container {}", container.label());
    if let Some(name) = container.image_name() {
        let tag = container.image.as_ref().and_then(|image| image.tag.as_ref());
        text.extend([", ", name]);
        text.extend(tag.into_iter().flat_map(|tag| [":", tag.as_str()]));
    }
    if let Some(pod) = &container.pod {
        text.extend([", pod ", pod.namespace.as_deref().unwrap_or_default(), "/", &pod.name]);
    }
    text
}

fn wrap(out: &mut String, text: &str, indent: usize) {
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && indent + column + 1 + length > COLUMNS {
            out.push('\n');
            column = 0;
        }
        let lead = if column == 0 { " ".repeat(indent) } else { " ".to_owned() };
        out.push_str(&lead);
        out.push_str(word);
        column += length + usize::from(column > 0);
    }
    out.push('\n');
}
