//! What machines leave behind, with answers that are known: by hand ([`dumps`], [`texts`]), or because the model itself made it ([`hangs`]).

mod dumps;
mod hangs;
mod rings;
mod texts;
