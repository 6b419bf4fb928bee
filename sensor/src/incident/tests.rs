use super::*;
use crate::detect::Detector;
use crate::testing::{finding, key};

fn take(incidents: &mut Incidents, finding: Finding, subject: &str) -> (Told, bool) {
    let (told, news) = incidents.take(finding, subject.into(), subject.into(), format!("id-{subject}"));
    (told, news.is_some())
}

#[test]
fn what_one_server_does_is_one_incident_and_repetition_is_told_once_a_minute() {
    let mut incidents = Incidents::default();
    let at = |ms| finding(Detector::ServerShell, Severity::High, key(100, 1), 1, ms);
    let (first, news) = take(&mut incidents, at(1000), "id");
    assert!(news && first.findings == 1);
    for again in 1..=50 {
        let (told, news) = take(&mut incidents, at(1000 + again), "id");
        assert!(!news && told.id == first.id);
    }
    assert!(incidents.due(2_000_000_000).is_empty());
    let due = incidents.due(1_000_000_000 + UPDATE_NS);
    assert_eq!(due.len(), 1);
    assert_eq!((due[0].0.findings, due[0].0.untold), (51, 50));
    assert!(incidents.due(1_000_000_000 + 2 * UPDATE_NS).is_empty());
}

#[test]
fn something_placed_and_something_run_are_worse_together() {
    let mut incidents = Incidents::default();
    let (placed, _) =
        take(&mut incidents, finding(Detector::ComponentWrite, Severity::Info, key(100, 1), 1, 1000), "/www/a.php");
    assert_eq!(placed.severity, Severity::Info);
    let (ran, news) = take(&mut incidents, finding(Detector::ServerShell, Severity::High, key(100, 2), 1, 2000), "id");
    assert!(news);
    assert_eq!((ran.id, ran.severity), (placed.id, Severity::Critical));
    assert_eq!(ran.detectors, [Detector::ServerShell, Detector::ComponentWrite]);
}

#[test]
fn a_persons_edit_is_connected_by_the_file_and_not_by_the_server() {
    let mut incidents = Incidents::default();
    let mut write = finding(Detector::ComponentWrite, Severity::Info, key(200, 1), 1, 1000);
    write.in_lineage = false;
    write.file = Some(crate::event::File::named(sensor_common::record::Kind::Open, &"/m.so".into(), 1, 77, 0));
    let (written, _) = take(&mut incidents, write.clone(), "/m.so");
    let (shell, _) = take(&mut incidents, finding(Detector::ServerShell, Severity::High, key(100, 1), 1, 2000), "id");
    assert_ne!(written.id, shell.id);
    let mut load = finding(Detector::ComponentLoad, Severity::High, key(101, 1), 2, 3000);
    load.file = write.file;
    let (loaded, _) = take(&mut incidents, load, "/m.so");
    assert_eq!(loaded.id, written.id);
}

#[test]
fn an_incident_ends_after_an_hour_and_there_are_at_most_so_many() {
    let mut incidents = Incidents::default();
    let at = |lineage, ms| finding(Detector::ServerShell, Severity::High, key(100 + lineage, 1), lineage, ms);
    let (first, _) = take(&mut incidents, at(1, 1000), "id");
    let (later, _) = take(&mut incidents, at(1, 1000 + QUIET_NS / 1_000_000), "again");
    assert_ne!(first.id, later.id);
    for lineage in 2..MAX_INCIDENTS as u32 + 10 {
        take(&mut incidents, at(lineage, 10_000_000), "id");
    }
    assert_eq!(incidents.len(), MAX_INCIDENTS);
}

#[test]
fn severity_never_falls_and_what_rises_is_told_at_once() {
    let mut incidents = Incidents::default();
    let at = |severity, ms| finding(Detector::ServerShell, severity, key(100, 1), 1, ms);
    let (low, _) = take(&mut incidents, at(Severity::Low, 1000), "x");
    let (high, news) = take(&mut incidents, at(Severity::High, 1001), "x");
    assert!(news, "the same subject, but worse");
    let (after, news) = take(&mut incidents, at(Severity::Info, 1002), "x");
    assert!(!news);
    assert_eq!([low.severity, high.severity, after.severity], [Severity::Low, Severity::High, Severity::High]);
}

#[test]
fn of_a_detector_so_many_subjects_are_told_at_once_and_another_detector_speaks_all_the_same() {
    let mut incidents = Incidents::default();
    let by = |detector, ms| finding(detector, Severity::High, key(100, 1), 1, ms);
    let told = (0..20)
        .filter(|number| take(&mut incidents, by(Detector::ServerShell, 1000 + number), &format!("x{number}")).1)
        .count();
    assert_eq!(told, AT_ONCE);
    let (told, news) = take(&mut incidents, by(Detector::FilelessExec, 1030), "y");
    assert!(news);
    assert_eq!((told.findings, told.untold), (21, 20 - AT_ONCE as u64));
    assert!(incidents.due(2 * UPDATE_NS).is_empty(), "that alert has told of them");
}

#[test]
fn an_edit_that_is_only_to_know_does_not_make_a_novelty_worse() {
    let mut incidents = Incidents::default();
    let mut edit = finding(Detector::ComponentWrite, Severity::Info, key(200, 1), 1, 1000);
    edit.in_lineage = false;
    edit.file = Some(crate::event::File::named(sensor_common::record::Kind::Open, &"/a.php".into(), 1, 77, 0));
    take(&mut incidents, edit.clone(), "/a.php");
    let mut load = finding(Detector::ComponentLoad, Severity::Medium, key(100, 1), 1, 2000);
    load.file = edit.file;
    let (told, _) = take(&mut incidents, load, "/a.php");
    assert_eq!((told.findings, told.severity), (2, Severity::Medium));
}

#[test]
fn the_score_grows_with_the_detectors_that_agree() {
    let mut incidents = Incidents::default();
    let scores: Vec<u8> = (1000..)
        .zip([Detector::ServerShell, Detector::ServerEgress, Detector::CredentialAccess, Detector::FilelessExec])
        .map(|(ms, detector)| take(&mut incidents, finding(detector, Severity::High, key(100, 1), 1, ms), "x").0.score)
        .collect();
    assert_eq!(scores, [75, 78, 81, 84]);
}

#[test]
fn a_timeline_keeps_its_ends() {
    let mut incidents = Incidents::default();
    let mut last = None;
    for number in 0..100 {
        let at = finding(Detector::ServerShell, Severity::High, key(100, 1), 1, 1000 + number);
        last = Some(take(&mut incidents, at, &format!("x{number}")).0);
    }
    let timeline: Vec<String> = last.unwrap().timeline.into_iter().map(|(_, line)| line).collect();
    assert_eq!(timeline.len(), MAX_LINES);
    assert_eq!((timeline[0].as_str(), timeline[MAX_LINES - 1].as_str()), ("x0", "x99"));
}
