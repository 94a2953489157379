//! The tool that runs a kernel's C, on a driver written for these tests and on what kernel trees there are.
//!
//! `VTD_QI_LINUX` names trees or tarballs, separated by `:`; Debian's linux-source-6.1 is looked for too. What is not there is
//! listed as not run.

use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use stateright_temporal::graph::Limits;
use stateright_temporal::memory::Memory;
use vtd_qi::impl_qi::{FaultCheck, FaultClass, Faults, Generation, Hardware, Length, RingCfg, ValidRing};
use vtd_qi::verify::Verdict;
use vtd_qi_kernel::{
    CutText, DMAR_C, Death, Edit, FoundKind, Machine, Optimise, Program, Pulse, ROOM, Recognised, Sameness, SearchCfg,
    Searched, Source, SourceFile, StopGrain, Strategy, cut, edit, exhaustive, isolated, last_steps, random, recognise,
    replay, search,
};
use vtd_qi_page::report::ReportData;

use driver::{BEFORE_2024, DRIVER, ODD_WALK};

#[path = "kernel/driver.rs"]
mod driver;

/// Longer than any comparison takes, on a machine that has much else to do too.
const LONG: Duration = Duration::from_secs(3_600);

/// The tests' own driver with some text replaced.
fn own(replacements: &[(&str, &str)]) -> CutText {
    let mut text = DRIVER.to_string();
    for (what, with) in replacements {
        assert!(text.contains(what), "no {what:?} in the driver");
        text = text.replace(what, with);
    }
    cut(&Source::of(Path::new("tests/kernel"), vec![SourceFile { path: DMAR_C.to_string(), text }]).unwrap()).unwrap()
}

fn program(cut: &CutText, slots: u16) -> Program {
    Program::compile(cut, Some(Length::new(slots).unwrap()), Optimise::O2, &mut |_| true).unwrap()
}

fn recognised(cut: &CutText) -> Recognised {
    let real = Program::compile(cut, None, Optimise::O2, &mut |_| true).unwrap();
    recognise(&program(cut, 8), Some(&real), &Pulse::default()).unwrap()
}

fn ring(generation: &str, faults: Faults) -> ValidRing {
    let rules = Generation::named(generation).unwrap().rules;
    let length = Length::new(6).unwrap();
    RingCfg { length, fault_check: FaultCheck::Always, faults, ..RingCfg::new(rules, 2, [0, 1]) }.validate().unwrap()
}

fn searched(cut: &CutText, cfg: &SearchCfg, grain: StopGrain, runs: u64) -> Searched {
    let mut machine = Machine::new(&program(cut, 6), cfg.submitters, grain, false).unwrap();
    search(&mut machine, cfg, 1, &Pulse::default(), |so_far| so_far.runs >= runs)
}

const RETRY: [(&str, &str); 1] = [("return -ETIMEDOUT;", ";")];

#[test]
fn generations_are_told_by_what_they_do() {
    let both = [&BEFORE_2024[..], &ODD_WALK].concat();
    let cases: [(&str, Vec<(&str, &str)>); 6] = [
        ("g5", vec![]),
        ("g5r", RETRY.to_vec()),
        ("g4", ODD_WALK.to_vec()),
        ("g4r", [&ODD_WALK[..], &RETRY].concat()),
        ("g3t", both.clone()),
        ("g3", [&both[..], &RETRY].concat()),
    ];
    for (generation, replacements) in cases {
        let found = recognised(&own(&replacements));
        assert_eq!(found.generation.as_deref(), Some(generation), "{found:?}");
    }
}

#[test]
fn a_tree_with_one_constant_edited_is_unknown() {
    let constants = [
        ("(int)count + 2", "(int)count + 3"),
        ("#define QI_LENGTH 256", "#define QI_LENGTH 128"),
        ("#define FAULT_ITE 0x40u", "#define FAULT_ITE 0x80u"),
        ("#define WAIT_WITH_STATUS 0x25ull", "#define WAIT_WITH_STATUS 0x65ull"),
        ("(u64)QI_DONE << 32", "(u64)QI_IN_USE << 32"),
        ("? 5 : 4", "? 4 : 4"),
        ("return -EINVAL", "return -EAGAIN"),
        ("rc == -EAGAIN", "rc == -EINVAL"),
        ("after(last, 1);", "after(last, 2);"),
    ];
    for (what, with) in constants {
        let found = recognised(&own(&[(what, with)]));
        assert_eq!(found.generation, None, "{what} -> {with}");
        let nearest = found.nearest.unwrap();
        assert!(nearest.expected != nearest.found, "{nearest:?}");
    }
}

#[test]
fn the_model_is_this_driver_on_every_transition() {
    let program = program(&own(&[]), 6);
    let until = || Instant::now() + LONG;
    for faults in [Faults::none(), Faults::of([FaultClass::Ice], 1)] {
        let covered = exhaustive(&program, &ring("g5", faults), Limits::default(), until(), &Pulse::default()).unwrap();
        assert!(covered.difference.is_none(), "{}", covered.difference.unwrap().timeline.to_string());
        assert_eq!((covered.covered, covered.why), (covered.edges, None));
        assert!(covered.tally.accesses > 500_000);
    }
}

#[test]
fn another_program_differs_and_the_difference_is_drawn() {
    let program = program(&own(&ODD_WALK), 6);
    let cfg = ring("g5", Faults::of([FaultClass::LostAnswer], 1));
    let (_, difference) = random(&program, &cfg, false, 1, 500_000, &Pulse::default()).unwrap();
    let difference = difference.expect("the odd walk is not g5's");
    let drawn = difference.timeline.to_string();
    assert!(drawn.contains("DIFFERS"), "{drawn}");
    for width in [60, 80, 100, 140] {
        let fitted = difference.timeline.fitted(width);
        assert!(fitted.contains("DIFFERS") && fitted.lines().all(|line| line.chars().count() <= width), "{fitted}");
    }
    // Without faults nothing tells them apart.
    let (tally, difference) =
        random(&program, &ring("g5", Faults::none()), false, 1, 500_000, &Pulse::default()).unwrap();
    assert!(difference.is_none() && tally.accesses > 100_000);
    // One access more, one less, another order.
    for (what, with) in [
        ("reclaim_free_desc(qi);\n\t\traw", "raw"),
        (
            "qi->desc_status[last] = QI_IN_USE;\n",
            "qi->desc_status[last] = QI_IN_USE;\n\t\tqi->desc_status[last] = QI_IN_USE;\n",
        ),
        ("\t\tqi->free_cnt -= count + 1;\n", "\t\tqi->free_cnt -= count;\n"),
    ] {
        let program = self::program(&own(&[(what, with)]), 6);
        let cfg = ring("g5", Faults::none());
        let covered = exhaustive(&program, &cfg, Limits::default(), Instant::now() + LONG, &Pulse::default());
        assert!(covered.unwrap().difference.is_some(), "{with}");
    }
}

#[test]
fn a_difference_is_drawn_with_the_values_that_were_stored() {
    // The first call differs where it drops the lock: until then it has stored descriptors and QI_IN_USE, over blanks and QI_FREE.
    let program = program(&own(&[("\t\tqi->free_cnt -= count + 1;\n", "\t\tqi->free_cnt -= count;\n")]), 6);
    let cfg = ring("g5", Faults::none());
    let (_, difference) = random(&program, &cfg, false, 1, 1_000, &Pulse::default()).unwrap();
    let drawn = difference.expect("free_cnt differs").timeline.to_string();
    assert!(drawn.contains("]=QI_IN_USE") && drawn.contains("]=WD status["), "{drawn}");
    assert!(!drawn.contains("]=QI_FREE") && !drawn.contains("no descriptor that is known"), "{drawn}");
    assert!(drawn.lines().last().unwrap_or_default().contains("DIFFERS"), "{drawn}");
}

#[test]
fn structures_that_do_not_fit_are_said_by_name() {
    let ints = "int free_head, free_tail, free_cnt;";
    for (what, with, says) in [
        (ints, "long free_head; int free_tail, free_cnt;", "free_head of struct q_inval is no int"),
        (ints, "int free_head, free_tail; unsigned short free_cnt;", "free_cnt of struct q_inval is no int"),
        ("int *desc_status;", "long *desc_status;", "desc_status of struct q_inval does not point to int"),
        ("u64 word[4];", "u64 word[3];", "struct qi_desc does not have 32 bytes"),
        ("u64 ecap;", "u32 ecap;", "ecap of struct intel_iommu is no u64"),
        ("char *desc;", "char desc[1 << 20];", "desc of struct q_inval is no pointer"),
        ("#define QI_LENGTH 256", "#define QI_LENGTH 4294967302", "QI_LENGTH is no number of slots"),
    ] {
        let error = Program::compile(&own(&[(what, with)]), None, Optimise::O2, &mut |_| true).unwrap_err();
        assert_eq!(error.to_string(), format!("tests/kernel: {says}"));
    }
}

#[test]
fn the_search_finds_the_lockup_of_2024_and_its_seed_replays() {
    let cut = own(&BEFORE_2024);
    let cfg = ring("g5", Faults::none());
    for (strategy, grain) in [
        (Strategy::Random, StopGrain::Every),
        (Strategy::Random, StopGrain::Coarse),
        (Strategy::Pct { changes: 3 }, StopGrain::Every),
        (Strategy::Pct { changes: 3 }, StopGrain::Coarse),
    ] {
        let cfg = SearchCfg::of(&cfg, strategy);
        let found = searched(&cut, &cfg, grain, 300);
        let hang = found.findings.iter().find(|finding| finding.found == FoundKind::Hang).expect("the lockup");
        assert!(hang.repeated >= 1_000 && hang.steps.1 < hang.steps.0, "{hang:?}");
        let mut machine = Machine::new(&program(&cut, 6), 2, grain, false).unwrap();
        let again = replay(&mut machine, &cfg, hang.seed).unwrap();
        assert_eq!((again.found, again.steps.0), (hang.found, hang.steps.0));
        // The fix cures it.
        let fixed = searched(&own(&[]), &cfg, grain, 300);
        assert_eq!((fixed.hits, fixed.runs), (0, 300), "{:?}", fixed.findings);
    }
}

#[test]
fn the_search_finds_hard_lock_leak_overrun_and_wrong_success() {
    let lost = ring("g5", Faults::of([FaultClass::LostAnswer], 1));
    let none = ring("g5", Faults::none());
    let deep = RingCfg { hardware: Hardware::pipelined(4), ..RingCfg::clone(&none) }.validate().unwrap();
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a ValidRing, FoundKind);
    let cases: [Case; 5] = [
        (&ODD_WALK, &lost, FoundKind::HardLock),
        (&[("qi->free_cnt += 1;", "qi->free_cnt += (qi->free_tail & 1);")], &none, FoundKind::Overrun),
        (
            &[("reclaim_free_desc(qi);\n", "if (count || qi->free_cnt < 3)\n\t\t\treclaim_free_desc(qi);\n")],
            &none,
            FoundKind::Leak,
        ),
        (&[("!= QI_DONE) {", "== QI_FREE) {")], &deep, FoundKind::WrongSuccess),
        (
            &[("qi->desc_status[last] = QI_IN_USE;\n", "qi->desc_status[last + QI_LENGTH] = QI_IN_USE;\n")],
            &none,
            FoundKind::Outside,
        ),
    ];
    for (replacements, ring, expected) in cases {
        let found = searched(&own(replacements), &SearchCfg::of(ring, Strategy::Random), StopGrain::Every, 2_000);
        assert!(found.findings.iter().any(|f| f.found == expected), "{expected:?}: {:?}", found.findings);
    }
}

#[test]
fn code_that_crashes_or_never_comes_back_is_reported_with_what_led_there() {
    let cfg = SearchCfg::of(&ring("g5", Faults::none()), Strategy::Random);
    let crash = own(&[("qi->free_cnt += 1;", "qi->free_cnt += 1;\n\t\t*(volatile int *)8 = 1;")]);
    let loops = own(&[("qi->free_cnt += 1;", "qi->free_cnt += 1;\n\t\tfor (;;)\n\t\t\tbarrier();")]);
    for (cut, silent) in [(crash, false), (loops, true)] {
        let program = program(&cut, 6);
        let died: Result<Searched, Death> = isolated(Duration::from_secs(1), ROOM, &mut |_| true, |pulse| {
            let mut machine = Machine::new(&program, 2, StopGrain::Every, false).unwrap();
            search(&mut machine, &cfg, 1, pulse, |so_far| so_far.runs >= 1_000)
        });
        let seed = match died {
            Err(Death::Signal { signal, seed }) if !silent && signal == 11 => seed,
            Err(Death::Silent { seed, .. }) if silent => seed,
            other => panic!("{other:?}"),
        };
        let led_there = last_steps(&program, &cfg, StopGrain::Every, seed, 40).unwrap().to_string();
        // What was stored is known of all steps but the last, which was not made to its end.
        let last = led_there.lines().last().unwrap();
        assert!(last.contains("free_cnt=..."), "{led_there}");
        assert_eq!(led_there.matches("=...").count(), 1, "{led_there}");
        assert!(led_there.contains("=QI_IN_USE") || led_there.contains("=QI_FREE"), "{led_there}");
    }
}

#[test]
fn code_that_takes_memory_without_end_dies_of_it() {
    let cfg = SearchCfg::of(&ring("g5", Faults::none()), Strategy::Random);
    let takes = "for (;;) {\n\t\t\tchar *more = __builtin_malloc(1 << 20);\n\t\t\t__builtin_memset(more, 1, 1 << 20);\n\
        \t\t\t__asm__ volatile(\"\" : : \"r\"(more) : \"memory\");\n\t\t}";
    let program = program(&own(&[("qi->free_cnt += 1;", &format!("qi->free_cnt += 1;\n\t\t{takes}"))]), 6);
    let bytes = 256 << 20;
    let died: Result<Searched, Death> = isolated(Duration::from_secs(60), bytes, &mut |_| true, |pulse| {
        let mut machine = Machine::new(&program, 2, StopGrain::Every, false).unwrap();
        search(&mut machine, &cfg, 1, pulse, |so_far| so_far.runs >= 1_000)
    });
    let died = died.unwrap_err();
    assert!(matches!(died, Death::Memory { bytes: most, .. } if most == bytes), "{died}");
    assert_eq!(died.to_string(), "the C code took all the memory that it may, 256 MiB, and died of that");
}

#[allow(clippy::print_stdout)] // What is not run is said.
fn trees() -> Vec<PathBuf> {
    let named = std::env::var_os("VTD_QI_LINUX").unwrap_or_default();
    let debian = PathBuf::from("/usr/src/linux-source-6.1.tar.xz");
    let all = std::env::split_paths(&named).filter(|path| !path.as_os_str().is_empty()).chain([debian]);
    let (there, gone): (Vec<_>, Vec<_>) = all.partition(|path| path.exists());
    gone.iter().for_each(|path| println!("NOT RUN: {} is not there", path.display()));
    there
}

#[test]
fn kernel_trees_are_recognised_and_are_the_model() {
    for tree in trees() {
        let source = Source::open(&tree, &AtomicBool::new(false)).unwrap();
        let cut = cut(&source).unwrap();
        let found = recognised(&cut);
        let generation = found.generation.clone().unwrap_or_else(|| panic!("{}: {found:?}", source.name()));
        let cfg = ring(&generation, Faults::none());
        let until = Instant::now() + LONG;
        let covered = exhaustive(&program(&cut, 6), &cfg, Limits::default(), until, &Pulse::default()).unwrap();
        assert!(covered.difference.is_none() && covered.covered == covered.edges, "{}: {covered:?}", source.name());
        println!("{}: {generation}, {} transitions", source.name(), covered.edges);
        // Rules taken back make the older generations.
        if generation.starts_with("g5") {
            let older = edit(&source, Edit::OddWalk).unwrap();
            assert_eq!(recognised(&self::cut(&older).unwrap()).generation, Some(generation.replace("g5", "g4")));
            let oldest = edit(&older, Edit::MarkDone).unwrap();
            let name = if generation == "g5" { "g3t" } else { "g3" };
            assert_eq!(recognised(&self::cut(&oldest).unwrap()).generation.as_deref(), Some(name));
            assert!(oldest.name().contains("edited: odd-walk, edited: mark-done"));
        }
    }
}

/// The program, which is to keep nothing anywhere but below a folder.
fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vtd-qi-kernel"));
    for name in ["cache", "tmp"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    command.env("VTD_QI_CACHE", folder.join("cache")).env("TMPDIR", folder.join("tmp"));
    command
}

/// Writes a tree with the tests' own driver, some text replaced.
fn tree(root: &Path, replacements: &[(&str, &str)]) {
    let mut text = DRIVER.to_string();
    for (what, with) in replacements {
        assert!(text.contains(what), "no {what:?} in the driver");
        text = text.replace(what, with);
    }
    let path = root.join(DMAR_C);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_comparison_that_was_cut_is_unknown() {
    let program = program(&own(&[]), 6);
    let cfg = ring("g5", Faults::none());
    let covered = |max_states: usize, until: Instant| {
        exhaustive(&program, &cfg, Limits { max_states, ..Limits::default() }, until, &Pulse::default()).unwrap()
    };
    let states = covered(500, Instant::now() + LONG);
    assert_eq!((states.verdict, states.whole, states.covered), (Sameness::Unknown, false, states.edges));
    assert_eq!(states.why.as_deref(), Some("the limit of 500 states was reached"));
    let time = covered(usize::MAX >> 40, Instant::now());
    assert_eq!((time.verdict, time.whole), (Sameness::Unknown, true));
    assert_eq!(time.why.as_deref(), Some("the time was up"));
    assert!(time.covered < time.edges);
    let memory = Memory::of(1_000_000);
    let limits = Limits { memory: Some(&memory), ..Limits::default() };
    let short = exhaustive(&program, &cfg, limits, Instant::now() + LONG, &Pulse::default()).unwrap();
    assert_eq!((short.verdict, short.whole), (Sameness::Unknown, false));
    let why = format!("the 1.0 MB of memory that were allowed are used at {} states", short.states);
    assert_eq!(short.why, Some(why));
}

/// Reading a tree may take minutes: what is wrong with the rest is said before.
#[test]
fn values_are_refused_before_the_tree_is_read() {
    for (options, says) in [
        (&["--ring", "7"][..], "even"),
        (&["--ring", "4", "--counts", "9"], "9"),
        (&["--counts", "5", "--submitters", "8"], "5"),
        (&["--max-memory", "9PB"], "9.0 PB of memory cannot be allowed"),
        (&["--record", ""], "a value is required"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = command(folder.path());
        let output = command.args(["--linux", "/nonexistent/tree"]).args(options).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(says) && !said.contains("/nonexistent"), "{options:?}: {said}");
    }
}

#[test]
fn the_exit_code_says_whether_every_comparison_was_finished() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), &[]);
    let compare = |options: &[&str]| {
        let mut command = command(folder.path());
        command.args(["--only", "compare", "--ring", "4", "--linux"]).arg(folder.path());
        let output = command.args(options).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = compare(&["--submitters", "1"]);
    assert_eq!((code, said.matches("  same     1 submitters").count()), (Some(0), 4), "{said}");
    assert!(said.contains("  left out one fault: device-gone: ") && !said.contains("unknown"), "{said}");
    let (code, said) = compare(&["--submitters", "1", "--faults", "device-gone"]);
    assert_eq!((code, said.matches("  same     1 submitters").count()), (Some(0), 1), "{said}");
    assert!(said.contains(", one fault: device-gone: ") && !said.contains("left out"), "{said}");
    let (code, said) = compare(&["--submitters", "1", "--no-faults", "--max-states", "50"]);
    assert_eq!((code, said.matches("  unknown  1 submitters").count()), (Some(1), 1), "{said}");
    assert!(said.contains(" of at least ") && said.contains("; the limit of 50 states was reached\n"), "{said}");
    let (code, said) = compare(&["--no-faults", "--max-memory", "1MB", "--submitters", "2"]);
    assert_eq!((code, said.matches("  unknown  2 submitters").count()), (Some(1), 1), "{said}");
    assert!(said.contains("; the 1.0 MB of memory that were allowed are used at "), "{said}");
}

/// A tree whose C does something when it is loaded.
fn tree_that_runs_early(folder: &Path, body: &str) {
    let early = format!(
        "#define EARLY __attribute__((constructor, used))\nstatic void EARLY early(void)\n{{\n\t{body}\n}}\n\nstatic int after("
    );
    let user = "(void)early;\n\tfor (;;) {\n\t\tint state";
    tree(folder, &[("static int after(", &early), ("for (;;) {\n\t\tint state", user)]);
}

#[test]
fn a_tree_is_recognised_only_where_the_comparison_agrees_too() {
    let folder = tempfile::tempdir().unwrap();
    let says = |options: &[&str], replacements: &[(&str, &str)]| {
        tree(folder.path(), replacements);
        let options = [&["--ring", "4", "--submitters", "1", "--no-faults"][..], options].concat();
        let options = if options.contains(&"recognise") { vec!["--only", "recognise"] } else { options };
        let output = command(folder.path()).args(options).arg("--linux").arg(folder.path()).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let line = said.lines().find(|line| line.contains("probes")).unwrap().to_string();
        (output.status.code(), line)
    };
    // No probe is of a ring of 4 slots.
    let grows = [(
        "\t\tqi->free_cnt -= count + 1;\n",
        "\t\tqi->free_cnt -= count + 1;\n\t\tif (QI_LENGTH == 4)\n\t\t\tqi->free_cnt += 2;\n",
    )];
    for (options, replacements, code, claim) in [
        (&["--only", "recognise"][..], &[][..], Some(0), "; the comparison was not run"),
        (&["--only", "recognise"], &grows, Some(0), "; the comparison was not run"),
        (&["--only", "compare"], &[], Some(0), " probes and the comparison agree"),
        (&["--only", "compare"], &grows, Some(1), " probes agree: the comparison does not"),
        (&["--only", "compare", "--max-states", "5"], &[], Some(1), "; the comparison was not finished"),
    ] {
        let (ended, line) = says(options, replacements);
        assert!(ended == code && line.ends_with(claim), "{options:?}: {ended:?} {line}");
        let claims = line.starts_with("  this is g5 (");
        assert_eq!(claims, claim == " probes and the comparison agree", "{line}");
        let says = [" probes agree with g5 (", "  this is NOT g5 ("].iter().any(|says| line.contains(says));
        assert!(claims || says, "{line}");
    }
}

#[test]
fn code_that_runs_while_it_is_loaded_reaches_nobody() {
    let folder = tempfile::tempdir().unwrap();
    for (body, code, says) in [
        ("*(volatile int *)8 = 1;", 2, "cannot be loaded: the C code crashed"),
        ("for (;;)\n\t\tbarrier();", 2, "cannot be loaded: the C code did not come back for 3 s of processor time"),
        ("__builtin_exit(0);", 2, "cannot be loaded: the C code ended its process (exit code 0)"),
        ("__builtin_printf(\"printed\\n\");", 0, ""),
        ("extern int raise(int);\n\traise(19);", 0, ""),
        ("extern int raise(int);\n\tfor (;;)\n\t\traise(19);", 2, "the process that runs the C was stopped 4 times"),
    ] {
        tree_that_runs_early(&folder.path().join("tree"), body);
        let output =
            command(folder.path()).args(["--only", "recognise", "--linux"]).arg(folder.path().join("tree")).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{body}: {said}");
        assert!(said.contains(says), "{body}: {said}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("printed"), "{body}");
    }
}

#[test]
fn a_text_that_takes_all_memory_to_compile_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), &[("int state = qi->desc_status", "#include \"/dev/zero\"\n\t\tint state = qi->desc_status")]);
    let output = command(folder.path()).args(["--only", "recognise", "--linux"]).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("does not accept the functions cut out of it") && said.lines().count() == 1, "{said}");
}

/// The processes whose parent is this one.
fn children(process: u32) -> Vec<u32> {
    let all =
        std::fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |child: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok()) == Some(process)
    };
    all.filter(is_child).collect()
}

/// Waits until something is so; the test's own time limit is what ends a wait in vain.
fn wait_until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_gone(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

#[test]
fn neither_a_process_nor_a_file_is_left_however_the_program_ends() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), &[]);
    // A compiler that never ends, and has started something itself.
    let slow = folder.path().join("slow-cc");
    std::fs::write(&slow, "#!/bin/sh\nsleep 100000 &\nwait\n").unwrap();
    std::fs::set_permissions(&slow, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for (signal, code) in [("TERM", Some(130)), ("HUP", Some(130)), ("KILL", None)] {
        for cc in [Path::new("cc"), &slow] {
            let mut started = command(folder.path())
                .args(["--only", "search", "--seconds", "100000", "--linux"])
                .arg(folder.path())
                .env("CC", cc)
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut processes = Vec::new();
            if cc == slow {
                // The child, the compiler, and what that has started.
                wait_until(|| {
                    processes = vec![started.id()];
                    let mut at = 0;
                    while let Some(&process) = processes.get(at) {
                        processes.extend(children(process));
                        at += 1;
                    }
                    processes.len() >= 4
                });
            } else {
                // It says how far the search is.
                let mut line = String::new();
                std::io::BufReader::new(started.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
                assert!(line.starts_with("search: "), "{line}");
                processes = children(started.id());
                assert_eq!(processes.len(), 1);
            }
            let sent = Command::new("kill").args(["-s", signal]).arg(started.id().to_string()).status().unwrap();
            assert!(sent.success());
            let status = started.wait().unwrap();
            assert_eq!(status.code(), code, "signal {signal}");
            wait_until(|| processes.iter().all(|&process| is_gone(process)));
            let left: Vec<_> = std::fs::read_dir(folder.path().join("tmp")).unwrap().flatten().collect();
            assert!(left.is_empty(), "signal {signal}, {cc:?}: {left:?}");
        }
    }
}

/// The processes that have an argument which begins with this: a program, and what has come of it by fork.
fn processes_with(argument: &Path) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let all = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let begins = argument.to_str().unwrap().as_bytes();
    let has = |process: &u32| {
        let arguments = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        arguments.split(|&byte| byte == 0).any(|argument| argument.starts_with(begins))
    };
    all.filter(has).collect()
}

#[test]
fn c_that_leaves_its_session_and_forks_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let forks =
        "extern int setsid(void), fork(void), pause(void);\n\tsetsid();\n\tif (!fork())\n\t\tfor (;;)\n\t\t\tpause();";
    // Where it is refused, the C goes on: 435 is clone3, on every processor, and 17 is SIGCHLD.
    let clones = "extern int setsid(void), pause(void);\n\textern long syscall(long, ...);\n\tu64 how[11] = { 0, 0, 0, 0, 17 };\n\
        \tsetsid();\n\tif (!syscall(435, how, sizeof(how)))\n\t\tfor (;;)\n\t\t\tpause();";
    for (name, body, part, signal, code) in [
        ("forks", forks, "recognise", None, Some(2)),
        ("clones", clones, "recognise", None, Some(0)),
        ("clones", clones, "search", Some("TERM"), Some(130)),
        ("clones", clones, "search", Some("KILL"), None),
    ] {
        let tree = folder.path().join(name);
        tree_that_runs_early(&tree, body);
        let mut command = command(folder.path());
        command.args(["--only", part, "--linux"]).arg(&tree);
        if signal.is_some() {
            command.args(["--seconds", "100000"]);
        }
        let mut started = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        if let Some(signal) = signal {
            let mut line = String::new();
            std::io::BufReader::new(started.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
            assert!(line.starts_with("search: "), "{line}");
            assert_eq!(processes_with(&tree).len(), 2);
            let sent = Command::new("kill").args(["-s", signal]).arg(started.id().to_string()).status().unwrap();
            assert!(sent.success());
        }
        let ended = started.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), code, "{name} {signal:?}: {said}");
        assert_eq!(said.contains("cannot be loaded: the C code tried to start a process"), name == "forks", "{said}");
        wait_until(|| processes_with(&tree).is_empty());
    }
}

#[test]
fn a_job_that_is_stopped_is_stopped_as_a_whole_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), &[]);
    let mut command = command(folder.path());
    command.args(["--only", "search", "--seconds", "100000", "--linux"]).arg(folder.path());
    // As a shell starts a job.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = std::io::BufReader::new(started.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert!(line.starts_with("search: "), "{line}");
    let job = processes_with(folder.path());
    assert_eq!(job.len(), 2);
    let send = |signal: &str, to: &str| {
        let sent = Command::new("kill").args(["-s", signal, "--", to]).status().unwrap();
        assert!(sent.success());
    };
    let all_are = |stopped: bool| {
        let stat = |process: &u32| std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        job.iter().all(|process| stat(process).contains(") T ") == stopped)
    };
    // More often than a child that is stopped alone is let go on.
    for _ in 0..5 {
        send("TSTP", &format!("-{}", started.id()));
        wait_until(|| all_are(true));
        send("CONT", &format!("-{}", started.id()));
        wait_until(|| all_are(false));
    }
    send("TERM", &started.id().to_string());
    // To its end, or else it is the program that is kept waiting.
    std::io::copy(&mut said, &mut std::io::sink()).unwrap();
    let ended = started.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(130), "{said}");
    assert!(said.contains("direct search on the C") && !said.contains("was stopped"), "{said}");
}

#[test]
fn a_tarball_is_known_by_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let tarball = folder.path().join("linux.tar");
    let write = |replacements: &[(&str, &str)]| {
        tree(&folder.path().join("linux"), replacements);
        let mut builder = tar::Builder::new(std::fs::File::create(&tarball).unwrap());
        builder.mode(tar::HeaderMode::Deterministic);
        builder.append_dir_all("linux", folder.path().join("linux")).unwrap();
        builder.finish().unwrap();
        std::fs::File::open(&tarball).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    };
    let recognised = || {
        let output = command(folder.path()).args(["--json", "--only", "recognise", "--linux"]).arg(&tarball).output();
        let report: serde_json::Value = serde_json::from_slice(&output.unwrap().stdout).unwrap();
        report["recognised"]["generation"].as_str().map(String::from)
    };
    let kept = || -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder.path().join("cache").join("tarballs")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    write(&[]);
    assert_eq!(recognised().as_deref(), Some("g5"));
    let [place] = &kept()[..] else { panic!("{:?}", kept()) };
    let whole = std::fs::read(place).unwrap();
    // What is cut off is done again.
    std::fs::write(place, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(recognised().as_deref(), Some("g5"));
    assert_eq!(std::fs::read(place).unwrap(), whole);
    // Another tarball of the same path, length and date.
    write(&[("return -ETIMEDOUT;", ";                 ")]);
    assert_eq!(recognised().as_deref(), Some("g5r"));
    assert_eq!(kept().len(), 2);
}

/// A process's open files.
fn open_files(process: u32) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    entries.filter_map(|entry| std::fs::read_link(entry.path()).ok()).collect()
}

#[test]
fn a_signal_ends_the_reading_of_a_tarball() {
    let folder = tempfile::tempdir().unwrap();
    // Little for the disk, and very much to hash.
    let tarball = folder.path().join("linux.tar");
    std::fs::File::create(&tarball).unwrap().set_len(1 << 40).unwrap();
    for signal in ["TERM", "HUP"] {
        let mut command = command(folder.path());
        let started =
            command.arg("--linux").arg(&tarball).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        wait_until(|| open_files(started.id()).contains(&tarball));
        let sent = Command::new("kill").args(["-s", signal]).arg(started.id().to_string()).status().unwrap();
        assert!(sent.success());
        let output = started.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(said.contains("linux.tar was not read to its end") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn bad_input_is_one_sentence_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("own/drivers/iommu/intel/dmar.c", DRIVER);
    write("old/drivers/iommu/dmar.c", DRIVER);
    write("other/drivers/iommu/intel/dmar.c", &DRIVER.replace(", unsigned long options", ""));
    write("missing/drivers/iommu/intel/dmar.c", &DRIVER.replace("qi_submit_sync", "qi_submit"));
    write("broken/drivers/iommu/intel/dmar.c", &DRIVER.replace("rc = 0;", "rc = {};"));
    write(
        "brace/drivers/iommu/intel/dmar.c",
        &DRIVER.replace("return;\n\t\tqi->free_tail", "return; {\n\t\tqi->free_tail"),
    );
    write("file", &"no archive\n".repeat(100));
    let run = |tree: &str, cc: &str| {
        let mut command = command(folder.path());
        command.args(["--only", "recognise", "--linux"]).arg(folder.path().join(tree)).env("CC", cc);
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).trim().to_string())
    };
    assert_eq!(run("own", "cc").0, Some(0));
    for (tree, cc, says) in [
        ("nowhere", "cc", "cannot be read"),
        ("file", "cc", "it is a single file of text"),
        (".", "cc", "is no kernel tree: it was searched for drivers/iommu/intel/dmar.c"),
        ("old", "cc", "older than 5.8"),
        ("other", "cc", "not all of (struct intel_iommu *, struct qi_desc *, unsigned int, unsigned long)"),
        ("missing", "cc", "function qi_submit_sync was looked for in drivers/iommu/intel/dmar.c"),
        ("broken", "cc", "does not accept the functions cut out of it: drivers/iommu/intel/dmar.c:118:"),
        ("brace", "cc", "drivers/iommu/intel/dmar.c:"),
        ("own", "no-such-compiler", "the C compiler \"no-such-compiler\" was looked for"),
        ("own", "false", "does not accept"),
    ] {
        let (code, said) = run(tree, cc);
        assert_eq!(code, Some(2), "{tree} {cc}: {said}");
        assert!(said.contains(says) && said.lines().count() == 1, "{tree} {cc}: {said}");
    }
}

#[test]
fn a_page_steps_through_the_run_on_which_the_c_and_the_model_part() {
    let folder = tempfile::tempdir().unwrap();
    tree(folder.path(), &[("\t\tqi->free_cnt -= count + 1;\n", "\t\tqi->free_cnt -= count;\n")]);
    let page = folder.path().join("page.html");
    let options = ["--only", "compare", "--ring", "4", "--submitters", "1", "--no-faults", "--html"];
    let output = command(folder.path()).args(options).arg(&page).arg("--linux").arg(folder.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    let next = said.split("\nnext: ").last().unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(next.contains("page.html is a page that steps through the runs"), "{next}");
    let html = std::fs::read_to_string(&page).unwrap();
    let data = html.split(r#"<script type="application/json" id="data">"#).nth(1).unwrap().split("</script>").next();
    let data: ReportData = serde_json::from_str(data.unwrap()).unwrap();
    assert!(data.about.command.starts_with("vtd-qi-kernel --only compare "), "{:?}", data.about);
    let run = data.runs.iter().find(|run| run.scenario.starts_with("1 submitters")).expect("a difference has its run");
    let detail = run.detail.as_deref().unwrap();
    assert!(run.property == "difference" && run.stem > 0 && said.contains(detail), "{run:?}");
    let part = data.scenarios.iter().find(|part| part.name == run.scenario).unwrap();
    assert!(part.verdict == Verdict::Violated && part.drawings[0].contains("DIFFERS"), "{part:?}");
}

#[test]
fn a_page_that_cannot_be_written_is_found_out_before_the_tree_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(folder.path());
    let output = command.args(["--linux", "/nonexistent/tree", "--html", "/nonexistent/page.html"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && said.contains("/nonexistent/page.html cannot be written"), "{said}");
}
