//! Where files come from: their package, whether they are still as it brought them, and their plain facts; and what
//! containers are called and made of.
//!
//! Comes in: a [`Question`] about a file as some process sees it. Goes out: an [`Answer`] with its
//! [`Provenance`](crate::provenance::Provenance). Always holds: the package databases of dpkg, apk and rpm are read
//! directly, below the root of the process that was asked about, and no link leads out of it; everything happens on a
//! thread of its own; whatever a database holds, nothing panics and memory stays bounded. Own parsers, because no crate
//! reads these databases through a descriptor, as another mount namespace needs.
//!
//! It does not judge, and cannot tell a forged database from a true one: a container's facts are what that container's
//! files say, and who is root on the host can rewrite the host's. Package managers put files in place before they write
//! their database (dpkg a whole package at a time): who asks about a file at once gets no package, and should ask again
//! when that manager has ended. A process that has ended has no root: ask with one of the same container that lives. Rpm databases in BerkeleyDB and ndb are not read,
//! which is said once.
//!
//! Bounds: 4096 questions wait; 8 databases are kept, least recently used goes; each has at most 2^20 paths (12 bytes
//! each), 65,536 packages and 65,536 configuration files, and is read up to 512 MiB; files are read up to 64 MiB. What
//! is beyond is not known.

mod alias;
mod apk;
mod digest;
mod dpkg;
mod facts;
mod files;
mod index;
mod inspect;
mod overlay;
mod owners;
mod rpm;
mod runtimes;
mod sqlite;

pub use inspect::{Answer, Asked, Full, Inspector, Question};
pub use runtimes::Lookup;

#[cfg(test)]
mod testing;
