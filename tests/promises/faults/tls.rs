//! Faults 1, 9, 10 and 36, the part with TLS: certificates that are not trusted, private authorities, and links that
//! leave TLS. A relay speaks TLS before the scripted server.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::bill;
use super::expected::{Failure, Good};
use super::scene::{At, NEW, Scene, each};
use crate::scripted_server::{Answer, USAGE};

/// A file of the tests' certificates, which are valid until 2100 unless their name says otherwise.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/promises/faults/tls").join(name)
}

/// A relay that closes each connection.
const HANGS_UP: &str = "";
/// A relay that answers each connection without TLS.
const SPEAKS_HTTP: &str = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

/// Speaks TLS to clients, and plain HTTP to a server.
struct Relay {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Relay {
    /// Shows this certificate; with a text that is no file's name it answers that instead.
    fn start(certificate: &'static str, server: &str) -> Self {
        // The first call of the process decides; that it was made already is no error.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = certificate.ends_with(".pem").then(|| {
            let chain = vec![CertificateDer::from_pem_file(file(certificate)).unwrap()];
            let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
            Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap())
        });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, stopped) = (Arc::clone(&connections), Arc::clone(&ended));
        let server = server.trim_start_matches("http://").to_owned();
        let listening = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let (config, server) = (config.clone(), server.clone());
                // A client that does not trust the certificate goes away: no concern of the relay.
                thread::spawn(move || match config {
                    Some(config) => relay(stream, config, &server),
                    None => answer_plainly(stream, certificate),
                });
            }
        });
        Relay { address, connections, ended, listening: Some(listening) }
    }

    fn endpoint(&self) -> String {
        format!("https://{}", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

/// Takes what begins a handshake, and answers without one.
fn answer_plainly(mut stream: TcpStream, answer: &str) -> io::Result<()> {
    stream.read_exact(&mut [0; 5])?;
    stream.write_all(answer.as_bytes())
}

/// One request and its answer.
fn relay(stream: TcpStream, config: Arc<ServerConfig>, server: &str) -> io::Result<()> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut client = StreamOwned::new(connection, stream);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let mut server = TcpStream::connect(server)?;
    server.write_all(&request)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    client.write_all(&answer)?;
    client.conn.send_close_notify();
    client.flush()
}

/// A scene of one page behind a relay with this certificate.
fn behind(certificate: &'static str) -> (Scene, Relay) {
    let scene = Scene::new().one_page(bill::rows("2024-11", 2));
    let relay = Relay::start(certificate, &scene.server.endpoint());
    let scene = scene.through(relay.endpoint());
    (scene, relay)
}

#[test]
fn a_private_authority_is_trusted_when_it_is_named() {
    let (scene, _relay) = behind("here.pem");
    let bundle = file("ca.pem");
    let scene = scene.with(["--ca-bundle", bundle.to_str().unwrap()]);
    scene.run().published(&Good::of_one_page(&scene));
}

#[test]
fn a_certificate_that_is_not_trusted_is_not_asked_again() {
    let cases = [
        ("an unknown authority", "here.pem", false, "--ca-bundle"),
        ("another host's", "elsewhere.pem", true, "check --endpoint"),
        ("expired", "expired.pem", true, "clock"),
        ("expired and unknown", "expired.pem", false, ""),
    ];
    each(
        &cases,
        |(name, ..)| (*name).to_owned(),
        |(_, certificate, bundle, hint)| {
            let (scene, relay) = behind(certificate);
            let ca = file("ca.pem");
            let scene = if *bundle { scene.with(["--ca-bundle", ca.to_str().unwrap()]) } else { scene };
            let words = format!("the certificate of {} is not trusted: ", relay.address);
            let words = [words.as_str()];
            scene.run().failed(At::Periods, &Failure::unavailable(&words, hint).requests(0));
            assert_eq!(relay.connections(), 1);
            assert!(scene.server.asked().is_empty());
        },
    );
}

#[test]
fn a_handshake_that_breaks_is_tried_again() {
    for certificate in [HANGS_UP, SPEAKS_HTTP] {
        let (scene, relay) = behind(certificate);
        let done = scene.in_library();
        let told = [&relay.address.to_string(), "(given up after 8 attempts)"];
        done.failed(At::Periods, &Failure::unavailable(&told, "").requests(0));
        assert_eq!(relay.connections(), 8);
    }
}

#[test]
fn a_bundle_that_is_none_ends_with_2() {
    let scene = Scene::new();
    let bundles = [
        (scene.place.path("missing.pem").to_str().unwrap().to_owned(), "cannot be read"),
        (scene.place.write("text.pem", b"no certificate"), "holds no certificate"),
        (scene.place.write("broken.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), ""),
        (file("server.key").to_str().unwrap().to_owned(), "holds no certificate"),
    ];
    for (bundle, told) in bundles {
        let ended = super::scene::finish(scene.program().with(["--ca-bundle", &bundle]).start());
        assert_eq!(ended.code, 2, "{bundle}: {}", ended.err);
        ended.says(&[told, "hint: "]);
        assert!(scene.server.asked().is_empty() && scene.place.data().len() == 2);
    }
}

#[test]
fn a_link_or_redirect_out_of_tls_is_refused_and_the_key_is_not_sent() {
    let ca = file("ca.pem");
    let bundle = ["--ca-bundle", ca.to_str().unwrap()];
    for redirects in [false, true] {
        let (scene, relay) = behind("here.pem");
        let plain = format!("http://{}{USAGE}?token=plain", relay.address);
        let answer = match redirects {
            true => Answer::redirect(&plain),
            false => Answer::json(bill::page(&scene.november, Some(&plain))).etag(NEW),
        };
        let scene = scene.always(At::First, answer).with(bundle);
        scene.run().failed(At::First, &Failure::data(&["leaves the endpoint"]));
        assert_eq!(scene.server.count(&format!("{USAGE}?token=plain")), 0);
    }
    // Within TLS both are followed.
    let (scene, relay) = behind("here.pem");
    let second = format!("{USAGE}?token=tls");
    let next = format!("{}{second}", relay.endpoint());
    let first = Answer::json(bill::page(&scene.november[..10], Some(&next))).etag(NEW);
    scene.server.on(&second, [Answer::json(bill::page(&scene.november[10..], None))]);
    let scene = scene.always(At::First, first).with(bundle);
    scene.run().published(&Good { pages: 2, requests: Some(3), ..Good::of(&scene) });
}
