//! Who is a package manager, a deployer, a person, a stranger: told by ancestry, in the container where it happens.

use super::*;
use crate::event::Exec;

/// Writes a module of PHP from the end of a chain of programs below init; gives the severities of component-write.
fn module_by(chain: &[Exec]) -> Vec<&'static str> {
    written_by(chain, "/usr/lib/php/20220829/x.so")
}

fn written_by(chain: &[Exec], path: &str) -> Vec<&'static str> {
    let (mut scene, _) = Scene::php();
    let last = chain.iter().fold(INIT, |above, image| scene.start(above, image.clone()));
    scene.write(last, path, 500);
    scene.told_by("component-write")
}

fn apart(image: Exec) -> Exec {
    Exec { mount_namespace: 4_026_532_000, ..image }
}

fn cp() -> Exec {
    program("/usr/bin/cp", "cp x.so /usr/lib/php/20220829/")
}

#[test]
fn package_managers_install_with_all_that_they_start() {
    let dpkg = || program("/usr/bin/dpkg", "dpkg --unpack x.deb");
    let script =
        Exec { script: Some("/var/lib/dpkg/info/x.postinst".into()), ..program("/usr/bin/dash", "sh x.postinst") };
    assert_eq!(module_by(&[dpkg()]), [""; 0]);
    assert_eq!(module_by(&[dpkg(), script, program("/opt/vendor/bin/setup", "setup"), cp()]), [""; 0]);
    let dnf = program("/usr/bin/python3.9", "/usr/bin/python3 /usr/bin/dnf install x");
    assert_eq!(module_by(&[dnf]), [""; 0]);
}

#[test]
fn what_only_calls_itself_a_package_manager_is_a_stranger() {
    for image in [
        program("/tmp/dpkg", "dpkg --unpack x.deb"),
        program("/usr/local/bin/apt-get", "apt-get install x"),
        program("/usr/bin/python3.9", "python3 /tmp/usr/bin/dnf"),
    ] {
        assert_eq!(module_by(&[image]), ["medium"]);
    }
}

#[test]
fn deployers_deploy_themselves_and_with_shells_and_tools() {
    let git = || program("/usr/bin/git", "git pull");
    assert_eq!(written_by(&[git()], "/var/www/html/a.php"), [""; 0]);
    assert_eq!(written_by(&[git(), shell("cp a b"), cp()], "/var/www/html/a.php"), [""; 0]);
    assert_eq!(written_by(&[program("/usr/bin/rsync", "rsync -a x/ /var/www/")], "/var/www/html/a.php"), [""; 0]);
}

#[test]
fn what_a_task_runner_starts_besides_is_not_its_deployment() {
    let built = || program("/srv/build/target/debug/tool", "tool");
    for runner in [
        program("/usr/bin/cargo", "cargo run --bin tool"),
        program("/usr/bin/node", "node /usr/bin/npm run build"),
        program("/usr/bin/git", "git bisect run ./tool"),
    ] {
        assert_eq!(module_by(&[runner.clone(), built(), cp()]), ["medium"], "{:?}", runner.argv);
        assert_eq!(module_by(&[runner.clone(), shell("./tool"), built()]), ["medium"], "{:?}", runner.argv);
    }
}

#[test]
fn a_deployer_outside_of_the_container_deploys_nothing_inside() {
    let docker = || program("/usr/bin/dockerd", "dockerd");
    let shim = || program("/usr/bin/containerd-shim-runc-v2", "containerd-shim-runc-v2 -id x");
    assert_eq!(module_by(&[docker(), shim(), cp()]), [""; 0], "the runtime itself, on the host");
    assert_eq!(module_by(&[docker(), shim(), apart(shell("entry")), apart(cp())]), ["medium"]);
    let composer = program("/usr/bin/php8.2", "php /usr/bin/composer install");
    assert_eq!(module_by(&[docker(), shim(), apart(composer)]), [""; 0], "a deployer of the container");
}

#[test]
fn a_persons_edit_of_a_page_is_to_know_and_of_a_module_to_look_at() {
    let login = || program("/usr/bin/login", "login -p --");
    let vim = || program("/usr/bin/vim.basic", "vim x");
    let bash = || program("/usr/bin/bash", "-bash");
    assert_eq!(written_by(&[login(), bash(), vim()], "/var/www/html/a.php"), ["info"]);
    assert_eq!(module_by(&[login(), bash(), vim()]), ["medium"]);
    assert_eq!(written_by(&[bash(), vim()], "/var/www/html/a.php"), ["medium"], "nobody logged in");
}
