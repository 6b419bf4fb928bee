use super::*;

fn entry(path: &str, inode: u64, class: Class) -> Entry {
    Entry {
        path: path.into(),
        device: 8,
        inode,
        generation: 5,
        class,
        component: None,
        writer: Writer::default(),
        lineage: 1,
        written_unix_ns: 1,
        incident: None,
        boot_unix_s: 1,
    }
}

#[test]
fn a_file_is_found_by_inode_and_not_taken_for_a_later_one() {
    let mut ledger = Ledger::default();
    assert!(ledger.note(entry("/www/a.php", 7, Class::Dropped)).is_some());
    assert_eq!(ledger.find((8, 7), 5).unwrap().path, "/www/a.php");
    assert!(ledger.find((8, 7), 0).is_some());
    assert!(ledger.find((8, 7), 6).is_none());
    assert!(ledger.find((9, 7), 5).is_none());
    assert_eq!(ledger.forget((8, 7)).as_deref(), Some("8:7"));
    assert!(ledger.find((8, 7), 5).is_none());
}

#[test]
fn at_the_maximum_the_oldest_goes() {
    let mut ledger = Ledger::default();
    for inode in 1..=MAX_ENTRIES as u64 + 10 {
        ledger.note(entry("/x", inode, Class::Data));
    }
    assert_eq!((ledger.len(), ledger.evictions()), (MAX_ENTRIES, 10));
    assert!(ledger.find((8, 10), 0).is_none() && ledger.find((8, 11), 0).is_some());
    // Written again is young again.
    ledger.note(entry("/x", 11, Class::Data));
    ledger.note(entry("/x", 1, Class::Data));
    assert!(ledger.find((8, 11), 0).is_some() && ledger.find((8, 12), 0).is_none());
}

#[test]
fn what_was_kept_is_taken_in_again() {
    let mut ledger = Ledger::default();
    let kept = ledger.note(entry("/www/a.php", 7, Class::Dropped)).unwrap();
    let mut later = Ledger::default();
    assert_eq!(later.restore(&kept.value).unwrap().class, Class::Dropped);
    assert!(later.restore("nonsense").is_none());
    assert!(ledger.note(entry("/tmp/sess_1", 8, Class::Data)).is_none());
}

#[test]
fn an_update_explains_what_it_unpacked_and_nothing_else() {
    let mut ledger = Ledger::default();
    ledger.stage(b"/www/wp-content/upgrade/w-6/wordpress/wp-admin/about.php", 1, 1000);
    assert!(ledger.was_staged(b"/www/wp-admin/about.php", false, 1, 2000));
    assert!(ledger.was_staged(b"/www/about.php", true, 1, 2000));
    assert!(!ledger.was_staged(b"/www/about.php", false, 1, 2000), "a new file needs its directory as well");
    assert!(!ledger.was_staged(b"/www/wp-admin/shell.php", true, 1, 2000));
    assert!(!ledger.was_staged(b"/www/wp-admin/about.php", false, 2, 2000), "another server");
    assert!(!ledger.was_staged(b"/www/wp-admin/about.php", false, 1, 1000 + UPDATE_NS));
    ledger.stage(b"/srv/webapps/shop.war", 1, 1000);
    assert!(ledger.is_unpacked(b"/srv/webapps/shop/WEB-INF/web.xml", 1, 2000));
    assert!(!ledger.is_unpacked(b"/srv/webapps/ROOT/x.jsp", 1, 2000));
}

#[test]
fn by_path_the_file_is_found_that_was_last_written_there() {
    let mut ledger = Ledger::default();
    ledger.note(entry("/www/a.php", 7, Class::Dropped));
    ledger.note(entry("/www/a.php", 8, Class::Session));
    assert_eq!(ledger.find_path(b"/www/a.php").unwrap().inode, 8);
    // The former file is still known by its inode, and its going does not take the name from the later one.
    assert_eq!(ledger.find((8, 7), 0).unwrap().class, Class::Dropped);
    ledger.forget((8, 7));
    assert_eq!(ledger.find_path(b"/www/a.php").unwrap().inode, 8);
    // Renamed: the old name leads nowhere.
    ledger.note(entry("/www/b.php", 8, Class::Session));
    assert!(ledger.find_path(b"/www/a.php").is_none());
    assert_eq!(ledger.find_path(b"/www/b.php").unwrap().inode, 8);
}

#[test]
fn a_file_without_a_number_is_none() {
    let mut ledger = Ledger::default();
    ledger.note(entry("/www/a.php", 0, Class::Dropped));
    assert!(ledger.find((8, 0), 0).is_none());
}

#[test]
fn the_first_incident_of_a_file_stays_and_is_kept_once() {
    let mut ledger = Ledger::default();
    ledger.note(entry("/www/a.php", 7, Class::Dropped));
    let kept = ledger.belongs_to((8, 7), "one").unwrap();
    assert!(ledger.belongs_to((8, 7), "two").is_none());
    let mut later = Ledger::default();
    assert_eq!(later.restore(&kept.value).unwrap().incident.as_deref(), Some("one"));
    assert_eq!((kept.kind, kept.key.as_str()), (Memory::Ledger, "8:7"));
    ledger.note(entry("/tmp/sess_1", 9, Class::Data));
    assert!(ledger.belongs_to((8, 9), "three").is_none(), "data is not kept");
    assert_eq!(ledger.find((8, 9), 0).unwrap().incident.as_deref(), Some("three"));
    assert!(ledger.belongs_to((8, 10), "four").is_none(), "not known");
}

#[test]
fn what_is_worth_keeping() {
    let kept = |path, class| entry(path, 7, class).worth_keeping();
    for class in [Class::Dropped, Class::Stranger, Class::Deployed, Class::Session] {
        assert!(kept("/www/readme.txt", class), "{class:?}");
    }
    assert!(kept("/tmp/x.so", Class::Data) && kept("/tmp/libx.so.1", Class::Data) && kept("/tmp/X.PHP", Class::Data));
    assert!(!kept("/tmp/x.log", Class::Data) && !kept("/www/cache/x.php", Class::Cache));
}

#[test]
fn who_wrote_it_and_when_in_a_sentence() {
    const HOUR: u64 = 3_600_000_000_000;
    let writer = Writer { executable: "/usr/bin/cp".into(), pid: 5, user: 33, ..Writer::default() };
    let mut dropped = Entry { writer, ..entry("/www/a.php", 7, Class::Dropped) };
    assert_eq!(dropped.told(1), "/www/a.php was written 0 s ago by /usr/bin/cp (pid 5, user 33).");
    dropped.writer.server = Some("php-fpm".into());
    for (later, ago) in [(HOUR, "60 min"), (3 * HOUR, "3 h"), (72 * HOUR, "3 days")] {
        let told = dropped.told(1 + later);
        assert!(told.contains(&format!("written {ago} ago")) && told.ends_with("in the lineage of php-fpm."), "{told}");
    }
    assert!(dropped.told(0).contains("0 s ago"), "a clock that was set back");
}

#[test]
fn names_of_updates_are_bounded_and_old_ones_give_way() {
    let mut ledger = Ledger::default();
    for number in 0..MAX_STAGED as u64 {
        ledger.stage(format!("/www/upgrade/{number}/x{number}.php").as_bytes(), 1, 1000);
    }
    assert!(ledger.staged.len() <= MAX_STAGED);
    ledger.stage(b"/www/upgrade/new/late.php", 1, 2000);
    assert!(!ledger.was_staged(b"/www/new/late.php", false, 1, 2000), "no room, no excuse");
    ledger.stage(b"/www/upgrade/new/late.php", 1, 1000 + UPDATE_NS);
    assert!(ledger.was_staged(b"/www/new/late.php", false, 1, 1000 + UPDATE_NS));
}
