//! Texts as they exist in the field, each with an answer that was derived by hand.

use std::io::Read;

use vtd_qi::campaign::findings::Findings;
use vtd_qi_diagnose::diagnosis::{Diagnosis, wrong_in};
use vtd_qi_diagnose::dmesg::{FaultKind, KernelLog};
use vtd_qi_diagnose::ftrace::CallTrace;
use vtd_qi_diagnose::judge::Bounds;
use vtd_qi_diagnose::material::Material;
use vtd_qi_diagnose::patterns::patterns;
use vtd_qi_diagnose::report::is_healthy;

use crate::dumps::hang_of_6_12_43;

#[test]
fn a_kernel_log_is_read_behind_any_prefix() {
    let lines = [
        "DMAR: VT-d detected Invalidation Completion Error: SID 0",
        "DMAR: VT-d detected Invalidation Time-out Error: SID 3a10",
        "DMAR: VT-d detected Invalidation Queue Error: Reason 0",
        "DMAR: QI HEAD: UNKNOWN qw0 = 0x0, qw1 = 0x0",
        "DMAR: QI PRIOR: Invalidation Wait qw0 = 0x200000025, qw1 = 0x185f6729c4",
        "DMAR: Invalidation Completion Error (ICE) cleared",
        "DMAR: Invalidation Time-out Error (ITE) cleared",
        "DMAR: Invalidation Queue Error (IQE) cleared",
    ];
    for prefix in [
        "",
        "[   39.029346] ",
        "<3>[   39.029346] ",
        "Nov 27 13:51:01 host kernel: ",
        "2026-03-01T10:00:00.123456+00:00 host kernel: ",
    ] {
        let text: String = lines.iter().map(|line| format!("{prefix}{line}\r\n")).collect();
        let log = KernelLog::read(&text, |_| false);
        let kinds: Vec<FaultKind> = log.faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, [FaultKind::Ice, FaultKind::Ite, FaultKind::Iqe], "{prefix}");
        assert!(log.faults.iter().all(|fault| fault.cleared), "{prefix}");
        assert_eq!(log.faults[0].seconds.is_some(), prefix.contains("39.02"));
        let last = &log.faults[2];
        // 0x9c4 is the 113th word of an array at a multiple of 1024 bytes.
        assert_eq!((last.prior.unwrap().slot(), last.iqh()), (Some(113), Some(114)));
        assert_eq!(last.head.unwrap().text(), "a blank descriptor");
        assert!(log.faults[1].text().contains("device 3a:02.0"), "{}", log.faults[1].text());
    }
}

/// A console behind the log itself, cut off at its end: each fault counts once.
#[test]
fn what_a_log_says_twice_is_one_fault() {
    let fault = |seconds: u32| {
        format!(
            "[{seconds:5}.000001] DMAR: VT-d detected Invalidation Time-out Error: SID 0\n[{seconds:5}.000002] DMAR: QI HEAD: IOTLB \
             Invalidation qw0 = 0x300f2, qw1 = 0x{seconds:x}\n"
        )
    };
    let log: String = (0..20_000).map(fault).collect();
    let again = log.replace("qw1", "DMAR") + "DMAR: Invalidation Time-out Error (ITE) cleared\n";
    let read = KernelLog::read(&(log + &again), |_| false);
    assert_eq!(read.faults.len(), 20_000);
    let last = &read.faults[19_999];
    assert!(last.cleared && last.head.is_some() && !read.faults[0].cleared);
}

#[test]
fn known_patterns_are_named() {
    let ite = |slot: u64, seconds: f64| {
        format!(
            "[{seconds:12.6}] DMAR: VT-d detected Invalidation Time-out Error: SID 0\n[{seconds:12.6}] DMAR: QI HEAD: Device-TLB \
             Invalidation qw0 = 0x3, qw1 = 0x0\n[{seconds:12.6}] DMAR: QI PRIOR: Invalidation Wait qw0 = 0x200000025, qw1 = {:#x}\n",
            0x4042c00 + 4 * slot
        )
    };
    let of = |text: &str| patterns(&KernelLog::read(text, |_| false));
    let endless: String = (0..6).map(|k| ite(10 + 2 * k, 5.0 + k as f64)).collect();
    assert!(of(&endless)[0].means.contains("finding 4"), "{:?}", of(&endless));
    // At places far apart the ring has gone on in between.
    let recovered: String = (0..6).map(|k| ite((10 + 100 * k) % 256, 5.0 + k as f64)).collect();
    assert!(of(&recovered)[0].means.contains("has gone on"), "{:?}", of(&recovered));
    let gpu = "DMAR: VT-d detected Invalidation Completion Error: SID 0\n".to_string() + &endless;
    assert!(of(&gpu).iter().any(|pattern| pattern.what.contains("(ICE), then")));
    let iqe = "DMAR: VT-d detected Invalidation Queue Error: Reason 0\nDMAR: QI HEAD: IOTLB Invalidation qw0 = 0x72, qw1 = 0x7\nDMAR: QI \
               PRIOR: IOTLB Invalidation qw0 = 0xf2, qw1 = 0x0\n";
    assert!(of(&iqe.repeat(3))[0].means.contains("finding 5"));
    assert!(!of(iqe)[0].means.contains("finding"));
    let soft = "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [dd:210]\nRIP: 0010:qi_submit_sync+0x2d5/0x830\n";
    assert!(of(soft)[0].advice.contains("3cf74230c139"));
    let hard = "NMI watchdog: Watchdog detected hard LOCKUP on cpu 2\n RIP: 0010:qi_submit_sync+0x2d5/0x830\n";
    assert!(of(&(ite(1, 2.0) + hard))[1].advice.contains("fe89277c9ceb"));
    assert!(
        of("watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [dd:210]\nRIP: 0010:ext4_readdir+0x1/0x2\n").is_empty()
    );
    // Interrupts are off while the lock is held and while a call polls.
    assert!(["3cf74230c139", "fe89277c9ceb"].iter().all(|commit| of(hard)[0].advice.contains(commit)));
    // At one place nothing goes on; of a single time-out nothing is said.
    let still: String = (0..6).map(|k| ite(10, 5.0 + k as f64)).collect();
    assert!(of(&still)[0].means.contains("IQH stands at slot 11"), "{:?}", of(&still));
    assert!(of(&ite(1, 2.0))[0].means.contains("is not said"));
    // What the version speaks against is said.
    let kernel = |release: &str| format!("Linux version {release} (x) #1 SMP\n{soft}");
    assert!(of(&kernel("6.12.95"))[0].means.contains("does not have the bug of 2024"));
    assert!(!of(&kernel("6.8.1"))[0].means.contains("does not have"));
    // A trace in the same text is no stack.
    let stall = "[   39.0] rcu: INFO: rcu_preempt self-detected stall on CPU\n dd-7     [001] d..1.    49.199990: enter: \
                 (qi_submit_sync+0x4/0x830) count=1\n";
    assert!(of(stall).is_empty());
    // The numbers that the sentences name are those of the findings.
    let titles: Vec<String> = Findings::embedded().findings.into_iter().map(|finding| finding.title).collect();
    assert!(
        titles[3].starts_with("Endless -EAGAIN")
            && titles[4].starts_with("An invalid ID that is not the first of its batch")
    );
}

/// Which lines of a text belong to a lockup: its own stack, of the CPU that is stuck, as far as it is sure.
#[test]
fn a_lockup_is_the_drivers_by_its_own_stack_alone() {
    let in_driver = |lines: &[&str]| {
        let text: String = lines.iter().map(|line| format!("[  100.000001] {line}\n")).collect();
        let log = KernelLog::read(&text, |_| false);
        log.lockups.iter().map(|lockup| lockup.in_driver).collect::<Vec<_>>()
    };
    let soft = "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [kworker/3:1:77]";
    let head = [soft, "Modules linked in: foo", "CPU: 3 PID: 77 Comm: kworker/3:1 Not tainted 6.1.0 #1"];
    let (ours, other) = ("RIP: 0010:qi_submit_sync+0x2c0/0x490", "RIP: 0010:nvme_poll+0x10/0x50 [nvme]");
    let with = |lines: &[&str]| in_driver(&[&head[..], lines].concat());
    assert_eq!(with(&[ours, "Code: 00"]), [true]);
    let lock = "RIP: 0010:native_queued_spin_lock_slowpath+0x1/0x2";
    let frame = " qi_submit_sync.part.0+0x1/0x2";
    assert_eq!(with(&[lock, "RAX: 0", "Call Trace:", " <TASK>", " ? __pfx_foo+0x1/0x2", frame]), [true]);
    assert_eq!(with(&[other, "Call Trace:", " <TASK>", " ? qi_submit_sync+0x1/0x2", " </TASK>"]), [false]);
    // Another stack, behind its end, behind a line that is no part of it, or of another CPU.
    assert_eq!(with(&[other, "Call Trace:", " foo+0x1/0x2", " </TASK>", "Call Trace:", frame]), [false]);
    assert_eq!(with(&[other, "Call Trace:", " foo+0x1/0x2", "eth0: link is up", frame]), [false]);
    assert_eq!(with(&[other, "---[ end trace 0 ]---", "CPU: 3 PID: 1", ours]), [false]);
    assert_eq!(with(&[other, "Call Trace:", " </TASK>", "NMI backtrace for cpu 1", ours]), [false]);
    assert_eq!(with(&[other, soft, ours]), [false, true]);
    let stall = "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:";
    let sent =
        ["rcu:     3-....: (5250 ticks this GP)", "Sending NMI from CPU 1 to CPUs 3:", "NMI backtrace for cpu 3"];
    assert_eq!(in_driver(&[&[stall], &sent[..], &[ours]].concat()), [true]);
    assert_eq!(in_driver(&[stall, "p:qis/enter qi_submit_sync count=%dx:u32"]), [false]);
    let old = "RIP: 0010:[<ffffffff8154a1b0>]  [<ffffffff8154a1b0>] qi_submit_sync+0x2c0/0x490";
    assert_eq!(with(&[old]), [true]);
}

#[test]
fn calls_that_never_return_are_told_with_what_they_have_posted() {
    let log = include_str!("../fixtures/ite612.serial.log");
    let material = Material::read("a test", log).unwrap();
    let trace = &material.trace;
    assert_eq!((trace.calls.len(), trace.submissions, trace.units["dmar0"]), (6, 12, 12));
    assert!(trace.calls.iter().all(|call| call.count == Some(2) && call.posted.len() == 2));
    assert_eq!(trace.codes().into_iter().collect::<Vec<_>>(), [(0, 6)]);
    assert!(wrong_in(trace).is_empty() && material.log.faults.len() == 8, "{}", material.log.faults.len());
    // The last call's return is missing, and the trace goes on for two seconds.
    let cut = log.trim_end().rsplit_once('\n').unwrap().0;
    let later =
        "\n              dd-7       [002] d.h4.    10.500000: qi_submit: iotlb_inv dmar0: 0x600f2 0x0 0x0 0x0\n";
    let trace = CallTrace::read(&(cut.to_string() + later), |_| false);
    let wrong = wrong_in(&trace);
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].contains("dev_tlb_inv dmar0: 0x10000000003") && wrong[0].contains("2.043"), "{wrong:?}");
    // At once behind it the trace ends: it may be in the middle.
    assert!(wrong_in(&CallTrace::read(cut, |_| false)).is_empty());
    // Its task calls again, so the call has returned, recorded or not; in an interrupt it may be going on.
    let call = |depth: char, seconds: u32| {
        format!("dd-7 [002] d.{depth}1. {seconds}.0: enter: (qi_submit_sync+0x4/0x830) count=1\n")
    };
    let ret = |seconds: u32| format!("dd-7 [002] d..1. {seconds}.5: ret: (foo+0x1/0x2 <- qi_submit_sync) rc=0\n");
    let read = |text: String| CallTrace::read(&text, |_| false);
    let goes_on = read(call('.', 1) + &call('.', 3) + &ret(3) + &call('.', 9) + &ret(9));
    assert!(wrong_in(&goes_on).is_empty() && goes_on.calls[0].unrecorded && goes_on.returned() == 2);
    let interrupted = read(call('.', 1) + &call('h', 3) + &ret(3).replace("d..", "d.h") + &call('h', 9));
    assert!(wrong_in(&interrupted)[0].starts_with("line 1: the call of dd-7 has not returned"));
    // What is not recorded says nothing.
    let undecided =
        |trace: &CallTrace| trace.hung().count() == 0 && wrong_in(trace)[0].starts_with("not decided: 1 call");
    assert!(undecided(&read(call('.', 1) + &call('.', 3) + &call('.', 9))));
    let other = (call('.', 1) + &ret(1) + &call('.', 9) + &ret(9)).replace("dd-7", "dd-8");
    assert!(undecided(&read(call('.', 1) + "CPU:1 [LOST 37 EVENTS]\n" + &other)));
    assert_eq!(read(call('.', 1) + &other).hung().count(), 1);
    let coded = |code: &str| {
        let at = log.rfind("rc=0").unwrap();
        let trace = CallTrace::read(&format!("{}rc={code}{}", &log[..at], &log[at + 4..]), |_| false);
        (trace.codes().into_keys().min().unwrap(), wrong_in(&trace).len())
    };
    // Codes that tell of a fault are news, as the fault itself is in a log.
    assert_eq!(coded("-22"), (-22, 1));
    assert_eq!(coded("0xffffff92"), (-110, 1));
    assert_eq!(coded("0xfffffffffffffff5"), (-11, 1));
    assert_eq!(coded("-5"), (-5, 1));
}

/// Each attempt of a call posts every ID that it brought.
#[test]
fn a_call_that_posts_other_than_it_brought_is_told() {
    let log = include_str!("../fixtures/ite612.serial.log");
    let lines: Vec<&str> = log.lines().collect();
    let submission =
        |nth: usize| lines.iter().enumerate().filter(|(_, line)| line.contains("qi_submit:")).nth(nth).unwrap();
    let read = |text: &str| CallTrace::read(text, |_| false);
    let told = |text: &str| {
        let wrong = wrong_in(&read(text));
        assert!(wrong.len() <= 1, "{wrong:?}");
        wrong.into_iter().next()
    };
    let (at, fourth) = submission(3);
    let without = [&lines[..at], &lines[at + 1..]].concat().join("\n");
    let wrong = told(&without).unwrap();
    assert!(wrong.starts_with("1 call(s) have not posted what they brought, the first of "), "{wrong}");
    assert!(wrong.contains("it brought 2 ID(s) and posted 1"), "{wrong}");
    // The same batch twice is a second attempt.
    let again = [&lines[..=at], &[submission(2).1, fourth], &lines[at + 1..]].concat().join("\n");
    assert_eq!(told(&again), None);
    let count =
        |from: &str, to: &str| log.rfind(from).map(|at| format!("{}{to}{}", &log[..at], &log[at + from.len()..]));
    assert!(told(&count("count=2", "count=5").unwrap()).unwrap().contains("brought 5 ID(s) and posted 2"));
    assert!(told(&count("count=2", "count=0").unwrap()).unwrap().contains("brought 0 ID(s) and posted 2"));
    // Events that are missing for another reason prove nothing: lost ones, those of a CPU whose buffer was written over, and calls
    // while submissions were not recorded.
    for gap in ["CPU:1 [LOST 37 EVENTS]", "##### CPU 2 buffer started ####"] {
        assert_eq!(told(&format!("{without}\n{gap}\n")), None);
    }
    let unrecorded = |from: usize, to: usize| {
        let kept =
            lines.iter().enumerate().filter(|(at, line)| !line.contains("qi_submit:") || (from..to).contains(at));
        kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
    };
    assert_eq!((told(&unrecorded(at + 1, lines.len())), told(&unrecorded(0, 0))), (None, None));
}

#[test]
fn one_text_may_hold_all_kinds() {
    let text = include_str!("../fixtures/ite612.serial.log").to_string() + &hang_of_6_12_43() + "vtd_inv_qi_fetch\n";
    let material = Material::read("a test", &text).unwrap();
    assert_eq!((material.dumps.len(), material.trace.calls.len(), material.qemu), (1, 6, 1));
    assert_eq!(material.kinds().len(), 4);
    // What QEMU's lines come to is said by the bridge that replays them.
    let log = "\
7@1.000002:vtd_inv_qi_setup addr 0x1000 size 256
8@1.000004:vtd_inv_qi_tail write tail 2
8@1.000005:vtd_inv_qi_head read head 0
8@1.000006:vtd_inv_qi_head read head 1
8@1.000007:vtd_inv_desc invalidate desc type wait high 0x100004 low 0x200000025
8@1.000008:vtd_inv_desc_wait_sw wait invalidate status write addr 0x100004 data 0x2
";
    let judged = |log: &str| {
        let material = Material::read("a test", &(log.to_string() + "qemu-system-x86_64: warning\n")).unwrap();
        let diagnosis = Diagnosis::of(std::slice::from_ref(&material), Bounds::default());
        let lives = diagnosis.qemu[0].1.as_ref().unwrap();
        (is_healthy(&[material], &diagnosis), lives[0].verdict())
    };
    let (healthy, told) = judged(log);
    assert!(healthy && told.starts_with("a run of ") && told.contains("g5"), "{told}");
    // Of the generations that explain it some hang at its end.
    let mut hang = String::new();
    let packed = &include_bytes!("../../../../tests/fixtures/ite612.qemu.log.gz")[..];
    flate2::read::GzDecoder::new(packed).read_to_string(&mut hang).unwrap();
    let hang: String = hang.lines().take(1219).map(|line| format!("{line}\n")).collect();
    let (healthy, either) = judged(&hang);
    assert!(
        !healthy && either.starts_with("not decided") && either.contains("a run of g3, g3t, g4, g4r; it ends stuck")
    );
    let (healthy, told) = judged(&log.replace("tail 2", "tail 1"));
    assert!(!healthy && told.starts_with("no run of any generation"), "{told}");
    assert!(Material::read("a test", "Dear colleague,\nit hangs.\n").unwrap().is_unknown());
}

/// Whatever a file holds, it is read or refused.
#[test]
fn no_text_makes_it_panic() {
    let mut random = fastrand::Rng::with_seed(15);
    let sources = [hang_of_6_12_43(), include_str!("../fixtures/ite612.serial.log").to_string()];
    let words = [
        "",
        "-1",
        "0x",
        "99999999999999999999",
        "[",
        "]",
        ": ",
        "\t",
        "Base:",
        "Head:",
        "qi_submit",
        "SID",
        "é",
        "\u{0}",
    ];
    for turn in 0..20_000 {
        let source = &sources[turn % 2];
        let lines: Vec<&str> = source.lines().collect();
        let from = random.usize(..lines.len());
        let mut text = lines[from..(from + random.usize(1..40)).min(lines.len())].join("\n");
        match random.u8(..8) {
            0 => text.clone_from(source),
            1..4 => text = lines[..3].join("\n") + "\n" + &text,
            _ => {}
        }
        for _ in 0..random.usize(1..6) {
            let mut at = random.usize(..=text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            let mut end = (at + random.usize(..6)).min(text.len());
            while !text.is_char_boundary(end) {
                end += 1;
            }
            text.replace_range(at..end, words[random.usize(..words.len())]);
        }
        if let Ok(material) = Material::read("fuzz", &text) {
            let bounds = Bounds { states: 200, ..Bounds::default() };
            let diagnosis = Diagnosis::of(std::slice::from_ref(&material), bounds);
            let data = vtd_qi_diagnose::report::DiagnosisData::of(&[material], &diagnosis);
            assert!(serde_json::to_string(&data).is_ok());
        }
    }
}
