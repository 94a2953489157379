//! The assumptions about hardware and environment on which every verdict about faults rests, by number.

/// Something that a verdict about faults rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// Its number, as findings refer to it.
    pub number: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What is assumed.
    pub text: &'static str,
    /// Where it is stated, or that it is not.
    pub source: &'static str,
}

/// The assumptions about hardware and environment.
pub const ASSUMPTIONS: &[Assumption] = &[
    Assumption {
        number: "A1",
        name: "fetch-advances-iqh",
        text: "IQH is advanced when a valid descriptor has been fetched, not when it has completed; several may be fetched together",
        source: "VT-d 6.5.2; K. Tian, LKML 2026-02-09",
    },
    Assumption {
        number: "A2",
        name: "wd-completes-in-order",
        text: "a WD writes its status only after all descriptors ahead of it have completed",
        source: "VT-d 6.5.2.8",
    },
    Assumption {
        number: "A3",
        name: "no-fence",
        text: "descriptors behind a WD may execute before that WD has completed (pipelined hardware only)",
        source: "VT-d 6.5.2.8",
    },
    Assumption {
        number: "A4",
        name: "iqe-stops-fetching",
        text: "at an invalid descriptor IQE is set, IQH stands at it, and nothing is fetched until IQE is cleared; then fetching \
               goes on at IQH; what was fetched before goes on",
        source: "VT-d 6.5.2.10",
    },
    Assumption {
        number: "A5",
        name: "ite-aborts-wds",
        text: "when a device-TLB invalidation times out, ITE is set, WDs pending in hardware are aborted (no status write), and \
               nothing is fetched until ITE is cleared; then the descriptor at IQH is",
        source: "VT-d 6.5.2.11, quoted by B. Lu, LKML 2026-03-10",
    },
    Assumption {
        number: "A6",
        name: "time-out-before-wd",
        text: "a time-out may come before the batch's own WD has been fetched; it no longer holds back WDs fetched later",
        source: "assumed: nothing found that excludes it",
    },
    Assumption {
        number: "A7",
        name: "invalid-anywhere",
        text: "invalidity belongs to the descriptor as submitted: any ID of a batch, and again when it is posted again; a slot \
               never written is invalid",
        source: "kernel, IQE handling",
    },
    Assumption {
        number: "A8",
        name: "wd-valid",
        text: "a WD that the driver built is valid, also as a copy",
        source: "kernel, IQE handling",
    },
    Assumption {
        number: "A9",
        name: "itesid-names-one",
        text: "ITESID names one of the devices that timed out; 0 on old hardware",
        source: "VT-d 11.4.9.9",
    },
    Assumption {
        number: "A10",
        name: "gone-is-for-ever",
        text: "a device that is gone answers nothing ever after, and is known to be gone when the driver asks",
        source: "kernel, pci_device_is_present",
    },
    Assumption {
        number: "A11",
        name: "after-ite",
        text: "of work fetched and not completed when ITE is raised: Drop, all is discarded; IdsRun, other fetched IDs still \
               execute; WdsRun, a fetched WD may still write its status after ITE is cleared",
        source: "disputed, LKML March 2026",
    },
    Assumption {
        number: "A12",
        name: "injection-is-unfair",
        text: "nothing has to go wrong; but a request to a device that is gone does time out",
        source: "ours",
    },
];

/// The assumption of a number.
pub fn assumption(number: &str) -> Option<&'static Assumption> {
    ASSUMPTIONS.iter().find(|assumption| assumption.number == number)
}
