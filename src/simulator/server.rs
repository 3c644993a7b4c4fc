//! The running simulator: its sockets on 127.0.0.1, for the API and for ordered files, and their connections.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use super::Error;
use super::answers::{Host, answer};
use super::options::Options;
use super::state::{Counters, State};
use super::wire::{Breaker, Socket, Wire};
use super::words::Dataset;

/// A running server. Ends with [`Simulator::stop`], or when it is dropped.
pub struct Simulator {
    state: Arc<State>,
    stop: watch::Sender<()>,
    connections: [JoinHandle<()>; 2],
}

impl Simulator {
    /// Starts to serve on 127.0.0.1, on the runtime that it is called on.
    ///
    /// # Errors
    /// `InvalidInput` when the options list no enrollment, no month or pages without rows; else what the socket answers,
    /// such as `AddrInUse`.
    pub async fn start(options: Options) -> io::Result<Self> {
        let invalid = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        if options.enrollments.is_empty() {
            return invalid("the simulator needs at least one enrollment");
        }
        if options.months == 0 || options.page_rows == 0 {
            return invalid("the simulator needs at least one month, and one row a page");
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let blobs = TcpListener::bind((Ipv4Addr::LOCALHOST, options.blob_port)).await?;
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let endpoint = |listener: &TcpListener| Ok::<_, io::Error>(format!("{scheme}://{}", listener.local_addr()?));
        let (endpoint, blob_endpoint) = (endpoint(&listener)?, endpoint(&blobs)?);
        let state = Arc::new(State::new(options, endpoint, blob_endpoint));
        let (stop, stopped) = watch::channel(());
        let connections = [(Host::Api, listener), (Host::Blobs, blobs)]
            .map(|(host, listener)| tokio::spawn(accept(listener, host, state.clone(), stopped.clone())));
        Ok(Self { state, stop, connections })
    }

    /// Where it listens: `http://127.0.0.1:PORT`, `https` with TLS.
    pub fn endpoint(&self) -> String {
        self.state.endpoint.clone()
    }

    /// Where ordered files are: the same with another port.
    pub fn blob_endpoint(&self) -> String {
        self.state.blob_endpoint.clone()
    }

    /// The key of an enrollment that is served.
    pub fn key(&self, enrollment: &str) -> Option<String> {
        self.state.keys.of(enrollment).map(str::to_owned)
    }

    /// Gives the usage of a period the next version of its data, with a new ETag: some costs change, some rows appear,
    /// some vanish.
    ///
    /// # Errors
    /// [`Error::Month`], [`Error::Enrollment`], [`Error::NoData`].
    pub fn restate(&self, enrollment: &str, period: &str) -> Result<(), Error> {
        self.restate_dataset(Dataset::UsageDetails, enrollment, period)
    }

    /// The same for any dataset.
    ///
    /// # Errors
    /// [`Error::Month`], [`Error::Enrollment`], [`Error::NoData`].
    pub fn restate_dataset(&self, dataset: Dataset, enrollment: &str, period: &str) -> Result<(), Error> {
        self.state.restate(enrollment, dataset, period.parse()?, false).map(drop)
    }

    /// What is served now, as `GET /_truth` answers it: `enrollments.{number}.{period}` with `rows`, `pages`, `version`,
    /// `etag` (as the header says it), `negative_rows` and `sums` (`cost`, `consumed_quantity`, `resource_rate` as
    /// decimal strings, exact); `datasets.{name}.{number}.{period}` with much the same of the other datasets;
    /// `rows_in_all`, of usage; `counters`. The first call works through every row, about 50 ns each.
    pub fn truth(&self) -> serde_json::Value {
        self.state.truth()
    }

    /// What it has answered so far.
    pub fn counters(&self) -> Counters {
        self.state.counting.read()
    }

    /// How often each rule of [`Options::faults`] was played.
    pub fn played(&self) -> Vec<u64> {
        self.state.played()
    }

    /// How often something was asked for: `billing_periods/100`, `usage_details/100/202401/1` (a page), or
    /// `usage_details/100/202401/-` (a page of another version of the data); of a range of days the period is
    /// `2024-01-05..2024-02-03`.
    pub fn requests_of(&self, what: &str) -> u64 {
        self.state.requests_of(what)
    }

    /// Closes the socket and all connections, and waits until they are closed.
    pub async fn stop(self) {
        self.stop.send_replace(());
        for connections in self.connections {
            // The task only ends early when the runtime is going down.
            let _ = connections.await;
        }
    }
}

/// Takes connections until told to stop, or until the simulator is dropped.
async fn accept(listener: TcpListener, host: Host, state: Arc<State>, mut stopped: watch::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            accepted = listener.accept() => {
                // A connection that failed while being accepted is the client's to try again.
                let Ok((stream, _)) = accepted else { continue };
                // Small answers shall not wait for acknowledgements; if that cannot be set, they are only later.
                let _ = stream.set_nodelay(true);
                state.counting.connections.fetch_add(1, Relaxed);
                let state = state.clone();
                connections.spawn(async move {
                    match state.options.tls.clone() {
                        None => serve(stream, host, state).await,
                        Some(tls) => {
                            // A client that does not trust the certificate goes away.
                            if let Ok(stream) = TlsAcceptor::from(tls.0).accept(stream).await {
                                serve(stream, host, state).await;
                            }
                        }
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    connections.shutdown().await;
}

/// Answers the requests of a connection until it ends.
async fn serve<S: Socket + Send + 'static>(stream: S, host: Host, state: Arc<State>) {
    let breaker = Breaker::default();
    let wire = Wire::new(stream, breaker.clone());
    let service = service_fn(move |request| {
        let (state, breaker) = (state.clone(), breaker.clone());
        async move { Ok::<_, Infallible>(answer(&state, host, &request, &breaker).await) }
    });
    // A client that goes away in the middle of an answer is no concern of the server.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(wire), service).await;
}
