//! What lies between the program and the service: TLS with certificates of the test's own authority, and proxies.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::crypto::ring;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::scripted_server::ScriptedServer;

/// A certificate authority that no platform knows.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate, as a bundle has it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A server's certificate for that name, valid from the first day of one year to that of another.
    pub fn certify(&self, name: &str, years: [i32; 2]) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        [params.not_before, params.not_after] = years.map(|year| date_time_ymd(year, 1, 1));
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key.into())
            .unwrap();
        Arc::new(config)
    }
}

/// Takes connections on a free port of this machine until it is dropped.
struct Listening {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listening {
    fn start(serve: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, over, serve) = (Arc::clone(&connections), Arc::clone(&ended), Arc::new(serve));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    break;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                // A client that goes away is no concern of the server.
                thread::spawn(move || stream.and_then(|stream| serve(stream)));
            }
        });
        Listening { address, connections, ended, thread: Some(thread) }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// TLS before a scripted server: what is asked here, that server answers.
pub struct TlsFront(Listening);

impl TlsFront {
    pub fn start(config: Arc<ServerConfig>, behind: &ScriptedServer) -> Self {
        let behind = address_of(behind);
        TlsFront(Listening::start(move |stream| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            let mut stream = StreamOwned::new(connection, stream);
            // The handshake is a part of the first reading: a client that refuses the certificate ends here.
            let head = head_of(&mut stream)?;
            let mut answer = Vec::new();
            let mut server = TcpStream::connect(behind)?;
            server.write_all(&head)?;
            server.read_to_end(&mut answer)?;
            stream.write_all(&answer)?;
            stream.conn.send_close_notify();
            stream.flush()
        }))
    }

    /// Its address by the name `localhost`.
    pub fn host(&self) -> String {
        format!("localhost:{}", self.0.address.port())
    }

    /// The URL of a path here.
    pub fn url(&self, target: &str) -> String {
        format!("https://{}{target}", self.host())
    }

    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// How many connections were made, in vain or not.
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::SeqCst)
    }
}

#[derive(Default)]
struct Seen {
    heads: Mutex<Vec<String>>,
    sent: Mutex<Vec<u8>>,
}

/// A proxy that remembers what it was told. It takes plain requests and CONNECT.
pub struct Proxy {
    listening: Listening,
    seen: Arc<Seen>,
}

impl Proxy {
    /// Leads these hosts, each as a request names it, to addresses of this machine, and refuses others.
    pub fn leading(routes: &[(&str, SocketAddr)]) -> Self {
        let routes: Vec<_> = routes.iter().map(|(host, address)| ((*host).to_owned(), *address)).collect();
        Self::start(move |seen, head, stream| {
            let (method, target) = head.split_once(' ').unwrap_or_default();
            let target = target.split(' ').next().unwrap_or_default();
            let host = target.trim_start_matches("http://").split('/').next().unwrap_or_default();
            let Some((_, address)) = routes.iter().find(|(name, _)| name == host) else {
                return stream.write_all(b"HTTP/1.1 502 No Such Host\r\nContent-Length: 0\r\n\r\n");
            };
            let mut server = TcpStream::connect(address)?;
            if method == "CONNECT" {
                stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n")?;
                let (mut from, mut to) = (stream.try_clone()?, server.try_clone()?);
                let (seen, mut bytes) = (Arc::clone(seen), [0; 4096]);
                thread::spawn(move || {
                    while let Ok(count @ 1..) = from.read(&mut bytes) {
                        seen.sent.lock().unwrap().extend_from_slice(&bytes[..count]);
                        to.write_all(&bytes[..count])?;
                    }
                    to.shutdown(Shutdown::Write)
                });
            } else {
                // As the server at the end of the way expects it.
                let own = head.lines().filter(|line| !line.to_ascii_lowercase().starts_with("proxy-"));
                let own = own.map(|line| format!("{line}\r\n")).collect::<String>();
                server.write_all(own.replacen(&format!("http://{host}"), "", 1).as_bytes())?;
            }
            io::copy(&mut server, stream).map(drop)
        })
    }

    /// Answers everything with these bytes.
    pub fn saying(answer: String) -> Self {
        Self::start(move |_, _, stream| stream.write_all(answer.as_bytes()))
    }

    fn start(serve: impl Fn(&Arc<Seen>, &str, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Seen::default());
        let of_listening = Arc::clone(&seen);
        let listening = Listening::start(move |mut stream| {
            let head = head_of(&mut stream)?.into_iter().map(char::from).collect::<String>();
            of_listening.heads.lock().unwrap().push(head.clone());
            serve(&of_listening, &head, &mut stream)?;
            stream.shutdown(Shutdown::Write)
        });
        Proxy { listening, seen }
    }

    /// What a variable of the environment says to use it, with credentials.
    pub fn url(&self) -> String {
        format!("http://clerk:{PROXY_PASSWORD}@{}", self.listening.address)
    }

    pub fn host(&self) -> String {
        self.listening.address.to_string()
    }

    /// The heads of the requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.seen.heads.lock().unwrap().clone()
    }

    /// What clients sent through tunnels so far.
    pub fn tunnelled(&self) -> Vec<u8> {
        self.seen.sent.lock().unwrap().clone()
    }
}

/// The password of every proxy's URL; nothing may tell it.
pub const PROXY_PASSWORD: &str = "a-proxys-password";

/// Where a scripted server listens.
pub fn address_of(server: &ScriptedServer) -> SocketAddr {
    server.endpoint().trim_start_matches("http://").parse().unwrap()
}

/// A request up to its empty line.
fn head_of(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    Ok(head)
}
