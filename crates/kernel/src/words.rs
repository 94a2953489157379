//! Words that stand in for the kernel beside those that the shim spells out: whole families of names that do nothing here.

/// What a family of names is known by, and what a macro of that name comes to.
const PREFIXES: [(&str, &str); 6] = [
    // Trace points; whether one is enabled is asked too.
    ("trace_", "((void)0)"),
    ("lockdep_", "((void)0)"),
    ("instrument_", "((void)0)"),
    ("kcsan_", "((void)0)"),
    ("might_", "((void)0)"),
    ("ASSERT_EXCLUSIVE_", "((void)0)"),
];

/// Families that the shim defines whole, by macros that make functions: which of them there are is the compiler's to say.
const MADE: [&str; 3] = ["atomic_", "atomic64_", "atomic_long_"];

/// The macro for a name of a family that does nothing.
pub(super) fn stub(name: &str) -> Option<String> {
    let (_, nothing) = PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix))?;
    let value = match name {
        name if name.starts_with("trace_") && name.ends_with("_enabled") => "0",
        "lockdep_is_held" | "lockdep_is_held_type" => "1",
        _ => nothing,
    };
    Some(format!("#ifndef {name}\n#define {name}(...) {value}\n#endif\n"))
}

/// Whether the shim has a name without spelling it out.
pub(super) fn is_made(name: &str) -> bool {
    MADE.iter().any(|prefix| name.starts_with(prefix))
}

/// A parameter beside those that `qi_submit_sync` has since Linux 5.8.
fn argument(kind: &str, cells: &mut usize) -> String {
    match kind.ends_with('*') {
        true => {
            *cells += 1;
            format!("({kind})&cells[{}]", *cells - 1)
        }
        false => format!("({kind})0"),
    }
}

/// How the glue calls a function with these parameters, if those of Linux 5.8 are among them, in their order.
pub(super) fn call(entry: &str, parameters: &[String], known: &[&str; 4]) -> Option<String> {
    let names = ["iommu", "desc", "count", "options"];
    let (mut next, mut cells) = (0, 0);
    let arguments: Vec<String> = parameters
        .iter()
        .map(|kind| match known.get(next) {
            Some(expected) if expected == kind => {
                next += 1;
                names[next - 1].to_string()
            }
            _ => argument(kind, &mut cells),
        })
        .collect();
    let call = format!("{entry}({})", arguments.join(", "));
    (next == known.len()).then(|| format!("#define VTD_QI_CELLS {cells}\n#define VTD_QI_CALL {call}\n"))
}
