//! The example `explore` as a server, for as long as a test needs it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Cargo puts examples beside the directory of the tests, and builds them first unless single targets are asked for.
pub fn explore(args: &[&str]) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let example: PathBuf = profile.join("examples").join(format!("explore{}", std::env::consts::EXE_SUFFIX));
    assert!(example.exists(), "{} is missing: cargo build --example explore", example.display());
    let mut command = Command::new(example);
    command.args(args);
    command
}

/// An Explorer on a free port, for as long as this lives.
pub struct Explorer {
    child: Child,
    /// What it printed before it began to serve.
    pub printed: String,
    pub addr: String,
}

impl Explorer {
    pub fn start(args: &[&str]) -> Explorer {
        Explorer::of(&mut explore(args))
    }

    pub fn of(command: &mut Command) -> Explorer {
        let mut child = command.args(["--addr", "127.0.0.1:0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let printed = lines.by_ref().take_while(|line| !line.starts_with("Ctrl-C")).collect::<Vec<_>>().join("\n");
        let url = printed.lines().find_map(|line| line.strip_prefix("http://")?.strip_suffix('/'));
        let addr = url.unwrap_or_else(|| panic!("no address in {printed:?}")).to_string();
        Explorer { child, printed, addr }
    }

    /// The link to a counterexample: the indices behind `#/steps/`.
    pub fn link(&self) -> Option<&str> {
        self.printed.lines().find_map(|line| line.split_once("/#/steps/")).map(|(_, path)| path)
    }

    /// Status code and body. Waits until the Explorer accepts connections: it prints its address before it does.
    pub fn get(&self, path: &str) -> (u16, String) {
        self.get_as(&self.addr, path)
    }

    /// The same by another name of this machine.
    pub fn get_as(&self, host: &str, path: &str) -> (u16, String) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let mut stream = loop {
            match TcpStream::connect(&self.addr) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() > deadline => panic!("{}: {error}", self.addr),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // HTTP/1.0: the body is not sent in chunks, and the connection is closed behind it.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_string())
    }

    pub fn json(&self, path: &str) -> Value {
        let (code, body) = self.get(path);
        assert_eq!(code, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The step at the end of a path, as the Explorer's page asks for it: among the steps after the rest of the path.
    pub fn step(&self, path: &str) -> Value {
        let (before, index) = path.rsplit_once('/').unwrap_or(("", path));
        let index: u64 = index.parse().unwrap();
        let steps = self.json(&format!("/.states/{before}"));
        let step = steps.as_array().unwrap().iter().find(|step| step["actionIndex"] == index);
        step.unwrap_or_else(|| panic!("no step {index} in {steps}")).clone()
    }
}

impl Drop for Explorer {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
