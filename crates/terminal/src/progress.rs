//! Progress of something long, on standard error.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{complain, printable};

/// One line about what takes longer than a second: redrawn on a terminal, now and then repeated elsewhere.
pub struct ProgressLine {
    bar: Option<ProgressBar>,
    started: Instant,
    written: Instant,
    /// Whether the bar has the style of one whose end is known.
    measured: bool,
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
        ProgressLine { bar, started: Instant::now(), written: Instant::now(), measured: false }
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

    /// Shows how much of something is done, how long the rest may take, and what is being done: as a bar on a terminal.
    ///
    /// The estimate takes each of the rest to need as long as each of those that are done.
    pub fn show_part(&mut self, done: usize, all: usize, what: &str, message: &str) {
        let left = self.started.elapsed().checked_div(done as u32).map(|each| each * all.saturating_sub(done) as u32);
        let left = left.map_or(String::new(), |left| format!(", about {} left", HumanDuration(left)));
        let Some(bar) = &self.bar else {
            return self.show(&format!("{done} of {all} {what} done{left}; {message}"));
        };
        if !self.measured {
            let style = ProgressStyle::with_template("[{bar:24}] {pos} of {len} {msg}").expect("a valid template");
            bar.set_style(style.progress_chars("=> "));
            bar.set_length(all as u64);
            self.measured = true;
        }
        bar.set_position(done as u64);
        self.show(&format!("{what} done{left}; {message}"));
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
