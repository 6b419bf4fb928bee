use super::*;
use crate::event::Event;

fn stat(comm: &str) -> String {
    format!("4711 ({comm}) S 1 4711 4700 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 10 20 30\n")
}

#[test]
fn names_with_parentheses_spaces_and_newlines() {
    for comm in ["sh", "a b", ") R 1 1 1", "((", "x) S 9 (y", "line\nbreak", ""] {
        let parsed = parse_stat(stat(comm).as_bytes()).unwrap();
        assert_eq!(parsed.comm, comm.as_bytes());
        assert_eq!((parsed.pid, parsed.state, parsed.parent, parsed.session), (4711, b'S', 1, 4700), "{comm:?}");
        assert_eq!(parsed.start_ticks, 123_456);
        assert_eq!(parsed.key(), ProcessKey::new(4711, 1_234_560_000_000));
    }
    assert!(parse_stat(b"4711 (\xff\xfe) S 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 5 0").is_some());
    for broken in ["", "4711", "4711 (sh", "4711 (sh) S", "x (sh) S 1 1 1"] {
        assert_eq!(parse_stat(broken.as_bytes()), None, "{broken:?}");
    }
}

#[test]
fn a_process_whose_first_thread_ended_goes_on_in_others() {
    let parsed = |state: &str, threads: u32| {
        let text = stat("java").replace(" S ", &format!(" {state} ")).replace("20 0 1 0", &format!("20 0 {threads} 0"));
        parse_stat(text.as_bytes()).unwrap()
    };
    assert!(parsed("Z", 1).is_dead() && parsed("X", 0).is_dead());
    assert!(!parsed("Z", 2).is_dead() && parsed("Z", 2).first_thread_ended());
    assert!(!parsed("S", 1).is_dead() && !parsed("S", 1).first_thread_ended());
}

#[test]
fn status_has_ids_and_capabilities() {
    let text = b"Name:\tx\nUid:\t33\t34\t33\t33\nGid:\t5\t6\t5\t5\nNSpid:\t4711\t7\nCapPrm:\t00000000a80425fb\nCapEff:\t0000000000000400\n";
    let status = parse_status(text);
    assert_eq!((status.uid, status.gid), ((33, 34), (5, 6)));
    assert_eq!((status.cap_effective, status.cap_permitted), (0x400, 0xa804_25fb));
    assert_eq!(status.pid_in_namespace, 7);
    assert_eq!(parse_status(b"Uid:\n:\nCapEff: zz\n"), Status::default());
}

#[test]
fn command_lines() {
    let parsed = |text: &[u8]| parse::parse_cmdline(text, 8);
    assert_eq!(parsed(b""), (vec![], false));
    assert_eq!(parsed(b"sh\0-c\0"), (vec!["sh".into(), "-c".into()], false));
    assert_eq!(parsed(b"a\0\0b\0"), (vec!["a".into(), "".into(), "b".into()], false));
    assert_eq!(parsed(b"nginx: master"), (vec!["nginx: m".into()], true));
}

#[test]
fn mountinfo_escapes_and_optional_fields() {
    let text = b"36 35 98:0 /mnt1 /mnt/with\\040space\\134x rw,noatime master:1 shared:2 - ext3 /dev/root rw\n\
                 37 35 0:52 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\nbroken line\n";
    let mounts = parse_mountinfo(text);
    assert_eq!(mounts.len(), 2);
    assert_eq!(mounts[0].point, "/mnt/with space\\x");
    assert_eq!((mounts[0].id, mounts[0].device, mounts[0].kind.as_slice()), (36, 98 << 20, &b"ext3"[..]));
    assert_eq!((mounts[1].device, mounts[1].kind.as_slice()), (52, &b"cgroup2"[..]));
}

#[test]
fn listening_sockets_of_each_family() {
    let mut tables = NetTables::default();
    tables.add_tcp(
        b"  sl  local_address rem_address   st\n   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  33  0 5001 1\n   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  33  0 5002 1\n",
        2,
    );
    tables.add_tcp(
        b"head\n   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 6001 1\n",
        10,
    );
    tables.add_unix(
        b"Num       RefCount Protocol Flags    Type St Inode Path\n0000000000000000: 00000002 00000000 00010000 0001 01 7001 /run/php/my app.sock\n0000000000000000: 00000002 00000000 00010000 0001 01 7002 @abstract\n0000000000000000: 00000003 00000000 00000000 0001 03 7003\n",
    );
    let local = |inode: u64| tables.listeners[&inode].local.unwrap();
    assert_eq!(local(5001), ("127.0.0.1".parse().unwrap(), 8080));
    assert_eq!(local(6001), ("::1".parse().unwrap(), 80));
    assert_eq!(tables.sockets[&5002].peer, Some(("127.0.0.1".parse().unwrap(), 50_000)));
    assert_eq!(tables.listeners[&7001].path.as_ref().unwrap(), "/run/php/my app.sock");
    assert_eq!(tables.listeners[&7002].path.as_ref().unwrap(), "\0abstract");
    assert!(!tables.listeners.contains_key(&7003) && !tables.listeners.contains_key(&5002));
}

#[test]
fn the_snapshot_has_this_process_with_its_parent_before_it() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let events = Procfs::default().snapshot();
    let own = std::process::id();
    let at = |tgid: u32| {
        events.iter().position(|event| event.process.tgid == tgid && matches!(event.body, Body::Process(_)))
    };
    let Event { body: Body::Process(exec), .. } = &events[at(own).unwrap()] else { unreachable!() };
    assert_eq!(exec.executable, std::env::current_exe().unwrap().to_str().unwrap());
    assert_eq!(exec.argv.len(), std::env::args().count());
    assert_eq!(
        exec.parent.tgid,
        rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().cast_unsigned())
    );
    assert!(exec.inode != 0 && exec.device != 0 && exec.mount_namespace != 0 && exec.pid_namespace != 0);
    if let Some(parent) = at(exec.parent.tgid) {
        assert!(parent < at(own).unwrap());
    }
    let port = listener.local_addr().unwrap().port();
    let listens = events.iter().any(|event| {
        event.process.tgid == own
            && matches!(&event.body, Body::Net(net) if net.local.is_some_and(|(_, local)| local == port))
    });
    assert!(listens);
}
