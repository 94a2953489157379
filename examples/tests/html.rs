//! `check --html FILE`: where the page goes, and what is refused before anything is searched.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn check(folder: &Path, words: &[&str]) -> Output {
    let test = std::env::current_exe().unwrap();
    let program: PathBuf = test.parent().unwrap().parent().unwrap().join("examples").join("check");
    assert!(program.exists(), "{} is missing: `cargo test` builds it", program.display());
    Command::new(program).current_dir(folder).args(words).output().unwrap()
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_page_takes_the_place_of_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    std::fs::write(&page, "what was there").unwrap();
    let output = check(folder.path(), &["g3-patch", "--html", "page.html"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().contains("next: page.html is a page"));
    let html = std::fs::read_to_string(&page).unwrap();
    assert!(html.contains("<!doctype html>") && html.contains("check g3-patch --html page.html"));
    assert_eq!(names(folder.path()), ["page.html"], "nothing is left beside it");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(folder.path().join("other"), "").unwrap();
        let mode = |name: &str| folder.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode("page.html"), mode("other"), "whoever may read other files may read it");
    }
}

#[test]
fn configurations_of_ones_own_and_cells_have_pages_too() {
    let folder = tempfile::tempdir().unwrap();
    let own = ["g3-c01-2x4", "--rule", "reclaim=while-free-to-head", "--rule", "mark=all-free", "--html", "own.html"];
    assert_eq!(check(folder.path(), &own).status.code(), Some(0));
    let cell = ["g5plus-ice-in-order-2x4", "--json", "--html", "cell.html"];
    assert_eq!(check(folder.path(), &cell).status.code(), Some(0));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert!(read("own.html").contains("reclaim=while-free-to-head"));
    assert!(read("cell.html").contains("IQH is advanced when"), "a cell's verdicts rest on assumptions");
}

#[test]
fn a_place_that_cannot_be_written_is_refused_before_the_search() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |place: &str, why: &str| {
        // So many scenarios that a search would take long.
        let output = check(folder.path(), &["--html", place]);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{place}: {error}");
        assert!(output.stdout.is_empty() && error.contains(place) && error.contains(why), "{error}");
    };
    refused("no/such/folder/page.html", "cannot be written");
    refused(".", "there is something that is no file");
    #[cfg(unix)]
    {
        refused("/dev/null", "there is something that is no file");
        let device = Path::new("/dev/null").metadata().unwrap();
        assert!(std::os::unix::fs::FileTypeExt::is_char_device(&device.file_type()), "it is there still");
    }
    assert!(names(folder.path()).is_empty());
}
