//! TLS of a listener: keys and certificates from files, read anew while connections go on.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;
use turnout_core::{Door, Error, Result};

/// The files of a listener, all PEM.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The server's certificate, followed by those that lead to its authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Authorities of clients; every client has to show a certificate of one of them.
    pub client_ca: Option<PathBuf>,
}

/// What a listener needs to speak TLS 1.2 and 1.3. New connections take the files that were read last.
pub(crate) struct Tls {
    files: TlsFiles,
    door: Door,
    config: ArcSwap<ServerConfig>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// `config_invalid` names the file that is missing, malformed or does not belong to the others.
    pub(crate) fn open(files: TlsFiles, door: Door) -> Result<Self> {
        let config = ArcSwap::from_pointee(read(&files, door)?);
        Ok(Self {
            files,
            door,
            config,
        })
    }

    /// Reads the files again; what was read before stays when they are wrong.
    ///
    /// # Errors
    /// As of [`Self::open`].
    pub(crate) fn reload(&self) -> Result<()> {
        self.config.store(Arc::new(read(&self.files, self.door)?));
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }
}

fn read(files: &TlsFiles, door: Door) -> Result<ServerConfig> {
    let certificates = read_certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| unreadable("private key", &files.key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::internal("TLS has no protocol versions").with_source(error))?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let roots = Arc::new(read_roots(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                .build()
                .map_err(|error| unreadable("client authority", path, &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(certificates, key)
        .map_err(|error| mismatch(files, &error))?;
    config.alpn_protocols = vec![match door {
        Door::Grpc => b"h2".to_vec(),
        Door::Rest | Door::InProcess => b"http/1.1".to_vec(),
    }];
    Ok(config)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|error| unreadable("certificate", path, &error))?;
    if found.is_empty() {
        return Err(unreadable("certificate", path, &"there is none in it"));
    }
    Ok(found)
}

fn read_roots(path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in read_certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| unreadable("client authority", path, &error))?;
    }
    Ok(roots)
}

fn unreadable(what: &str, path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::config_invalid(format!(
        "the {what} for TLS cannot be read: {error}: `{}`",
        path.display()
    ))
    .with_hint("a PEM file is expected: `-----BEGIN …-----`")
}

fn mismatch(files: &TlsFiles, error: &rustls::Error) -> Error {
    Error::config_invalid(format!(
        "certificate and private key for TLS do not fit: {error}: `{}`, `{}`",
        files.certificate.display(),
        files.key.display()
    ))
}
