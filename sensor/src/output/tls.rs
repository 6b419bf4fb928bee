//! TLS for outputs: whom they trust, and as whom they show themselves.
//!
//! Comes in: names of PEM files. Goes out: a rustls client configuration. The files are read at each call, so that a
//! renewed certificate is used at the next connection without a restart. Certificates are always verified: there is no
//! switch that turns this off.

use crate::config::Identity;
use anyhow::{Context, Result, bail};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;

const NO_AUTHORITY: &str =
    "this system trusts no certificate authority (the package ca-certificates has the usual ones); set ca_file";

/// A client's configuration, with ring's cryptography: it needs neither cmake nor a system library to be built.
///
/// Fails if a file cannot be read or holds nothing of the kind, and names it.
pub fn client(identity: &Identity) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let trusted = trusted(identity.ca_file.as_deref())?;
    if let Some(file) = &identity.ca_file {
        for certificate in trusted {
            roots.add(certificate).with_context(|| format!("{} holds no usable authority", file.display()))?;
        }
    } else {
        roots.add_parsable_certificates(trusted);
    }
    if roots.is_empty() {
        bail!(NO_AUTHORITY);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS versions")?
        .with_root_certificates(roots);
    let Some((certificate, key)) = &identity.own else {
        return Ok(builder.with_no_client_auth());
    };
    let private = PrivateKeyDer::from_pem_file(key).with_context(|| format!("the key in {}", key.display()))?;
    builder
        .with_client_auth_cert(certificates(certificate)?, private)
        .with_context(|| format!("{} and {} do not go together", certificate.display(), key.display()))
}

/// Whether the files that are named can be used; the error says which cannot.
pub fn check(identity: &Identity) -> Result<()> {
    if *identity == Identity::default() { Ok(()) } else { client(identity).map(drop) }
}

/// The authorities that every output trusts: those in the file, or the system's own, where the distribution keeps them (or
/// `SSL_CERT_FILE` says). Of the latter single ones that cannot be read do not matter while others can.
pub fn trusted(ca_file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>> {
    if let Some(file) = ca_file {
        return certificates(file);
    }
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        bail!(NO_AUTHORITY);
    }
    Ok(found)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let doing = || format!("the certificates in {}", file.display());
    let found: Vec<_> =
        CertificateDer::pem_file_iter(file).with_context(doing)?.collect::<Result<_, _>>().with_context(doing)?;
    if found.is_empty() {
        bail!("{} holds no certificate; it must be PEM", file.display());
    }
    Ok(found)
}
