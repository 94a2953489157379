//! A diagnosis as text: the verdict first, then the picture, then the details, then what to do next.

use std::io::{Result, Write};
use std::path::Path;

use vtd_qi::timeline::{LEGEND, Part};
use vtd_qi_diagnose::diagnosis::{Diagnosis, wrong_in};
use vtd_qi_diagnose::dmesg::KernelLog;
use vtd_qi_diagnose::ftrace::{CallTrace, meaning};
use vtd_qi_diagnose::judge::Sighting;
use vtd_qi_diagnose::material::Material;
use vtd_qi_diagnose::picture::{BatchPicture, Content};
use vtd_qi_diagnose::report::{bugs, is_healthy, verdict};
use vtd_qi_diagnose::unit::{JudgedUnit, UnitState};
use vtd_qi_diagnose::window::RingWindow;
use vtd_qi_terminal::printable;
use vtd_qi_terminal::style::{AGAIN, BAD, FAINT, GOOD, STRONG, UNSURE, columns, next, painted, wrapped};

/// Steps of a run that are drawn; the rest is folded.
const STEPS: usize = 60;

/// Faults of a log that are listed before the rest is counted.
const FAULTS: usize = 12;

/// Prints all of it.
pub fn diagnosis(
    out: &mut impl Write,
    materials: &[Material],
    diagnosis: &Diagnosis,
    page: Option<&Path>,
) -> Result<()> {
    let width = columns();
    for unit in &diagnosis.units {
        let style = match &unit.state {
            state if state.is_healthy() => GOOD,
            UnitState::MayHang | UnitState::Unknown(_) => UNSURE,
            _ => BAD,
        };
        let sentence = wrapped(&format!("{}: {}.", printable(&unit.unit), verdict(unit)), width, 0, 2);
        writeln!(out, "{}", painted(style, sentence))?;
    }
    for material in materials {
        for wrong in wrong_in(&material.trace) {
            let sentence = format!("{}: {}.", printable(&material.name), printable(&wrong));
            writeln!(out, "{}", painted(BAD, wrapped(&sentence, width, 0, 2)))?;
        }
        let trace = &material.trace;
        if trace.says_something() && wrong_in(trace).is_empty() {
            let open = trace.open().count();
            let unrecorded = trace.calls.iter().filter(|call| call.unrecorded).count();
            let mut sentence = format!("{}: healthy: {} call(s) returned", printable(&material.name), trace.returned());
            if unrecorded > 0 {
                sentence += &format!("; of {unrecorded} more the return was not recorded, and their tasks went on");
            }
            if open > 0 {
                sentence += &format!("; {open} had not returned when the trace ended, less than a second later");
            }
            sentence += ".";
            writeln!(out, "{}", painted(GOOD, wrapped(&sentence, width, 0, 2)))?;
        }
    }
    lives(out, diagnosis, width)?;
    log_verdict(out, diagnosis, width)?;
    if let Some(kernel) = &diagnosis.log.kernel {
        writeln!(out, "{}", wrapped(&printable(&kernel.text()), width, 0, 2))?;
    }
    for unit in &diagnosis.units {
        ring(out, unit, width)?;
    }
    if !diagnosis.log.faults.is_empty() || !diagnosis.log.lockups.is_empty() {
        faults(out, &diagnosis.log, width)?;
    }
    for material in materials.iter().filter(|material| material.trace.says_something()) {
        calls(out, material, width)?;
    }
    writeln!(out)?;
    for material in materials {
        let mut holds =
            format!("{}: {} lines, {}", printable(&material.name), material.lines, material.kinds().join(", "));
        if let Some(first) = material.first_alike(materials) {
            holds += &format!("; the same text as {}, so that both count as one reading", printable(&first.name));
        }
        writeln!(out, "{}", painted(FAINT, wrapped(&holds, width, 0, 2)))?;
    }
    let text = match page {
        Some(page) => format!("{} is a page of it to send: open it in a browser", printable(&page.to_string_lossy())),
        None => next_step(materials, diagnosis),
    };
    next(out, &text, width)
}

/// What the QEMU logs come to.
fn lives(out: &mut impl Write, diagnosis: &Diagnosis, width: usize) -> Result<()> {
    for (file, judged) in &diagnosis.qemu {
        let Ok(judged) = judged else { continue };
        let several = judged.len() > 1;
        for life in judged {
            let which = if several { format!(", queue set up at line {}", life.life.line) } else { String::new() };
            let sentence = printable(&format!("{file}{which}: {}.", life.verdict())).into_owned();
            writeln!(out, "{}", painted(if life.is_fine() { GOOD } else { BAD }, wrapped(&sentence, width, 0, 2)))?;
        }
        if judged.is_empty() {
            writeln!(out, "{}: its QEMU log never uses a queue.", printable(file))?;
        }
    }
    Ok(())
}

fn log_verdict(out: &mut impl Write, diagnosis: &Diagnosis, width: usize) -> Result<()> {
    for pattern in &diagnosis.patterns {
        let sentence = format!("log: {}: {}.", pattern.what, pattern.means);
        writeln!(out, "{}", painted(BAD, wrapped(&sentence, width, 0, 2)))?;
        writeln!(out, "{}", wrapped(&format!("do: {}.", pattern.advice), width, 2, 6))?;
    }
    match diagnosis.log.faults.len() {
        0 if diagnosis.log.says_something() && diagnosis.patterns.is_empty() => {
            writeln!(out, "{}", painted(GOOD, "log: no fault of the queue, and no lockup in qi_submit_sync."))
        }
        0 => Ok(()),
        count if diagnosis.patterns.is_empty() => {
            writeln!(out, "{}", painted(BAD, format!("log: {count} fault(s) of the queue.")))
        }
        _ => Ok(()),
    }
}

/// A unit's ring: the picture, what is inferred, and what each generation says.
pub fn ring(out: &mut impl Write, judged: &JudgedUnit, width: usize) -> Result<()> {
    let Some(window) = &judged.window else { return Ok(()) };
    writeln!(out, "\n{}", painted(STRONG, format!("{}: the ring", printable(&judged.unit))))?;
    let (number, of) = judged.reading;
    if of > 1 {
        let same = if judged.stands_still { "; nothing has moved between them" } else { "" };
        writeln!(out, "  reading {number} of {of}, line {} of its file{same}", judged.line)?;
    }
    picture(out, window)?;
    writeln!(
        out,
        "  IQH {}, IQT {}; inferred: free_head {}, free_tail {}, free_cnt {}",
        window.iqh, window.iqt, window.iqt, window.free_tail, window.free_cnt
    )?;
    if let Some(base) = window.status_base {
        writeln!(
            out,
            "  desc_status at {base:#x}; every WD writes its own slot's status, but for copies over an invalid ID"
        )?;
    }
    generations(out, judged, width)?;
    for bug in bugs(judged) {
        writeln!(out, "{}", wrapped(&format!("{}: {}.", bug.name(), bug.fix()), width, 2, 4))?;
    }
    run(out, judged, width)
}

fn picture(out: &mut impl Write, window: &RingWindow) -> Result<()> {
    if window.is_idle() {
        return writeln!(out, "  every slot is free");
    }
    let mut over: Option<(u8, u8, usize)> = None;
    let gap = |out: &mut dyn Write, over: &mut Option<(u8, u8, usize)>| match over.take() {
        Some((first, last, count)) => writeln!(out, "  {first:>3}..{last:<3}  {count} batch(es) that are over"),
        None => Ok(()),
    };
    for batch in window.busy() {
        let last = batch.0[batch.0.len() - 1].slot;
        if batch.is_over() {
            over = Some(over.map_or((batch.first(), last, 1), |(first, _, count)| (first, last, count + 1)));
            continue;
        }
        gap(&mut *out, &mut over)?;
        let statuses: String = batch.0.iter().map(|slot| slot.status.letter()).collect();
        writeln!(out, "  {:>3}..{last:<3}  {statuses}  {}", batch.first(), holds(batch))?;
    }
    gap(out, &mut over)?;
    writeln!(out, "  {}", painted(FAINT, LEGEND.split(';').next().unwrap_or(LEGEND)))
}

/// What a batch holds, in words.
fn holds(batch: &BatchPicture) -> String {
    let name = |content: Content| match content {
        Content::UnitId => "ID",
        Content::DeviceId => "device-TLB ID",
        Content::Copy => "copy of the WD (over an invalid ID)",
        Content::Wd => "WD",
    };
    let mut words: Vec<(&str, usize)> = Vec::new();
    for slot in &batch.0 {
        match words.last_mut() {
            Some((word, count)) if *word == name(slot.content) => *count += 1,
            _ => words.push((name(slot.content), 1)),
        }
    }
    let words: Vec<String> = words
        .into_iter()
        .map(|(word, count)| if count == 1 { word.to_string() } else { format!("{count} {word}s") })
        .collect();
    let fetched = batch.0.iter().filter(|slot| slot.fetched).count();
    let unfetched = match fetched {
        all if all == batch.0.len() => String::new(),
        0 => "; not fetched".to_string(),
        some => format!("; {some} of {} fetched", batch.0.len()),
    };
    words.join(", ") + &unfetched
}

fn generations(out: &mut impl Write, judged: &JudgedUnit, width: usize) -> Result<()> {
    if judged.generations.is_empty() {
        return Ok(());
    }
    writeln!(out, "  which generations of the driver come to this:")?;
    let does_not = match judged.window.as_ref().is_some_and(RingWindow::is_idle) {
        true => "does not with the batches that the ring still shows",
        false => "does not",
    };
    for verdict in &judged.generations {
        let name = format!("{:<4}", verdict.generation.name);
        let ways = ways(verdict.sightings.iter().map(|(sighting, _)| sighting));
        let text = match (&ways[..], &verdict.unknown) {
            ([], None) => painted(FAINT, format!("{name} {does_not}")),
            ([], Some(why)) => format!("{name} is not decided: {why}"),
            (ways, _) => format!("{name} {}", ways.join("; ")),
        };
        writeln!(out, "{}", wrapped(&text, width, 4, 9))?;
    }
    Ok(())
}

/// What becomes of calls, and after which faults, those with one fate together.
fn ways<'a>(sightings: impl Iterator<Item = &'a Sighting>) -> Vec<String> {
    let mut ways: Vec<(String, Vec<String>)> = Vec::new();
    for sighting in sightings {
        let fate = fate(sighting);
        match ways.iter_mut().find(|(known, _)| *known == fate) {
            Some((_, guesses)) => guesses.push(sighting.guess.text()),
            None => ways.push((fate, vec![sighting.guess.text()])),
        }
    }
    ways.into_iter().map(|(fate, guesses)| format!("{fate}: {}", guesses.join(", or "))).collect()
}

fn fate(sighting: &Sighting) -> String {
    let lock = if sighting.lock_held { ", with q_lock held" } else { "" };
    match (sighting.hang, sighting.may_live) {
        (None, true) if sighting.leaks => format!("each call can still return, or slots are lost{lock}"),
        (None, _) if sighting.leaks => "slots are lost".to_string(),
        (None, _) if sighting.fleeting => "for microseconds only, with q_lock held".to_string(),
        (None, _) => format!("each call can still return{lock}"),
        (Some(_), true) => format!("some of these states hang, others do not{lock}"),
        (Some(hang), false) => format!("hangs, {}{lock}", hang.name()),
    }
}

/// The shortest run to such a state, of the first generation that fits.
fn run(out: &mut impl Write, judged: &JudgedUnit, width: usize) -> Result<()> {
    if judged.state.is_healthy() {
        return Ok(());
    }
    let fitting = judged.fitting();
    let ways = fitting.iter().flat_map(|verdict| verdict.telling().map(move |(sighting, _)| (verdict, sighting)));
    let Some((verdict, sighting)) = ways.min_by_key(|(_, sighting)| (sighting.hang.is_none(), sighting.run.rows.len()))
    else {
        return Ok(());
    };
    writeln!(
        out,
        "\n{}",
        painted(
            STRONG,
            format!(
                "a shortest run of {} to a state of that shape, {}",
                verdict.generation.name,
                sighting.guess.text()
            )
        )
    )?;
    writeln!(out, "{}", painted(FAINT, LEGEND))?;
    for line in sighting.run.lines(width, Some(STEPS)) {
        let style = match line.part {
            Part::Head => STRONG,
            Part::Harm => BAD,
            Part::Loop => AGAIN,
            Part::Folded => FAINT,
            Part::Step => Default::default(),
        };
        writeln!(out, "{}", painted(style, line.text))?;
    }
    Ok(())
}

/// The time line of faults and lockups.
pub fn faults(out: &mut impl Write, log: &KernelLog, width: usize) -> Result<()> {
    writeln!(out, "\n{}", painted(STRONG, "faults and lockups in the log"))?;
    let time = |seconds: Option<f64>| seconds.map_or("         ?".to_string(), |seconds| format!("{seconds:>10.3}"));
    let lockup = |hard, in_driver| {
        let kind = if hard { "hard lockup" } else { "soft lockup or stall" };
        format!("{kind}{}", if in_driver { " in qi_submit_sync" } else { ", elsewhere as far as is said" })
    };
    let mut lines: Vec<(usize, String)> =
        log.faults.iter().map(|fault| (fault.line, format!("{}  {}", time(fault.seconds), fault.text()))).collect();
    lines.extend(
        log.lockups.iter().map(|at| (at.line, format!("{}  {}", time(at.seconds), lockup(at.hard, at.in_driver)))),
    );
    lines.sort_by_key(|(line, _)| *line);
    let more = lines.len().saturating_sub(FAULTS);
    for (line, text) in lines.into_iter().take(FAULTS) {
        writeln!(out, "{}", wrapped(&format!("{text} (line {line})"), width, 2, 14))?;
    }
    match more {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more"),
    }
}

/// What a trace shows of calls.
pub fn calls(out: &mut impl Write, material: &Material, width: usize) -> Result<()> {
    let trace: &CallTrace = &material.trace;
    writeln!(out, "\n{}", painted(STRONG, format!("{}: calls of qi_submit_sync", printable(&material.name))))?;
    let units: Vec<String> =
        trace.units.iter().map(|(unit, ids)| format!("{ids} ID(s) for {}", printable(unit))).collect();
    writeln!(out, "{}", wrapped(&format!("{} call(s), {}", trace.calls.len(), units.join(", ")), width, 2, 4))?;
    for (code, times) in trace.codes() {
        let says = match meaning(code) {
            Ok(fine) => fine.to_string(),
            Err(objection) => painted(BAD, objection),
        };
        writeln!(out, "  {times} returned {code}: {says}")?;
    }
    if let Some((call, returned)) = trace.longest().and_then(|call| Some((call, call.returned?))) {
        writeln!(out, "  the longest took {:.6} s: line {}, {}", returned.took, call.line, printable(&call.task))?;
    }
    for call in trace.open() {
        let posted = if call.posted.is_empty() { "nothing".to_string() } else { call.posted.join("; ") };
        let text = format!(
            "line {}: {} was in a call when the trace ended, {:.6} s after its beginning; posted: {posted}",
            call.line,
            call.task,
            trace.waited(call)
        );
        writeln!(out, "{}", wrapped(&printable(&text), width, 2, 4))?;
    }
    Ok(())
}

/// What there is to do.
fn next_step(materials: &[Material], diagnosis: &Diagnosis) -> String {
    if is_healthy(materials, diagnosis) {
        let works = diagnosis.units.iter().any(|unit| matches!(unit.state, UnitState::AtWork));
        return match works {
            true => {
                "read the ring twice, some seconds apart, into one file: what has not moved by then hangs".to_string()
            }
            false => "nothing is wrong here; if a CPU is stuck all the same, give its lockup's lines of dmesg too"
                .to_string(),
        };
    }
    let bug = diagnosis.units.iter().flat_map(bugs).next();
    match bug.and_then(|bug| Some((bug.shown_by()?, bug.name()))) {
        Some((shown_by, name)) => format!("check {shown_by} draws {name}, explore {shown_by} walks through it"),
        _ if diagnosis.qemu.iter().any(|(_, judged)| judged.is_ok()) => {
            "replay judges a QEMU log line by line, and shows the states before and after".to_string()
        }
        _ if diagnosis.units.is_empty() => {
            "give a dump of the ring too: cat /sys/kernel/debug/iommu/intel/invalidation_queue, as root".to_string()
        }
        _ => "read the ring twice, some seconds apart, into one file, and give it and dmesg".to_string(),
    }
}
