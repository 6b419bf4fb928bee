use super::control::{BaselineCommand, answer};
use super::*;
use expect_test::expect;

const HOUR: u64 = HOUR_NS;
const START: u64 = 1_800_000_000_000_000_000;

fn php() -> KindKey {
    KindKey { server: "php-fpm".into(), executable: "/usr/sbin/php-fpm8.2".into(), unit: "php8.2-fpm.service".into() }
}

/// `hours` pass, told in small stretches.
fn pass(baselines: &mut Baselines, kind: &KindKey, now: &mut u64, hours: u64) -> Vec<Change> {
    let mut changes = Vec::new();
    for _ in 0..hours * 12 {
        changes.extend(baselines.ran(kind, *now, *now + HOUR / 12));
        *now += HOUR / 12;
    }
    changes
}

fn restored(rows: &BTreeMap<String, String>) -> Baselines {
    let mut baselines = Baselines::new(24);
    for value in rows.values() {
        baselines.restore(value).unwrap();
    }
    baselines
}

fn keep(rows: &mut BTreeMap<String, String>, changes: impl IntoIterator<Item = Change>) {
    for change in changes {
        match change.value {
            Some(value) => rows.insert(change.key, value),
            None => rows.remove(&change.key),
        };
    }
}

fn same(one: &Baselines, other: &Baselines) {
    let all = |baselines: &Baselines| -> Vec<_> {
        baselines
            .kinds()
            .map(|(key, kind)| (key.clone(), kind.facts, kind.edges.clone(), kind.waiting.clone(), kind.edge_count))
            .collect()
    };
    assert_eq!(all(one), all(other));
    assert_eq!(one.rows, other.rows);
}

fn said(baselines: &Baselines, now: u64) -> String {
    baselines.said(baselines.kind(&php()).unwrap(), now)
}

#[test]
fn learning_ends_by_evidence() {
    let (mut baselines, mut now) = (Baselines::new(24), START);
    let kind = php();
    pass(&mut baselines, &kind, &mut now, 4);
    assert_eq!(baselines.observe(&kind, "php-fpm", "sh -c id", now, false).0, Verdict::Learned);
    assert_eq!(baselines.observe(&kind, "php-fpm", "sh -c id", now, false).0, Verdict::Known);
    pass(&mut baselines, &kind, &mut now, 2);
    expect!["learning: 6 of 24 h observed, last new edge 2 h ago"].assert_eq(&said(&baselines, now));
    pass(&mut baselines, &kind, &mut now, 14);
    baselines.observe(&kind, "php-fpm", "sh -c convert TMP", now, false);
    pass(&mut baselines, &kind, &mut now, 5);
    expect!["learning: 25 h observed, last new edge 5 h ago; ends after 20 h without a new one, 5 h so far"]
        .assert_eq(&said(&baselines, now));
    pass(&mut baselines, &kind, &mut now, 14);
    assert_eq!(baselines.kind(&kind).unwrap().facts.learned, None, "39 h, of which the last 19 h were quiet");
    pass(&mut baselines, &kind, &mut now, 1);
    expect!["learned 0 min ago by evidence, 40 h observed"].assert_eq(&said(&baselines, now));
    assert_eq!(baselines.observe(&kind, "php-fpm", "sh -c w", now, false).0, Verdict::New);
    assert_eq!(
        baselines.observe(&kind, "php-fpm", "sh -c w", now, false).0,
        Verdict::New,
        "seeing it does not teach it"
    );
    assert_eq!(baselines.observe(&kind, "php-fpm", "sh -c id", now, false).0, Verdict::Known);
}

#[test]
fn time_counts_once_and_only_while_it_is_watched() {
    let (mut baselines, kind) = (Baselines::new(24), php());
    let minute = HOUR / 60;
    for worker in 0..5 {
        baselines.ran(&kind, START, START + minute + worker);
    }
    let observed = |baselines: &Baselines| baselines.kind(&kind).unwrap().facts.observed_ns;
    assert_eq!(observed(&baselines), minute + 4, "five servers at once");
    baselines.ran(&kind, START + minute, START + 1000 * HOUR);
    assert_eq!(observed(&baselines), minute + 4 + MAX_STRETCH_NS, "the machine slept, or the clock was set");
    baselines.ran(&kind, START + 2 * minute, START + 3 * minute);
    assert_eq!(observed(&baselines), 2 * minute + 4 + MAX_STRETCH_NS, "the clock was set back");
    baselines.ran(&kind, START + 3 * minute, START);
    baselines.ran(&kind, u64::MAX, 0);
    assert_eq!(observed(&baselines), 2 * minute + 4 + MAX_STRETCH_NS, "nonsense counts nothing");
    baselines.ran(&kind, START + 3 * minute, START + 4 * minute);
    assert_eq!(observed(&baselines), 3 * minute + 4 + MAX_STRETCH_NS);
}

#[test]
fn what_is_flagged_is_never_learned() {
    let (mut baselines, kind) = (Baselines::new(24), php());
    assert_eq!(baselines.observe(&kind, "php-fpm", "sh -c id", START, true).0, Verdict::Withheld);
    assert_eq!(baselines.observe(&kind, "php-fpm", "sh -c id", START, false).0, Verdict::Withheld, "once is enough");
    assert_eq!(baselines.kind(&kind).unwrap().edge_count, 0);
    // A detector that speaks up later.
    baselines.observe(&kind, "php-fpm", "sh -c w", START + 5, false);
    assert_eq!(baselines.withdraw(&kind, "php-fpm", "sh -c w", START + 6), [], "it was known before");
    assert_eq!(baselines.withdraw(&kind, "php-fpm", "sh -c w", START + 5).len(), 2);
    assert_eq!(baselines.observe(&kind, "php-fpm", "sh -c w", START + 7, false).0, Verdict::Withheld);
    let (approved, _) = baselines.approve_all_new(&kind).unwrap();
    assert_eq!(approved, 0, "only one by one");
    baselines.approve(&kind, "php-fpm", "sh -c id").unwrap();
    assert_eq!(baselines.observe(&kind, "php-fpm", "sh -c id", START + 8, true).0, Verdict::Known);
    assert_eq!(baselines.withdraw(&kind, "php-fpm", "sh -c id", 0), [], "the operator decides");
    assert_eq!(baselines.rows, 2);
}

#[test]
fn the_rows_hold_it_all() {
    let (mut baselines, mut now, kind) = (Baselines::new(24), START, php());
    let mut rows = BTreeMap::new();
    for number in 0..30 {
        keep(&mut rows, baselines.observe(&kind, "php-fpm", &format!("sh -c {number}"), now, number % 7 == 0).1);
        keep(&mut rows, pass(&mut baselines, &kind, &mut now, 1));
    }
    keep(&mut rows, [baselines.finish(&kind, now).unwrap()]);
    for number in 0..200 {
        keep(&mut rows, baselines.observe(&kind, "sh", &format!("new{number}"), now + number, false).1);
    }
    keep(&mut rows, baselines.approve(&kind, "sh", "new199").unwrap());
    keep(&mut rows, baselines.approve(&kind, "sh", "never seen").unwrap());
    keep(&mut rows, baselines.withdraw(&kind, "php-fpm", "sh -c 2", 0));
    keep(&mut rows, baselines.unsaved());
    assert_eq!(baselines.kind(&kind).unwrap().waiting.len(), MAX_WAITING);
    same(&baselines, &restored(&rows));
    assert_eq!(rows.len(), 1 + baselines.rows);
    keep(&mut rows, baselines.approve_all_new(&kind).unwrap().1);
    same(&baselines, &restored(&rows));
    keep(&mut rows, baselines.forget(&kind).unwrap());
    assert!(rows.is_empty() && baselines.rows == 0, "{rows:?}");
}

#[test]
fn rows_that_make_no_sense_are_refused() {
    let mut baselines = Baselines::new(24);
    for row in [
        "",
        "{}",
        r#"{"row":"kind","kind":"nonsense","facts":{}}"#,
        r#"{"row":"kind","kind":"a:/x","facts":{"execs":-1}}"#,
        r#"{"row":"waiting","kind":"a:/x","place":64,"parent":"a","child":"b","flagged":false,"seen":{"count":1,"first_unix_ns":1,"last_unix_ns":1}}"#,
        "{\"row\":\"edge\",\"kind\":\"a:/x\",\"parent\":\"a\\n\",\"child\":\"b\",\"origin\":\"learned\",\"seen\":{\"count\":1,\"first_unix_ns\":1,\"last_unix_ns\":1}}",
    ] {
        assert!(baselines.restore(row).is_err(), "{row}");
    }
    assert_eq!(baselines.rows, 0);
}

#[test]
fn a_frequent_edge_is_seldom_written() {
    let (mut baselines, kind) = (Baselines::new(24), php());
    let written = (0..10_000).filter(|number| baselines.observe(&kind, "a", "b", START + number, false).1.is_some());
    assert!((10..20).contains(&written.count()));
    assert!(baselines.observe(&kind, "a", "b", START + HOUR, false).1.is_some(), "in another hour");
}

#[test]
fn bounds() {
    let (mut baselines, kind) = (Baselines::new(24), php());
    for number in 0..MAX_EDGES {
        assert_eq!(baselines.observe(&kind, "a", &number.to_string(), START, false).0, Verdict::Learned);
    }
    let (verdict, change) = baselines.observe(&kind, "a", "one more", START, false);
    assert_eq!(verdict, Verdict::TooVaried);
    assert!(change.unwrap().value.unwrap().contains("\"too_varied\":true"));
    assert_eq!(baselines.observe(&kind, "a", "1", START, false).0, Verdict::Known);
    assert_eq!((baselines.refused(), baselines.too_varied()), (1, 1));
    assert!(said(&baselines, START).starts_with("too varied: more than 4096 edges"));
    assert_eq!(baselines.approve(&kind, "a", "one more"), Err(ApprovalError::Full(kind.clone())));
    let other = |number: usize| KindKey { unit: format!("image-{number}"), ..php() };
    for number in 1..MAX_KINDS {
        baselines.ran(&other(number), START, START + 1);
    }
    assert_eq!(baselines.observe(&other(5000), "a", "b", START, false).0, Verdict::TooVaried, "no room");
    baselines.ran(&kind, START + 29 * 24 * HOUR, START + 29 * 24 * HOUR + 1);
    assert_eq!(baselines.ran(&other(5000), START, START + 29 * 24 * HOUR), []);
    let late = START + 31 * 24 * HOUR;
    let changes = baselines.ran(&other(5000), late, late + 1);
    assert_eq!(changes[0], Change { key: other(1).to_string(), value: None }, "the oldest of 30 days makes room");
    assert_eq!(baselines.observe(&other(5000), "a", "b", late, false).0, Verdict::Learned);
    let long = KindKey { executable: "x".repeat(MAX_KIND_TEXT), ..php() };
    assert_eq!(baselines.observe(&long, "a", "b", late, false).0, Verdict::TooVaried);
}

#[test]
fn all_edges_together_are_bounded() {
    let mut baselines = Baselines::new(24);
    for number in 0..MAX_ALL_EDGES {
        let kind = KindKey { unit: format!("{}", number / 4000), ..php() };
        assert_eq!(baselines.observe(&kind, "a", &number.to_string(), START, false).0, Verdict::Learned);
    }
    assert_eq!(baselines.observe(&php(), "a", "b", START, false).0, Verdict::TooVaried);
    assert_eq!(baselines.observe(&php(), "a", "b", START, true), (Verdict::TooVaried, None));
}

#[test]
fn documents_go_there_and_back() {
    let (mut baselines, kind) = (Baselines::new(24), php());
    baselines.observe(&kind, "php-fpm", "sh -c convert \"TMP\"", START, false);
    baselines.observe(&kind, "php-fpm", "sh -c id", START, true);
    baselines.finish(&kind, START).unwrap();
    let text = baselines.export(None).to_toml().unwrap();
    expect![[r#"
        version = 1

        [[kind]]
        kind = "php-fpm:/usr/sbin/php-fpm8.2@php8.2-fpm.service"
        learned = true

        [[kind.edge]]
        parent = "php-fpm"
        child = 'sh -c convert "TMP"'
    "#]]
    .assert_eq(&text);
    let document = Document::parse("a.toml", &text).unwrap();
    assert_eq!(document, baselines.export(Some(&kind)));
    let mut other = Baselines::new(24);
    let done = other.import(&document, START);
    assert_eq!((done.new_edges, done.refused, done.changes.len()), (1, 0, 2));
    assert_eq!(other.import(&document, START).new_edges, 0);
    assert_eq!(other.export(None), document);
    assert_eq!(other.observe(&kind, "php-fpm", "sh -c w", START, false).0, Verdict::New);
    assert_eq!(baselines.export(Some(&KindKey { unit: String::new(), ..kind })).kinds, []);
}

#[test]
fn parts_of_a_document_are_the_whole() {
    let mut baselines = Baselines::new(24);
    for kind in 0..7 {
        let key = KindKey { unit: format!("image{kind}"), ..php() };
        for edge in 0..kind * 3 {
            baselines.observe(&key, "a", &format!("b{edge}"), START, false);
        }
        baselines.ran(&key, START, START + 1);
        baselines.finish(&key, START).unwrap();
    }
    let document = baselines.export(None);
    for most in [1, 2, 5, 1000] {
        let mut other = Baselines::new(24);
        let parts = document.clone().parts(most);
        assert!(parts.iter().all(|part| part.kinds.iter().map(|kind| kind.edges.len()).sum::<usize>() <= most));
        assert!(most != 1000 || parts.len() == 1);
        for part in &parts {
            other.import(part, START);
        }
        assert_eq!(other.export(None), document, "{most}");
    }
    assert_eq!(Baselines::new(24).export(None).parts(3).len(), 1);
}

#[test]
fn all_mistakes_of_a_document_come_at_once() {
    let text = "versoin = 1\n[[kind]]\nkind = \"php\"\nlearned = 1\n[[kind.edge]]\nparent = \"a\"\n[[kind]]\nkind = \"a:/x\"\nedge = 3\n";
    expect![[r#"
        f.toml: versoin = 1: no such key; did you mean version?; allowed: version, kind
        f.toml: version: missing or no number; allowed: 1
        f.toml: kind[0].kind = "php": no kind of server; allowed: SERVER:EXECUTABLE or SERVER:EXECUTABLE@UNIT
        f.toml: kind[0].learned = 1: cannot be used; allowed: true, false
        f.toml: kind[0].edge[0].child: missing or no text; allowed: a text
        f.toml: kind[1].edge = 3: cannot be used; allowed: a list of tables"#]]
    .assert_eq(&Document::parse("f.toml", text).unwrap_err().join("\n"));
    let text = "version = 2\n[[kind]]\nkind = \"a:/x\"\n[[kind.edge]]\nparent = \"\"\nchild = \"b\"\n";
    expect![[r#"
        f.toml: version = 2: not known; allowed: 1
        f.toml: kind[0].edge[0].parent = "": no shape; allowed: 1 to 256 printable ASCII characters"#]]
    .assert_eq(&Document::parse("f.toml", text).unwrap_err().join("\n"));
    assert!(Document::parse("f.toml", "= 3").unwrap_err()[0].starts_with("f.toml: not TOML"));
}

#[test]
fn the_operator_asks_and_orders() {
    let (mut baselines, kind) = (Baselines::new(24), php());
    baselines.observe(&kind, "php-fpm", "sh -c id", START, false);
    baselines.observe(&kind, "php-fpm", "sh -c w", START, true);
    let mut ask = |command| {
        let (answer, changes) = answer(&mut baselines, command, START + HOUR);
        (answer, changes.len())
    };
    let (all, _) = ask(BaselineCommand::Show { kind: None });
    assert_eq!(all["kinds"][0]["said"], "learning: 0 min of 24 h observed, last new edge 1 h ago");
    assert_eq!(all["kinds"][0].get("edges"), None);
    let (one, _) = ask(BaselineCommand::Show { kind: Some("php-fpm".into()) });
    assert_eq!(one["kinds"][0]["edges"][0]["child"], "sh -c id");
    assert_eq!(one["kinds"][0]["edges"][0]["origin"], "learned");
    assert_eq!(one["kinds"][0]["new"][0]["flagged"], true);
    let (wrong, changes) = ask(BaselineCommand::Finish { kind: "php-fmp:/x".into() });
    assert_eq!(
        (wrong["error"].as_str().unwrap(), changes),
        (
            "no server of the kind \"php-fmp:/x\" was seen; did you mean php-fpm:/usr/sbin/php-fpm8.2@php8.2-fpm.service?",
            0
        )
    );
    let approve = |child: &str| BaselineCommand::Approve {
        kind: "php8.2-fpm.service".into(),
        parent: "php-fpm".into(),
        child: child.into(),
    };
    assert_eq!(ask(approve("")).0["error"].as_str().unwrap().split(';').next(), Some("\"\" is no shape"));
    assert_eq!(ask(approve("sh -c w")).1, 2);
    let (finished, changes) = ask(BaselineCommand::Finish { kind: "php".into() });
    assert_eq!((finished["done"].as_str(), changes), (Some("learned 0 min ago because the operator said so"), 1));
    let (exported, _) = ask(BaselineCommand::Export { kind: None });
    let document: Document = serde_json::from_value(exported["document"].clone()).unwrap();
    assert_eq!(document.kinds[0].edges.len(), 2);
    assert_eq!(ask(BaselineCommand::Forget { kind: "php".into() }).1, 3);
    assert_eq!(ask(BaselineCommand::Import { document: document.clone() }).0["new_edges"], 2);
    let bad = Document { version: 9, ..document };
    assert!(ask(BaselineCommand::Import { document: bad }).0["error"].is_string());
}

#[test]
fn a_part_of_a_name_must_be_clear() {
    let mut baselines = Baselines::new(24);
    let other = KindKey { unit: "image".into(), ..php() };
    baselines.observe(&php(), "a", "b", START, false);
    baselines.observe(&other, "a", "b", START, false);
    assert_eq!(baselines.named("image"), Ok(other));
    assert!(matches!(baselines.named("php-fpm"), Err(ApprovalError::Ambiguous { kinds, .. }) if kinds.len() == 2));
    assert!(matches!(baselines.named(""), Err(ApprovalError::UnknownKind { .. })));
}

#[test]
fn commands_survive_the_wire() {
    for command in [
        BaselineCommand::Show { kind: None },
        BaselineCommand::ApproveAllNew { kind: "x".into() },
        BaselineCommand::Import { document: Baselines::new(1).export(None) },
    ] {
        let text = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<BaselineCommand>(&text).unwrap(), command);
    }
}
