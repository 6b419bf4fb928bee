//! Finds what a path can be among many patterns without trying each: so that it matters little how many there are.
//!
//! Most patterns need some name to stand in the path as a whole (`nginx` in `/usr/sbin/nginx`), or a name that begins so
//! (`php-` in `/usr/sbin/php-fpm*`). Each pattern is kept under the one of its names that the fewest others need.

use super::pattern::Pattern;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// How many bytes of a name are enough to look for what it begins with.
const BEGINNING: usize = 4;

/// Things that are known by patterns, in order.
#[derive(Clone, Debug)]
pub struct Indexed<T> {
    items: Vec<T>,
    patterns: fn(&T) -> &[Pattern],
    /// What needs a whole name, by that,
    wholes: HashMap<Box<[u8]>, Vec<Place>, RandomState>,
    /// and what needs one that begins so.
    beginnings: HashMap<[u8; BEGINNING], Vec<Place>, RandomState>,
    /// Those that need no name.
    rest: Vec<Place>,
}

/// An item, and one of its patterns.
type Place = (u32, u32);

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Name<'a> {
    Whole(&'a [u8]),
    Beginning([u8; BEGINNING]),
}

impl<T> Default for Indexed<T> {
    fn default() -> Self {
        Self::of(Vec::new(), |_| &[])
    }
}

impl<T> Indexed<T> {
    /// These, each known by any of its patterns.
    pub fn of(items: Vec<T>, patterns: fn(&T) -> &[Pattern]) -> Self {
        let mut ways: Vec<(Place, Vec<Name<'_>>)> = Vec::new();
        for (number, item) in (0..).zip(&items) {
            for (way, pattern) in (0..).zip(patterns(item)) {
                ways.extend(pattern.matcher().literals().map(|literals| ((number, way), names(literals))));
            }
        }
        let mut needed: HashMap<Name<'_>, u32, RandomState> = HashMap::default();
        for name in ways.iter().flat_map(|(_, names)| names) {
            *needed.entry(*name).or_default() += 1;
        }
        let mut wholes: HashMap<Box<[u8]>, Vec<Place>, RandomState> = HashMap::default();
        let mut beginnings: HashMap<[u8; BEGINNING], Vec<Place>, RandomState> = HashMap::default();
        let mut rest = Vec::new();
        for (place, able) in &ways {
            let kept = match able.iter().min_by_key(|name| (needed.get(name), **name)) {
                Some(Name::Whole(name)) => wholes.entry((*name).into()).or_default(),
                Some(Name::Beginning(name)) => beginnings.entry(*name).or_default(),
                None => &mut rest,
            };
            if kept.last() != Some(place) {
                kept.push(*place);
            }
        }
        Self { items, patterns, wholes, beginnings, rest }
    }

    /// All, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.items.iter()
    }

    /// One, by its place.
    pub fn get(&self, place: usize) -> Option<&T> {
        self.items.get(place)
    }

    /// Those that a path is, in order.
    pub fn matching(&self, path: &[u8]) -> impl Iterator<Item = &T> {
        let mut found: Vec<u32> = Vec::new();
        let mut try_out = |places: &[Place]| {
            let means = |place: &&Place| self.pattern(**place).is_some_and(|pattern| pattern.is_match(path));
            found.extend(places.iter().filter(means).map(|(number, _)| number));
        };
        for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
            let beginning = name.first_chunk().and_then(|beginning| self.beginnings.get(beginning));
            for places in self.wholes.get(name).into_iter().chain(beginning) {
                try_out(places);
            }
        }
        try_out(&self.rest);
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(|number| self.items.get(number as usize))
    }

    fn pattern(&self, (number, way): Place) -> Option<&Pattern> {
        (self.patterns)(self.items.get(number as usize)?).get(way as usize)
    }
}

/// The names that stand in whatever has these texts in it: whole ones stand between slashes, or at an end.
fn names(literals: &[Box<[u8]>]) -> Vec<Name<'_>> {
    let mut names = Vec::new();
    for (place, literal) in literals.iter().enumerate() {
        let (first, last) = (place == 0, place + 1 == literals.len());
        let parts: Vec<&[u8]> = literal.split(|byte| *byte == b'/').collect();
        for (number, part) in parts.iter().enumerate() {
            let begins = first || number > 0;
            let ends = last || number + 1 < parts.len();
            match part.first_chunk() {
                _ if part.is_empty() || !begins => {}
                _ if ends => names.push(Name::Whole(part)),
                Some(beginning) => names.push(Name::Beginning(*beginning)),
                None => {}
            }
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::slice;

    #[test]
    fn whatever_matches_is_found_in_order_and_little_else_is_tried() {
        let texts = [
            "/usr/sbin/nginx",
            "/usr/sbin/php-fpm*",
            "*/bin/java",
            "**/wp-content/uploads/**",
            "/etc/cron.{d,daily}/*",
            "/usr/bin/python[0-9]*",
            "*.service",
            "/opt/*/sh",
            "/opt/**",
        ];
        let patterns: Vec<Pattern> = texts.iter().map(|text| Pattern::path(text).unwrap()).collect();
        let indexed = Indexed::of(patterns, slice::from_ref);
        for (path, expected) in [
            ("/usr/sbin/nginx", &["/usr/sbin/nginx"][..]),
            ("/usr/sbin/php-fpm8.2", &["/usr/sbin/php-fpm*"]),
            ("/usr/lib/jvm/17/bin/java", &["*/bin/java"]),
            ("wp-content/uploads/x.php", &["**/wp-content/uploads/**"]),
            ("/var/www/wp-content/uploads/2024/x.php", &["**/wp-content/uploads/**"]),
            ("/etc/cron.daily/x", &["/etc/cron.{d,daily}/*"]),
            ("/usr/bin/python3.11", &["/usr/bin/python[0-9]*"]),
            ("/usr/bin/python", &[]),
            ("/etc/x.service", &["*.service"]),
            ("/opt/x/sh", &["/opt/*/sh", "/opt/**"]),
            ("/usr/sbin/other", &[]),
        ] {
            let found: Vec<&str> = indexed.matching(path.as_bytes()).map(|found| found.text.as_str()).collect();
            assert_eq!(found, expected, "{path}");
        }
        assert_eq!(indexed.rest, [(6, 0)], "all others need a name");
    }
}
