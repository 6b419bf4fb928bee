//! What detectors remember: a map of at most so many entries, of which the oldest gives way.

use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

/// At most `MOST` entries, by the order in which their keys came first.
pub struct Bounded<K, V, const MOST: usize> {
    entries: HashMap<K, V, RandomState>,
    order: VecDeque<K>,
}

/// Keys alone: what was told.
pub type Once<K, const MOST: usize> = Bounded<K, (), MOST>;

impl<K, V, const MOST: usize> Default for Bounded<K, V, MOST> {
    fn default() -> Self {
        Self { entries: HashMap::default(), order: VecDeque::new() }
    }
}

impl<K: Clone + Eq + Hash, V, const MOST: usize> Bounded<K, V, MOST> {
    /// Sets the value of a key. True if the key is new.
    pub fn set(&mut self, key: K, value: V) -> bool {
        if self.entries.insert(key.clone(), value).is_some() {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
        true
    }

    /// The value of a key.
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key)
    }
}

impl<K: Clone + Eq + Hash, const MOST: usize> Once<K, MOST> {
    /// Whether the key comes for the first time, as far back as is remembered.
    pub fn first(&mut self, key: K) -> bool {
        self.set(key, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gives_way_and_a_value_is_replaced_in_its_place() {
        let mut bounded: Bounded<u32, &str, 2> = Bounded::default();
        assert!(bounded.set(1, "a") && bounded.set(2, "b"));
        assert!(!bounded.set(1, "c"));
        assert_eq!(bounded.get(&1), Some(&"c"));
        assert!(bounded.set(3, "d"));
        assert_eq!((bounded.get(&1), bounded.get(&2), bounded.get(&3)), (None, Some(&"b"), Some(&"d")));
        let mut once: Once<u32, 2> = Once::default();
        assert!(once.first(1) && !once.first(1));
    }
}
