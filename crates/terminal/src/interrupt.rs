//! Ctrl-C, SIGTERM and SIGHUP, which mean the same: stop, and write down what is known.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::{complain, Exit};

/// From now on Ctrl-C, SIGTERM and SIGHUP set the flag that is returned instead of ending the program. A second signal ends it at
/// once, with exit code 130.
///
/// Every call returns the same flag. A signal that cannot be caught is complained of: it will lose what is known by then.
pub fn interrupt() -> &'static AtomicBool {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    FLAG.get_or_init(|| {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // In this order, or else the first signal would already find the flag set and end the program.
            let both = flag::register_conditional_shutdown(signal, i32::from(Exit::Interrupted.code()), asked.clone())
                .and_then(|_| flag::register(signal, asked.clone()));
            if let Err(error) = both {
                complain(format_args!("warning: signal {signal} will lose what is known so far: {error}"));
            }
        }
        asked
    })
}
