//! Records that decode, and bytes that do not.

use super::{BString, Body, Event, Kind, decode, path};
use crate::encode::encode;
use crate::testing::*;
use proptest::prelude::*;

fn same(event: &Event) {
    assert_eq!(decode(&encode(event)).as_ref(), Ok(event));
}

#[test]
fn every_kind_comes_back_as_it_went() {
    let (parent, child) = (key(10, 5), key(11, 6));
    same(&fork(1, parent, child));
    same(&exec(2, child, shell("id")));
    same(&found(3, child, parent, program("/usr/sbin/nginx", "nginx: worker process")));
    same(&exit(4, child));
    same(&listen(5, child));
    same(&watch(6, child, 9, "php-fpm", "script_docroot", "/var/www"));
    same(&file(7, child, Kind::Rename, "/var/www/a.php", 9));
    same(&loss(8, 12));
    same(&healed(9));
    same(&tick(10));
    same(&contained(11, child, 7, 8, "shop", "nginx:1.25"));
}

#[test]
fn components_become_paths() {
    assert_eq!(path(b"html\0www\0var\0"), "/var/www/html");
    assert_eq!(path(b""), "/");
    assert_eq!(path(b"init\0"), "/init");
}

#[test]
fn a_relative_script_is_made_absolute() {
    for (directory, given, script) in [
        ("/srv/app", "./run.sh", "/srv/app/run.sh"),
        ("/", "run.sh", "/run.sh"),
        ("/srv/app", "../run.sh", "/srv/app/../run.sh"),
        ("/srv/app", "/opt//./run.sh", "/opt/run.sh"),
    ] {
        let mut image = program("/usr/bin/dash", "sh");
        image.directory = BString::from(directory);
        image.script = Some(BString::from(given));
        let event = exec(1, key(1, 1), image);
        let Ok(Event { body: Body::Exec(exec), .. }) = decode(&encode(&event)) else { panic!("an exec") };
        assert_eq!(exec.script.as_ref().unwrap(), script);
    }
}

#[test]
fn what_is_wrong_is_said_with_its_byte() {
    let record = encode(&exit(4, key(1, 1)));
    assert_eq!(decode(&record[..3]).unwrap_err().to_string(), "at byte 0: 40 bytes of head expected, 3 left");
    let mut longer = record.clone();
    longer.push(0);
    assert_eq!(decode(&longer).unwrap_err().to_string(), "at byte 0: the head says 48 bytes, the record has 49");
    let mut unknown = record;
    unknown[4] = 200;
    assert_eq!(decode(&unknown).unwrap_err().to_string(), "at byte 4: kind 200 is not known");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..700), kind in 0u16..45, hook in 0u16..45) {
        let _ = decode(&bytes);
        // With a head that is right, the bodies and tails are reached.
        if bytes.len() >= 8 {
            let length = bytes.len() as u32;
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
            bytes[6..8].copy_from_slice(&hook.to_ne_bytes());
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn arguments_of_any_bytes_survive(argv in proptest::collection::vec(proptest::collection::vec(1u8..=255, 1..20), 1..6)) {
        let mut image = program("/bin/x", "x");
        image.argv = argv.into_iter().map(BString::from).collect();
        let event = exec(1, key(1, 1), image);
        prop_assert_eq!(decode(&encode(&event)), Ok(event));
    }
}
