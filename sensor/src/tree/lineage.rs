//! The servers that run: each has a number, which its lineage carries in the tree and in the kernel.

use crate::event::Watch;
use bstr::BString;
use foldhash::fast::RandomState;
use sensor_common::key::ProcessKey;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most servers that get a number; more are counted and not followed.
pub const MAX_SERVERS: usize = 4096;

/// One running (or former) server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Its number, from 1; never used again.
    pub lineage: u32,
    /// Which product: an id of the catalogue.
    pub id: String,
    /// Its outermost process that runs: the one it began with, or, when that one ended (a server that makes itself a
    /// daemon, a master that was killed), the eldest that runs the server's own program.
    pub root: ProcessKey,
    /// When it was recognised.
    pub first_seen_boottime_ns: u64,
    /// When the process in `root` ended, while it is not yet clear who goes on.
    pub orphaned_boottime_ns: Option<u64>,
    /// When the last process that ran its own program ended; its lineage may live on.
    pub ended_boottime_ns: Option<u64>,
    /// Its container image or systemd unit; empty if not known.
    pub unit: String,
    /// Directories that are watched for it.
    pub directories: Vec<Watch>,
}

/// All servers, by number.
#[derive(Default)]
pub struct Servers {
    servers: BTreeMap<u32, Server>,
    /// Watch number to the servers it was set for: those that run, the first one first, then those that have ended.
    watches: HashMap<u32, Vec<u32>, RandomState>,
    /// Those whose first process has ended, and it is not yet clear who goes on.
    orphaned: BTreeSet<u32>,
    last: u32,
    refused: u64,
}

impl Servers {
    /// The server of a lineage number.
    pub fn by_lineage(&self, lineage: u32) -> Option<&Server> {
        self.servers.get(&lineage)
    }

    /// Gives a new server its number. At the maximum the one that ended first is forgotten; if all run, `None`.
    pub fn add(&mut self, id: &str, root: ProcessKey, now: u64) -> Option<u32> {
        if self.servers.len() >= MAX_SERVERS && !self.forget_ended() {
            self.refused += 1;
            return None;
        }
        self.last += 1;
        let server = Server {
            lineage: self.last,
            id: id.to_owned(),
            root,
            first_seen_boottime_ns: now,
            orphaned_boottime_ns: None,
            ended_boottime_ns: None,
            unit: String::new(),
            directories: Vec::new(),
        };
        self.servers.insert(self.last, server);
        Some(self.last)
    }

    fn forget_ended(&mut self) -> bool {
        let ended = self.servers.values().filter_map(|server| Some((server.ended_boottime_ns?, server.lineage)));
        let Some((_, lineage)) = ended.min() else {
            return false;
        };
        self.servers.remove(&lineage);
        self.orphaned.remove(&lineage);
        self.watches.retain(|_, owners| {
            owners.retain(|owner| *owner != lineage);
            !owners.is_empty()
        });
        true
    }

    /// Notes that no process runs a server's own program any more.
    pub fn ended(&mut self, lineage: u32, now: u64) {
        let Some(server) = self.servers.get_mut(&lineage) else {
            return;
        };
        server.ended_boottime_ns = Some(now);
        self.orphaned.remove(&lineage);
        let watches: Vec<u32> = server.directories.iter().map(|known| known.watch).collect();
        for watch in watches {
            self.those_that_run_first(watch);
        }
    }

    fn those_that_run_first(&mut self, watch: u32) {
        let ended = |owner: &u32| self.servers.get(owner).is_none_or(|server| server.ended_boottime_ns.is_some());
        if let Some(owners) = self.watches.get_mut(&watch) {
            owners.sort_by_key(ended);
        }
    }

    /// Notes that a server goes on in another process.
    pub fn moved(&mut self, lineage: u32, root: ProcessKey) {
        if let Some(server) = self.servers.get_mut(&lineage) {
            server.root = root;
            server.orphaned_boottime_ns = None;
            self.orphaned.remove(&lineage);
        }
    }

    /// Notes that the first process of a server ended, and others of its own program run; the first time counts.
    pub fn orphaned(&mut self, lineage: u32, now: u64) {
        if let Some(server) = self.servers.get_mut(&lineage) {
            server.orphaned_boottime_ns.get_or_insert(now);
            self.orphaned.insert(lineage);
        }
    }

    /// Servers that have been so since before that time.
    pub fn orphaned_before(&self, time: u64) -> Vec<u32> {
        let since = |lineage: &&u32| self.servers.get(lineage)?.orphaned_boottime_ns;
        self.orphaned.iter().filter(|lineage| since(lineage).is_some_and(|since| since <= time)).copied().collect()
    }

    /// Notes the unit or container that a server runs in.
    pub fn runs_in(&mut self, lineage: u32, unit: &BString) {
        if let Some(server) = self.servers.get_mut(&lineage) {
            server.unit = unit.to_string();
        }
    }

    /// Notes a directory that is now watched for a server.
    pub fn watched(&mut self, lineage: u32, watch: &Watch) {
        let Some(server) = self.servers.get_mut(&lineage) else {
            return;
        };
        if server.directories.iter().all(|known| known.watch != watch.watch) {
            server.directories.push(watch.clone());
            let owners = self.watches.entry(watch.watch).or_default();
            if !owners.contains(&lineage) {
                owners.push(lineage);
                self.those_that_run_first(watch.watch);
            }
        }
    }

    /// The servers that load from the watch of that number, those that run first.
    pub fn watchers(&self, watch: u32) -> impl Iterator<Item = (&Server, &Watch)> + Clone {
        let owners = self.watches.get(&watch).map_or(&[][..], Vec::as_slice);
        let servers = owners.iter().filter_map(|owner| self.servers.get(owner));
        servers.filter_map(move |server| Some((server, server.directories.iter().find(|known| known.watch == watch)?)))
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = &Server> {
        self.servers.values()
    }

    /// How many did not get a number.
    pub const fn refused(&self) -> u64 {
        self.refused
    }
}
