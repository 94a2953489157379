//! Which generation of the driver a kernel has, by its version.
//!
//! The ranges are those of `docs/glossary.md` and of [`GENERATIONS`](vtd_qi::impl_qi::GENERATIONS): a test compares them. Distributions
//! take fixes over without changing the version that upstream would give them, so more than one generation may be named.

/// What is known of the driver of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelGenerations {
    /// The release as the kernel names itself, such as `6.12.43+deb13-amd64`.
    pub release: String,
    /// The generations that it may have, the likeliest first; empty if nothing is known of it.
    pub generations: &'static [&'static str],
}

/// A range of versions and the generations of its kernels: from, below, generations.
type Range = ([u32; 3], [u32; 3], &'static [&'static str]);

/// The first range that a version lies in counts.
const RANGES: &[Range] = &[
    ([2, 6, 30], [5, 8, 0], &["g1"]),
    // Debian keeps 5.10 alive with backports: 5.10.223-1 is g3, 5.10.251-5 g4r, 5.10.262-1 g5r.
    ([5, 10, 0], [5, 10, 224], &["g3"]),
    ([5, 10, 224], [5, 10, 251], &["g3", "g4r"]),
    ([5, 10, 251], [5, 10, 262], &["g4r"]),
    ([5, 10, 262], [5, 11, 0], &["g5r"]),
    ([6, 1, 0], [6, 1, 113], &["g3"]),
    ([6, 1, 113], [6, 1, 167], &["g4r"]),
    ([6, 1, 167], [6, 2, 0], &["g5r"]),
    // Other series with long support were mended by backports whose versions are not known here.
    ([5, 15, 0], [5, 16, 0], &["g3", "g4r", "g5r"]),
    ([6, 6, 0], [6, 7, 0], &["g3", "g4r", "g5r"]),
    ([5, 8, 0], [6, 9, 0], &["g3"]),
    ([6, 9, 0], [6, 10, 0], &["g3t"]),
    // The 2024 fix came to the last releases of 6.10 too.
    ([6, 10, 0], [6, 11, 0], &["g3t", "g4"]),
    ([6, 11, 0], [6, 11, 3], &["g3t"]),
    ([6, 11, 3], [6, 12, 78], &["g4"]),
    ([6, 12, 78], [6, 13, 0], &["g5"]),
    ([6, 13, 0], [6, 18, 0], &["g4"]),
    ([6, 18, 0], [7, 0, 0], &["g4", "g5"]),
    ([7, 0, 0], [u32::MAX, 0, 0], &["g5"]),
];

impl KernelGenerations {
    /// What is known of a release; `None` if it is no version.
    ///
    /// ```
    /// use vtd_qi_diagnose::kernels::KernelGenerations;
    /// assert_eq!(KernelGenerations::of("6.12.43+deb13-amd64").unwrap().generations, ["g4"]);
    /// assert_eq!(KernelGenerations::of("6.1.0-28-amd64").unwrap().generations, ["g3", "g4r", "g5r"]);
    /// assert_eq!(KernelGenerations::of("amd64"), None);
    /// ```
    pub fn of(release: &str) -> Option<KernelGenerations> {
        let version = version(release)?;
        let generations = match version {
            // Debian and others name the interface, such as 6.1.0-28, and not the version, which stands further on in the line.
            [6, 1, 0] | [5, 10, 0] if release.contains('-') => &["g3", "g4r", "g5r"],
            _ => RANGES
                .iter()
                .find(|(from, below, _)| *from <= version && version < *below)
                .map_or(&[][..], |range| range.2),
        };
        Some(KernelGenerations { release: release.to_string(), generations })
    }

    /// The same in words.
    pub fn text(&self) -> String {
        match self.generations {
            [] => format!("kernel {}: its generation of the driver is not known here", self.release),
            [one] => format!("kernel {}: by its version its driver is of generation {one}", self.release),
            several => format!(
                "kernel {}: by its version its driver is of generation {}, whichever fixes were taken over",
                self.release,
                several.join(" or ")
            ),
        }
    }
}

/// The three numbers at the beginning of a release.
fn version(release: &str) -> Option<[u32; 3]> {
    let mut numbers = release.splitn(3, '.');
    let leading = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let (major, minor) = (numbers.next()?.parse().ok()?, leading(numbers.next()?)?);
    Some([major, minor, numbers.next().and_then(leading).unwrap_or(0)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boundaries_are_those_that_the_generations_name() {
        let of = |release| KernelGenerations::of(release).unwrap().generations;
        let expected: [(&str, &[&str]); 14] = [
            ("2.6.30", &["g1"]),
            ("5.7.19", &["g1"]),
            ("5.8", &["g3"]),
            ("6.8.12", &["g3"]),
            ("6.9.1", &["g3t"]),
            ("6.11.2", &["g3t"]),
            ("6.11.3", &["g4"]),
            ("6.12.77", &["g4"]),
            ("6.12.78", &["g5"]),
            ("7.0.0-rc1", &["g5"]),
            ("6.1.112", &["g3"]),
            ("6.1.113", &["g4r"]),
            ("6.1.166", &["g4r"]),
            ("6.1.167-1", &["g5r"]),
        ];
        for (release, generations) in expected {
            assert_eq!(of(release), generations, "{release}");
        }
        assert_eq!(of("2.6.29"), [""; 0]);
        for word in ["", "6", "six.one", "6.x", "99999999999.1.1"] {
            assert_eq!(KernelGenerations::of(word), None, "{word}");
        }
        // What the model says of its generations names the same versions.
        let what: String = vtd_qi::impl_qi::GENERATIONS.iter().map(|generation| generation.what).collect();
        for version in
            ["2.6.30", "5.7", "5.8", "6.8", "6.9", "6.11.2", "6.11.3", "6.12.78", "7.0", "6.1.113", "6.1.167"]
        {
            assert!(what.contains(version), "{version}");
        }
    }
}
