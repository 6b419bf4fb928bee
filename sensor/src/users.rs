//! User names, from the text of `/etc/passwd`.

use std::collections::BTreeMap;

/// Most users that are kept.
const MAX_USERS: usize = 65_536;

/// The first name of each uid, as the C library finds it. Lines that are none are left out.
pub fn parse(text: &[u8]) -> BTreeMap<u32, String> {
    let mut users = BTreeMap::new();
    for line in String::from_utf8_lossy(text).lines().take(MAX_USERS) {
        let mut fields = line.split(':');
        let (Some(name), Some(uid)) = (fields.next(), fields.nth(1)) else {
            continue;
        };
        if let Ok(uid) = uid.parse() {
            users.entry(uid).or_insert_with(|| name.to_owned());
        }
    }
    users
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_first_name_of_a_uid_counts() {
        let users =
            super::parse(b"root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\nbroken\n:::\nwww-data:x:33:33:::\n");
        assert_eq!(users.len(), 2);
        assert_eq!(users[&0], "root");
        assert_eq!(users[&33], "www-data");
    }
}
