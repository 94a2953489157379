//! Kept cells: the file in which `check --faults --keep` notes what it has finished.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fs4::FileExt;

/// Two cells that are searched in no time.
const CELLS: [&str; 2] = ["g1-none-in-order-2x4", "g5plus-ice-in-order-2x4"];

/// The example, which `cargo test` builds beside the tests.
fn example() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let example = deps.parent().unwrap().parent().unwrap().join("examples").join("check");
    assert!(example.exists(), "{} is missing: `cargo test` or `cargo build --examples` builds it", example.display());
    example
}

fn keep(file: &Path) -> Output {
    Command::new(example()).args(["--faults", "--max-states", "400", "--keep"]).arg(file).args(CELLS).output().unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A file of its own with this text.
fn file(name: &str, text: impl AsRef<[u8]>) -> PathBuf {
    let path = std::env::temp_dir().join(format!("vtd-qi-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

/// A file with both cells.
fn full(name: &str) -> (PathBuf, String) {
    let path = file(name, "");
    assert!(!error(&keep(&path)).contains("known from before"));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 2);
    assert!(error(&keep(&path)).contains("2 of 2 cells are known from before"));
    (path, text)
}

#[test]
fn damaged_lines_are_told_once_and_done_again_and_the_others_are_used() {
    let (path, text) = full("damaged");
    let lines: Vec<&str> = text.lines().collect();
    let half = &lines[0][..lines[0].len() / 2];
    let other = lines[0].replacen("\"depth\":", "\"depth\":1", 1);
    assert_ne!(other, lines[0]);
    let damaged = [
        // A full disk, and another program run since; a byte that was changed; a program that was killed.
        (format!("{half}\n{}\n", lines[1]), "line 1 is damaged", "1 of 2 cells"),
        (format!("{}\n{other}\n", lines[1]), "line 2 is damaged", "1 of 2 cells"),
        (format!("{}\n{half}", lines[1]), "line 2 is damaged", "1 of 2 cells"),
        (format!("\n{half}{}\n{}\n", lines[0], lines[1]), "line 2 is damaged", "1 of 2 cells"),
        (format!("{half}\n\0\0\n{}\nmore\n", lines[1]), "line 1 and 2 more are damaged", "1 of 2 cells"),
        // All of it.
        (half.to_string(), "line 1 is damaged", ""),
        (half[..4].to_string(), "line 1 is damaged", ""),
        (format!("{half}\n{other}\nmore"), "line 1 and 2 more are damaged", ""),
    ];
    for (text, told, known) in damaged {
        std::fs::write(&path, &text).unwrap();
        let error = error(&keep(&path));
        assert!(error.contains(told) && error.contains(known), "{error}");
        assert_eq!(error.contains("known from before"), !known.is_empty(), "{error}");
        // What is whole is still there, before what was done again, and nothing else is.
        let kept = std::fs::read_to_string(&path).unwrap();
        assert_eq!(kept.lines().count(), 2, "{kept}");
        assert!(known.is_empty() || kept.starts_with(lines[1]), "{kept}");
        let error = self::error(&keep(&path));
        assert!(error.contains("2 of 2 cells are known from before") && !error.contains("damaged"), "{error}");
    }
    std::fs::remove_file(path).unwrap();
}

/// A line that no run uses any more is no damage: another version of the program may use it.
#[test]
fn whole_lines_are_kept_when_damaged_ones_go() {
    let (path, text) = full("whole");
    let of_another_version = line_of("another-cell");
    let whole = format!("{text}{of_another_version}\n{text}");
    std::fs::write(&path, format!("{whole}half a li")).unwrap();
    let error = error(&keep(&path));
    assert!(error.contains("line 6 is damaged") && error.contains("2 of 2 cells"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    std::fs::remove_file(path).unwrap();
}

/// The line of a cell that no matrix has.
fn line_of(name: &str) -> String {
    let json = serde_json::json!({ "name": name, "subject": "", "states": 1, "transitions": 0, "depth": 1, "complete": true,
        "cut": null, "verdicts": {}, "lengths": {}, "faults": [], "reached": [] });
    serde_json::from_value::<vtd_qi::campaign::matrix::CellResult>(json).unwrap().to_line()
}

/// The file keeps its place and its permissions: it may be reached by a link, and be another's to read.
#[cfg(unix)]
#[test]
fn a_file_behind_a_link_is_mended_where_it_is() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let (path, text) = full("linked");
    let link = path.with_extension("link");
    symlink(&path, &link).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    std::fs::write(&path, format!("{text}half a li")).unwrap();
    assert!(error(&keep(&link)).contains("line 3 is damaged"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert!(link.is_symlink());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o640);
    std::fs::remove_file(link).unwrap();
    std::fs::remove_file(path).unwrap();
}

/// A file that cannot be written anew stays as it is, and no other is left beside it.
#[cfg(unix)]
#[test]
fn nothing_is_lost_where_there_is_no_room_to_mend() {
    let folder = std::env::temp_dir().join(format!("vtd-qi-{}-no-room", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (full, text) = full("no-room.jsonl");
    let path = folder.join("cells.jsonl");
    std::fs::rename(full, &path).unwrap();
    let damaged = format!("half a li\n{text}");
    std::fs::write(&path, &damaged).unwrap();
    let error = error(&without_room(&path));
    assert!(error.contains("line 1 is damaged and left in the file, which cannot be written anew"), "{error}");
    assert!(error.contains("2 of 2 cells are known from before"), "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), damaged);
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_no_file_of_kept_cells_is_not_touched() {
    let others = [
        "# Read me\n\nThis is another file.\n",
        "\nThis too\n",
        "{\"name\":\"x\"}\n",
        "{\n  \"sum\":\"0123456789abcdef\"\n}\n",
        "{\"sum\":\"of two numbers\",\"is\":4}\n",
        "{\"sum\":\"01\n",
        "\u{0}\u{1}",
    ];
    for text in others {
        let path = file("other", text);
        let output = keep(&path);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty() && error(&output).contains("no file of kept cells"), "{}", error(&output));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_file_that_cannot_be_used_is_refused_before_the_search() {
    let folder = std::env::temp_dir();
    for path in [Path::new("/nonexistent/cells.jsonl"), &folder, Path::new("/dev/full")] {
        let output = keep(path);
        assert_eq!(output.status.code(), Some(2), "{}", path.display());
        assert!(output.stdout.is_empty() && error(&output).contains(path.to_str().unwrap()), "{}", error(&output));
    }
}

#[test]
fn two_programs_do_not_write_to_one_file() {
    let path = file("locked", "");
    let other = std::fs::File::open(&path).unwrap();
    FileExt::lock(&other).unwrap();
    let output = keep(&path);
    assert_eq!(output.status.code(), Some(2));
    assert!(error(&output).contains("in use by another program"), "{}", error(&output));
    drop(other);
    std::fs::remove_file(path).unwrap();
}

/// As [`keep`], but no file may become larger than 512 or 1024 bytes: not even one cell fits.
#[cfg(unix)]
fn without_room(path: &Path) -> Output {
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" --faults --max-states 400 --keep \"$@\"";
    Command::new("sh").arg("-c").arg(script).arg(example()).arg(path).args(CELLS).output().unwrap()
}

/// What is known is printed, although it could not be kept.
#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_written_to_later_is_exit_code_2() {
    let path = file("full-disk", "");
    let output = without_room(&path);
    let (text, error) = (String::from_utf8(output.stdout.clone()).unwrap(), error(&output));
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(text.contains("2 cells:"), "{text}");
    assert!(error.contains("error: finished cells cannot be kept in"), "{error}");
    // With room again only what was lost is done again.
    assert!(self::error(&keep(&path)).contains("damaged"));
    assert!(self::error(&keep(&path)).contains("2 of 2 cells are known from before"));
    std::fs::remove_file(path).unwrap();
}
