//! Who may ask.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, HeaderName, ORIGIN, REFERER};
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode, Uri};
use thiserror::Error;

/// Why a request is not followed.
#[derive(Debug, Error)]
pub enum Refusal {
    #[error("a request needs exactly one Host, and names a path only")]
    NoHost,
    #[error("this server is asked for as localhost or by its address, with its port, but not as {0:?}")]
    Host(String),
    #[error("this server answers its own page only")]
    Origin,
    #[error("there is nothing here")]
    Unknown,
    #[error("this is to be asked for with {0}")]
    Method(&'static str),
    #[error("no request has a body here")]
    Body,
    #[error("the page's file {0} cannot be read")]
    Page(&'static str),
    #[error("the Explorer does not answer")]
    Explorer,
    #[error("{0}")]
    NoAnswer(String),
    #[error("this question meets a defect of the program")]
    Defect,
}

impl Refusal {
    /// The status code that says so.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::NoHost => StatusCode::BAD_REQUEST,
            Refusal::Host(_) | Refusal::Origin => StatusCode::FORBIDDEN,
            Refusal::Unknown | Refusal::NoAnswer(_) => StatusCode::NOT_FOUND,
            Refusal::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Page(_) | Refusal::Defect => StatusCode::INTERNAL_SERVER_ERROR,
            Refusal::Explorer => StatusCode::BAD_GATEWAY,
        }
    }
}

/// Lets a request pass that is meant for this server, by its `Host`, and does not come from another server's page, by its
/// `Origin` and `Referer`. `here` is the address at which the request came in, `listening` the one that was asked for.
///
/// A browser sends them by itself, and no page can put another page's address there. `Host` is what stands in the address bar: where
/// a name has been made to resolve to this machine, it is that name.
pub fn admit<B>(request: &Request<B>, here: SocketAddr, listening: IpAddr) -> Result<(), Refusal> {
    let one = |name: HeaderName| {
        let mut values = request.headers().get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap_or_default());
        if values.next().is_some() { Err(()) } else { Ok(value) }
    };
    if request.uri().authority().is_some() {
        return Err(Refusal::NoHost);
    }
    let host = one(HOST).ok().flatten().ok_or(Refusal::NoHost)?;
    if !is_here(host, here, listening) {
        return Err(Refusal::Host(host.chars().take(100).collect()));
    }
    // A link from elsewhere may open the page, and does nothing else.
    let is_link = *request.method() == Method::GET;
    match one(REFERER) {
        Ok(None) => {}
        Ok(Some(_)) if is_link => {}
        Ok(Some(referer)) if is_page_of(referer, host) => {}
        _ => return Err(Refusal::Origin),
    }
    match one(ORIGIN) {
        Ok(Some(origin)) if origin.eq_ignore_ascii_case(&format!("http://{host}")) => Ok(()),
        // No browser posts without it, but says from where in another way too.
        Ok(None) => match one(HeaderName::from_static("sec-fetch-site")) {
            Ok(Some("same-origin" | "none") | None) => Ok(()),
            Ok(Some(_)) if is_link => Ok(()),
            _ => Err(Refusal::Origin),
        },
        _ => Err(Refusal::Origin),
    }
}

/// Whether a `Referer` is a page of the server that is asked for as `host`.
fn is_page_of(referer: &str, host: &str) -> bool {
    let Ok(uri) = referer.parse::<Uri>() else { return false };
    uri.scheme_str() == Some("http") && uri.authority().is_some_and(|from| from.as_str().eq_ignore_ascii_case(host))
}

/// Whether a `Host` names this machine by something that nobody else can be called, and no other port than this server's: a browser
/// names the port unless it is the one of the scheme.
fn is_here(host: &str, here: SocketAddr, listening: IpAddr) -> bool {
    let Some(authority) = host.parse::<Authority>().ok().filter(|_| !host.contains('@')) else { return false };
    let name = authority.host();
    if !matches!(host.strip_prefix(name), Some(port) if port.is_empty() || port == format!(":{}", here.port())) {
        return false;
    }
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match address.map(|address| address.to_canonical()) {
        Ok(address) => address.is_loopback() || [here.ip(), listening].iter().any(|own| own.to_canonical() == address),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_here_if_nobody_else_can_be_called_so() {
        let (here, listening) = ("192.168.1.5:3000".parse().unwrap(), "fe80::1".parse().unwrap());
        for host in [
            "localhost",
            "LOCALHOST:3000",
            "127.0.0.1:3000",
            "127.8.9.10",
            "[::1]:3000",
            "[::1]",
            "192.168.1.5:3000",
            "[fe80::1]:3000",
            "[::ffff:127.0.0.1]:3000",
        ] {
            assert!(is_here(host, here, listening), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:3000",
            "localhost@evil.example",
            "evil@localhost",
            "192.168.1.6",
            "0.0.0.0:3000",
            "[::2]",
            "127.1",
            "2130706433",
            "localhost:3000:1",
            "local host",
            "localhost/evil",
            "localhost:3001",
            "localhost:99999999",
            "localhost:03000",
            "localhost:+3000",
            "localhost:",
            "127.0.0.1:80",
            "[::1]:1",
        ] {
            assert!(!is_here(host, here, listening), "{host}");
        }
    }

    #[test]
    fn an_origin_is_the_hosts_own() {
        let admitted = |method: Method, headers: &[(&'static str, &str)]| {
            let mut request = Request::builder().method(method).uri("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let here: SocketAddr = "127.0.0.1:3000".parse().unwrap();
            admit(&request.body(()).unwrap(), here, here.ip()).is_ok()
        };
        let host = ("host", "localhost:3000");
        for origin in ["http://localhost:3000", "HTTP://LOCALHOST:3000"] {
            assert!(admitted(Method::POST, &[host, ("origin", origin)]));
        }
        for origin in
            ["http://localhost:3001", "http://localhost", "https://localhost:3000", "null", "http://evil.example", ""]
        {
            assert!(!admitted(Method::POST, &[host, ("origin", origin)]), "{origin}");
            assert!(!admitted(Method::GET, &[host, ("origin", origin)]), "{origin}");
        }
        assert!(!admitted(
            Method::POST,
            &[host, ("origin", "http://localhost:3000"), ("origin", "http://evil.example")]
        ));
        for (site, posts) in [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false)] {
            assert_eq!(admitted(Method::POST, &[host, ("sec-fetch-site", site)]), posts, "{site}");
            assert!(admitted(Method::GET, &[host, ("sec-fetch-site", site)]), "{site}");
        }
        for (referer, posts) in [
            ("http://localhost:3000/", true),
            ("http://LOCALHOST:3000/#/steps/0", true),
            ("http://localhost:3001/", false),
            ("https://localhost:3000/", false),
            ("http://localhost:3000@evil.example/", false),
            ("http://evil.example/localhost:3000/", false),
            ("/", false),
            ("", false),
        ] {
            assert_eq!(admitted(Method::POST, &[host, ("referer", referer)]), posts, "{referer}");
            assert!(admitted(Method::GET, &[host, ("referer", referer)]), "{referer}");
            let own = [host, ("origin", "http://localhost:3000"), ("referer", referer)];
            assert_eq!(admitted(Method::POST, &own), posts, "{referer}");
        }
        let twice = [host, ("referer", "http://localhost:3000/"), ("referer", "http://evil.example/")];
        assert!(!admitted(Method::POST, &twice));
        // A program that is no browser.
        assert!(admitted(Method::POST, &[host]));
        assert!(!admitted(Method::GET, &[]) && !admitted(Method::GET, &[host, ("host", "evil.example")]));
    }
}
