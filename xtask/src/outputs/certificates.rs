//! Certificates for tests of TLS, made by openssl: an authority, a server `localhost`, and a client.

use crate::command;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// PEM files.
pub struct Certificates {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The server's certificate and key.
    pub server: (PathBuf, PathBuf),
    /// The client's certificate and key.
    pub client: (PathBuf, PathBuf),
}

impl Certificates {
    /// Makes them in a directory; they are good for two days.
    pub fn make(directory: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let ca = pair(directory, "ca", &["-subj", "/CN=sensor test authority"])?;
        let signed = |name: &str, extension: &str| {
            let issuer =
                ["-CA".to_owned(), ca.0.display().to_string(), "-CAkey".to_owned(), ca.1.display().to_string()];
            let mut arguments: Vec<&str> = issuer.iter().map(String::as_str).collect();
            let subject = format!("/CN={name}");
            arguments.extend([
                "-subj",
                &subject,
                "-addext",
                extension,
                "-addext",
                "basicConstraints=critical,CA:FALSE",
            ]);
            pair(directory, name, &arguments)
        };
        let server = signed("localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1")?;
        let client = signed("client", "extendedKeyUsage=clientAuth")?;
        Ok(Self { ca: ca.0, server, client })
    }
}

fn pair(directory: &Path, name: &str, arguments: &[&str]) -> Result<(PathBuf, PathBuf)> {
    let (certificate, key) = (directory.join(format!("{name}.pem")), directory.join(format!("{name}.key")));
    let mut openssl = command::command("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]);
    openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate).args(arguments);
    command::output(&mut openssl)?;
    Ok((certificate, key))
}
