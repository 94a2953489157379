//! Progress of something long, on standard error.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A line on standard error, if anybody still reads it.
pub fn complain(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// One line about what takes longer than a second: redrawn on a terminal, now and then repeated elsewhere.
pub struct ProgressLine {
    bar: Option<ProgressBar>,
    started: Instant,
    written: Instant,
}

impl ProgressLine {
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("a valid template"));
            bar
        });
        ProgressLine { bar, started: Instant::now(), written: Instant::now() }
    }

    pub fn show(&mut self, message: &str) {
        if self.started.elapsed() < Duration::from_secs(1) {
            return;
        }
        match &self.bar {
            Some(bar) => {
                bar.set_message(message.to_string());
                bar.tick();
            }
            None if self.written.elapsed() >= Duration::from_secs(2) => {
                self.written = Instant::now();
                complain(message);
            }
            None => {}
        }
    }

    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
