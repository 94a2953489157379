//! Colour, by what it means. It is never the only sign of it: every coloured word can be read without.

use std::fmt::Display;
use std::io::{self, Write};

use anstream::{AutoStream, ColorChoice};
pub use anstyle::Style;

use anstyle::AnsiColor;
use clap::ValueEnum;
use terminal_size::{Width, terminal_size_of};
use textwrap::WordSplitter;

/// It is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something is broken.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Nobody knows.
pub const UNSURE: Style = AnsiColor::Yellow.on_default();
/// What repeats for ever.
pub const AGAIN: Style = AnsiColor::Cyan.on_default();
/// What one may skip.
pub const FAINT: Style = Style::new().dimmed();
/// What one should not miss.
pub const STRONG: Style = Style::new().bold();

/// A text in a style. [`Output`](crate::Output) takes the style away where colour is not wanted.
pub fn painted(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// A text without its styles.
///
/// ```
/// use vtd_qi_terminal::style::{BAD, painted, plain};
/// assert_eq!(plain(&painted(BAD, "violated")), "violated");
/// ```
pub fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always, also in a file
    Always,
    /// Never
    Never,
}

impl Color {
    /// Whether standard output is coloured.
    pub(crate) fn is_wanted(self) -> bool {
        match self {
            Color::Auto => AutoStream::choice(&io::stdout()) != ColorChoice::Never,
            Color::Always => true,
            Color::Never => false,
        }
    }
}

/// The width that is assumed where standard output is no terminal.
pub const PIPED: usize = 100;

/// How many columns standard output has: those of the terminal, else [`PIPED`].
pub fn columns() -> usize {
    terminal_size_of(io::stdout()).map_or(PIPED, |(Width(columns), _)| usize::from(columns))
}

/// Puts a text into lines of at most `width` columns: the first behind `first` spaces, the others behind `others`.
///
/// ```
/// assert_eq!(vtd_qi_terminal::style::wrapped("one and two", 9, 0, 2), "one and\n  two");
/// ```
pub fn wrapped(text: &str, width: usize, first: usize, others: usize) -> String {
    let [first, others] = [first, others].map(|spaces| " ".repeat(spaces));
    // Names of scenarios and properties have hyphens; who copies one wants all of it.
    let options = textwrap::Options::new(width).word_splitter(WordSplitter::NoHyphenation).break_words(false);
    textwrap::fill(text, options.initial_indent(&first).subsequent_indent(&others))
}

/// Writes what there is to do next, which every output for a person ends with.
///
/// # Errors
/// Those of the writer.
///
/// ```
/// use vtd_qi_terminal::style::next;
/// let mut out = Vec::new();
/// next(&mut anstream::StripStream::new(&mut out), "explore g3-patch walks through the run", 80)?;
/// assert_eq!(out, b"\nnext: explore g3-patch walks through the run\n");
/// # std::io::Result::Ok(())
/// ```
pub fn next(out: &mut impl Write, text: &str, width: usize) -> io::Result<()> {
    let text = wrapped(&format!("next: {text}"), width, 0, 6);
    writeln!(out, "\n{}", text.replacen("next:", &painted(STRONG, "next:"), 1))
}
