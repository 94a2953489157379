//! What machines leave behind, with answers that are known: by hand ([`texts`]), or because the model itself made it ([`hangs`]).

mod hangs;
mod rings;
mod texts;
