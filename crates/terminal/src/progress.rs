//! Progress of something long, on standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{complain, printable};

/// One line about what takes longer than a second: redrawn on a terminal, now and then repeated elsewhere.
pub struct ProgressLine {
    bar: Option<ProgressBar>,
    started: Instant,
    written: Instant,
}

impl Default for ProgressLine {
    fn default() -> Self {
        ProgressLine::new()
    }
}

impl ProgressLine {
    /// A line that nothing has been written to yet.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            bar.set_style(ProgressStyle::with_template("{spinner} {msg}").expect("a valid template"));
            bar
        });
        ProgressLine { bar, started: Instant::now(), written: Instant::now() }
    }

    /// Shows a message, unless the work began less than a second ago or, elsewhere than on a terminal, the last was just written.
    pub fn show(&mut self, message: &str) {
        if self.started.elapsed() < Duration::from_secs(1) {
            return;
        }
        match &self.bar {
            Some(bar) => {
                bar.set_message(printable(message).into_owned());
                bar.tick();
            }
            None if self.written.elapsed() >= Duration::from_secs(2) => {
                self.written = Instant::now();
                complain(message);
            }
            None => {}
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
