//! Certificates: ours, read from PEM files at the start and again when they change, and whom we believe that we connect
//! to (RFC 5922).
//!
//! Running connections keep what they were opened with. Files that have become unusable change nothing but a metric and
//! the log.

use crate::config::{self, ClientCertificate, Config};
use crate::edge::metrics::{Certificates, SipFault};
use crate::sip::{Host, SipUri, Uri};
use crate::time::Duration;
use anyhow::{Context, bail};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{AlertDescription, ClientConfig, RootCertStore, ServerConfig};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::extensions::GeneralName;

/// What is read from files, and who is expected where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// What we show; `None`: nobody can connect to us by TLS.
    pub own: Option<OwnFiles>,
    /// Authorities that vouch for those whom we connect to; `None`: those that browsers trust.
    pub ca: Option<PathBuf>,
    /// The names that certificates must have, by the address that is connected to; elsewhere it must have that address.
    pub names: BTreeMap<SocketAddr, String>,
}

impl TlsSettings {
    /// As an operator wrote it.
    pub fn of(config: &Config) -> TlsSettings {
        let config::Tls { certificate, key, ca, client_ca, client_certificate } = config.sip.tls.clone();
        let clients = match (client_ca, client_certificate) {
            (None, _) => Clients::Unasked,
            (Some(ca), ClientCertificate::Required) => Clients::Required { ca },
            (Some(ca), ClientCertificate::Optional) => Clients::Optional { ca },
        };
        let own = certificate.zip(key).map(|(certificate, key)| OwnFiles { certificate, key, clients });
        let fixed = config.trunks.iter().filter_map(|trunk| Some((trunk.to.as_ref()?.at()?, trunk.domain.as_ref()?)));
        let secure = fixed.filter(|(to, _)| to.transport.is_secure());
        let names = secure.map(|(to, domain)| (to.address, domain.0.to_string()));
        TlsSettings { own, ca, names: names.collect() }
    }
}

/// PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFiles {
    /// Ours first, then those between it and its authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub clients: Clients,
}

/// Which certificates those show who connect to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Clients {
    /// They are not asked.
    #[default]
    Unasked,
    /// One of these authorities must vouch for a certificate that is shown; none needs to be.
    Optional { ca: PathBuf },
    /// Nobody connects without.
    Required { ca: PathBuf },
}

impl Clients {
    fn ca(&self) -> Option<&Path> {
        match self {
            Clients::Unasked => None,
            Clients::Optional { ca } | Clients::Required { ca } => Some(ca),
        }
    }
}

/// See the module's documentation.
pub struct Tls {
    settings: TlsSettings,
    /// As `names` of the settings, of trunks that DNS has found, by their places.
    located: RwLock<BTreeMap<usize, (String, Vec<SocketAddr>)>>,
    current: RwLock<Current>,
    metrics: Certificates,
}

struct Current {
    server: Option<Arc<ServerConfig>>,
    client: Arc<ClientConfig>,
    /// Of the files that this was read from, or that could not be read.
    state: Vec<Option<FileState>>,
}

/// Tells one version of a file from the next.
type FileState = (Option<SystemTime>, u64, u64);

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);

impl Tls {
    /// Reads all files.
    ///
    /// # Errors
    ///
    /// A file that cannot be read or does not hold what it should, named; a key that does not fit its certificate.
    pub fn load(settings: TlsSettings, metrics: Certificates) -> anyhow::Result<Tls> {
        let state = state(&settings);
        let (server, client, expiry) = read(&settings)?;
        if let Some(expiry) = expiry {
            metrics.expires(expiry);
        }
        Ok(Tls {
            settings,
            located: RwLock::default(),
            current: RwLock::new(Current { server, client, state }),
            metrics,
        })
    }

    /// Reads all files and keeps nothing.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`].
    pub fn check(settings: &TlsSettings) -> anyhow::Result<()> {
        read(settings).map(drop)
    }

    /// For a connection that comes in now; `None`: there is no certificate to show.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).server.clone().map(TlsAcceptor::from)
    }

    /// For a connection that goes out now.
    pub(super) fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.current.read().unwrap_or_else(PoisonError::into_inner).client.clone())
    }

    /// Whom the certificate of a peer must name.
    pub(super) fn name_of(&self, remote: SocketAddr) -> ServerName<'static> {
        let located = self.located.read().unwrap_or_else(PoisonError::into_inner);
        let is_there = |(_, places): &&(String, Vec<SocketAddr>)| places.contains(&remote);
        let written = self.settings.names.get(&remote);
        let name = written.or_else(|| located.values().find(is_there).map(|(name, _)| name));
        let name = name.and_then(|name| ServerName::try_from(name.clone()).ok());
        name.unwrap_or_else(|| ServerName::IpAddress(remote.ip().into()))
    }

    /// The trunk of this place is there, and nowhere else; its certificate must have this name, wherever DNS leads to
    /// (RFC 5922 §4).
    pub fn locate(&self, trunk: usize, name: String, places: Vec<SocketAddr>) {
        self.located.write().unwrap_or_else(PoisonError::into_inner).insert(trunk, (name, places));
    }

    /// Looks again and again whether the files have changed.
    pub async fn watch(self: Arc<Tls>) {
        loop {
            tokio::time::sleep(LOOK).await;
            let tls = self.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let known = tls.current.read().unwrap_or_else(PoisonError::into_inner).state.clone();
                if state(&tls.settings) != known {
                    tls.reload();
                }
            });
            // The runtime is shutting down.
            if looked.await.is_err() {
                return;
            }
        }
    }

    /// Reads all files again. What is unusable is said, and everything stays as it was.
    pub fn reload(&self) {
        // First: what changes while we read is looked at once more.
        let state = state(&self.settings);
        match read(&self.settings) {
            Ok((server, client, expiry)) => {
                *self.current.write().unwrap_or_else(PoisonError::into_inner) = Current { server, client, state };
                if let Some(expiry) = expiry {
                    self.metrics.expires(expiry);
                }
                self.metrics.reloaded.inc();
                tracing::info!("new connections are given the certificates that were just read");
            }
            Err(error) => {
                self.current.write().unwrap_or_else(PoisonError::into_inner).state = state;
                self.metrics.reload_failed.inc();
                let error = format!("{error:#}");
                tracing::error!(error, "the certificates could not be read again; those from before stay in use");
            }
        }
    }
}

fn state(settings: &TlsSettings) -> Vec<Option<FileState>> {
    let own = settings.own.iter().flat_map(|own| [Some(own.certificate.as_path()), Some(&own.key), own.clients.ca()]);
    let files = own.flatten().chain(settings.ca.as_deref());
    // Through links: that is how certificates are often put in place.
    let state = |file: &Path| file.metadata().ok().map(|known| (known.modified().ok(), known.len(), known.ino()));
    files.map(state).collect()
}

type Read = (Option<Arc<ServerConfig>>, Arc<ClientConfig>, Option<i64>);

fn read(settings: &TlsSettings) -> anyhow::Result<Read> {
    let provider = Arc::new(ring::default_provider());
    let roots = match &settings.ca {
        Some(ca) => authorities(ca)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let client = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let client = client.with_root_certificates(roots);
    let Some(own) = &settings.own else {
        return Ok((None, Arc::new(client.with_no_client_auth()), None));
    };
    let chain = certificates(&own.certificate)?;
    let expiry = expiry(&chain, &own.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&own.key)
        .with_context(|| format!("{} holds no private key in PEM that could be read", own.key.display()))?;
    let unfit = || format!("{} and {} cannot be used together", own.certificate.display(), own.key.display());
    let server = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    let verifier = match &own.clients {
        Clients::Unasked => WebPkiClientVerifier::no_client_auth(),
        Clients::Optional { ca } => verifier(ca, provider)?.allow_unauthenticated().build()?,
        Clients::Required { ca } => verifier(ca, provider)?.build()?,
    };
    let server = server.with_client_cert_verifier(verifier).with_single_cert(chain.clone(), key.clone_key());
    let server = server.with_context(unfit)?;
    // Trunks may want to know us as we want to know them.
    let client = client.with_client_auth_cert(chain, key).with_context(unfit)?;
    Ok((Some(Arc::new(server)), Arc::new(client), Some(expiry)))
}

fn verifier(ca: &Path, provider: Arc<CryptoProvider>) -> anyhow::Result<rustls::server::ClientCertVerifierBuilder> {
    Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(ca)?), provider))
}

fn certificates(file: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let wrong = || format!("{} holds no certificates in PEM that could be read", file.display());
    let certificates = CertificateDer::pem_file_iter(file).with_context(wrong)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().with_context(wrong)?;
    if certificates.is_empty() {
        bail!(wrong());
    }
    Ok(certificates)
}

fn authorities(file: &Path) -> anyhow::Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        store.add(certificate).with_context(|| format!("{} holds something else than authorities", file.display()))?;
    }
    Ok(store)
}

/// When the first of the chain ends, in seconds since the Unix epoch.
fn expiry(chain: &[CertificateDer], file: &Path) -> anyhow::Result<i64> {
    let mut ends = Vec::new();
    for certificate in chain {
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate)
            .with_context(|| format!("{} holds something else than certificates", file.display()))?;
        ends.push(certificate.validity().not_after.timestamp());
    }
    ends.into_iter().min().with_context(|| format!("{} holds no certificate", file.display()))
}

/// Whom the certificate of a peer is for, as SIP understands it (RFC 5922 §7.1): its names of the kind DNS, and the hosts of
/// `sip:` URIs without a user, in lower case; no name with `*`. The common name does not count.
pub(super) fn names(certificate: &CertificateDer) -> Vec<String> {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else { return Vec::new() };
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::URI(uri) => match uri.parse() {
            Ok(Uri::Sip(SipUri { user: None, host: Host::Name(name), .. })) => Some(name),
            _ => None,
        },
        _ => None,
    };
    let names = alternatives.value.general_names.iter().filter_map(name);
    names.filter(|name| !name.contains('*')).collect()
}

/// Makes a certificate for this machine alone, signed by nobody but itself; kept in `folder`, where a second start finds
/// it again. The key is for its owner only.
///
/// # Errors
///
/// The files cannot be written.
pub fn self_signed(folder: &Path) -> anyhow::Result<OwnFiles> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let files = OwnFiles {
        certificate: folder.join("self-signed.pem"),
        key: folder.join("self-signed.key"),
        clients: Clients::Unasked,
    };
    if files.certificate.exists() && files.key.exists() {
        return Ok(files);
    }
    let names = ["localhost", "127.0.0.1", "::1"].map(String::from);
    let made = rcgen::generate_simple_self_signed(names).context("no certificate could be made")?;
    let write = |file: &Path, text: String| -> io::Result<()> {
        let mut file = std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(file)?;
        file.write_all(text.as_bytes())
    };
    // The certificate last: with it both are there.
    write(&files.key, made.signing_key.serialize_pem())
        .with_context(|| format!("cannot write {}", files.key.display()))?;
    write(&files.certificate, made.cert.pem())
        .with_context(|| format!("cannot write {}", files.certificate.display()))?;
    Ok(files)
}

/// Why a handshake failed, for the counter.
pub(super) fn fault(error: &io::Error) -> SipFault {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked, CertificateUnknown,
        UnknownCA, UnsupportedCertificate,
    };
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(_)) => SipFault::NotTls,
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => SipFault::Untrusted,
        Some(rustls::Error::AlertReceived(
            AccessDenied
            | BadCertificate
            | CertificateExpired
            | CertificateRequired
            | CertificateRevoked
            | CertificateUnknown
            | UnknownCA
            | UnsupportedCertificate,
        )) => SipFault::Untrusted,
        Some(_) | None => SipFault::TlsFailed,
    }
}

#[cfg(test)]
pub(super) mod tests;
