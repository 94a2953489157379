//! What a console, a journal or a mail writes before a line.

/// A line without the signs of a quotation, a log level, times and names in brackets, and a journal's date, host and program.
///
/// ```
/// use vtd_qi_diagnose::prefix::without_prefix;
/// for prefix in ["", "> ", "<3>[   39.029346] ", "[   12.0][ T177] ", "Nov 27 13:51:01 host kernel: [ 39.0] ", "[ 39.0] host kernel: "] {
///     assert_eq!(without_prefix(&format!("{prefix} Base: 0x1000\tHead: 3")), "Base: 0x1000\tHead: 3");
/// }
/// ```
pub fn without_prefix(line: &str) -> &str {
    let mut rest = line.trim_start();
    while let Some(behind) = behind_bracket(rest).or_else(|| behind_program(rest)) {
        rest = behind.trim_start();
    }
    rest
}

/// What is behind `>`, behind `<3>`, or behind brackets that hold a number.
fn behind_bracket(line: &str) -> Option<&str> {
    let holds_number = |inside: &str| inside.bytes().any(|byte| byte.is_ascii_digit());
    if let Some(behind) = line.strip_prefix('>') {
        return Some(behind);
    }
    if let Some((level, behind)) = line.strip_prefix('<').and_then(|line| line.split_once('>')) {
        let is_level = (1..=3).contains(&level.len()) && level.bytes().all(|byte| byte.is_ascii_digit());
        return is_level.then_some(behind);
    }
    let (inside, behind) = line.strip_prefix('[')?.split_once(']')?;
    holds_number(inside).then_some(behind)
}

/// What is behind the program's name in a line of a journal: a time of day stands before it, or it is the kernel.
fn behind_program(line: &str) -> Option<&str> {
    let (before, behind) = line.split_once(": ")?;
    let is_time = |word: &str| {
        let time = word.rsplit('T').next().unwrap_or(word);
        let mut parts = time.splitn(3, ':');
        let two_digits = |part: Option<&str>| part.is_some_and(|part| part.len() == 2 && part.parse::<u8>().is_ok());
        two_digits(parts.next()) && two_digits(parts.next()) && parts.next().is_some()
    };
    (before.split_whitespace().any(is_time) || before.ends_with("kernel")).then_some(behind)
}
