//! Compiling what was cut, together with the shim, and loading it.
//!
//! Both happen in a child process: the compiler is given a text that may be anything, and loading a library already runs code of
//! it. Nothing is written to disk: what is compiled, and what that makes, lies in files in memory that end with the process.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use libloading::Library;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::cut::{CutText, SHIM_H};
use super::isolate::{Death, Pulse, ROOM, compiling, isolated};
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

/// Processor time that the compiler may use for one text, in seconds; compiling a kernel's functions takes less than one.
const COMPILER_SECONDS: u64 = 60;
/// Memory that it may use; a kernel's functions take 100 MB.
const COMPILER_BYTES: u64 = 1 << 30;
/// How large a file it may write.
const COMPILED_BYTES: u64 = 64 << 20;
/// How long it may take by the clock, which is meant for one that waits for something.
const COMPILER_PATIENCE: Duration = Duration::from_secs(180);
/// How long loading may take: see [`isolated`].
const LOADING: Duration = Duration::from_secs(3);

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
#[derive(Clone, Debug, Error, PartialEq, Eq, Serialize, Deserialize)]
pub enum BuildError {
    /// No compiler.
    #[error("the C compiler {compiler:?} was looked for and cannot be started: {error}; CC names another")]
    NoCompiler {
        /// Its name.
        compiler: String,
        /// Why it cannot.
        error: String,
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
    /// It does not come to an end.
    #[error("{from}: the C compiler {compiler:?} was ended: it had not come to an end after {seconds} s")]
    Endless {
        /// The tree.
        from: String,
        /// The compiler.
        compiler: String,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The structures of the tree are none that can be run.
    #[error("{from}: {message}")]
    Layout {
        /// The tree.
        from: String,
        /// What is the matter with them.
        message: String,
    },
    /// No files in memory.
    #[error("the compiled functions cannot be kept in memory: {0}")]
    Memory(String),
    /// The library cannot be loaded.
    #[error("{from}: the compiled functions cannot be loaded: {error}")]
    Load {
        /// The tree.
        from: String,
        /// What the loader says.
        error: String,
    },
    /// The process that loads it died.
    #[error("{from}: the compiled functions cannot be loaded: {death}")]
    Died {
        /// The tree.
        from: String,
        /// How.
        death: Death,
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

impl From<io::Error> for BuildError {
    fn from(error: io::Error) -> BuildError {
        BuildError::Memory(error.to_string())
    }
}

/// The command that compiles: `CC`, or `cc`.
pub fn compiler() -> OsString {
    std::env::var_os("CC").filter(|cc| !cc.is_empty()).unwrap_or_else(|| "cc".into())
}

/// Its words, as `make` takes them: a program and its first arguments. A file of that name is a program, blanks and all.
fn compiler_words() -> Vec<OsString> {
    let whole = compiler();
    let words = whole.to_str().filter(|_| !std::path::Path::new(&whole).is_file()).and_then(shlex::split);
    match words.filter(|words| !words.is_empty()) {
        Some(words) => words.into_iter().map(OsString::from).collect(),
        None => vec![whole],
    }
}

/// The flags, as they are printed.
pub fn flags(optimise: Optimise) -> String {
    format!("{} {}", optimise.flag(), FLAGS.join(" "))
}

/// A file in memory, which ends with the last process that has it open.
pub(super) fn file_in_memory() -> io::Result<File> {
    // SAFETY: the name is a C string; a descriptor that is returned is nobody else's.
    unsafe {
        match libc::memfd_create(c"vtd-qi".as_ptr(), libc::MFD_CLOEXEC) {
            -1 => Err(io::Error::last_os_error()),
            file => Ok(File::from_raw_fd(file)),
        }
    }
}

/// The path of an open file, for the process that has it open and those that inherit it.
fn path_of(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
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
    library: File,
}

impl Program {
    /// Compiles what was cut; `length` replaces `QI_LENGTH`, `None` leaves it as it is. `watch` is called now and then and says
    /// whether to go on.
    ///
    /// # Errors
    /// [`BuildError`].
    pub fn compile(
        cut: &CutText,
        length: Option<Length>,
        optimise: Optimise,
        watch: &mut dyn FnMut(&Pulse) -> bool,
    ) -> Result<Program, BuildError> {
        let from = cut.from.clone();
        let mut program = Program { from, length: Length::KERNEL, optimise, library: file_in_memory()? };
        let died = |death| BuildError::Died { from: cut.from.clone(), death };
        compiling(LOADING, watch, |pulse| program.build(cut, length, pulse)).map_err(died)??;
        let loads = isolated(LOADING, ROOM, watch, |_| program.load().map(|loaded| loaded.length()));
        let compiled = loads.map_err(died)??;
        program.length = u16::try_from(compiled)
            .ok()
            .and_then(|slots| Length::new(slots).ok())
            .ok_or_else(|| BuildError::Length { from: cut.from.clone(), length: compiled })?;
        Ok(program)
    }

    /// Compiles the cut text and the shim, and links them.
    fn build(&self, cut: &CutText, length: Option<Length>, pulse: &Pulse) -> Result<(), BuildError> {
        let iqer = if cut.has_iqer { "DMAR_IQER_REG" } else { "0xffffffff" };
        let text =
            format!("{SHIM_H}\n{}\n#line 1 \"glue.h\"\n#define VTD_QI_IQER {iqer}\n{}{GLUE_H}", cut.text, cut.call);
        let (cut_o, shim_o) = (file_in_memory()?, file_in_memory()?);
        let mut flags = vec![self.optimise.flag().to_string()];
        flags.extend(FLAGS.map(String::from));
        flags.extend(length.map(|length| format!("-DVTD_QI_LENGTH={}", length.slots())));
        let compile = ["-pipe", "-x", "c", "-c", "-", "-o"].map(String::from);
        flags.extend(compile.clone());
        flags.push(path_of(&cut_o));
        Compiling { cut, pulse }.run(&flags, &text, &[&cut_o])?;
        let mut flags = ["-O2", "-fPIC", "-w"].map(String::from).to_vec();
        flags.extend(compile);
        flags.push(path_of(&shim_o));
        Compiling { cut, pulse }.run(&flags, SHIM_C, &[&shim_o])?;
        let link = ["-shared", "-Wl,-z,defs", "-o"].map(String::from);
        let files = [&self.library, &cut_o, &shim_o];
        Compiling { cut, pulse }.run(&[&link[..], &files.map(path_of)].concat(), "", &files)
    }

    /// Loads the library anew: each copy has variables of its own. Loading runs code of the tree: it is done in a child only.
    pub(super) fn load(&self) -> Result<Loaded, BuildError> {
        let copy = file_in_memory()?;
        let mut buffer = vec![0; self.library.metadata()?.len() as usize];
        self.library.read_exact_at(&mut buffer, 0)?;
        (&copy).write_all(&buffer)?;
        Loaded::new(copy).map_err(|error| BuildError::Load { from: self.from.clone(), error: error.to_string() })
    }
}

/// One run of the compiler.
struct Compiling<'a> {
    cut: &'a CutText,
    pulse: &'a Pulse,
}

impl Compiling<'_> {
    /// Runs the compiler on a text; its first error is the message. It inherits `files` and nothing else.
    fn run(&self, flags: &[String], text: &str, files: &[&File]) -> Result<(), BuildError> {
        let words = compiler_words();
        let compiler = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        let (mut input, mut complaints) = (file_in_memory()?, file_in_memory()?);
        input.write_all(text.as_bytes())?;
        input.rewind()?;
        command.args(flags).env("LC_ALL", "C").process_group(0);
        command.stdin(input).stdout(std::process::Stdio::null()).stderr(complaints.try_clone()?);
        let inherited: Vec<RawFd> = files.iter().map(|file| file.as_raw_fd()).collect();
        // SAFETY: only calls that may be made between fork and exec, on descriptors that are open.
        unsafe { command.pre_exec(move || limit(&inherited)) };
        let (from, started) = (self.cut.from.clone(), Instant::now());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return Err(BuildError::NoCompiler { compiler, error: error.to_string() }),
        };
        self.pulse.owns(child.id() as libc::pid_t);
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if self.pulse.is_to_stop() => {
                    end(&mut child);
                    return Err(BuildError::Died { from, death: Death::Cancelled });
                }
                Ok(None) if started.elapsed() < COMPILER_PATIENCE => {}
                Ok(None) => {
                    end(&mut child);
                    return Err(BuildError::Endless { from, compiler, seconds: COMPILER_PATIENCE.as_secs() });
                }
                Err(error) => return Err(BuildError::NoCompiler { compiler, error: error.to_string() }),
            }
            self.pulse.beats.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(2));
        };
        self.pulse.owns(0);
        if status.success() {
            return Ok(());
        }
        let mut said = Vec::new();
        complaints.rewind()?;
        complaints.read_to_end(&mut said)?;
        Err(self.refusal(compiler, status, &String::from_utf8_lossy(&said)))
    }

    /// What the compiler's refusal comes to.
    fn refusal(&self, compiler: String, status: ExitStatus, said: &str) -> BuildError {
        let from = self.cut.from.clone();
        // The shim's own words about structures that do not fit.
        if let Some((_, words)) = said.split_once("static assertion failed")
            && let Some(words) = words.lines().next()
        {
            // gcc quotes the words; clang says the condition first, behind which they stand as they are.
            let quoted = words.split('"').nth(1);
            let plain = words.rsplit_once("': ").map(|(_, words)| words);
            let message = quoted.or(plain).unwrap_or(words).to_string();
            return BuildError::Layout { from, message };
        }
        // The assembler's errors begin with a capital.
        let is_error = |line: &&str| ["error: ", "Error: "].iter().any(|word| line.contains(word));
        let first = said.lines().find(is_error).or(said.lines().next()).unwrap_or_default();
        let limits = format!("{COMPILER_SECONDS} s of processor time and {} MiB of memory", COMPILER_BYTES >> 20);
        let message = match first.split_once(": error: ") {
            // Where, if that is a line of the tree.
            Some((place, message)) if place.starts_with("drivers/") || place.starts_with("include/") => {
                format!("{place}: {message}")
            }
            Some((_, message)) => message.to_string(),
            None if first.is_empty() => {
                format!("it says nothing ({status}), as where it has used up what it may: {limits}")
            }
            None if ["memory", "signal", "limit"].iter().any(|word| first.contains(word)) => {
                format!("{first} (it may use {limits})")
            }
            None => first.to_string(),
        };
        let message: String = message.chars().filter(|c| !c.is_control()).take(300).collect();
        BuildError::Compiler { from, compiler, message }
    }
}

/// What a compiler is before it starts: it has the files, its limits and the usual signals, and ends with who started it.
fn limit(files: &[RawFd]) -> io::Result<()> {
    let checked = |result: libc::c_int| if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) };
    let limits =
        [(libc::RLIMIT_CPU, COMPILER_SECONDS), (libc::RLIMIT_AS, COMPILER_BYTES), (libc::RLIMIT_FSIZE, COMPILED_BYTES)];
    // SAFETY: attributes of this process, which is about to become the compiler.
    unsafe {
        for &file in files {
            checked(libc::fcntl(file, libc::F_SETFD, 0))?;
        }
        for (what, most) in limits {
            checked(libc::setrlimit(what, &libc::rlimit { rlim_cur: most, rlim_max: most }))?;
        }
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::signal(signal, libc::SIG_DFL);
        }
        checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong))
    }
}

/// Ends a compiler and what it has started: asked first, so that it takes its own files away.
fn end(child: &mut Child) {
    let group = -(child.id() as libc::pid_t);
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        // SAFETY: a group of our own, whose leader has not been waited for.
        unsafe { libc::kill(group, signal) };
        for _ in 0..100 {
            if !matches!(child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    // SAFETY: whatever is left of it.
    unsafe { libc::kill(group, libc::SIGKILL) };
}

/// A stretch of the arena, as the shim has it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(super) struct Piece {
    pub(super) at: usize,
    pub(super) bytes: usize,
}

/// Sizes of the tree's structures and places in them, as the glue has them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Layout {
    /// Sizes of `struct intel_iommu`, as far as it is cut, and of `struct q_inval`.
    pub(super) unit: usize,
    pub(super) queue: usize,
    /// Where `q_lock` is in `struct q_inval`, and `free_head`, `free_tail` and `free_cnt`.
    pub(super) q_lock: usize,
    pub(super) fields: [usize; 3],
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
    pub(super) layout: Layout,
    pub(super) registers: [u32; 4],
    length: u32,
    /// Everything above points into it.
    _library: Library,
    /// Last: the loader knows the library by the name that this open file has.
    _file: File,
}

impl Loaded {
    fn new(file: File) -> Result<Loaded, libloading::Error> {
        // SAFETY: the library was linked from the shim and the cut text. Initialisers of the tree's are run: that is what the
        // child process is for.
        let library = unsafe { Library::new(path_of(&file)) }?;
        fn at<T>(library: &Library, name: &str) -> Result<*mut T, libloading::Error> {
            // SAFETY: the symbol is a variable of the shim or the glue, and T is its type there.
            unsafe { library.get::<*mut T>(name.as_bytes()).map(|symbol| *symbol) }
        }
        // SAFETY: the glue defines these functions and constants with exactly these types.
        let (attach, submit, layout, registers, length) = unsafe {
            (
                *library.get::<AttachFn>(b"vtd_qi_attach")?,
                *library.get::<SubmitFn>(b"vtd_qi_submit")?,
                *at::<Layout>(&library, "vtd_qi_layout")?,
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
            _file: file,
        })
    }

    fn length(&self) -> u32 {
        self.length
    }
}
