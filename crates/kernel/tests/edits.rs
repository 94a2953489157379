//! Edits of a driver: those that change what it does are told from it, those that do not are not, and ordinary ones are accepted.

use std::path::Path;

use vtd_qi::impl_qi::{FaultCheck, FaultClass, Faults, Generation, Hardware, Length, RingCfg, ValidRing};
use vtd_qi_kernel::{
    CutText, DMAR_C, Optimise, Program, Pulse, Recognised, Source, SourceFile, cut, random, recognise,
};

const DRIVER: &str = include_str!("kernel/driver.c");

/// The tests' driver with some text replaced.
fn edited(replacements: &[(&str, &str)]) -> Source {
    let text = replacements.iter().fold(DRIVER.to_string(), |text, (what, with)| {
        assert!(text.contains(what), "no {what:?} in the driver");
        text.replace(what, with)
    });
    Source::of(Path::new("tests/kernel"), vec![SourceFile { path: DMAR_C.to_string(), text }]).unwrap()
}

fn program(cut: &CutText, length: Option<u16>) -> Program {
    let length = length.map(|slots| Length::new(slots).unwrap());
    Program::compile(cut, length, Optimise::O2, &mut |_| true).unwrap_or_else(|error| panic!("{error}"))
}

/// What probes say of a driver.
fn probed(cut: &CutText) -> Recognised {
    recognise(&program(cut, Some(8)), Some(&program(cut, None)), &Pulse::default()).unwrap()
}

fn ring(slots: u16, faults: Faults) -> ValidRing {
    let rules = Generation::named("g5").unwrap().rules;
    let (length, hardware) = (Length::new(slots).unwrap(), Hardware::pipelined(4));
    let cfg = RingCfg::new(rules, 3, [0, 1, 2]);
    RingCfg { length, fault_check: FaultCheck::Always, faults, hardware, ..cfg }.validate().unwrap()
}

/// Whether probes and a comparison at random take a driver for g5.
fn is_g5(replacements: &[(&str, &str)]) -> bool {
    let cut = cut(&edited(replacements)).unwrap_or_else(|error| panic!("{error}"));
    let classes = [FaultClass::InvalidId, FaultClass::LostAnswer, FaultClass::Ice, FaultClass::DeviceGone];
    let faults = Faults { devices: 2, ..Faults::of(classes, 3) };
    let agrees = |faults: &Faults| {
        let cfg = ring(8, faults.clone());
        random(&program(&cut, Some(8)), &cfg, false, 1, 200_000, &Pulse::default()).unwrap().1.is_none()
    };
    probed(&cut).generation.as_deref() == Some("g5") && agrees(&Faults::none()) && agrees(&faults)
}

/// What a case is called, and what is replaced in the driver.
type Edit = (&'static str, &'static [(&'static str, &'static str)]);

const SIGNATURE: &str = "unsigned int count, unsigned long options)";
const POLL: &str = "while (READ_ONCE(qi->desc_status[last]) != QI_DONE) {\n";
const SUBMIT: &str = "int qi_submit_sync(";
const ROOM: &str = "while (qi->free_cnt < (int)count + 2) {\n";
const LAST: &str = "\t\treclaim_free_desc(qi);\n\t\traw_spin_unlock_irqrestore(&qi->q_lock, flags);\n";

/// Edits after which a driver does what it did.
const REFACTORINGS: [Edit; 30] = [
    ("the empty ring told by free_cnt", &[("qi->free_tail == qi->free_head", "qi->free_cnt == QI_LENGTH")]),
    ("nothing", &[]),
    (
        "words on how to compile",
        &[
            ("static void reclaim_free_desc", "static noinline void reclaim_free_desc"),
            ("static int qi_check_fault", "static notrace int qi_check_fault"),
            ("\nint qi_submit_sync(", "\nasmlinkage noinline __cold int qi_submit_sync("),
        ],
    ),
    (
        "guard() for the whole of an attempt",
        &[
            (
                "\t\trc = 0;\n\t\traw_spin_lock_irqsave(&qi->q_lock, flags);\n",
                "\t\trc = 0;\n\t\tguard(raw_spinlock_irqsave)(&qi->q_lock);\n",
            ),
            (LAST, "\t\treclaim_free_desc(qi);\n"),
        ],
    ),
    (
        "scoped_guard() for the whole of an attempt",
        &[
            (
                "\t\trc = 0;\n\t\traw_spin_lock_irqsave(&qi->q_lock, flags);\n",
                "\t\trc = 0;\n\t\tscoped_guard(raw_spinlock_irqsave, &qi->q_lock) {\n",
            ),
            (LAST, "\t\treclaim_free_desc(qi);\n\t\t}\n"),
        ],
    ),
    (
        "counters of batches",
        &[
            (SUBMIT, "static atomic64_t batches;\nstatic atomic_t calls = ATOMIC_INIT(0);\n\nint qi_submit_sync("),
            (
                "first = qi->free_head;\n",
                "first = qi->free_head;\n\t\tatomic64_add(count, &batches);\n\t\tif (atomic_inc_return(&calls) < 0)\n\t\t\tatomic_set(&calls, 0);\n",
            ),
        ],
    ),
    (
        "a counter beside the ring's fields",
        &[
            (
                "\tint free_head, free_tail, free_cnt;\n",
                "\tint free_head, free_tail, free_cnt;\n\tatomic_long_t posted;\n",
            ),
            ("first = qi->free_head;\n", "first = qi->free_head;\n\t\tatomic_long_inc(&qi->posted);\n"),
        ],
    ),
    (
        "the time that a call took is measured",
        &[(
            POLL,
            "{ ktime_t since = ktime_get(); u64 took = ktime_us_delta(ktime_get(), since); trace_qi_took(took); }\n\t\twhile (READ_ONCE(qi->desc_status[last]) != QI_DONE) {\n",
        )],
    ),
    (
        "a late WD is warned of",
        &[
            ("unsigned long flags;\n", "unsigned long flags, late;\n"),
            (
                POLL,
                "late = jiffies + msecs_to_jiffies(1000);\n\t\twhile (READ_ONCE(qi->desc_status[last]) != QI_DONE) {\n\t\t\tif (time_after(jiffies, late))\n\t\t\t\tpr_warn_once(\"late\\n\");\n",
            ),
        ],
    ),
    (
        "WARN_ON",
        &[(
            "first = qi->free_head;\n",
            "first = qi->free_head;\n\t\tWARN_ON(first < 0);\n\t\tWARN_ON_ONCE(count > QI_LENGTH);\n",
        )],
    ),
    (
        "a static key",
        &[
            (SUBMIT, "static DEFINE_STATIC_KEY_FALSE(careful);\nDEFINE_STATIC_KEY_TRUE(quick);\n\nint qi_submit_sync("),
            (
                "first = qi->free_head;\n",
                "first = qi->free_head;\n\t\tif (static_branch_unlikely(&careful) || !static_branch_likely(&quick))\n\t\t\tqi->free_head = 0;\n",
            ),
        ],
    ),
    (
        "lockdep",
        &[("\tfor (;;) {\n", "\tlockdep_assert_held(&qi->q_lock);\n\tlockdep_assert_irqs_disabled();\n\tfor (;;) {\n")],
    ),
    (
        "trace points",
        &[(
            "first = qi->free_head;\n",
            "first = qi->free_head;\n\t\tif (trace_qi_begin_enabled())\n\t\t\ttrace_qi_begin(iommu, first, count);\n",
        )],
    ),
    (
        "a fault that is handed out",
        &[
            (SIGNATURE, "unsigned int count, unsigned long options, u32 *fault)"),
            ("\treturn rc;\n}", "\tif (fault)\n\t\t*fault = rc;\n\treturn rc;\n}"),
        ],
    ),
    (
        "a parameter in front and a flag behind",
        &[
            ("int qi_submit_sync(struct intel_iommu", "int qi_submit_sync(void *who, struct intel_iommu"),
            (SIGNATURE, "unsigned int count, unsigned long options, bool quick)"),
        ],
    ),
    ("renamed helpers", &[("qi_check_fault", "qi_look"), ("reclaim_free_desc", "qi_reclaim")]),
    ("renamed variables", &[("first", "index"), ("last", "wait_index")]),
    (
        "an int that is unsigned",
        &[("int at = (int)readl", "u32 at = readl"), ("if (at == first)", "if (at == (u32)first)")],
    ),
    ("for instead of while", &[(ROOM, "for (; qi->free_cnt < (int)count + 2;) {\n")]),
    ("the bound written otherwise", &[("qi->free_cnt < (int)count + 2", "qi->free_cnt - 1 <= (int)count")]),
    (
        "a helper for the mark",
        &[
            (
                SUBMIT,
                "static void mark_free(struct q_inval *qi, int slot)\n{\n\tqi->desc_status[slot] = QI_FREE;\n}\n\nint qi_submit_sync(",
            ),
            ("\t\t\tqi->desc_status[after(first, n)] = QI_FREE;", "\t\t\tmark_free(qi, after(first, n));"),
        ],
    ),
    ("WRITE_ONCE", &[("qi->desc_status[last] = QI_IN_USE;", "WRITE_ONCE(qi->desc_status[last], QI_IN_USE);")]),
    (
        "a barrier before the register",
        &[("\t\twritel(qi->free_head << shift", "\t\tdma_wmb();\n\t\twritel(qi->free_head << shift")],
    ),
    (
        "the order of two private fields",
        &[(
            "\t\tqi->free_head = after(last, 1);\n\t\tqi->free_cnt -= count + 1;\n",
            "\t\tqi->free_cnt -= count + 1;\n\t\tqi->free_head = after(last, 1);\n",
        )],
    ),
    (
        "goto instead of a loop",
        &[
            ("\tdo {\n\t\trc = 0;\n", "again:\n\t{\n\t\trc = 0;\n"),
            ("\t} while (rc == -EAGAIN);\n", "\t}\n\tif (rc == -EAGAIN)\n\t\tgoto again;\n"),
        ],
    ),
    ("masks instead of remainders", &[("(slot + by + QI_LENGTH) % QI_LENGTH", "(slot + by) & (QI_LENGTH - 1)")]),
    (
        "a status read twice",
        &[(
            "\t\tif (state[from] == QI_IN_USE)\n",
            "\t\tif (READ_ONCE(state[from]) == QI_IN_USE && READ_ONCE(state[from]) == QI_IN_USE)\n",
        )],
    ),
    ("a log line", &[("\twritel(FAULT_ITE", "\tpr_info(\"ITE %d\\n\", from);\n\twritel(FAULT_ITE")]),
    (
        "another relaxation",
        &[("\t\t\tcpu_relax();\n\t\t\traw_spin_lock(&", "\t\t\tcpu_relax();\n\t\t\tndelay(1);\n\t\t\traw_spin_lock(&")],
    ),
    ("dead code", &[("first = qi->free_head;\n", "first = qi->free_head;\n\t\tif (0)\n\t\t\tqi->free_cnt = 0;\n")]),
];

/// Edits after which a driver does something else.
const MUTANTS: [Edit; 46] = [
    ("a batch waits for one slot more", &[("(int)count + 2", "(int)count + 3")]),
    ("a batch waits for one slot less", &[("(int)count + 2", "(int)count + 1")]),
    ("waiting for room is given up", &[(ROOM, "for (n = 0; n < 20 && qi->free_cnt < (int)count + 2; n++) {\n")]),
    ("the ring has another length", &[("#define QI_LENGTH 256", "#define QI_LENGTH 128")]),
    ("another bit is taken for ITE", &[("#define FAULT_ITE 0x40u", "#define FAULT_ITE 0x80u")]),
    ("another bit is taken for ICE", &[("#define FAULT_ICE 0x20u", "#define FAULT_ICE 0x80u")]),
    ("another bit is taken for IQE", &[("#define FAULT_IQE 0x10u", "#define FAULT_IQE 0x08u")]),
    ("the WD is fenced", &[("#define WAIT_WITH_STATUS 0x25ull", "#define WAIT_WITH_STATUS 0x65ull")]),
    ("the WD writes no status", &[("#define WAIT_WITH_STATUS 0x25ull", "#define WAIT_WITH_STATUS 0x05ull")]),
    ("the WD writes QI_IN_USE", &[("(u64)QI_DONE << 32", "(u64)QI_IN_USE << 32")]),
    (
        "the WD writes to the first slot",
        &[("virt_to_phys(&qi->desc_status[last])", "virt_to_phys(&qi->desc_status[first])")],
    ),
    ("long descriptors are taken for short ones", &[("? 5 : 4", "? 4 : 4")]),
    ("IQE is tried again", &[("return -EINVAL", "return -EAGAIN")]),
    ("IQE is not cleared", &[("\t\t\twritel(FAULT_IQE, iommu->reg + DMAR_FSTS_REG);\n", "")]),
    (
        "IQE is cleared before the copy",
        &[(
            "\t\t\tmemcpy(qi->desc + (at << shift), qi->desc + (last << shift), 1 << shift);\n\t\t\twritel(FAULT_IQE, iommu->reg + DMAR_FSTS_REG);\n",
            "\t\t\twritel(FAULT_IQE, iommu->reg + DMAR_FSTS_REG);\n\t\t\tmemcpy(qi->desc + (at << shift), qi->desc + (last << shift), 1 << shift);\n",
        )],
    ),
    ("IQE at any of its slots is its own", &[("if (at == first)", "if (after(at, -first) <= after(last, -first))")]),
    ("IQE is anybody's", &[("if (at == first)", "if (1)")]),
    ("ABORT is not tried again", &[("rc == -EAGAIN", "rc == -EINVAL")]),
    ("ABORT is an error", &[("QI_ABORT)\n\t\treturn -EAGAIN;\n\tfaults", "QI_ABORT)\n\t\treturn -EIO;\n\tfaults")]),
    (
        "its own ABORT is not looked for first",
        &[("\tif (qi->desc_status[last] == QI_ABORT)\n\t\treturn -EAGAIN;\n\tfaults", "\tfaults")],
    ),
    (
        "its own ABORT is not looked for after an ITE",
        &[("\t\tif (qi->desc_status[last] == QI_ABORT)\n\t\t\treturn -EAGAIN;\n\t}", "\t}")],
    ),
    (
        "its own ABORT of a device's batch is an error",
        &[
            (
                "int first, int last)\n{\n",
                "int first, int last)\n{\n\tint to_device = (*(u64 *)(iommu->qi->desc + (first << slot_shift(iommu))) & 15) == 3;\n",
            ),
            (
                "QI_ABORT)\n\t\treturn -EAGAIN;\n\tfaults",
                "QI_ABORT)\n\t\treturn to_device ? -ETIMEDOUT : -EAGAIN;\n\tfaults",
            ),
        ],
    ),
    (
        "polling is given up",
        &[(
            POLL,
            "n = 0;\n\t\twhile (READ_ONCE(qi->desc_status[last]) != QI_DONE) {\n\t\t\tif (++n > 40) {\n\t\t\t\trc = -ETIMEDOUT;\n\t\t\t\tbreak;\n\t\t\t}\n",
        )],
    ),
    (
        "polling is given up by the clock",
        &[
            ("unsigned long flags;\n", "unsigned long flags, end = jiffies + HZ;\n"),
            (
                POLL,
                "while (READ_ONCE(qi->desc_status[last]) != QI_DONE) {\n\t\t\tif (time_after(jiffies, end)) {\n\t\t\t\trc = -ETIMEDOUT;\n\t\t\t\tbreak;\n\t\t\t}\n",
            ),
        ],
    ),
    (
        "polling never drops the lock",
        &[(
            "\t\t\traw_spin_unlock(&qi->q_lock);\n\t\t\tcpu_relax();\n\t\t\traw_spin_lock(&qi->q_lock);\n",
            "\t\t\tcpu_relax();\n",
        )],
    ),
    ("polling ends at ABORT too", &[(POLL, "while (READ_ONCE(qi->desc_status[last]) == QI_IN_USE) {\n")]),
    (
        "faults are looked for at every other look",
        &[
            (
                "\t\t\trc = qi_check_fault(iommu, first, last);\n",
                "\t\t\trc = (n++ & 1) ? qi_check_fault(iommu, first, last) : 0;\n",
            ),
            ("for (n = 0; n < (int)count; n++) {", "n = 0; for (n = 0; n < (int)count; n++) {"),
        ],
    ),
    (
        "the walk visits odd slots",
        &[
            ("writel(FAULT_ITE", "from |= 1;\n\twritel(FAULT_ITE"),
            ("from = after(from, -1);\n\t}", "from = after(from, -2);\n\t}"),
        ],
    ),
    (
        "the walk begins one slot further",
        &[(
            "int from = after((int)readl(iommu->reg + DMAR_IQH_REG) >> shift, -1);",
            "int from = after((int)readl(iommu->reg + DMAR_IQH_REG) >> shift, 0);",
        )],
    ),
    ("the walk ends one slot earlier", &[("DMAR_IQT_REG) >> shift, -1);", "DMAR_IQT_REG) >> shift, 0);")]),
    ("the walk aborts what is DONE too", &[("if (state[from] == QI_IN_USE)\n", "if (state[from] != QI_FREE)\n")]),
    ("the walk frees what it finds", &[("state[from] = QI_ABORT;", "state[from] = QI_FREE;")]),
    (
        "ITE is cleared after the walk",
        &[
            ("\twritel(FAULT_ITE, iommu->reg + DMAR_FSTS_REG);\n\tdo {", "\tdo {"),
            ("} while (from != to);\n", "} while (from != to);\n\twritel(FAULT_ITE, iommu->reg + DMAR_FSTS_REG);\n"),
        ],
    ),
    ("ITE is not cleared", &[("\twritel(FAULT_ITE, iommu->reg + DMAR_FSTS_REG);\n", "")]),
    ("a device that is gone is tried again", &[("return -ETIMEDOUT;", ";")]),
    ("a device that is there counts as gone", &[("if (!dev || !pci_device_is_present(to_pci_dev(dev)))", "if (dev)")]),
    ("a device that is forgotten is tried again", &[("if (!dev || !pci", "if (dev && !pci")]),
    ("only the first device may be gone", &[("\tif (who) {\n", "\tif (who >> 8 == 1) {\n")]),
    ("ICE is not cleared", &[("\tif (faults & FAULT_ICE)\n\t\twritel(FAULT_ICE, iommu->reg + DMAR_FSTS_REG);\n", "")]),
    (
        "all faults are cleared with ICE",
        &[("\t\twritel(FAULT_ICE, iommu", "\t\twritel(FAULT_ICE | FAULT_ITE | FAULT_IQE, iommu")],
    ),
    ("MARK leaves out the WD", &[("n <= (int)count; n++)", "n < (int)count; n++)")]),
    ("MARK leaves out the ID", &[("for (n = 0; n <= (int)count; n++)", "for (n = !!count; n <= (int)count; n++)")]),
    (
        "RECLAIM has no guard for the empty ring",
        &[("state != QI_FREE || qi->free_tail == qi->free_head", "state != QI_FREE")],
    ),
    (
        "RECLAIM takes one slot at a time",
        &[("\t\tqi->free_cnt += 1;\n", "\t\tqi->free_cnt += 1;\n\t\tif (qi->free_tail & 1)\n\t\t\treturn;\n")],
    ),
    ("IDs are not set QI_IN_USE", &[("\t\t\tqi->desc_status[after(first, n)] = QI_IN_USE;\n", "")]),
    (
        "one slot of the kernel's ring is not like the others",
        &[(
            "\t\tqi->desc_status[last] = QI_IN_USE;\n",
            "\t\tqi->desc_status[last] = QI_IN_USE;\n\t\tif (last == 77)\n\t\t\tqi->desc_status[last] = QI_FREE;\n",
        )],
    ),
];

/// Runs cases on as many threads as there are processors, and gives those that are not as they should be.
fn wrong(cases: &[Edit], expected: bool) -> Vec<&'static str> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = |thread: usize| {
        let mine = cases.iter().skip(thread).step_by(threads);
        mine.filter(|(_, replacements)| is_g5(replacements) != expected).map(|(name, _)| *name).collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads).map(|thread| scope.spawn(move || share(thread))).collect();
        started.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn no_refactoring_is_told_from_the_driver() {
    assert_eq!(wrong(&REFACTORINGS, true), Vec::<&str>::new());
}

#[test]
fn every_mutant_is_told_from_the_driver() {
    assert_eq!(wrong(&MUTANTS, false), Vec::<&str>::new());
}

#[test]
fn more_parameters_and_a_shim_are_said() {
    let extra = [(SIGNATURE, "unsigned int count, unsigned long options, u32 *fault, int how)")];
    let notes = cut(&edited(&extra)).unwrap().notes;
    assert!(notes[0].ends_with("is given zeros and cells of its own: u32 *, int"), "{notes:?}");
    let unknown = edited(&[("rc = 0;\n", "rc = 0;\n\t\tfrobnicate(iommu);\n")]);
    let said = cut(&unknown).unwrap_err().to_string();
    assert!(said.contains("frobnicate (in qi_submit_sync)") && said.contains("--shim FILE.h"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let shim = folder.path().join("my.h");
    std::fs::write(&shim, "#define frobnicate(iommu) ((void)(iommu))\n").unwrap();
    let cut = cut(&unknown.with_shim(&shim).unwrap()).unwrap();
    assert!(cut.shimmed.contains(&"frobnicate".to_string()));
    assert_eq!(probed(&cut).generation.as_deref(), Some("g5"));
    let said = edited(&[]).with_shim(&folder.path().join("none.h")).unwrap_err().to_string();
    assert!(said.contains("none.h cannot be read"), "{said}");
}
