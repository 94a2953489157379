//! Who may ask.

use std::net::IpAddr;

use hyper::header::{HOST, HeaderName, ORIGIN};
use hyper::http::uri::Authority;
use hyper::{Method, Request, StatusCode};
use thiserror::Error;

/// Why a request is not followed.
#[derive(Debug, Error)]
pub enum Refusal {
    #[error("a request needs exactly one Host, and names a path only")]
    NoHost,
    #[error("this server is asked for as localhost or by its address, but not as {0:?}")]
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
}

impl Refusal {
    /// The status code that says so.
    pub fn status(&self) -> StatusCode {
        match self {
            Refusal::NoHost => StatusCode::BAD_REQUEST,
            Refusal::Host(_) | Refusal::Origin => StatusCode::FORBIDDEN,
            Refusal::Unknown => StatusCode::NOT_FOUND,
            Refusal::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Refusal::Page(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Refusal::Explorer => StatusCode::BAD_GATEWAY,
        }
    }
}

/// Lets a request pass that is meant for this server, by its `Host`, and does not come from another server's page, by its
/// `Origin`. `own` are the server's own addresses beside the loopback ones.
///
/// A browser sends both by itself, and no page can change them. `Host` is what stands in the address bar: where a name has been made
/// to resolve to this machine, it is that name.
pub fn admit<B>(request: &Request<B>, own: &[IpAddr]) -> Result<(), Refusal> {
    let one = |name: HeaderName| {
        let mut values = request.headers().get_all(name).iter();
        let value = values.next().map(|value| value.to_str().unwrap_or_default());
        if values.next().is_some() { Err(()) } else { Ok(value) }
    };
    if request.uri().authority().is_some() {
        return Err(Refusal::NoHost);
    }
    let host = one(HOST).ok().flatten().ok_or(Refusal::NoHost)?;
    if !is_here(host, own) {
        return Err(Refusal::Host(host.chars().take(100).collect()));
    }
    match one(ORIGIN) {
        Ok(Some(origin)) if origin.eq_ignore_ascii_case(&format!("http://{host}")) => Ok(()),
        // No browser posts without it, but says from where in another way too.
        Ok(None) => match one(HeaderName::from_static("sec-fetch-site")) {
            Ok(Some("same-origin" | "none") | None) => Ok(()),
            // A link from elsewhere may open the page.
            Ok(Some(_)) if *request.method() == Method::GET => Ok(()),
            _ => Err(Refusal::Origin),
        },
        _ => Err(Refusal::Origin),
    }
}

/// Whether a `Host` names this machine by something that nobody else can be called.
fn is_here(host: &str, own: &[IpAddr]) -> bool {
    let Some(authority) = host.parse::<Authority>().ok().filter(|_| !host.contains('@')) else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    match address.map(|address| address.to_canonical()) {
        Ok(address) => address.is_loopback() || own.iter().any(|own| own.to_canonical() == address),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_here_if_nobody_else_can_be_called_so() {
        let own: [IpAddr; 2] = ["192.168.1.5".parse().unwrap(), "fe80::1".parse().unwrap()];
        for host in [
            "localhost",
            "LOCALHOST:3000",
            "127.0.0.1:3000",
            "127.8.9.10",
            "[::1]:3000",
            "[::1]",
            "192.168.1.5:80",
            "[fe80::1]:3000",
            "[::ffff:127.0.0.1]:3000",
        ] {
            assert!(is_here(host, &own), "{host}");
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
        ] {
            assert!(!is_here(host, &own), "{host}");
        }
    }

    #[test]
    fn an_origin_is_the_hosts_own() {
        let admitted = |method: Method, headers: &[(&'static str, &str)]| {
            let mut request = Request::builder().method(method).uri("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            admit(&request.body(()).unwrap(), &[]).is_ok()
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
        // A program that is no browser.
        assert!(admitted(Method::POST, &[host]));
        assert!(!admitted(Method::GET, &[]) && !admitted(Method::GET, &[host, ("host", "evil.example")]));
    }
}
