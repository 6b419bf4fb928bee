//! What was learned, for people.

use super::{list, word};
use crate::alert::printable;
use serde_json::Value;
use std::fmt::Write;

/// `sensor baseline show`.
pub fn baseline(answer: &Value) -> String {
    let mut out = String::new();
    let whole = answer["whole"] == true;
    for kind in list(answer, "kinds") {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", printable(word(kind, "kind")));
        let _ = writeln!(out, "  {}", word(kind, "said"));
        let (edges, new, execs) = (&kind["edge_count"], &kind["new_count"], &kind["execs"]);
        let _ = writeln!(out, "  {edges} edges known, {new} new ones, {execs} seen in all");
        if whole {
            known(&mut out, list(kind, "edges"));
            new_ones(&mut out, word(kind, "kind"), list(kind, "new"));
        }
    }
    if out.is_empty() {
        out.push_str("no server was seen yet\n");
    }
    if answer["refused"] != 0 {
        let _ = writeln!(out, "there was no room for {} kinds or edges", answer["refused"]);
    }
    out
}

/// By parent. Shapes are not broken: they are there to be copied.
fn known(out: &mut String, edges: &[Value]) {
    let mut parent = None;
    for edge in edges {
        if parent != Some(word(edge, "parent")) {
            parent = Some(word(edge, "parent"));
            let _ = writeln!(out, "\n  {} starts:", printable(word(edge, "parent")));
        }
        let last = word(edge, "last").get(..10).unwrap_or("never seen");
        let count = edge["count"].as_u64().unwrap_or_default();
        let _ = writeln!(out, "    {:<8} {count:>6}  {last}  {}", word(edge, "origin"), printable(word(edge, "child")));
    }
}

fn new_ones(out: &mut String, kind: &str, edges: &[Value]) {
    if edges.is_empty() {
        return;
    }
    out.push_str("\n  new, and normal if you say so:\n");
    for edge in edges {
        let against = if edge["flagged"] == true { "  # another detector has something against it" } else { "" };
        let [kind, parent, child] = [kind, word(edge, "parent"), word(edge, "child")].map(quoted);
        let _ = writeln!(out, "    sensor baseline approve {kind} {parent} {child}{against}");
    }
}

/// For a shell, to be pasted.
fn quoted(text: &str) -> String {
    format!("'{}'", printable(text).replace('\'', "'\\''"))
}

/// The answer to an order.
pub fn baseline_done(answer: &Value) -> String {
    format!("{}: {}\n", printable(word(answer, "kind")), printable(word(answer, "done")))
}

/// What an import did.
pub fn baseline_imported(answer: &Value) -> String {
    let mut out = format!("{} kinds, {} edges that were not known\n", answer["kinds"], answer["new_edges"]);
    if answer["refused"] != 0 {
        let _ = writeln!(out, "there was no room for {} kinds or edges", answer["refused"]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::control::{BaselineCommand, answer};
    use crate::baseline::{Baselines, KindKey};
    use expect_test::expect;

    #[test]
    fn what_people_see() {
        let mut baselines = Baselines::new(24);
        let show = |kind: Option<&str>, baselines: &mut Baselines| {
            let command = BaselineCommand::Show { kind: kind.map(str::to_owned) };
            baseline(&answer(baselines, command, 1_800_007_200_000_000_000).0)
        };
        expect![[r"
            no server was seen yet
        "]]
        .assert_eq(&show(None, &mut baselines));
        let kind = KindKey {
            server: "php-fpm".into(),
            executable: "/usr/sbin/php-fpm8.2".into(),
            unit: "php8.2-fpm.service".into(),
        };
        for (child, flagged) in
            [("sh -c convert TMP -resize NxN WEB", false), ("sh -c id", true), ("sh -c $(it's)", true)]
        {
            baselines.observe(&kind, "php-fpm", child, 1_800_000_000_000_000_000, flagged);
        }
        baselines.approve(&kind, "sh -c id", "id").unwrap();
        expect![[r"
            php-fpm:/usr/sbin/php-fpm8.2@php8.2-fpm.service
              learning: 0 min of 24 h observed, last new edge 2 h ago
              2 edges known, 2 new ones, 3 seen in all
        "]]
        .assert_eq(&show(None, &mut baselines));
        expect![[r"
            php-fpm:/usr/sbin/php-fpm8.2@php8.2-fpm.service
              learning: 0 min of 24 h observed, last new edge 2 h ago
              2 edges known, 2 new ones, 3 seen in all

              php-fpm starts:
                learned       1  2027-01-15  sh -c convert TMP -resize NxN WEB

              sh -c id starts:
                approved      0  never seen  id

              new, and normal if you say so:
                sensor baseline approve 'php-fpm:/usr/sbin/php-fpm8.2@php8.2-fpm.service' 'php-fpm' 'sh -c id'  # another detector has something against it
                sensor baseline approve 'php-fpm:/usr/sbin/php-fpm8.2@php8.2-fpm.service' 'php-fpm' 'sh -c $(it'\''s)'  # another detector has something against it
        "]].assert_eq(&show(Some("php-fpm"), &mut baselines));
    }
}
