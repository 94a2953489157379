//! Debian's Chromium, driven through its chromedriver.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use url::{ParseError, Url};

/// A browser without a window.
pub struct Browser {
    driver: Child,
    client: Client,
}

/// A size of the window, in CSS pixels.
#[derive(Clone, Copy, Debug)]
pub struct Size(pub u32, pub u32);

impl Size {
    /// Those of a laptop, of a desk's screen, and of a phone.
    pub const ALL: [Size; 3] = [Size(1366, 768), Size(1920, 1080), Size(390, 844)];
}

/// A command that only chromedriver knows.
#[derive(Debug)]
struct ChromiumCommand {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for ChromiumCommand {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// A browser; or `None`, and a word on standard error, where there is no chromedriver: in CI there is one.
    pub async fn start(test: &str) -> Option<Browser> {
        let started = Command::new("chromedriver").arg("--port=0").stdout(Stdio::piped()).spawn();
        let mut driver = match started {
            Ok(driver) => driver,
            Err(error) => {
                assert!(std::env::var_os("CI").is_none(), "chromedriver does not start: {error}");
                // Past the capture of `cargo test`: what is not run is to be seen.
                let not_run = format!("not run, for want of chromedriver: {test}\n");
                std::io::stderr().write_all(not_run.as_bytes()).unwrap();
                return None;
            }
        };
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines().map(Result::unwrap);
        let port =
            lines.find_map(|line| Some(line.split_once("successfully on port ")?.1.trim_end_matches('.').to_string()));
        let port = port.expect("chromedriver says on which port it listens");
        // It goes on to say things, which somebody has to read.
        std::thread::spawn(move || lines.for_each(drop));
        let options = json!({
            "goog:chromeOptions": { "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(options) = options else { unreachable!() };
        let connector = hyper_util::client::legacy::connect::HttpConnector::new();
        let client =
            ClientBuilder::new(connector).capabilities(options).connect(&format!("http://127.0.0.1:{port}")).await;
        let browser = Browser { driver, client: client.expect("chromedriver opens a session") };
        let clipboard = json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] });
        browser.devtools("Browser.grantPermissions", clipboard).await;
        browser.devtools("Emulation.setFocusEmulationEnabled", json!({ "enabled": true })).await;
        Some(browser)
    }

    /// A command of the developer tools.
    async fn devtools(&self, command: &str, params: Value) {
        self.chromium("goog/cdp/execute", json!({ "cmd": command, "params": params })).await;
    }

    async fn chromium(&self, path: &'static str, body: Value) -> Value {
        self.client.issue_cmd(ChromiumCommand { path, body }).await.unwrap()
    }

    /// Shows pages at this size, that of a phone as a phone does.
    pub async fn size(&self, Size(width, height): Size) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        self.devtools("Emulation.setTouchEmulationEnabled", json!({ "enabled": width < 600 })).await;
    }

    /// Asks pages to be dark, or light.
    pub async fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": value }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    /// Opens a page, and waits until it shows a run or a drawing.
    pub async fn open(&self, url: &str) {
        // Another address of the same page would not be opened anew.
        self.leave().await;
        self.client.goto(url).await.unwrap();
        self.until("document.querySelector('.place, .drawing') !== null").await;
    }

    /// Leaves the page, so that it asks its server nothing more.
    pub async fn leave(&self) {
        self.client.goto("about:blank").await.unwrap();
    }

    /// What an expression of JavaScript is in the page.
    pub async fn value(&self, expression: &str) -> Value {
        self.client.execute(&format!("return {expression};"), Vec::new()).await.unwrap()
    }

    /// The text of the first element that a selector finds.
    pub async fn text(&self, selector: &str) -> String {
        let text = self.value(&format!("(document.querySelector({selector:?}) ?? {{}}).innerText ?? null")).await;
        text.as_str().unwrap_or_else(|| panic!("there is no {selector}")).to_string()
    }

    /// The texts of all elements that a selector finds.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        let texts =
            self.value(&format!("[...document.querySelectorAll({selector:?})].map((it) => it.textContent)")).await;
        serde_json::from_value(texts).unwrap()
    }

    /// Waits until an expression is true.
    pub async fn until(&self, expression: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.value(&format!("Boolean({expression})")).await != true {
            if Instant::now() > deadline {
                let page = self.value("document.body.innerText").await;
                panic!("never came true: {expression}, in {page}");
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Presses a key.
    pub async fn press(&self, key: Key) {
        self.press_on("body", key).await;
    }

    /// Presses a key on the first element that a selector finds.
    pub async fn press_on(&self, selector: &str, key: Key) {
        let element = self.client.find(Locator::Css(selector)).await.unwrap();
        element.send_keys(&char::from(key).to_string()).await.unwrap();
    }

    /// Clicks the first element that a selector finds.
    pub async fn click(&self, selector: &str) {
        let found = self.client.find(Locator::Css(selector)).await;
        found.unwrap_or_else(|error| panic!("{selector}: {error}")).click().await.unwrap();
    }

    /// Goes back, as with the browser's button.
    pub async fn back(&self) {
        self.client.back().await.unwrap();
    }

    /// Fails unless the first elements that selectors find lie in the window, as the page is opened.
    pub async fn assert_in_view(&self, selectors: &[&str]) {
        for selector in selectors {
            let seen = self
                .value(&format!(
                    "(() => {{ const box = document.querySelector({selector:?}).getBoundingClientRect(); \
                     return {{ box: [box.left, box.top, box.right, box.bottom], window: [innerWidth, innerHeight], \
                     whole: box.width > 0 && box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight }}; }})()"
                ))
                .await;
            assert!(seen["whole"] == true, "{selector} is out of view: {seen}");
        }
    }

    /// Fails if the page is wider than the window, or the browser has anything to complain of.
    pub async fn assert_quiet(&self) {
        let wide = self.value("document.documentElement.scrollWidth > innerWidth").await;
        assert_eq!(wide, false, "the page is wider than the window");
        let log = self.chromium("se/log", json!({ "type": "browser" })).await;
        assert_eq!(log, json!([]), "the browser complains");
    }

    /// Fails if axe finds the page hard to use. Without axe, in `VTD_QI_AXE`, says that it was not asked.
    pub async fn assert_accessible(&self, test: &str) {
        let Some(axe) = std::env::var_os("VTD_QI_AXE") else {
            let not_run = format!("not run, for want of VTD_QI_AXE: axe in {test}\n");
            std::io::stderr().write_all(not_run.as_bytes()).unwrap();
            return;
        };
        let axe = std::fs::read_to_string(axe).unwrap();
        let run = format!(
            "{axe};\nconst done = arguments[0]; axe.run().then((found) => done(found.violations), (error) => done(String(error)));"
        );
        let violations = self.client.execute_async(&run, Vec::new()).await.unwrap();
        let in_short = |violation: &Value| {
            format!("{}: {}", violation["help"], violation["nodes"].to_string().chars().take(1_500).collect::<String>())
        };
        let violations: Vec<String> =
            violations.as_array().unwrap_or_else(|| panic!("{violations}")).iter().map(in_short).collect();
        assert!(violations.is_empty(), "{}", violations.join("\n"));
    }

    /// What an asynchronous script comes to.
    pub async fn measured(&self, script: &str) -> Value {
        self.client.execute_async(script, Vec::new()).await.unwrap()
    }

    /// Says something past the capture of `cargo test`.
    pub fn say(&self, what: &str) {
        std::io::stderr().write_all(what.as_bytes()).unwrap();
    }

    /// Keeps what is in view for a person to look at: in target/screenshots.
    pub async fn keep(&self, name: &str) {
        let folder = screenshots();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), self.client.screenshot().await.unwrap()).unwrap();
    }

    /// Ends it.
    pub async fn close(self) {
        self.client.clone().close().await.unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A test that fails does not close its browser, which its driver does then.
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn screenshots() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("screenshots")
}
