//! Whom an output trusts over TLS, and as whom it shows itself: the same keys in each section that can have them.

use crate::config::raw::Raw;
use std::path::PathBuf;

/// Files in PEM form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// Certificates of the authorities that are trusted; without it, those that the system trusts.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate with what leads to its authority, and its key.
    pub own: Option<(PathBuf, PathBuf)>,
}

/// Names of the keys of one section.
#[derive(Clone, Copy)]
pub(super) struct Names {
    /// `ca_file`.
    pub ca: &'static str,
    /// `cert_file`.
    pub cert: &'static str,
    /// `key_file`.
    pub key: &'static str,
}

/// Reads them. Where the address has no TLS they are refused: whoever sets them thinks that it has.
pub(super) fn identity(raw: &mut Raw, names: Names, tls: bool) -> Identity {
    let (ca_file, cert, key) = (file(raw, names.ca), file(raw, names.cert), file(raw, names.key));
    for (name, set) in [(names.ca, &ca_file), (names.cert, &cert), (names.key, &key)] {
        if set.is_some() && !tls {
            raw.refuse(name, "\"\", because the address does not begin with tls://");
        }
    }
    match (&cert, &key) {
        (Some(_), None) => raw.refuse(names.cert, "both this and key_file, or none of them"),
        (None, Some(_)) => raw.refuse(names.key, "both this and cert_file, or none of them"),
        _ => {}
    }
    Identity { ca_file, own: cert.zip(key) }
}

/// An absolute path, if one is written.
pub(super) fn file(raw: &mut Raw, key: &'static str) -> Option<PathBuf> {
    let path = PathBuf::from(raw.word(key));
    if path.as_os_str().is_empty() {
        return None;
    }
    if !path.is_absolute() {
        raw.refuse(key, "an absolute path, or \"\" for none");
    }
    Some(path)
}
