//! A front before a real Explorer, asked over TCP as browsers, attackers and stalled clients ask.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use stateright::{Model, Property};
use stateright_front::{Front, Page, PageFile, Question, hidden_address, leave_working_directory};

/// A counter up to 3.
struct Counter;

impl Model for Counter {
    type State = u8;
    type Action = u8;

    fn init_states(&self) -> Vec<u8> {
        vec![0]
    }

    fn actions(&self, state: &u8, actions: &mut Vec<u8>) {
        actions.extend((*state < 3).then_some(1));
    }

    fn next_state(&self, state: &u8, action: u8) -> Option<u8> {
        Some(state + action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("small", |_, state| *state < 9)]
    }
}

/// The address of a front before an Explorer, and the Explorer's own. All of this process share the Explorer.
fn front(page: Page) -> (SocketAddr, SocketAddr) {
    static EXPLORER: OnceLock<SocketAddr> = OnceLock::new();
    let explorer = *EXPLORER.get_or_init(|| {
        // The Explorer would take this page.
        let folder = std::env::temp_dir().join(format!("front-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("ui")).unwrap();
        std::fs::write(folder.join("ui/index.htm"), "planted").unwrap();
        std::env::set_current_dir(&folder).unwrap();
        leave_working_directory().unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        let explorer = hidden_address().unwrap();
        std::thread::spawn(move || Counter.checker().serve(explorer));
        while TcpStream::connect(explorer).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        explorer
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let front = Front::new(listener, explorer).unwrap().with_page(page);
    std::thread::spawn(move || front.serve(|| false).unwrap());
    (address, explorer)
}

/// Sends some bytes, and reads until the server hangs up, which it is asked to.
fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let _ = stream.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    send(address, &format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"))
}

fn code(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

#[test]
fn the_page_and_its_questions_are_answered_with_what_they_are() {
    let (front, _) = front(Page::default());
    for (path, kind, part) in [
        ("/", "text/html; charset=utf-8", "<title>Stateright Explorer</title>"),
        ("/app.js", "text/javascript; charset=utf-8", "runToCompletion"),
        ("/app.css", "text/css; charset=utf-8", "{"),
        ("/knockout-3.5.0.js", "text/javascript; charset=utf-8", "Knockout"),
        ("/.status", "application/json", "\"small\""),
        ("/.states/0/0", "application/json", "\"state\":\"2\""),
    ] {
        let answer = ask(front, "GET", path, "");
        assert!(code(&answer) == 200 && answer.contains(part), "{path}: {answer}");
        let (head, _) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-type: {kind}\r\n")), "{path}: {head}");
        assert!(head.contains("x-content-type-options: nosniff") && head.contains("default-src 'none'"), "{head}");
    }
    // An error's text is not taken for a page.
    let unknown = ask(front, "GET", "/.states/0/9", "");
    assert!(code(&unknown) == 404 && unknown.contains("content-type: text/plain"), "{unknown}");
}

/// What the policy lets the page do is what the page does.
#[test]
fn the_policy_names_the_pages_only_inline_handler() {
    let (front, _) = front(Page::default());
    let page = ask(front, "GET", "/", "");
    let handlers: Vec<&str> = page.split(" onclick=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(handlers, ["runToCompletion()"]);
    assert!(!page.contains("<script>") && !page.contains(" onload=") && page.contains("<script src=\"app.js\">"));
    // printf 'runToCompletion()' | openssl dgst -sha256 -binary | base64
    assert!(page.contains("'sha256-Q7Rp9cIAz0T/BXadAjSQC7PjumCoJKE/essVfCJCDaA='"));
}

#[test]
fn a_name_that_resolves_to_this_machine_is_not_answered() {
    let (front, _) = front(Page::default());
    let hosted = |host: &str| send(front, &format!("GET /.status HTTP/1.1\r\n{host}Connection: close\r\n\r\n"));
    for host in [
        "rebound.example",
        &format!("rebound.example:{}", front.port()),
        "localhost.rebound.example",
        "192.0.2.1",
        "localhost:1",
        "localhost:99999999",
    ] {
        let answer = hosted(&format!("Host: {host}\r\n"));
        assert!(code(&answer) == 403 && !answer.contains("small"), "{host}: {answer}");
    }
    for host in ["", "Host: localhost\r\nHost: rebound.example\r\n"] {
        assert_eq!(code(&hosted(host)), 400, "{host}");
    }
    assert_eq!(
        code(&send(
            front,
            "GET http://rebound.example/.status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )),
        400
    );
    for host in ["localhost", &format!("localhost:{}", front.port())] {
        assert_eq!(code(&hosted(&format!("Host: {host}\r\n"))), 200, "{host}");
    }
}

#[test]
fn another_servers_page_can_command_nothing() {
    let (front, _) = front(Page::default());
    let post =
        |headers: &str| code(&ask(front, "POST", "/.runtocompletion", &format!("Content-Length: 0\r\n{headers}")));
    assert_eq!(post("Origin: http://evil.example\r\n"), 403);
    assert_eq!(post("Origin: null\r\n"), 403);
    assert_eq!(post("Origin: http://127.0.0.1:1\r\n"), 403);
    assert_eq!(post("Sec-Fetch-Site: cross-site\r\n"), 403);
    assert_eq!(post("Referer: http://evil.example/page\r\n"), 403);
    assert_eq!(post(&format!("Referer: http://{front}/\r\n")), 200);
    assert_eq!(post(&format!("Origin: http://{front}\r\n")), 200);
    // A browser that asks first is not told that it may.
    let asked = ask(
        front,
        "OPTIONS",
        "/.runtocompletion",
        "Origin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n",
    );
    assert!(code(&asked) == 403 && !asked.to_lowercase().contains("access-control"), "{asked}");
}

#[test]
fn methods_and_paths_beside_the_known_ones() {
    let (front, explorer) = front(Page::default());
    let head = ask(front, "HEAD", "/", "");
    assert!(code(&head) == 200 && head.contains("content-length: ") && !head.contains("<title>"), "{head}");
    let options = ask(front, "OPTIONS", "/", "");
    assert!(code(&options) == 405 && options.contains("allow: GET, HEAD"), "{options}");
    assert!(ask(front, "GET", "/.runtocompletion", "").contains("allow: POST"));
    for path in [
        "/../Cargo.toml",
        "/ui/index.htm",
        "/%2e%2e/Cargo.toml",
        "/.states/../app.js",
        "/.states/0?",
        "/x",
        "//",
        "/.statesx",
    ] {
        let known = path == "/.states/0?";
        assert_eq!(code(&ask(front, "GET", path, "")), if known { 200 } else { 404 }, "{path}");
    }
    assert_ne!(front.ip(), explorer.ip(), "the Explorer is not where a browser would look for it");
}

#[test]
fn what_is_too_large_is_refused() {
    let (front, _) = front(Page::default());
    assert_eq!(code(&ask(front, "GET", "/", &format!("X: {}\r\n", "x".repeat(2_000_000)))), 431);
    assert_eq!(code(&ask(front, "POST", "/.runtocompletion", "Content-Length: 9999999999\r\n")), 413);
    assert_eq!(code(&ask(front, "POST", "/.runtocompletion", "Transfer-Encoding: chunked\r\n")), 413);
    let answer = ask(front, "GET", &format!("/.states{}", "/0".repeat(100_000)), "");
    assert_eq!(code(&answer), 414, "a path has at most 65,534 bytes");
    assert_eq!(code(&ask(front, "GET", "/.status", "")), 200);
}

#[test]
fn stalled_clients_keep_nobody_waiting() {
    let (front, _) = front(Page::default());
    let stalled: Vec<TcpStream> = (0..100)
        .map(|i| {
            let mut stream = TcpStream::connect(front).unwrap();
            let some =
                ["", "GET / HT", "GET /.status HTTP/1.1\r\nHost: ", "POST /.runtocompletion HTTP/1.1\r\n"][i % 4];
            stream.write_all(some.as_bytes()).unwrap();
            stream
        })
        .collect();
    // And one that asks for much and reads nothing.
    let mut deaf = TcpStream::connect(front).unwrap();
    let request = format!("GET /knockout-3.5.0.js HTTP/1.1\r\nHost: {front}\r\n\r\n");
    deaf.write_all(request.repeat(100).as_bytes()).unwrap();
    for _ in 0..10 {
        assert_eq!(code(&ask(front, "GET", "/.status", "")), 200);
    }
    drop((stalled, deaf));
}

#[test]
fn a_connection_serves_several_requests() {
    let (front, _) = front(Page::default());
    let one = format!("GET /.states HTTP/1.1\r\nHost: {front}\r\n\r\n");
    let last = format!("GET /.states HTTP/1.1\r\nHost: {front}\r\nConnection: close\r\n\r\n");
    assert_eq!(send(front, &[one.as_str(), &one, &last].concat()).matches("HTTP/1.1 200 OK").count(), 3);
}

#[test]
fn the_page_comes_from_a_folder_only_if_one_is_named() {
    let (own, _) = front(Page::default());
    assert!(!ask(own, "GET", "/", "").contains("planted"));
    let folder = std::env::temp_dir().join(format!("page-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    assert!(Page::in_folder(&folder).unwrap_err().to_string().contains("none of the files"));
    assert!(Page::in_folder(&folder.join("none")).is_err());
    std::fs::write(folder.join("index.htm"), "my page").unwrap();
    let (named, _) = front(Page::in_folder(&folder).unwrap());
    assert!(ask(named, "GET", "/", "").ends_with("my page"));
    // What the folder lacks is the Explorer's own.
    assert!(ask(named, "GET", "/app.js", "").contains("runToCompletion"));
    std::fs::remove_dir_all(folder).unwrap();
}

/// A page of the program's own, which may ask for a sum.
fn own_page() -> Page {
    let index = PageFile { path: "/", kind: "text/html; charset=utf-8", bytes: b"own page"[..].into() };
    let question = |path, takes_indices, answer: fn(&[usize]) -> Result<Vec<u8>, String>| Question {
        path,
        takes_indices,
        kind: "application/json",
        answer: Arc::new(answer),
    };
    let sum = question("/.sum", true, |indices| match indices.iter().sum::<usize>() {
        0 => Err("nothing is to be added".to_string()),
        13 => panic!("a defect"),
        sum => Ok(sum.to_string().into_bytes()),
    });
    Page::of_program(vec![index], vec![sum, question("/.title", false, |_| Ok(b"\"own\"".to_vec()))])
}

#[test]
fn a_page_of_the_program_is_served_under_a_policy_of_its_own() {
    let (front, _) = front(own_page());
    let page = ask(front, "GET", "/", "");
    assert!(page.ends_with("own page") && page.contains("script-src 'self'; ") && !page.contains("unsafe"), "{page}");
    assert_eq!(code(&ask(front, "GET", "/app.js", "")), 404, "the Explorer's page is not there");
    assert!(ask(front, "GET", "/.states/0/0", "").contains("\"state\":\"2\""));
}

#[test]
fn a_page_of_the_program_asks_questions_of_its_own() {
    let (front, _) = front(own_page());
    let sum = ask(front, "GET", "/.sum/4/38", "");
    assert!(code(&sum) == 200 && sum.ends_with("42") && sum.contains("content-type: application/json"), "{sum}");
    assert!(ask(front, "GET", "/.title", "").ends_with("\"own\""));
    let none = ask(front, "GET", "/.sum", "");
    assert!(code(&none) == 404 && none.ends_with("nothing is to be added\n"), "{none}");
    for path in ["/.sum/", "/.sum/-1", "/.sum/1x", "/.sum/99999999999999999999999", "/.sumx", "/.title/0", "/.sum/+1"] {
        assert_eq!(code(&ask(front, "GET", path, "")), 404, "{path}");
    }
    let defect = ask(front, "GET", "/.sum/13", "");
    assert!(code(&defect) == 500 && defect.ends_with("this question meets a defect of the program\n"), "{defect}");
    assert_eq!(code(&ask(front, "GET", "/.sum/1", "")), 200, "it is answered after a defect too");
    let head = ask(front, "HEAD", "/.sum/4/38", "");
    assert!(code(&head) == 200 && head.contains("content-length: 2\r\n") && !head.ends_with("42"), "{head}");
    assert_eq!(code(&ask(front, "POST", "/.sum/1", "Content-Length: 0\r\n")), 405);
    assert_eq!(code(&ask(front, "GET", "/.sum/1", "Origin: http://evil.example\r\n")), 403);
    assert_eq!(code(&ask(front, "GET", &format!("/.sum{}", "/0".repeat(100_000)), "")), 414);
    assert_eq!(code(&ask(front, "GET", &format!("/.sum{}", "/1".repeat(30_000)), "")), 200);
}

#[test]
fn it_stops_when_it_is_told_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = hidden_address().unwrap();
    let waiting = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    Front::new(listener, nobody).unwrap().serve(|| true).unwrap();
    drop(waiting);
}
