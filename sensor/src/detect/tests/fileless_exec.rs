//! fileless-exec: programs that have no file.

use super::*;
use sensor_common::process::exec_flags;

fn without_file(flags: u32, image: Exec) -> Exec {
    Exec { flags, ..image }
}

#[test]
fn a_program_in_memory_and_one_that_was_deleted_are_told() {
    for (flags, path, said) in [
        (exec_flags::MEMFD, "/memfd:x", "lies in memory only (memfd)"),
        (exec_flags::DELETED, "/srv/app/x", "was deleted before it ran"),
    ] {
        let (mut scene, worker) = Scene::php();
        scene.start(worker, without_file(flags, program(path, "[kworker/0:1]")));
        assert_eq!(scene.told(), [("fileless-exec", "critical")], "{path}");
        assert!(scene.why("fileless-exec").contains(said), "{}", scene.why("fileless-exec"));
    }
}

#[test]
fn a_server_may_start_itself_again_after_an_update_deleted_its_program() {
    let (mut scene, worker) = Scene::of("/usr/sbin/nginx", "nginx");
    scene.start(worker, without_file(exec_flags::DELETED, program("/usr/sbin/nginx", "nginx -g x")));
    assert_eq!(scene.told(), []);
}

#[test]
fn jobs_and_programs_of_nobodys_lineage_may_do_so() {
    let (mut scene, _) = Scene::php();
    scene.start(INIT, without_file(exec_flags::MEMFD, program("/memfd:runc", "runc init")));
    assert_eq!(scene.told(), []);
    let (mut scene, archiver) = Scene::of("/usr/lib/postgresql/15/bin/postgres", "postgres -D /data");
    scene.title(archiver, "postgres: archiver");
    let shell = scene.start(archiver, shell("/opt/backup/push x"));
    scene.start(shell, without_file(exec_flags::DELETED, program("/opt/backup/push", "push x")));
    assert_eq!(scene.told(), []);
}
