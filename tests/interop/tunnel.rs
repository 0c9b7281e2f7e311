//! The TLS that Debian's SIPp does not speak.

use crate::server::Folder;
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// Takes connections by TLS, showing `own.pem` of the folder, and passes what they bring to a place that speaks TCP, and back.
pub struct Tunnel {
    pub at: SocketAddr,
    _runtime: Runtime,
}

impl Tunnel {
    pub fn to(folder: &Folder, to: SocketAddr) -> Tunnel {
        let file = |name: &str| folder.path().join(name);
        let certificate = CertificateDer::from_pem_file(file("own.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(file("own.key")).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the versions of the provider")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate and its key");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let at = listener.local_addr().expect("a bound socket");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await?;
                    let mut plain = TcpStream::connect(to).await?;
                    tokio::io::copy_bidirectional(&mut stream, &mut plain).await
                });
            }
        });
        Tunnel { at, _runtime: runtime }
    }
}
