//! `sslmode` against a real server behind a relay that speaks TLS for it: the packaged PostgreSQL is built without.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use agent_turbo_db::{Config, ConnectionUrl, Database, Error, Event, migrate};
use agent_turbo_test_support::TestDatabase;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::support::{everything_shown, execute, soon, with_parameter};

/// What a client sends to ask for TLS, and the answer to it.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// An authority that signs certificates, and its own as a file.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: tempfile::NamedTempFile,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(params.self_signed(&key).unwrap().pem().as_bytes()).unwrap();
        Self { issuer: Issuer::new(params, key), file }
    }

    /// What makes a server prove to be `name`.
    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A database whose connections are encrypted, and how many of them were.
struct Encrypted {
    database: TestDatabase,
    authority: Authority,
    url: ConnectionUrl,
    handshakes: Arc<AtomicUsize>,
}

impl Encrypted {
    /// The server has a certificate for `name`.
    async fn with_name(name: &str) -> Self {
        let database = TestDatabase::empty().await.unwrap();
        let authority = Authority::new();
        let acceptor = authority.acceptor(name);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = database.tcp_url().await.unwrap();
        let (front, back) = url.expose().rsplit_once('@').unwrap();
        let (server, path) = back.split_once('/').unwrap();
        let relayed = format!("{front}@{}/{path}", listener.local_addr().unwrap());
        let handshakes = Arc::new(AtomicUsize::new(0));
        let (server, counter) = (server.to_owned(), Arc::clone(&handshakes));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(relay(stream, acceptor.clone(), server.clone(), Arc::clone(&counter)));
            }
        });
        Self { database, authority, url: ConnectionUrl::new(relayed), handshakes }
    }

    fn url(&self, parameters: &str) -> ConnectionUrl {
        with_parameter(&self.url, parameters)
    }

    fn trusting(&self, authority: &Authority, sslmode: &str) -> ConnectionUrl {
        self.url(&format!("sslmode={sslmode}&sslrootcert={}", authority.file.path().display()))
    }

    async fn assert_works(&self, url: &ConnectionUrl) {
        let before = self.handshakes.load(Ordering::SeqCst);
        let db = Database::connect(Config::new(url.clone())).await.unwrap();
        let one = db.run("one", |client| async move { execute(&client, "SELECT 1").await });
        assert_eq!(one.await.unwrap(), 1);
        assert_eq!(self.handshakes.load(Ordering::SeqCst), before + 2, "both connections are encrypted");
    }
}

/// One connection: TLS in front, as the client asked for it, and the real server behind.
async fn relay(
    mut client: TcpStream,
    acceptor: TlsAcceptor,
    server: String,
    handshakes: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let mut request = [0; 8];
    client.read_exact(&mut request).await?;
    let mut server = TcpStream::connect(server).await?;
    if request != SSL_REQUEST {
        server.write_all(&request).await?;
        copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    }
    client.write_all(b"S").await?;
    let mut client = acceptor.accept(client).await?;
    handshakes.fetch_add(1, Ordering::SeqCst);
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// What all three ways to the server say.
async fn assert_refused(url: ConnectionUrl) -> String {
    let config = Config::new(url);
    let (connected, migrated) =
        soon(async { tokio::join!(Database::connect(config.clone()), migrate(&config)) }).await;
    let [one, other] = [connected.unwrap_err(), migrated.unwrap_err()].map(|error| {
        assert!(matches!(error, Error::Tls(_)), "{error:?}");
        assert!(error.hint().is_some());
        everything_shown(&error)
    });
    assert_eq!(one, other);
    one
}

#[tokio::test]
async fn an_unknown_authority_is_refused_where_it_is_to_be_checked() {
    let server = Encrypted::with_name("127.0.0.1").await;
    let stranger = Authority::new();
    for sslmode in ["verify-full", "verify-ca", "require"] {
        let shown = assert_refused(server.trusting(&stranger, sslmode)).await;
        assert!(shown.contains("certificate"), "{shown}");
    }
    // The system's own roots do not know it either.
    assert_refused(server.url("sslmode=verify-full")).await;
}

#[tokio::test]
async fn another_name_is_refused_by_verify_full_alone() {
    let server = Encrypted::with_name("elsewhere.example").await;
    let shown = assert_refused(server.trusting(&server.authority, "verify-full")).await;
    assert!(shown.contains("elsewhere.example"), "{shown}");
    server.assert_works(&server.trusting(&server.authority, "verify-ca")).await;
}

#[tokio::test]
async fn a_root_certificate_that_is_not_there_or_not_one_is_named() {
    let server = Encrypted::with_name("127.0.0.1").await;
    let shown = assert_refused(server.url("sslmode=verify-full&sslrootcert=/no/such.pem")).await;
    assert!(shown.contains("/no/such.pem"), "{shown}");
    let empty = tempfile::NamedTempFile::new().unwrap();
    let url = server.url(&format!("sslmode=verify-full&sslrootcert={}", empty.path().display()));
    let shown = assert_refused(url).await;
    assert!(shown.contains("root certificate"), "{shown}");
}

#[tokio::test]
async fn the_right_authority_and_name_satisfy_verify_full() {
    let server = Encrypted::with_name("127.0.0.1").await;
    server.assert_works(&server.trusting(&server.authority, "verify-full")).await;
    let server = Encrypted::with_name("localhost").await;
    let url = server.trusting(&server.authority, "verify-full");
    server.assert_works(&ConnectionUrl::new(url.expose().replace("127.0.0.1", "localhost"))).await;
}

#[tokio::test]
async fn require_and_prefer_encrypt_without_asking_who_it_is() {
    let server = Encrypted::with_name("elsewhere.example").await;
    server.assert_works(&server.url("sslmode=require")).await;
    server.assert_works(&server.url("sslmode=prefer")).await;
    server.assert_works(&server.url).await;
}

#[tokio::test]
async fn migrations_and_notifications_are_encrypted_too() {
    let server = Encrypted::with_name("127.0.0.1").await;
    let config = Config::new(server.trusting(&server.authority, "verify-full"));
    migrate(&config).await.unwrap();
    assert_eq!(server.handshakes.load(Ordering::SeqCst), 1);
    let db = Database::connect(config).await.unwrap();
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    let _listener = db.listen(&["one"], move |event| drop(sender.send(event)));
    assert_eq!(soon(events.recv()).await, Some(Event::Live));
    assert_eq!(server.handshakes.load(Ordering::SeqCst), 4);
    server.database.client().await.unwrap().batch_execute("NOTIFY one").await.unwrap();
    assert!(matches!(soon(events.recv()).await, Some(Event::Notification { .. })));
}

#[tokio::test]
async fn a_server_without_tls_serves_prefer_in_plain_text_and_is_refused_by_require() {
    let database = TestDatabase::empty().await.unwrap();
    let url = database.tcp_url().await.unwrap();
    for plain in
        [url.clone(), with_parameter(&url, "sslmode=prefer"), with_parameter(&url, "sslmode=disable")]
    {
        Database::connect(Config::new(plain)).await.unwrap();
    }
    for sslmode in ["require", "verify-ca", "verify-full"] {
        let authority = Authority::new();
        let parameters = format!("sslmode={sslmode}&sslrootcert={}", authority.file.path().display());
        let shown = assert_refused(with_parameter(&url, &parameters)).await;
        assert!(shown.contains("server does not support TLS"), "{shown}");
    }
}
