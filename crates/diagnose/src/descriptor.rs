//! A descriptor as two words: its type, and what a WD writes where.

/// The kind of a descriptor, from the low bits of its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptorKind {
    /// Type 0: never written.
    Blank,
    /// A WD: type 5.
    Wait,
    /// An ID that a device has to answer: types 3 and 8.
    Device,
    /// Any other ID.
    Unit,
}

impl DescriptorKind {
    /// The kind of a descriptor with a given first word.
    pub fn of(qw0: u64) -> DescriptorKind {
        match qw0 & 15 {
            0 => DescriptorKind::Blank,
            5 => DescriptorKind::Wait,
            3 | 8 => DescriptorKind::Device,
            _ => DescriptorKind::Unit,
        }
    }
}

/// The name of a descriptor's type, as `qi_check_fault` prints it.
pub fn type_name(qw0: u64) -> &'static str {
    match qw0 & 15 {
        0 => "blank",
        1 => "context cache",
        2 => "IOTLB",
        3 => "device-TLB",
        4 => "interrupt entry cache",
        5 => "WD",
        6 => "PASID IOTLB",
        7 => "PASID cache",
        8 => "PASID device-TLB",
        9 => "page group response",
        _ => "unknown type",
    }
}

/// The status data of a WD.
pub fn status_data(qw0: u64) -> u64 {
    qw0 >> 32
}

/// The slot of a WD from its status address alone: the kernel allocates `desc_status` (256 words of 4 bytes) at a multiple of its size.
pub fn slot_of_address(address: u64) -> u8 {
    (address >> 2 & 0xff) as u8
}
