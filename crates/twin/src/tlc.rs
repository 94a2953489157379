//! TLC: where it is, what it can, how it is run, and what it said.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::TwinError;
use super::Verdict;
use super::model::Model;
use vtd_qi_tla::{TlaError, TlcTrace};

/// Where TLC's jar is looked for if it is not named.
const JAR: &str = "TLA2TOOLS_JAR";

/// The oldest Java that TLC runs on.
const OLDEST_JAVA: u32 = 11;

/// A TLC that can be run.
#[derive(Clone, Debug)]
pub struct Tlc {
    program: Program,
    spec: PathBuf,
    knows: Options,
}

/// How TLC is started.
#[derive(Clone, Debug)]
enum Program {
    Jar(PathBuf),
    Wrapper(PathBuf),
}

/// Options of the command line that not every TLC has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Options {
    /// `-dumpTrace`. It is younger than the statements ALIAS and CHECK_DEADLOCK of a `.cfg` file, so a TLC that has it has those.
    dump_trace: bool,
    /// `-noGenerateSpecTE`. A TLC without it writes no module for a trace in the first place.
    no_trace_module: bool,
}

/// How a model is run.
#[derive(Clone, Copy)]
pub(super) struct RunOptions<'a> {
    /// Worker threads; the depth means something with one only.
    pub workers: usize,
    /// What is read back of the run.
    pub record: Record,
    /// When to give up.
    pub deadline: Option<Instant>,
    /// Set from outside when nobody wants the verdict any more.
    pub stop: Option<&'a AtomicBool>,
    /// Is told about once a second how far TLC is.
    pub progress: Option<&'a dyn Fn(&str)>,
}

/// What TLC writes for us beside its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Nothing.
    Nothing,
    /// The state graph.
    Graph,
    /// A counterexample.
    Trace,
}

impl Default for RunOptions<'_> {
    /// One worker, nothing written, no limit.
    fn default() -> Self {
        RunOptions { workers: 1, record: Record::Nothing, deadline: None, stop: None, progress: None }
    }
}

/// What TLC said of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct TlcRun {
    /// TLC's name and version.
    pub version: String,
    /// Whether all of the properties hold, or one does not.
    pub verdict: Verdict,
    /// States generated: recorded, and compared with nothing.
    pub generated: usize,
    /// Distinct states found, all of them if nothing is violated.
    pub states: usize,
    /// Breadth-first levels; an old TLC does not tell them where a property is violated.
    pub depth: Option<usize>,
    /// Seconds, the start of Java included.
    pub seconds: f64,
}

/// A run that came to a verdict, with the files that it left.
pub(super) struct Finished {
    pub(super) run: TlcRun,
    output: String,
    folder: Scratch,
}

impl Finished {
    /// The state graph of [`Record::Graph`].
    pub(super) fn graph(&self) -> PathBuf {
        self.folder.file("graph.dot")
    }

    /// The counterexample of [`Record::Trace`]: as JSON where TLC writes it, else as it stands in the output.
    pub(super) fn trace(&self) -> Result<TlcTrace, TlaError> {
        let json = self.folder.file("trace.json");
        if json.exists() { TlcTrace::read(&json, usize::MAX) } else { TlcTrace::parse(&self.output, "TLC's output") }
    }
}

impl Tlc {
    /// Finds TLC: the jar that is named, else that of `TLA2TOOLS_JAR`, else `tlc` on the path. `None` if there is none of them. It
    /// is asked which options it knows.
    ///
    /// `spec` is the directory of the modules.
    ///
    /// # Errors
    /// [`TwinError::NoTlc`] if a jar is named and is no file or no TLC, or Java is missing or older than 11.
    pub fn find(jar: Option<&Path>, spec: &Path) -> Result<Option<Tlc>, TwinError> {
        let spec = spec.canonicalize().map_err(TwinError::io(spec, "found"))?;
        let jar = jar.map(PathBuf::from).or_else(|| std::env::var_os(JAR).map(PathBuf::from));
        let program = if let Some(jar) = jar {
            if !jar.is_file() {
                return Err(TwinError::NoTlc(format!("there is no TLC in {}", jar.display())));
            }
            Program::Jar(jar.canonicalize().map_err(TwinError::io(&jar, "found"))?)
        } else {
            let path = std::env::var_os("PATH").unwrap_or_default();
            match std::env::split_paths(&path).map(|dir| dir.join("tlc")).find(|file| file.is_file()) {
                Some(wrapper) => Program::Wrapper(wrapper),
                None => return Ok(None),
            }
        };
        check_java()?;
        let knows = program.options()?;
        Ok(Some(Tlc { program, spec, knows }))
    }

    /// What this TLC does not check or tell, since it is older than that; `None` if it is recent enough for all of it.
    pub fn lacks(&self) -> Option<&'static str> {
        (!self.knows.dump_trace).then_some(
            "ALIAS and CHECK_DEADLOCK in a .cfg file (both are left out), traces as JSON (they are read from its output), and \
             the parameters of actions (Submit(1) and Submit(2) are one label)",
        )
    }

    /// Runs a model.
    ///
    /// # Errors
    /// [`TwinError::Tlc`] unless TLC says that the properties hold or that one is violated; [`TwinError::Undecided`] if it was
    /// ended before.
    pub(super) fn run(&self, model: &Model, options: RunOptions) -> Result<Finished, TwinError> {
        let module = self.spec.join(model.subject.module()).with_extension("tla");
        self.run_module(&module, &model.to_cfg(), options, Scratch::new()?)
    }

    /// Puts the modules of spec/ beside the module that is run, where TLC looks for what that extends.
    pub(super) fn copy_modules(&self, scratch: &Scratch) -> Result<(), TwinError> {
        for entry in std::fs::read_dir(&self.spec).map_err(TwinError::io(&self.spec, "read"))? {
            let file = entry.map_err(TwinError::io(&self.spec, "read"))?.path();
            if let (Some("tla"), Some(name)) = (file.extension().and_then(|e| e.to_str()), file.file_name()) {
                std::fs::copy(&file, scratch.file(name)).map_err(TwinError::io(&file, "copied"))?;
            }
        }
        Ok(())
    }

    /// Runs a module with the text of a configuration; what TLC writes goes into the folder.
    pub(super) fn run_module(
        &self,
        module: &Path,
        cfg: &str,
        options: RunOptions,
        folder: Scratch,
    ) -> Result<Finished, TwinError> {
        let started = Instant::now();
        let output = folder.file("output");
        let file = File::create(&output).map_err(TwinError::io(&output, "written"))?;
        let errors = file.try_clone().map_err(TwinError::io(&output, "written"))?;
        let cfg_file = folder.file("model.cfg");
        std::fs::write(&cfg_file, self.cfg(cfg, options.record)).map_err(TwinError::io(&cfg_file, "written"))?;
        let mut command = self.program.command(Some(&folder));
        command.args(["-tool", "-lncheck", "final", "-workers", &options.workers.to_string(), "-deadlock"]);
        command.arg("-metadir").arg(folder.file("states")).arg("-config").arg(cfg_file);
        if self.knows.no_trace_module {
            command.arg("-noGenerateSpecTE");
        }
        match options.record {
            Record::Graph => _ = command.args(["-dump", "dot,actionlabels"]).arg(folder.file("graph.dot")),
            Record::Trace if self.knows.dump_trace => {
                command.args(["-dumpTrace", "json"]).arg(folder.file("trace.json"));
            }
            Record::Trace | Record::Nothing => {}
        }
        // By its name alone: TLC 2.15 looks for the .cfg file below the directory of the module that it is given.
        let (Some(dir), Some(name)) = (module.parent(), module.file_name()) else {
            return Err(TwinError::Tlc(format!("{} is no module", module.display())));
        };
        command.arg(name).current_dir(dir).stdin(Stdio::null()).stdout(file).stderr(errors);
        let code = Leashed::start(command, &folder)?.wait(&output, started, options)?;
        let output = std::fs::read(&output).map_err(TwinError::io(&output, "read"))?;
        let output = String::from_utf8_lossy(&output).into_owned();
        let run = TlcRun { seconds: started.elapsed().as_secs_f64(), ..understand(&output, code)? };
        Ok(Finished { run, output, folder })
    }

    /// A `.cfg` file as this TLC takes it.
    fn cfg(&self, text: &str, record: Record) -> String {
        let mut text = text.to_string();
        // What is read back has to be the variables; an alias would be written instead of them.
        if !self.knows.dump_trace || record != Record::Nothing {
            text = text.replace("ALIAS Drawn\n", "");
        }
        // The command line says it as well.
        if !self.knows.dump_trace {
            text = text.replace("CHECK_DEADLOCK FALSE\n", "");
        }
        text
    }
}

impl Program {
    /// The beginning of a command; Java's own temporary files go into the folder.
    fn command(&self, folder: Option<&Scratch>) -> Command {
        match self {
            Program::Jar(jar) => {
                let mut command = Command::new("java");
                if let Some(Scratch(folder)) = folder {
                    let mut property = OsString::from("-Djava.io.tmpdir=");
                    property.push(folder);
                    command.arg(property);
                }
                command.arg("-XX:+UseParallelGC").arg("-cp").arg(jar).arg("tlc2.TLC");
                command
            }
            Program::Wrapper(program) => Command::new(program),
        }
    }

    /// Which options `-help` lists. The exit code of that is 1.
    fn options(&self) -> Result<Options, TwinError> {
        let name = match self {
            Program::Jar(file) | Program::Wrapper(file) => file.display(),
        };
        let output = self.command(None).arg("-help").stdin(Stdio::null()).output();
        let output = output.map_err(|error| TwinError::NoTlc(format!("{name} cannot be run: {error}")))?;
        let help = String::from_utf8_lossy(&output.stdout);
        if !help.contains("-metadir") {
            let said = String::from_utf8_lossy(&output.stderr);
            let said = said.lines().chain(help.lines()).find(|line| !line.trim().is_empty()).unwrap_or("nothing");
            return Err(TwinError::NoTlc(format!("{name} is no TLC: asked for -help, it says {said:?}")));
        }
        Ok(Options { dump_trace: help.contains("-dumpTrace"), no_trace_module: help.contains("-noGenerateSpecTE") })
    }
}

/// What the watchdog of a run does: it waits for a line. If the pipe closes instead, which it does however this program ends,
/// the processes of the run are ended and its folder is removed.
const WATCHDOG: &str = "PATH=/usr/bin:/bin; read -r _ || { kill -s KILL -- \"-$1\"; rm -rf -- \"$2\"; }";

/// A child, with all that it starts, that does not outlive this program.
struct Leashed {
    child: Child,
    watchdog: Child,
}

impl Leashed {
    fn start(mut command: Command, folder: &Scratch) -> Result<Leashed, TwinError> {
        let refused = |program: OsString, error| {
            TwinError::NoTlc(format!("{} cannot be run: {error}", Path::new(&program).display()))
        };
        // A group of their own: Ctrl-C is this program's to understand, and a wrapper's child ends with the wrapper.
        let mut child =
            command.process_group(0).spawn().map_err(|error| refused(command.get_program().into(), error))?;
        let mut watchdog = Command::new("/bin/sh");
        watchdog.args(["-c", WATCHDOG, "watchdog", &child.id().to_string()]).arg(&folder.0).process_group(0);
        match watchdog.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(watchdog) => Ok(Leashed { child, watchdog }),
            Err(error) => {
                let _ = child.kill().and_then(|()| child.wait());
                Err(refused("/bin/sh".into(), error))
            }
        }
    }

    /// The exit code.
    fn wait(mut self, output: &Path, started: Instant, options: RunOptions) -> Result<Option<i32>, TwinError> {
        let lost = |error: std::io::Error| TwinError::Tlc(format!("it cannot be waited for: {error}"));
        let mut told = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().map_err(lost)? {
                if let Some(mut pipe) = self.watchdog.stdin.take() {
                    // If nobody listens any more, nobody ends anything either.
                    let _ = pipe.write_all(b"ended\n");
                }
                return Ok(status.code());
            }
            let seconds = started.elapsed().as_secs();
            if options.stop.is_some_and(|stop| stop.load(Ordering::Relaxed)) {
                return Err(TwinError::Undecided("a signal ended TLC".into()));
            }
            if options.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(TwinError::Undecided("the time for TLC was over".into()));
            }
            if let (Some(progress), true) = (options.progress, told.elapsed() >= Duration::from_secs(1)) {
                told = Instant::now();
                progress(&format!("TLC has run for {seconds} s: {}", last_progress(output)));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Leashed {
    /// Ends what still runs: the watchdog hears a line or the end of the pipe.
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How far TLC last said to be.
fn last_progress(output: &Path) -> String {
    let tail = || {
        let mut file = File::open(output).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(4096))).ok()?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().rfind(|line| line.starts_with("Progress(") || line.starts_with("Checking "))?;
        Some(line.trim().to_string())
    };
    tail().unwrap_or_else(|| "it has not told of progress yet".into())
}

/// TLC's exit codes for a property that is violated: by a state or a step, by a whole run.
const VIOLATED: [i32; 2] = [12, 13];

/// What TLC's messages and exit code mean.
fn understand(output: &str, code: Option<i32>) -> Result<TlcRun, TwinError> {
    let verdict = match code {
        Some(0) => Verdict::Holds,
        Some(code) if VIOLATED.contains(&code) => Verdict::Violated,
        Some(code) => return Err(TwinError::Tlc(format!("exit code {code}: {}", complaint(output)))),
        None => return Err(TwinError::Tlc(format!("it was killed: {}", complaint(output)))),
    };
    let silent = |what: &str| TwinError::Tlc(format!("its output does not tell the {what}"));
    let numbers = |code, what: &str| Ok::<_, TwinError>(numbers(message(output, code).ok_or_else(|| silent(what))?));
    let counted = numbers("2199", "number of states")?;
    let [generated, states, ..] = counted[..] else { return Err(silent("number of states")) };
    let depth = numbers("2194", "depth").ok().and_then(|levels| levels.first().copied());
    if depth.is_none() && verdict == Verdict::Holds {
        return Err(silent("depth"));
    }
    let version = message(output, "2262").unwrap_or("TLC").trim().to_string();
    Ok(TlcRun { version, verdict, generated, states, depth, seconds: 0.0 })
}

/// The last message with a code.
fn message<'a>(output: &'a str, code: &str) -> Option<&'a str> {
    let begin = output.rfind(&format!("@!@!@STARTMSG {code}:"))?;
    let (_, text) = output[begin..].split_once('\n')?;
    text.split("@!@!@ENDMSG").next()
}

/// The first message that is an error, and what the parser has found wrong.
fn complaint(output: &str) -> String {
    let errors = output.split("@!@!@STARTMSG ").skip(1).filter_map(|message| {
        let (head, text) = message.split_once('\n')?;
        head.contains(":1 ").then_some(text.split("@!@!@ENDMSG").next()?)
    });
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let parser = ["***Parse Error***", "Could not", "Unknown operator"].into_iter().find_map(|sign| {
        let begin = output.find(sign)?;
        Some(words(&output[begin..].lines().take(2).collect::<Vec<_>>().join(" ")))
    });
    let said: Vec<String> = errors.map(words).filter(|text| !text.is_empty()).take(1).chain(parser).collect();
    match (said.is_empty(), output.lines().rfind(|line| !line.trim().is_empty())) {
        (false, _) => said.join(" "),
        (true, Some(last)) => last.to_string(),
        (true, None) => "it printed nothing".into(),
    }
}

fn numbers(text: &str) -> Vec<usize> {
    text.replace(',', "").split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn check_java() -> Result<(), TwinError> {
    let output = Command::new("java").arg("-version").output();
    let output = output.map_err(|error| TwinError::NoTlc(format!("java cannot be run: {error}")))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    match java_version(&text) {
        Some(version) if version >= OLDEST_JAVA => Ok(()),
        Some(version) => {
            Err(TwinError::NoTlc(format!("java is version {version}, but TLC needs {OLDEST_JAVA} or newer")))
        }
        None => Err(TwinError::NoTlc("java does not tell its version".into())),
    }
}

/// The feature release in what `java -version` prints: 8 for `1.8.0_392`, 17 for `17.0.15`.
fn java_version(text: &str) -> Option<u32> {
    let quoted = text.split_once("version \"")?.1;
    let parts: Vec<u32> =
        quoted.split(|c: char| !c.is_ascii_digit()).take(2).map_while(|part| part.parse().ok()).collect();
    match parts[..] {
        [1, feature] => Some(feature),
        [feature, ..] => Some(feature),
        [] => None,
    }
}

/// A directory of files that nobody needs afterwards.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Result<Scratch, TwinError> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("vtd-qi-tlc-{}-{number}", std::process::id()));
        std::fs::create_dir(&dir).map_err(TwinError::io(&dir, "created"))?;
        Ok(Scratch(dir))
    }

    pub(super) fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies in a directory for temporary files, where it is in no one's way.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "@!@!@STARTMSG 2262:0 @!@!@\nTLC2 Version 2026.04\n@!@!@ENDMSG 2262 @!@!@\n\
        @!@!@STARTMSG 2199:0 @!@!@\n110,441 states generated, 56596 distinct states found, 0 states left on queue.\n\
        @!@!@ENDMSG 2199 @!@!@\n@!@!@STARTMSG 2194:0 @!@!@\nThe depth of the complete state graph search is 119.\n\
        @!@!@ENDMSG 2194 @!@!@\n";

    #[test]
    fn counts_and_verdict_are_read() {
        let run = understand(OUTPUT, Some(0)).unwrap();
        assert_eq!((run.generated, run.states, run.depth, run.verdict), (110_441, 56_596, Some(119), Verdict::Holds));
        assert_eq!(run.version, "TLC2 Version 2026.04");
        assert_eq!(understand(OUTPUT, Some(13)).unwrap().verdict, Verdict::Violated);
        // TLC of 2020 tells no depth where something is violated.
        let (old, _) = OUTPUT.split_once("@!@!@STARTMSG 2194").unwrap();
        assert_eq!(understand(old, Some(13)).unwrap().depth, None);
        let message = understand(old, Some(0)).unwrap_err().to_string();
        assert_eq!(message, "TLC gave no verdict: its output does not tell the depth");
    }

    #[test]
    fn a_tlc_that_fails_says_why() {
        let failed = "@!@!@STARTMSG 3002:1 @!@!@\nParsing or semantic\nanalysis failed.\n@!@!@ENDMSG 3002 @!@!@\n";
        let message = understand(failed, Some(150)).unwrap_err().to_string();
        assert_eq!(message, "TLC gave no verdict: exit code 150: Parsing or semantic analysis failed.");
        let message = understand("", Some(0)).unwrap_err().to_string();
        assert_eq!(message, "TLC gave no verdict: its output does not tell the number of states");
    }

    #[test]
    fn java_versions_are_read_in_both_forms() {
        assert_eq!(java_version("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(java_version("java version \"1.8.0_392\""), Some(8));
        assert_eq!(java_version("openjdk version \"21-ea\""), Some(21));
        assert_eq!(java_version("no java"), None);
    }

    #[test]
    fn an_old_tlc_is_given_what_it_knows() {
        let tlc = |dump_trace| Tlc {
            program: Program::Jar("tla2tools.jar".into()),
            spec: "spec".into(),
            knows: Options { dump_trace, no_trace_module: dump_trace },
        };
        let cfg = "SPECIFICATION Spec\nALIAS Drawn\nCHECK_DEADLOCK FALSE\n";
        assert_eq!(tlc(true).cfg(cfg, Record::Nothing), cfg);
        assert_eq!(tlc(true).cfg(cfg, Record::Graph), "SPECIFICATION Spec\nCHECK_DEADLOCK FALSE\n");
        assert_eq!(tlc(false).cfg(cfg, Record::Nothing), "SPECIFICATION Spec\n");
        assert!(tlc(true).lacks().is_none() && tlc(false).lacks().unwrap().contains("ALIAS"));
    }

    #[test]
    fn a_missing_jar_is_named() {
        let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec");
        let error = Tlc::find(Some(Path::new("/no/such/tla2tools.jar")), &spec).unwrap_err();
        assert_eq!(error.to_string(), "there is no TLC in /no/such/tla2tools.jar");
    }
}
