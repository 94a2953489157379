//! The driver written for these tests, which is g5, and what makes the published bugs of it.

/// Its text.
pub const DRIVER: &str = include_str!("driver.c");

/// The 2024 bug: MARK of IDs only, RECLAIM of what is DONE.
pub const BEFORE_2024: [(&str, &str); 3] = [
    ("state != QI_FREE || qi->free_tail == qi->free_head", "state != QI_DONE && state != QI_ABORT"),
    (
        "n <= (int)count; n++)\n\t\t\tqi->desc_status[after(first, n)] = QI_FREE",
        "n < (int)count; n++)\n\t\t\tqi->desc_status[after(first, n)] = QI_DONE",
    ),
    ("qi->free_tail = after", "qi->desc_status[qi->free_tail] = QI_FREE;\n\t\tqi->free_tail = after"),
];

/// The 2026 bug: the walk over odd slots.
pub const ODD_WALK: [(&str, &str); 2] = [
    ("writel(FAULT_ITE", "from |= 1;\n\twritel(FAULT_ITE"),
    ("from = after(from, -1);\n\t}", "from = after(from, -2);\n\t}"),
];
