//! The stories themselves: complete, and each expects what the list of scenarios says.

use super::{Library, directory};

#[test]
fn every_scenario_is_there_with_its_expectation() {
    let list = std::fs::read_to_string(directory().join("expectations.txt")).unwrap();
    let listed: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(listed.len(), 58 + 56);
    let library = Library::read(&directory()).unwrap();
    let told: Vec<String> = library
        .stories
        .iter()
        .map(|story| {
            let techniques = if story.attack_ids.is_empty() { "-".to_owned() } else { story.attack_ids.join(",") };
            format!("{} {} {techniques} {}", story.id, story.server, story.expect)
        })
        .collect();
    assert_eq!(told, listed);
}
