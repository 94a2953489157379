//! TLC: where it is, how it is run, and what it said.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::model::Model;
use super::rust::Verdict;
use super::TwinError;

/// Where TLC's jar is looked for if it is not named.
const JAR: &str = "TLA2TOOLS_JAR";

/// The oldest Java that TLC runs on.
const OLDEST_JAVA: u32 = 11;

/// A TLC that can be run.
#[derive(Clone, Debug)]
pub struct Tlc {
    program: OsString,
    arguments: Vec<OsString>,
    spec: PathBuf,
}

/// How a model is run.
#[derive(Clone, Copy, Debug)]
pub struct RunOptions<'a> {
    /// Worker threads; the depth means something with one only.
    pub workers: usize,
    /// Where the state graph goes.
    pub dump: Option<&'a Path>,
    /// Where a counterexample goes, as JSON.
    pub trace: Option<&'a Path>,
    /// When to give up.
    pub limit: Option<Duration>,
}

impl Default for RunOptions<'_> {
    /// One worker, nothing written, no limit.
    fn default() -> Self {
        RunOptions { workers: 1, dump: None, trace: None, limit: None }
    }
}

/// What TLC said of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// TLC's name and version.
    pub version: String,
    /// Whether all of the properties hold, or one does not.
    pub verdict: Verdict,
    /// States generated: recorded, and compared with nothing.
    pub generated: usize,
    /// Distinct states found, all of them if nothing is violated.
    pub states: usize,
    /// Breadth-first levels.
    pub depth: usize,
    /// Seconds, the start of Java included.
    pub seconds: f64,
}

impl Tlc {
    /// Finds TLC: the jar that is named, else that of `TLA2TOOLS_JAR`, else `tlc` on the path. `None` if there is none of them.
    ///
    /// `spec` is the directory of the modules.
    ///
    /// # Errors
    /// [`TwinError::NoTlc`] if a jar is named and is no file, or Java is missing or older than 11.
    pub fn find(jar: Option<&Path>, spec: &Path) -> Result<Option<Tlc>, TwinError> {
        let spec = spec.canonicalize().map_err(TwinError::io(spec, "found"))?;
        let jar = jar.map(PathBuf::from).or_else(|| std::env::var_os(JAR).map(PathBuf::from));
        if let Some(jar) = jar {
            if !jar.is_file() {
                return Err(TwinError::NoTlc(format!("there is no TLC in {}", jar.display())));
            }
            let jar = jar.canonicalize().map_err(TwinError::io(&jar, "found"))?;
            check_java()?;
            let arguments =
                ["-XX:+UseParallelGC".into(), "-cp".into(), jar.into_os_string(), "tlc2.TLC".into()].to_vec();
            return Ok(Some(Tlc { program: "java".into(), arguments, spec }));
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let Some(program) = std::env::split_paths(&path).map(|dir| dir.join("tlc")).find(|file| file.is_file()) else {
            return Ok(None);
        };
        check_java()?;
        Ok(Some(Tlc { program: program.into(), arguments: Vec::new(), spec }))
    }

    /// Runs a model.
    ///
    /// # Errors
    /// [`TwinError::Tlc`] unless TLC says that the properties hold or that one is violated; `Ok(None)` if it reached the limit.
    pub fn run(&self, model: &Model, options: RunOptions) -> Result<Option<Run>, TwinError> {
        let scratch = Scratch::new()?;
        let cfg = scratch.file("model.cfg");
        // What is read back has to be the variables; an alias would be written instead of them.
        let read_back = options.dump.is_some() || options.trace.is_some();
        let text = if read_back { model.to_cfg().replace("ALIAS Drawn\n", "") } else { model.to_cfg() };
        std::fs::write(&cfg, text).map_err(TwinError::io(&cfg, "written"))?;
        self.run_module(&self.spec.join(model.subject.module()).with_extension("tla"), &cfg, options)
    }

    /// Puts the modules of spec/ beside a module of one's own, where TLC looks for what that extends.
    pub(super) fn copy_modules(&self, scratch: &Scratch) -> Result<(), TwinError> {
        for entry in std::fs::read_dir(&self.spec).map_err(TwinError::io(&self.spec, "read"))? {
            let file = entry.map_err(TwinError::io(&self.spec, "read"))?.path();
            if let (Some("tla"), Some(name)) = (file.extension().and_then(|e| e.to_str()), file.file_name()) {
                std::fs::copy(&file, scratch.0.join(name)).map_err(TwinError::io(&file, "copied"))?;
            }
        }
        Ok(())
    }

    /// Runs a module with a configuration.
    pub(super) fn run_module(&self, module: &Path, cfg: &Path, options: RunOptions) -> Result<Option<Run>, TwinError> {
        let started = Instant::now();
        let scratch = Scratch::new()?;
        let output = scratch.file("output");
        let file = std::fs::File::create(&output).map_err(TwinError::io(&output, "written"))?;
        let errors = file.try_clone().map_err(TwinError::io(&output, "written"))?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.spec);
        command.args(["-tool", "-noGenerateSpecTE", "-lncheck", "final", "-workers", &options.workers.to_string()]);
        command.arg("-deadlock").arg("-metadir").arg(scratch.file("states")).arg("-config").arg(cfg);
        if let Some(dump) = options.dump {
            command.args(["-dump", "dot,actionlabels"]).arg(dump);
        }
        if let Some(trace) = options.trace {
            command.args(["-dumpTrace", "json"]).arg(trace);
        }
        command.arg(module).stdin(Stdio::null()).stdout(file).stderr(errors);
        let child =
            command.spawn().map_err(|e| TwinError::NoTlc(format!("{} cannot be run: {e}", self.program.display())))?;
        let Some(code) = wait(child, options.limit.map(|limit| started + limit))? else { return Ok(None) };
        let output = std::fs::read_to_string(&output).map_err(TwinError::io(&output, "read"))?;
        understand(&output, code).map(|run| Some(Run { seconds: started.elapsed().as_secs_f64(), ..run }))
    }
}

/// The exit code, `None` if the deadline came first.
fn wait(mut child: Child, deadline: Option<Instant>) -> Result<Option<Option<i32>>, TwinError> {
    let lost = |error: std::io::Error| TwinError::Tlc(format!("it cannot be waited for: {error}"));
    loop {
        if deadline.is_none() {
            return child.wait().map(|status| Some(status.code())).map_err(lost);
        }
        if let Some(status) = child.try_wait().map_err(lost)? {
            return Ok(Some(status.code()));
        }
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            child.kill().and_then(|()| child.wait()).map_err(lost)?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// TLC's exit codes for a property that is violated: by a state or a step, by a whole run.
const VIOLATED: [i32; 2] = [12, 13];

/// What TLC's messages and exit code mean.
fn understand(output: &str, code: Option<i32>) -> Result<Run, TwinError> {
    let verdict = match code {
        Some(0) => Verdict::Holds,
        Some(code) if VIOLATED.contains(&code) => Verdict::Violated,
        Some(code) => return Err(TwinError::Tlc(format!("exit code {code}: {}", complaint(output)))),
        None => return Err(TwinError::Tlc(format!("it was killed: {}", complaint(output)))),
    };
    let silent = |what: &str| TwinError::Tlc(format!("its output does not tell the {what}"));
    let numbers = |code, what: &str| Ok(numbers(message(output, code).ok_or_else(|| silent(what))?));
    let counted = numbers("2199", "number of states")?;
    let [generated, states, ..] = counted[..] else { return Err(silent("number of states")) };
    let [depth, ..] = numbers("2194", "depth")?[..] else { return Err(silent("depth")) };
    let version = message(output, "2262").unwrap_or("TLC").trim().to_string();
    Ok(Run { version, verdict, generated, states, depth, seconds: 0.0 })
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

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies in a directory for temporary files, where it is in nobody's way.
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
        assert_eq!((run.generated, run.states, run.depth, run.verdict), (110_441, 56_596, 119, Verdict::Holds));
        assert_eq!(run.version, "TLC2 Version 2026.04");
        assert_eq!(understand(OUTPUT, Some(13)).unwrap().verdict, Verdict::Violated);
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
    fn a_missing_jar_is_named() {
        let spec = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec");
        let error = Tlc::find(Some(Path::new("/no/such/tla2tools.jar")), &spec).unwrap_err();
        assert_eq!(error.to_string(), "there is no TLC in /no/such/tla2tools.jar");
    }
}
