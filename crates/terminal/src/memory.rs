//! How much memory a program may take: measured, not assumed.
//!
//! What is available is the least of what the machine has to spare, what is left in the control groups that the process is in, and
//! what is left of its own limits (`ulimit -v`, `ulimit -d`). A program takes at most [three quarters](SHARE) of that; the rest is for
//! what nobody counts: the program itself, the allocator's overhead, whatever else runs on the machine. Where nothing can be
//! measured, [`ASSUMED`] is taken to be available.

use std::fmt;

use bytesize::ByteSize;

use crate::Failure;

/// Which part of what is available a program may take: 3 of 4 bytes.
pub const SHARE: (u64, u64) = (3, 4);

/// What is taken to be available where it cannot be measured, as on systems other than Linux: 4 GB.
pub const ASSUMED: ByteSize = ByteSize::gb(4);

/// The least that a search can be allowed: less would not hold its first states.
const LEAST: ByteSize = ByteSize::mb(1);

/// The most that can be asked for.
const MOST: ByteSize = ByteSize::b(u64::MAX - 1);

/// Memory that is available, and what bounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    /// How much.
    pub size: ByteSize,
    /// By what.
    pub bound: Bound,
}

/// What bounds the memory that is available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// What the machine can give without swapping.
    Machine,
    /// The limit of a control group less what the group uses.
    ControlGroup,
    /// The limit of the process's address space (`ulimit -v`) less its size and what its threads will reserve.
    AddressSpace,
    /// The limit of the process's data (`ulimit -d`) less what it has.
    Data,
    /// It cannot be measured here.
    Assumed,
}

impl fmt::Display for Available {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.bound {
            Bound::Machine => "that the machine has available",
            Bound::ControlGroup => "that are left in the control group",
            Bound::AddressSpace => "of address space that are left (ulimit -v)",
            Bound::Data => "of data that are left (ulimit -d)",
            Bound::Assumed => "that are assumed to be available",
        };
        write!(f, "{} {of}", self.size.display().si())
    }
}

/// A size as it is written on a command line: `500M`, `2G`, `1.5GiB`.
///
/// # Errors
/// A sentence, if it is no size, or less than any search needs.
pub fn size(text: &str) -> Result<ByteSize, String> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<ByteSize>() {
        // What is larger than can be counted is read as the largest number; without a unit it is not read at all.
        Ok(size) if size > MOST => Err(too_much(text)),
        Err(_) if is_number => Err(too_much(text)),
        Ok(size) if size >= LEAST => Ok(size),
        Ok(size) => Err(format!("{size} are too little; the least is {}", LEAST.display().si())),
        Err(_) => Err(format!("{text:?} is no size like 500M, 2G or 1.5GiB")),
    }
}

fn too_much(text: &str) -> String {
    format!("{text} is more than can be counted; the most is {}", MOST.display().si())
}

/// How many bytes a program with so many threads may take: what was asked for, or else its share of what is available.
///
/// # Errors
/// [`Failure::Unusable`] if more is asked for than that share.
pub fn allowance(asked: Option<ByteSize>, threads: usize) -> Result<usize, Failure> {
    let available = available(threads);
    let most = ByteSize::b(available.size.as_u64() / SHARE.1 * SHARE.0);
    match asked {
        Some(asked) if asked > most => Err(Failure::unusable(format_args!(
            "{} of memory cannot be allowed; the most is {}, three quarters of the {available}",
            asked.display().si(),
            most.display().si()
        ))),
        asked => Ok(usize::try_from(asked.unwrap_or(most).as_u64()).unwrap_or(usize::MAX)),
    }
}

/// What is available to a process that is going to have so many threads.
pub fn available(threads: usize) -> Available {
    let found =
        measured::bounds(threads).into_iter().map(|(bytes, bound)| Available { size: ByteSize::b(bytes), bound });
    found.min_by_key(|available| available.size).unwrap_or(Available { size: ASSUMED, bound: Bound::Assumed })
}

/// How many bytes of memory the process has, in the machine's own memory; `None` where it cannot be measured.
pub fn resident() -> Option<u64> {
    measured::resident()
}

/// How many bytes of memory the process has to itself and may write to, as `RLIMIT_DATA` counts them; `None` where that cannot be
/// measured.
pub fn data() -> Option<u64> {
    measured::data()
}

#[cfg(not(target_os = "linux"))]
mod measured {
    pub fn bounds(_threads: usize) -> Vec<(u64, super::Bound)> {
        Vec::new()
    }

    pub fn resident() -> Option<u64> {
        None
    }

    pub fn data() -> Option<u64> {
        None
    }
}

#[cfg(target_os = "linux")]
mod measured {
    use std::fs::read_to_string;
    use std::path::{Path, PathBuf};

    use procfs::process::{LimitValue, Process, StatM};
    use procfs::{Current, Meminfo};

    use super::Bound;

    /// Address space that a thread reserves: glibc's arena and the stack.
    const PER_THREAD: u64 = (64 + 2) << 20;

    /// What is left under each bound that there is.
    pub fn bounds(threads: usize) -> Vec<(u64, Bound)> {
        let machine = Meminfo::current().ok().and_then(|info| info.mem_available).map(|bytes| (bytes, Bound::Machine));
        let of_process = Process::myself().map(|process| {
            let groups = groups(&process).into_iter().map(|bytes| (bytes, Bound::ControlGroup));
            groups.chain(own_limits(&process, threads)).collect::<Vec<_>>()
        });
        machine.into_iter().chain(of_process.unwrap_or_default()).collect()
    }

    pub fn resident() -> Option<u64> {
        Some(statm()?.resident * procfs::page_size())
    }

    pub fn data() -> Option<u64> {
        Some(statm()?.data * procfs::page_size())
    }

    fn statm() -> Option<StatM> {
        Process::myself().and_then(|process| process.statm()).ok()
    }

    fn own_limits(process: &Process, threads: usize) -> Vec<(u64, Bound)> {
        let (Ok(limits), Ok(status)) = (process.limits(), process.status()) else { return Vec::new() };
        let left = |limit: LimitValue, used: Option<u64>| match limit {
            LimitValue::Value(limit) => Some(limit.saturating_sub(used.unwrap_or(0) * 1024)),
            LimitValue::Unlimited => None,
        };
        // Without an arena of its own a thread shares another's, so that many threads do not take all that is left.
        let space = left(limits.max_address_space.soft_limit, status.vmsize);
        let space = space.map(|left| left - (threads as u64 * PER_THREAD).min(left / 2));
        let data = left(limits.max_data_size.soft_limit, status.vmdata);
        let space = space.map(|left| (left, Bound::AddressSpace));
        space.into_iter().chain(data.map(|left| (left, Bound::Data))).collect()
    }

    /// What is left in the control groups that the process is in, of each hierarchy that limits memory.
    fn groups(process: &Process) -> Vec<u64> {
        let (Ok(groups), Ok(mounts)) = (process.cgroups(), process.mountinfo()) else { return Vec::new() };
        let of = |version: &Version| {
            let group = groups.0.iter().find(|group| match version.controller {
                None => group.hierarchy == 0,
                Some(controller) => group.controllers.iter().any(|name| name == controller),
            })?;
            let mount = mounts.0.iter().find(|mount| {
                let is_controller = |name| mount.super_options.contains_key(name);
                mount.fs_type == version.file_system && version.controller.is_none_or(is_controller)
            })?;
            // In a container the mount may show a part of the hierarchy only.
            let path = Path::new(&group.pathname);
            let below = path.strip_prefix(&mount.root).or_else(|_| path.strip_prefix("/")).unwrap_or(Path::new(""));
            least_left(&mount.mount_point, below, version)
        };
        VERSIONS.iter().filter_map(of).collect()
    }

    /// A version of the control groups: how it is mounted, and what its files are called.
    struct Version {
        file_system: &'static str,
        controller: Option<&'static str>,
        limits: &'static [&'static str],
        used: &'static str,
        /// In `memory.stat`: cached files that are given up when memory is short.
        cached: &'static str,
    }

    const VERSIONS: [Version; 2] = [
        Version {
            file_system: "cgroup2",
            controller: None,
            limits: &["memory.max", "memory.high"],
            used: "memory.current",
            cached: "inactive_file",
        },
        Version {
            file_system: "cgroup",
            controller: Some("memory"),
            limits: &["memory.limit_in_bytes"],
            used: "memory.usage_in_bytes",
            cached: "total_inactive_file",
        },
    ];

    /// The least that is left in a group or in one of those around it, up to the top; `None` if none has a limit.
    fn least_left(top: &Path, below: &Path, version: &Version) -> Option<u64> {
        let number = |file: PathBuf| read_to_string(file).ok()?.trim().parse::<u64>().ok();
        let left = |group: &Path| {
            let limit = version.limits.iter().filter_map(|name| number(group.join(name))).min()?;
            let stat = read_to_string(group.join("memory.stat")).unwrap_or_default();
            let cached = stat.lines().find_map(|line| line.strip_prefix(version.cached)?.trim().parse::<u64>().ok());
            let used = number(group.join(version.used))?.saturating_sub(cached.unwrap_or(0));
            Some(limit.saturating_sub(used))
        };
        below.ancestors().filter_map(|group| left(&top.join(group))).min()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_tightest_of_nested_groups_counts_and_files_in_the_cache_do_not() {
            let top = std::env::temp_dir().join(format!("vtd-qi-groups-{}", std::process::id()));
            let write = |group: &str, file: &str, text: &str| {
                std::fs::create_dir_all(top.join(group)).unwrap();
                std::fs::write(top.join(group).join(file), text).unwrap();
            };
            let [v2, v1] = &VERSIONS;
            write("a/b", "memory.max", "max\n");
            write("a/b", "memory.current", "100\n");
            assert_eq!(least_left(&top, Path::new("a/b"), v2), None);
            write("a", "memory.max", "1000\n");
            write("a", "memory.current", "700\n");
            assert_eq!(least_left(&top, Path::new("a/b"), v2), Some(300));
            write("a", "memory.stat", "anon 300\ninactive_file 400\n");
            assert_eq!(least_left(&top, Path::new("a/b"), v2), Some(700));
            write("a/b", "memory.high", "150\n");
            assert_eq!(least_left(&top, Path::new("a/b"), v2), Some(50));
            assert_eq!(least_left(&top, Path::new(""), v2), None);
            write("a", "memory.limit_in_bytes", "500\n");
            write("a", "memory.usage_in_bytes", "600\n");
            assert_eq!(least_left(&top, Path::new("a/b"), v1), Some(0));
            std::fs::remove_dir_all(top).unwrap();
        }

        #[test]
        fn this_process_is_measured() {
            let found = bounds(1);
            assert!(found.iter().any(|(bytes, bound)| *bound == Bound::Machine && *bytes > 0), "{found:?}");
            let before = resident().unwrap();
            let touched = vec![1_u8; 50 << 20];
            assert!(resident().unwrap() > before + (40 << 20) && touched[7] == 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(size("300M").unwrap(), ByteSize::mb(300));
        assert_eq!(size("2G").unwrap(), ByteSize::gb(2));
        assert_eq!(size("1.5GiB").unwrap(), ByteSize::mib(1536));
        assert!(size("0").unwrap_err().contains("1.0 MB"));
        for too_much in ["99999999999999999999", "99999999999999G"] {
            let why = size(too_much).unwrap_err();
            assert!(why.contains(too_much) && why.contains("18.4 EB"), "{why}");
        }
        for no_size in ["", "-1G", "much", "1X"] {
            assert!(size(no_size).unwrap_err().contains(&format!("{no_size:?}")));
        }
    }

    #[test]
    fn more_than_there_is_cannot_be_allowed() {
        let Err(Failure::Unusable(why)) = allowance(Some(ByteSize::pb(9)), 1) else { panic!("it is allowed") };
        assert!(why.contains("9.0 PB") && why.contains("three quarters"), "{why}");
        assert_eq!(allowance(Some(ByteSize::mb(1)), 1).ok(), Some(1_000_000));
    }
}
