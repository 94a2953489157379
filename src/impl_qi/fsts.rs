//! The fault status register.

/// FSTS, as far as the driver's fault check looks at it (VT-d 11.4.9.9).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fsts(u8);

impl Fsts {
    /// No fault.
    pub const NONE: Fsts = Fsts(0);
    /// Invalidation queue error, bit 4: the descriptor at IQH is invalid.
    pub const IQE: Fsts = Fsts(1 << 4);
    /// Invalidation completion error, bit 5: a device sent an unexpected completion.
    pub const ICE: Fsts = Fsts(1 << 5);
    /// Invalidation time-out error, bit 6: a device did not answer.
    pub const ITE: Fsts = Fsts(1 << 6);

    /// The three faults out of what is read from the register or written to it; other bits are left out.
    ///
    /// ```
    /// use vtd_qi::impl_qi::Fsts;
    /// assert_eq!(Fsts::of_register(0x51), Fsts::IQE.with(Fsts::ITE));
    /// ```
    pub fn of_register(value: u64) -> Fsts {
        Fsts(value as u8 & 0x70)
    }

    /// Whether all faults of `other` are set.
    pub fn has(self, other: Fsts) -> bool {
        self.0 & other.0 == other.0
    }

    /// With the faults of `other` set too.
    pub fn with(self, other: Fsts) -> Fsts {
        Fsts(self.0 | other.0)
    }

    /// With the faults of `other` cleared: writing 1 clears.
    pub fn without(self, other: Fsts) -> Fsts {
        Fsts(self.0 & !other.0)
    }

    /// The faults at their places in the register.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// The faults in three bits.
    pub(super) fn packed(self) -> u8 {
        self.0 >> 4
    }

    /// The faults of [`Fsts::packed`]; bits above the third are left out.
    pub(super) fn unpacked(bits: u8) -> Fsts {
        Fsts((bits & 7) << 4)
    }

    /// The names of the faults that are set, `-` if none is.
    pub fn names(self) -> String {
        let named = [(Fsts::IQE, "IQE"), (Fsts::ITE, "ITE"), (Fsts::ICE, "ICE")];
        let set: Vec<_> = named.iter().filter(|(fault, _)| self.has(*fault)).map(|(_, name)| *name).collect();
        if set.is_empty() { "-".to_string() } else { set.join("+") }
    }
}
