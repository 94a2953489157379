//! What a TLA+ module says, without its comments: another wording of a comment makes no confirmation void.

/// A module without comments, the spaces at the ends of its lines, and empty lines. What is left of a line stays in its
/// columns, which have a meaning in lists of `/\` and `\/`.
///
/// A comment is the rest of a line after `\*`, or stands between `(*` and `*)`, where others may be within it; in a string
/// neither begins one (Lamport, Specifying Systems, 15.1).
pub(super) fn without_comments(module: &str) -> String {
    let (mut code, mut depth, mut in_string) = (String::new(), 0usize, false);
    for line in module.lines() {
        let start = code.len();
        let mut rest = line.chars().peekable();
        while let Some(c) = rest.next() {
            let next = rest.peek().copied();
            match (c, next) {
                ('\\', Some(escaped)) if in_string => {
                    rest.next();
                    code.extend([c, escaped]);
                }
                ('"', _) if depth == 0 => {
                    in_string = !in_string;
                    code.push(c);
                }
                ('\\', Some('*')) if depth == 0 && !in_string => break,
                ('(', Some('*')) if !in_string => {
                    rest.next();
                    depth += 1;
                    code.push_str("  ");
                }
                ('*', Some(')')) if depth > 0 => {
                    rest.next();
                    depth -= 1;
                    code.push_str("  ");
                }
                _ => code.push(if depth > 0 { ' ' } else { c }),
            }
        }
        // A string ends on its line.
        in_string = false;
        code.truncate(start + code[start..].trim_end().len());
        if code.len() > start {
            code.push('\n');
        }
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_columns_stay() {
        let module =
            "---- MODULE M ----\n(* front (* within *) still *)\n\nA == /\\ x  \\* why\n     /\\ (* y *) y\n====\n";
        assert_eq!(without_comments(module), "---- MODULE M ----\nA == /\\ x\n     /\\         y\n====\n");
    }

    #[test]
    fn a_string_begins_no_comment() {
        assert_eq!(without_comments("A == \"a \\* b\" \\* c\n"), "A == \"a \\* b\"\n");
        assert_eq!(without_comments("A == \"(*\" \\* c\nB == 1 (* \" *)\n"), "A == \"(*\"\nB == 1\n");
        assert_eq!(without_comments("A == \"\\\"(*\" (* c *)\n"), "A == \"\\\"(*\"\n");
    }

    #[test]
    fn what_is_no_comment_stays() {
        let operators = "A == B \\/ C (+) D\nE == 2 * (3 * 4)\n";
        assert_eq!(without_comments(operators), operators);
        assert_ne!(without_comments("A == x /\\ y\n"), without_comments("A == x \\/ y\n"));
    }
}
