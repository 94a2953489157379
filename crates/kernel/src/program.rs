//! Compiling what was cut, together with the shim, and loading it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use libloading::Library;
use tempfile::TempDir;
use thiserror::Error;

use super::cut::{Cut, SHIM_H};
use vtd_qi::impl_qi::Length;

const SHIM_C: &str = include_str!("shim/shim.c");
const GLUE_H: &str = include_str!("shim/glue.h");

/// Flags for the cut functions, after `-O`. Vectors and recognised idioms would merge stores to different slots.
const FLAGS: [&str; 13] = [
    "-std=gnu11",
    "-ffreestanding",
    "-fPIC",
    "-fsanitize=thread",
    "-fno-strict-aliasing",
    "-fwrapv",
    "-fno-delete-null-pointer-checks",
    "-fno-common",
    "-fno-stack-protector",
    "-fno-tree-vectorize",
    "-fno-tree-loop-distribute-patterns",
    "-Werror=implicit-function-declaration",
    "-w",
];

/// How far the compiler optimises the cut functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Optimise {
    /// As the kernel is compiled.
    O2,
    /// Not at all: every access of the source text is made. Tells what the compiler has merged.
    O0,
}

impl Optimise {
    fn flag(self) -> &'static str {
        match self {
            Optimise::O2 => "-O2",
            Optimise::O0 => "-O0",
        }
    }
}

/// What cannot be compiled or loaded.
#[derive(Debug, Error)]
pub enum BuildError {
    /// No compiler.
    #[error("the C compiler {compiler:?} was looked for and cannot be started: {error}; CC names another")]
    NoCompiler {
        /// Its name.
        compiler: String,
        /// Why it cannot.
        error: std::io::Error,
    },
    /// It refuses the text.
    #[error("{from}: the C compiler {compiler:?} does not accept the functions cut out of it: {message}")]
    Compiler {
        /// The tree.
        from: String,
        /// The compiler.
        compiler: String,
        /// The first error.
        message: String,
    },
    /// The temporary folder cannot be written.
    #[error("the temporary folder for the compiled functions cannot be written: {0}")]
    Temporary(#[from] std::io::Error),
    /// The library cannot be loaded.
    #[error("{from}: the compiled functions cannot be loaded: {error}")]
    Load {
        /// The tree.
        from: String,
        /// What the loader says.
        error: libloading::Error,
    },
    /// `QI_LENGTH` of the tree is none that can be run.
    #[error("{from}: QI_LENGTH is {length}; rings of 4 to 256 slots, even, can be run")]
    Length {
        /// The tree.
        from: String,
        /// Its `QI_LENGTH`.
        length: u32,
    },
}

/// The command that compiles: `CC`, or `cc`.
pub fn compiler() -> OsString {
    std::env::var_os("CC").filter(|cc| !cc.is_empty()).unwrap_or_else(|| "cc".into())
}

/// The flags, as they are printed.
pub fn flags(optimise: Optimise) -> String {
    format!("{} {}", optimise.flag(), FLAGS.join(" "))
}

/// The cut functions of a tree, compiled for one length of the ring.
#[derive(Debug)]
pub struct Program {
    /// The tree.
    pub from: String,
    /// `QI_LENGTH` as compiled.
    pub length: Length,
    /// How far the compiler optimised.
    pub optimise: Optimise,
    folder: TempDir,
    library: PathBuf,
    copies: std::cell::Cell<usize>,
}

impl Program {
    /// Compiles what was cut; `length` replaces `QI_LENGTH`, `None` leaves it as it is.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn compile(cut: &Cut, length: Option<Length>, optimise: Optimise) -> Result<Program, BuildError> {
        let folder = tempfile::Builder::new().prefix("vtd-qi-").tempdir()?;
        let path = |name: &str| folder.path().join(name);
        let iqer = if cut.has_iqer { "DMAR_IQER_REG" } else { "0xffffffff" };
        fs::write(path("shim.h"), SHIM_H)?;
        fs::write(path("glue.h"), GLUE_H)?;
        fs::write(path("shim.c"), SHIM_C)?;
        fs::write(
            path("cut.c"),
            format!("#include \"shim.h\"\n{}\n#define VTD_QI_IQER {iqer}\n#include \"glue.h\"\n", cut.text),
        )?;
        let mut command = Command::new(compiler());
        command.arg(optimise.flag()).args(FLAGS);
        command.args(length.map(|length| format!("-DVTD_QI_LENGTH={}", length.slots())));
        run(cut, command.arg("-c").arg("-o").arg(path("cut.o")).arg(path("cut.c")))?;
        let mut command = Command::new(compiler());
        run(cut, command.args(["-O2", "-fPIC", "-w", "-c", "-o"]).arg(path("shim.o")).arg(path("shim.c")))?;
        let library = path("cut.so");
        let mut command = Command::new(compiler());
        command.args(["-shared", "-Wl,-z,defs", "-o"]).arg(&library).arg(path("cut.o")).arg(path("shim.o"));
        run(cut, &mut command)?;
        let mut program =
            Program { from: cut.from.clone(), length: Length::KERNEL, optimise, folder, library, copies: 0.into() };
        let compiled = program.load()?.length();
        program.length = u16::try_from(compiled)
            .ok()
            .and_then(|slots| Length::new(slots).ok())
            .ok_or_else(|| BuildError::Length { from: cut.from.clone(), length: compiled })?;
        Ok(program)
    }

    /// Loads the library anew: each copy has variables of its own.
    pub(super) fn load(&self) -> Result<Loaded, BuildError> {
        let number = self.copies.replace(self.copies.get() + 1);
        let copy = self.folder.path().join(format!("cut-{number}.so"));
        fs::copy(&self.library, &copy)?;
        let loaded = Loaded::new(&copy).map_err(|error| BuildError::Load { from: self.from.clone(), error });
        fs::remove_file(&copy)?;
        loaded
    }
}

/// Runs the compiler; its first error is the message.
fn run(cut: &Cut, command: &mut Command) -> Result<(), BuildError> {
    let compiler = command.get_program().to_string_lossy().into_owned();
    let output = match command.env("LC_ALL", "C").output() {
        Ok(output) => output,
        Err(error) => return Err(BuildError::NoCompiler { compiler, error }),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().find(|line| line.contains("error")).or(said.lines().next()).unwrap_or("it says nothing");
    let message = first.split_once("error: ").map_or(first, |(_, message)| message).trim().to_string();
    Err(BuildError::Compiler { from: cut.from.clone(), compiler, message })
}

/// A stretch of the arena, as the shim has it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Piece {
    pub(super) at: usize,
    pub(super) bytes: usize,
}

pub(super) type StopFn = unsafe extern "C" fn(*mut std::ffi::c_void, u32, u32, u64, u64) -> u64;
pub(super) type DeviceFn = unsafe extern "C" fn(*mut std::ffi::c_void, u32) -> u32;
pub(super) type AttachFn = unsafe extern "C" fn(*mut u8, *mut u8, *mut u8, *mut u8, *mut u8, u64);
pub(super) type SubmitFn = unsafe extern "C" fn(*mut u8, *const u64, u32, libc::c_ulong) -> i32;

/// Places of the shim's variables, and the functions of a loaded library.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) arena: *mut usize,
    pub(super) arena_bytes: *mut usize,
    pub(super) status: *mut Piece,
    pub(super) descs: *mut Piece,
    pub(super) private: *mut Piece,
    pub(super) queue: *mut Piece,
    pub(super) unit: *mut Piece,
    pub(super) mask: *mut u32,
    pub(super) budget: *mut u32,
    pub(super) budget_full: *mut u32,
    pub(super) passed: *mut u64,
    pub(super) q_lock: *mut *const u8,
    pub(super) reg: *mut *mut u8,
    pub(super) context: *mut *mut std::ffi::c_void,
    pub(super) stop: *mut StopFn,
    pub(super) device_state: *mut DeviceFn,
    pub(super) attach: AttachFn,
    pub(super) submit: SubmitFn,
    pub(super) layout: [usize; 11],
    pub(super) registers: [u32; 4],
    length: u32,
    /// Last: everything above points into it.
    _library: Library,
}

impl Loaded {
    fn new(path: &Path) -> Result<Loaded, libloading::Error> {
        // SAFETY: the library is the one that was just linked from the shim and the cut text; its only initialiser is the
        // instrumentation's, which calls our empty __tsan_init.
        let library = unsafe { Library::new(path) }?;
        fn at<T>(library: &Library, name: &str) -> Result<*mut T, libloading::Error> {
            // SAFETY: the symbol is a variable of the shim or the glue, and T is its type there.
            unsafe { library.get::<*mut T>(name.as_bytes()).map(|symbol| *symbol) }
        }
        // SAFETY: the glue defines these functions and constants with exactly these types.
        let (attach, submit, layout, registers, length) = unsafe {
            (
                *library.get::<AttachFn>(b"vtd_qi_attach")?,
                *library.get::<SubmitFn>(b"vtd_qi_submit")?,
                *at::<[usize; 11]>(&library, "vtd_qi_layout")?,
                *at::<[u32; 4]>(&library, "vtd_qi_registers")?,
                *at::<u32>(&library, "vtd_qi_length")?,
            )
        };
        Ok(Loaded {
            arena: at(&library, "vtd_qi_arena")?,
            arena_bytes: at(&library, "vtd_qi_arena_bytes")?,
            status: at(&library, "vtd_qi_status")?,
            descs: at(&library, "vtd_qi_descs")?,
            private: at(&library, "vtd_qi_private")?,
            queue: at(&library, "vtd_qi_queue")?,
            unit: at(&library, "vtd_qi_unit")?,
            mask: at(&library, "vtd_qi_mask")?,
            budget: at(&library, "vtd_qi_budget")?,
            budget_full: at(&library, "vtd_qi_budget_full")?,
            passed: at(&library, "vtd_qi_passed")?,
            q_lock: at(&library, "vtd_qi_q_lock")?,
            reg: at(&library, "vtd_qi_reg")?,
            context: at(&library, "vtd_qi_context")?,
            stop: at(&library, "vtd_qi_stop")?,
            device_state: at(&library, "vtd_qi_device_state")?,
            attach,
            submit,
            layout,
            registers,
            length,
            _library: library,
        })
    }

    fn length(&self) -> u32 {
        self.length
    }
}
