//! Life cycles of processes in the tree.

use super::*;
use crate::testing::*;
use proptest::prelude::*;

fn tree(events: &[Event]) -> Tree {
    let mut tree = Tree::new(1000);
    for event in events {
        tree.apply(event);
    }
    tree
}

/// The tgids from a process upwards.
fn line(tree: &Tree, key: ProcessKey) -> Vec<u32> {
    let id = tree.find(key).expect("the process is in the tree");
    tree.ancestors(id).map(|(_, node)| node.key.tgid).collect()
}

const INIT: ProcessKey = key(1, 10);
const SHELL: ProcessKey = key(50, 100);
const CHILD: ProcessKey = key(51, 200);
const GRANDCHILD: ProcessKey = key(52, 300);

fn start() -> Event {
    found(1000, INIT, ProcessKey::NONE, program("/sbin/init", "init"))
}

#[test]
fn a_child_runs_its_parents_program_until_it_execs() {
    let mut tree = tree(&[start(), fork(1001, INIT, SHELL)]);
    let shell = tree.find(SHELL).unwrap();
    assert_eq!(tree.node(shell).unwrap().executable(), "/sbin/init");
    assert!(!tree.node(shell).unwrap().has_executed());
    tree.apply(&exec(1002, SHELL, program("/bin/sh", "sh")));
    assert_eq!(tree.node(shell).unwrap().executable(), "/bin/sh");
}

#[test]
fn a_double_fork_whose_middle_ends_before_the_exec_keeps_its_ancestry() {
    let tree = tree(&[
        start(),
        fork(1001, INIT, SHELL),
        fork(1002, SHELL, CHILD),
        fork(1003, CHILD, GRANDCHILD),
        exit(1004, CHILD),
        exec(1005, GRANDCHILD, program("/bin/id", "id")),
    ]);
    assert_eq!(line(&tree, GRANDCHILD), [52, 51, 50, 1]);
}

#[test]
fn the_parent_is_who_called_fork_even_if_the_kernel_chose_another() {
    let mut event = fork(1001, SHELL, CHILD);
    if let Body::Fork(fork) = &mut event.body {
        fork.kernel_parent_tgid = 1;
    }
    let tree = tree(&[start(), fork(1000, INIT, SHELL), event]);
    assert_eq!(line(&tree, CHILD), [51, 50, 1]);
}

#[test]
fn a_pid_that_is_used_again_is_another_process() {
    let again = key(51, 5000);
    let tree =
        tree(&[start(), fork(1001, INIT, SHELL), fork(1002, SHELL, CHILD), exit(1003, CHILD), fork(5000, INIT, again)]);
    assert_eq!(line(&tree, again), [51, 1]);
    assert_eq!(line(&tree, CHILD), [51, 50, 1]);
    assert_eq!(tree.live(51), tree.find(again));
}

#[test]
fn a_pid_whose_exit_was_missed_is_ended_by_its_next_use() {
    let again = key(51, 5000);
    let tree = tree(&[start(), fork(1002, INIT, CHILD), fork(5000, INIT, again)]);
    assert!(!tree.node(tree.find(CHILD).unwrap()).unwrap().is_live());
    assert!(tree.node(tree.find(again).unwrap()).unwrap().is_live());
}

#[test]
fn an_exec_without_a_fork_makes_the_process_below_the_parent_it_names() {
    let mut program = program("/bin/id", "id");
    program.parent = SHELL;
    let tree = tree(&[start(), fork(1001, INIT, SHELL), exec(1002, CHILD, program)]);
    assert_eq!(line(&tree, CHILD), [51, 50, 1]);
    assert!(tree.node(tree.find(CHILD).unwrap()).unwrap().missed_fork);
}

#[test]
fn a_fork_that_comes_after_the_childs_exec_still_gives_the_parent() {
    let tree = tree(&[
        start(),
        fork(1001, INIT, SHELL),
        exec(1003, CHILD, program("/bin/id", "id")),
        fork(1002, SHELL, CHILD),
    ]);
    assert_eq!(line(&tree, CHILD), [51, 50, 1]);
    assert_eq!(tree.node(tree.find(CHILD).unwrap()).unwrap().executable(), "/bin/id");
}

#[test]
fn a_start_time_from_procfs_becomes_exact_with_the_first_record() {
    let coarse = ProcessKey::new(50, 100 * MS);
    let exact = ProcessKey::new(50, 100 * MS + 4_321);
    let mut tree = tree(&[start(), found(1000, coarse, INIT, program("/bin/sh", "sh"))]);
    let id = tree.find(exact).expect("found by its tick");
    tree.apply(&exec(1001, exact, program("/bin/bash", "bash")));
    assert_eq!(tree.node(id).unwrap().key, exact);
    assert_eq!(tree.find(coarse), Some(id));
    assert_eq!(tree.len(), 2);
}

#[test]
fn procfs_does_not_overwrite_what_is_newer() {
    let mut tree = tree(&[start(), fork(1001, INIT, SHELL), exec(1002, SHELL, program("/bin/sh", "sh"))]);
    tree.apply(&found(1003, SHELL, INIT, program("/bin/sh", "rewritten title")));
    let node = tree.node(tree.find(SHELL).unwrap()).unwrap();
    assert_eq!(node.image.as_ref().unwrap().argv.len(), 1);
}

#[test]
fn a_chain_of_execs_in_a_lineage_is_remembered_and_bounded() {
    let mut tree = tree(&[start(), fork(1001, INIT, SHELL)]);
    let id = tree.find(SHELL).unwrap();
    tree.set_lineage(id, 7);
    for step in 0..40 {
        tree.apply(&exec(1002 + step, SHELL, program(&format!("/bin/step{step}"), "step")));
    }
    let node = tree.node(id).unwrap();
    assert_eq!(node.previous.len(), MAX_PREVIOUS);
    assert_eq!(node.previous.last().unwrap().executable, "/bin/step38");
    assert_eq!(node.executable(), "/bin/step39");
}

#[test]
fn lineage_is_inherited_and_given_to_descendants_that_are_there() {
    let mut tree = tree(&[start(), fork(1001, INIT, SHELL), fork(1002, SHELL, CHILD)]);
    let changed = tree.set_lineage(tree.find(SHELL).unwrap(), 3);
    assert_eq!(changed.len(), 2);
    tree.apply(&fork(1003, CHILD, GRANDCHILD));
    assert_eq!(tree.node(tree.find(GRANDCHILD).unwrap()).unwrap().lineage, 3);
    assert_eq!(tree.node(tree.find(INIT).unwrap()).unwrap().lineage, 0);
}

#[test]
fn after_a_loss_procfs_says_who_has_ended_and_who_is_there() {
    let mut tree = tree(&[start(), fork(1001, INIT, SHELL), fork(1002, INIT, CHILD), healed(1003), loss(2000, 5)]);
    tree.apply(&found(2001, INIT, ProcessKey::NONE, program("/sbin/init", "init")));
    tree.apply(&found(2001, SHELL, INIT, program("/bin/sh", "sh")));
    tree.apply(&found(2001, GRANDCHILD, SHELL, program("/bin/id", "id")));
    tree.apply(&healed(2002));
    assert!(tree.live(50).is_some());
    assert!(tree.live(51).is_none(), "it was not in procfs");
    assert_eq!(line(&tree, GRANDCHILD), [52, 50, 1]);
}

#[test]
fn ended_processes_go_after_the_grace_time_and_their_children_stay_below_the_next() {
    let late = 1000 + GRACE_NS / MS + 5000;
    let mut tree = tree(&[
        start(),
        fork(1001, INIT, SHELL),
        fork(1002, SHELL, CHILD),
        fork(1003, CHILD, GRANDCHILD),
        exit(1004, CHILD),
    ]);
    tree.apply(&tick(late));
    assert!(tree.find(CHILD).is_none());
    assert_eq!(line(&tree, GRANDCHILD), [52, 50, 1]);
}

#[test]
fn an_ended_process_of_a_lineage_stays_while_it_has_children() {
    let late = 1000 + GRACE_NS / MS + 5000;
    let mut tree = tree(&[start(), fork(1001, INIT, SHELL)]);
    tree.set_lineage(tree.find(SHELL).unwrap(), 1);
    for event in [fork(1002, SHELL, CHILD), fork(1003, CHILD, GRANDCHILD), exit(1004, CHILD), tick(late)] {
        tree.apply(&event);
    }
    assert_eq!(line(&tree, GRANDCHILD), [52, 51, 50, 1]);
    tree.apply(&exit(late, GRANDCHILD));
    tree.apply(&tick(2 * late));
    tree.apply(&tick(3 * late));
    assert!(tree.find(CHILD).is_none(), "its last child is gone");
}

#[test]
fn the_tree_is_bounded_and_counts_what_it_lets_go() {
    let mut tree = Tree::new(100);
    tree.apply(&start());
    for number in 0..500 {
        let process = key(1000 + number, 2000 + u64::from(number));
        tree.apply(&fork(2000 + u64::from(number), INIT, process));
        tree.apply(&exit(2000 + u64::from(number), process));
    }
    assert_eq!(tree.len(), 100);
    assert_eq!(tree.evictions(), 401);
    // Nobody can be let go: the newcomers are not taken in.
    let mut full = Tree::new(10);
    full.apply(&start());
    for number in 0..20 {
        full.apply(&fork(2000, INIT, key(1000 + number, 2000)));
    }
    assert_eq!((full.len(), full.evictions()), (10, 11));
}

#[test]
fn a_circle_of_parents_ends() {
    let mut first = program("/bin/a", "a");
    first.parent = CHILD;
    let mut second = program("/bin/b", "b");
    second.parent = SHELL;
    let tree = tree(&[exec(1, SHELL, first), exec(2, CHILD, second)]);
    assert_eq!(line(&tree, CHILD), [51, 50]);
}

#[test]
fn a_pid_that_is_used_again_within_one_tick_is_another_process() {
    let first = ProcessKey::new(51, 200 * MS + 1);
    let again = ProcessKey::new(51, 200 * MS + 2_000_001);
    let tree = tree(&[
        start(),
        fork(200, INIT, SHELL),
        fork(201, SHELL, first),
        exec(201, first, program("/bin/a", "a")),
        exit(201, first),
        fork(202, INIT, again),
        exec(202, again, program("/bin/b", "b")),
    ]);
    assert_eq!(line(&tree, first), [51, 50, 1]);
    assert_eq!(line(&tree, again), [51, 1]);
    assert_eq!(tree.live(51), tree.find(again));
    assert_eq!(tree.node(tree.find(first).unwrap()).unwrap().executable(), "/bin/a");
}

#[test]
fn a_late_fork_record_of_an_older_process_does_not_end_the_one_that_has_its_pid_now() {
    let (older, newer) = (key(51, 200), key(51, 5000));
    let tree = tree(&[start(), fork(5000, INIT, newer), fork(5001, INIT, older)]);
    assert_eq!(tree.live(51), tree.find(newer));
    assert!(tree.node(tree.find(newer).unwrap()).unwrap().is_live());
}

#[test]
fn a_loss_while_procfs_is_read_ends_nobody_who_runs() {
    let mut tree = tree(&[start(), fork(1001, INIT, SHELL), healed(1100), loss(2000, 5)]);
    tree.apply(&found(2001, INIT, ProcessKey::NONE, program("/sbin/init", "init")));
    tree.apply(&found(2002, SHELL, INIT, program("/bin/sh", "sh")));
    tree.apply(&loss(2003, 5));
    tree.apply(&found(2004, CHILD, SHELL, program("/bin/id", "id")));
    tree.apply(&healed(2005));
    assert!(tree.live(1).is_some() && tree.live(50).is_some() && tree.live(51).is_some());
}

#[test]
fn an_end_that_is_told_twice_is_known() {
    let before = tree(&[start(), fork(1001, INIT, SHELL)]);
    assert!(!before.knows_end(&exit(1002, SHELL)));
    let after = tree(&[start(), fork(1001, INIT, SHELL), exit(1002, SHELL)]);
    assert!(after.knows_end(&exit(1003, SHELL)));
    assert!(!after.knows_end(&exec(1003, SHELL, program("/bin/sh", "sh"))));
}

/// Whether whoever is a child knows its parent and the other way round, and whoever had a tgid is in its chain.
fn agree(tree: &Tree) {
    let mut in_chains = 0;
    for (id, node) in tree.nodes.iter() {
        if let Some(parent) = node.parent {
            assert!(tree.all_children(parent).any(|(child, _)| child == id), "{id:?} of {parent:?}");
        }
        for (child, of) in tree.all_children(id) {
            assert_eq!(of.parent, Some(id), "{child:?}");
        }
        in_chains += usize::from(tree.of_tgid(tree.newest[&node.key.tgid]).any(|(known, _)| known == id));
    }
    assert_eq!(in_chains, tree.len());
    let waiting = |orphan: &NodeId| tree.node(*orphan).is_some_and(|node| node.parent.is_none());
    assert!(tree.orphans.values().all(|orphans| !orphans.is_empty() && orphans.iter().all(waiting)));
}

proptest! {
    /// Few pids and start times, so that they meet in every way; some records lie.
    #[test]
    fn whatever_comes_parents_and_children_agree(
        deeds in prop::collection::vec((0..7_u8, 1..6_u32, 1..5_u64, 1..6_u32, 1..5_u64), 1..60),
        most in 3..12_usize,
    ) {
        let mut tree = Tree::new(most);
        for (at, (deed, tgid, start, other, other_start)) in (0..).zip(deeds) {
            let (one, other) = (key(tgid, start), key(other, other_start));
            let at_ms = at * 20_000;
            match deed {
                0 | 1 => {
                    tree.apply(&fork(at_ms, one, other));
                }
                2 => {
                    tree.apply(&exec(at_ms, one, Exec { parent: other, ..program("/bin/x", "x") }));
                }
                3 => {
                    tree.apply(&found(at_ms, one, other, program("/bin/y", "y")));
                }
                4 => {
                    tree.apply(&exit(at_ms, one));
                }
                5 => {
                    tree.apply(&healed(at_ms));
                }
                _ => {
                    let id = tree.find(one);
                    id.map(|id| if start == 1 { tree.leave_lineage(id) } else { tree.set_lineage(id, 1) });
                }
            }
            agree(&tree);
        }
    }
}
