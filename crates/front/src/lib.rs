//! A front for [stateright](https://docs.rs/stateright)'s Explorer, which is a web server that trusts whoever talks to it.
//!
//! The Explorer answers every request that reaches its port, one after the other, and takes its page from the folder `ui` of the
//! working directory if there is one. So any page that a browser has open can reach it (by a host name that is made to resolve to
//! 127.0.0.1, or by a form that is posted to it), a client that reads slowly keeps all others waiting, and who starts it in the
//! wrong folder is shown somebody else's page. A [`Front`] stands before it:
//!
//! * It answers requests whose `Host` is this machine: `localhost`, a loopback address, or the address that it listens on, with no
//!   other port than its own. A page cannot make a browser send such a `Host` under a name of its own. Who forwards another port to
//!   it (`ssh -L`) has to forward the same number.
//! * It refuses requests whose `Origin` is not the page's own, and commands whose `Referer` is not.
//! * A client that stalls keeps nobody waiting, and is hung up on in the end. A request's head has at most 256 KiB, and no body.
//! * It passes on to the Explorer what the Explorer's page asks for, and nothing else, one request at a time.
//! * The page is the Explorer's own ([`leave_working_directory`]), unless a folder is named or the program has another ([`Page`]),
//!   which may ask questions of its own ([`Question`]).
//! * Its answers say what they are and that nothing else may be loaded (`Content-Security-Policy`, `nosniff`).
//!
//! # What it cannot do
//! The Explorer still listens on a TCP port, since it can do nothing else. [`hidden_address`] gives it one that no browser guesses:
//! an address of the loopback network drawn at random. Other processes of the same machine can look it up and ask it for what the
//! page shows, or make it search. Nothing of it is secret, but who shares the machine with strangers should know.
//!
//! ```no_run
//! use stateright::Model;
//! use stateright_front::{hidden_address, leave_working_directory, Front};
//! # #[derive(Clone)]
//! # struct Counter;
//! # impl Model for Counter {
//! #     type State = u8;
//! #     type Action = ();
//! #     fn init_states(&self) -> Vec<u8> { vec![0] }
//! #     fn actions(&self, _: &u8, out: &mut Vec<()>) { out.push(()) }
//! #     fn next_state(&self, state: &u8, _: ()) -> Option<u8> { Some((state + 1) % 3) }
//! # }
//! # fn main() -> std::io::Result<()> {
//! leave_working_directory()?;
//! let explorer = hidden_address()?;
//! std::thread::spawn(move || Counter.checker().serve(explorer));
//! Front::new(std::net::TcpListener::bind("127.0.0.1:3000")?, explorer)?.serve(|| false)
//! # }
//! ```

#![forbid(unsafe_code)]

use std::collections::hash_map::RandomState;
use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, server};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

pub use page::{Answer, Page, PageError, PageFile, Question};

use admission::{Refusal, admit};
use page::Source;
use route::{FILES, Route};

mod admission;
mod explorer;
mod page;
mod route;

/// How long a client may take for the head of a request, and be idle between two.
const HEAD_TIME: Duration = Duration::from_secs(20);
/// How long a connection lasts: a browser opens another one, a client that does not read its answer is rid of.
const CONNECTION_TIME: Duration = Duration::from_secs(300);
/// Most bytes in the head of a request, about; its path has at most 65,534, enough for a run of 20,000 steps.
const MOST_HEAD: usize = 256 << 10;
/// Most connections at a time.
const MOST_CONNECTIONS: usize = 512;
/// How often the front looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(100);

/// The headers that each answer has: a browser takes it for what it is said to be, loads nothing from elsewhere, shows it in no
/// frame and keeps no copy.
const HEADERS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("cache-control", "no-store"),
];

/// What the Explorer's page may do: it binds by `new Function` (Knockout), styles its drawings inline, and has one inline handler,
/// `onclick="runToCompletion()"`, whose SHA-256 is named.
const EXPLORERS_POLICY: &str = "default-src 'none'; script-src 'self' 'unsafe-eval' 'unsafe-hashes' \
    'sha256-Q7Rp9cIAz0T/BXadAjSQC7PjumCoJKE/essVfCJCDaA='; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What a page of the program's own may do: use its own files and ask its own server.
const OWN_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A web server that serves an Explorer's page and passes its questions on to the Explorer.
#[derive(Debug)]
pub struct Front {
    listener: TcpListener,
    listening: IpAddr,
    explorer: SocketAddr,
    page: Page,
}

/// What all connections share.
struct Shared {
    listening: IpAddr,
    page: Page,
    /// The Explorer's address, locked while it answers: it does so one after the other.
    explorer: Mutex<SocketAddr>,
    /// Locked while a question of the page's own is answered: each may take a whole core.
    answering: Arc<Mutex<()>>,
}

impl Front {
    /// A front that listens here, before an Explorer that listens there.
    ///
    /// # Errors
    /// If the listener has no address.
    pub fn new(listener: TcpListener, explorer: SocketAddr) -> io::Result<Front> {
        let listening = listener.local_addr()?.ip();
        Ok(Front { listener, listening, explorer, page: Page::default() })
    }

    /// The same with another page than the Explorer's own.
    pub fn with_page(self, page: Page) -> Front {
        Front { page, ..self }
    }

    /// Serves until it is to stop, which it looks at ten times a second.
    ///
    /// # Errors
    /// If the machine has nothing left to serve with.
    pub fn serve(self, stop: impl Fn() -> bool) -> io::Result<()> {
        let Front { listener, listening, explorer, page } = self;
        let shared = Arc::new(Shared { listening, page, explorer: Mutex::new(explorer), answering: Arc::default() });
        let slots = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let served = runtime.block_on(async {
            listener.set_nonblocking(true)?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            while !stop() {
                let Ok(Ok(slot)) = timeout(LOOK, slots.clone().acquire_owned()).await else { continue };
                match timeout(LOOK, listener.accept()).await {
                    Ok(Ok((stream, _))) => drop(tokio::spawn(connection(stream, slot, shared.clone()))),
                    // As many files are open as may be: some connection has to end first.
                    Ok(Err(_)) => sleep(LOOK).await,
                    Err(_) => {}
                }
            }
            Ok(())
        });
        // An answer in the making is not waited for.
        runtime.shutdown_background();
        served
    }
}

/// Answers what comes over a connection, as long as it may last.
async fn connection(stream: TcpStream, _slot: OwnedSemaphorePermit, shared: Arc<Shared>) {
    let Ok(local) = stream.local_addr() else { return };
    let service = service_fn(|request| {
        let shared = shared.clone();
        async move { Ok::<_, Infallible>(shared.answer(local, &request).await) }
    });
    let mut http = server::conn::http1::Builder::new();
    let http = http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(MOST_HEAD);
    // How a connection ends is the client's affair.
    let _ = timeout(CONNECTION_TIME, http.serve_connection(TokioIo::new(stream), service)).await;
}

impl Shared {
    async fn answer(&self, here: SocketAddr, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let answered = match self.route(here, request) {
            Ok(route) => self.follow(route).await,
            Err(refusal) => Err(refusal),
        };
        let mut response = answered.unwrap_or_else(refused);
        let headers = response.headers_mut();
        let policy = match self.page.source {
            Source::Program(_) => OWN_POLICY,
            Source::Explorer | Source::Folder(_) => EXPLORERS_POLICY,
        };
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        for (name, value) in HEADERS {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        response
    }

    /// What a request asks for, if it may.
    fn route(&self, here: SocketAddr, request: &Request<Incoming>) -> Result<Route<'_>, Refusal> {
        admit(request, here, self.listening)?;
        if !request.body().is_end_stream() {
            return Err(Refusal::Body);
        }
        Route::of(&self.page, request.method(), request.uri().path())
    }

    async fn follow(&self, route: Route<'_>) -> Result<Response<Full<Bytes>>, Refusal> {
        let (method, path, kind) = match &route {
            Route::Own(file) => return Ok(typed(StatusCode::OK, file.kind, Bytes::from(file.bytes.to_vec()))),
            Route::Asked(question, indices) => return self.ask(question, indices.clone()).await,
            Route::File(file) => match self.page.read(file.name).map_err(|_| Refusal::Page(file.name))? {
                Some(bytes) => return Ok(typed(StatusCode::OK, file.kind, bytes.into())),
                None => (Method::GET, file.path, file.kind),
            },
            Route::Question(path) => (Method::GET, path.as_str(), route::JSON),
            Route::RunToCompletion => (Method::POST, route::RUN, route::TEXT),
        };
        let explorer = self.explorer.lock().await;
        let answered = explorer::ask(*explorer, method, path).await;
        let (status, body) = answered.map_err(|_| Refusal::Explorer)?;
        Ok(typed(status, if status.is_success() { kind } else { route::TEXT }, body))
    }

    /// Answers a question of the page's own, on a thread that keeps nobody waiting, after the questions before it.
    async fn ask(&self, question: &Question, indices: Vec<usize>) -> Result<Response<Full<Bytes>>, Refusal> {
        let turn = self.answering.clone().lock_owned().await;
        let answer = question.answer.clone();
        let answered = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            answer(&indices)
        });
        let body = answered.await.map_err(|_| Refusal::Defect)?.map_err(Refusal::NoAnswer)?;
        Ok(typed(StatusCode::OK, question.kind, body.into()))
    }
}

fn typed(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

fn refused(refusal: Refusal) -> Response<Full<Bytes>> {
    let mut response = typed(refusal.status(), route::TEXT, format!("{refusal}\n").into());
    if let Refusal::Method(allowed) = refusal {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

/// A free address for an Explorer that no browser guesses: one of the 16 million of the loopback network, drawn at random, where
/// the machine has them all, as Linux has.
///
/// # Errors
/// If there is no free port.
pub fn hidden_address() -> io::Result<SocketAddr> {
    // Seeded at random by the standard library.
    let [a, b, c, ..] = RandomState::new().build_hasher().finish().to_ne_bytes();
    // Neither the network's own address nor that of its broadcasts.
    let drawn = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
    let free = |address: Ipv4Addr| TcpListener::bind((address, 0))?.local_addr();
    free(drawn).or_else(|_| free(Ipv4Addr::LOCALHOST))
}

/// Goes to a working directory in which nothing is and nothing can be put, so that the Explorer finds no folder `ui` there.
///
/// Relative paths mean nothing from then on: call this when every file has been opened.
///
/// # Errors
/// If there can be no temporary folder.
pub fn leave_working_directory() -> io::Result<()> {
    let empty = tempfile::tempdir()?;
    std::env::set_current_dir(empty.path())?;
    // A folder that is gone takes no entries, for as long as it is somebody's working directory. Where it cannot be removed then,
    // it stays, empty.
    match empty.close() {
        Err(_) if Path::new(".").read_dir()?.next().is_some() => {
            Err(io::Error::other("the temporary folder is not empty"))
        }
        _ => Ok(()),
    }
}

/// The files that an Explorer's page consists of, by their names in a folder.
pub fn page_files() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|file| file.name)
}
