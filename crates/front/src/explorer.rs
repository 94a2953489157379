//! Asking the Explorer.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::header::{CONNECTION, HOST};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Most bytes of an answer.
const MOST_BODY: usize = 64 << 20;
/// How long an answer may take.
const TIME: Duration = Duration::from_secs(120);

type Answer = Result<(StatusCode, Bytes), Box<dyn Error + Send + Sync>>;

/// Asks the Explorer, and reads all of its answer before anybody else does: it waits for who reads slowly. Its answer is read to
/// the end even if nobody wants it any more.
pub async fn ask(explorer: SocketAddr, method: Method, path: &str) -> Answer {
    let asked = tokio::spawn(timeout(TIME, exchange(explorer, method, path.to_string())));
    asked.await??
}

async fn exchange(explorer: SocketAddr, method: Method, path: String) -> Answer {
    let stream = TcpStream::connect(explorer).await?;
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::builder().method(method).uri(path);
    let request = request.header(HOST, explorer.to_string()).header(CONNECTION, "close");
    let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MOST_BODY).collect().await?.to_bytes();
    connection.abort();
    Ok((status, body))
}
