//! What the libraries under this room say, in the words of who writes flows.
//!
//! The YAML parser and serde talk to programmers: of policies, of types, of sequences. Nothing of that reaches a problem
//! but through here.

use serde::de::Unexpected;
use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

/// What is expected where there is something else than YAML.
const YAML: &str = "expected `name: value`; what belongs to a name stands below it and further in, by spaces; a text with `: `, \
                    ` #`, `@`, brackets or braces stands in quotes";

/// What is wrong with the YAML itself, and what to do about it.
pub(super) fn of_parser(error: &Error) -> (String, Option<String>) {
    let (message, help) = match error {
        Error::WithSnippet { error, .. } | Error::AliasError { error, .. } => return of_parser(error),
        Error::DuplicateMappingKey { key, .. } => {
            let name = key.as_ref().map_or("this".into(), |key| format!("`{key}`"));
            return (format!("{name} is there twice"), Some("rename one of the two, or take it out".into()));
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            ("this alias stands inside what it repeats, and would never end", "write out what is meant")
        }
        Error::UnknownAnchor { .. } => (
            "there is nothing that this alias could repeat",
            "mark it with `&name` further up, or put the text in quotes",
        ),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => {
            ("this is nested too deeply", "give inner steps names of their own, in `steps:`")
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => {
            ("this is too much for one file, with its aliases written out", "repeat less, or make several flows of it")
        }
        Error::MultipleDocuments { .. } => {
            ("a second flow begins here", "a file holds one flow: move it to a file of its own, or take the `---` away")
        }
        Error::MergeKeyNotAllowed { .. } | Error::MergeValueNotMapOrSeqOfMaps { .. } => {
            ("`<<` can only take in settings, or a list of them", "write `<<: *name`, or write them out")
        }
        other => {
            // The parser ends its message with the place, which we show in our own way.
            let text = other.to_string();
            let text = text.split(" at line ").next().unwrap_or_default().trim_end_matches([',', ':']);
            return (format!("this is no YAML: {text}"), Some(YAML.into()));
        }
    };
    (message.into(), Some(help.into()))
}

/// What belongs somewhere, by serde's name for it; completes "expected …". Our own types name it in our words already.
pub(super) fn expected(name: &str) -> &str {
    match name {
        "u8" => "a whole number from 0 to 255",
        "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "a character" => "a text",
        "a sequence" => "a list",
        "a map" => "settings",
        "unit" => "nothing",
        _ if name.starts_with("struct ") => "settings, each a name and a value",
        _ => name,
    }
}

/// What stands there instead; completes "found …".
pub(super) fn found(unexpected: Unexpected) -> String {
    match unexpected {
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        Unexpected::Char(value) => format!("`{value}`"),
        Unexpected::Str(value) => format!("`{value}`"),
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "settings".into(),
        Unexpected::Other(what) => what.into(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::flow::{compile, phone};

    /// Line, column, message and help of the first problem of a whole file.
    fn first(text: &str) -> (u32, u32, String, String) {
        let problems = compile("t.yaml", text, &phone::world()).expect_err("something is wrong with it");
        let problem = problems.into_iter().next().expect("an error is not empty");
        (problem.line, problem.column, problem.message, problem.help.unwrap_or_default())
    }

    #[test]
    fn what_is_no_yaml_is_told_in_plain_words() {
        let deep = format!("flow: {}x{}", "[".repeat(40), "]".repeat(40));
        let bomb: String =
            (1..12).map(|i| format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "))).collect();
        let bomb = format!("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n{bomb}");
        let cases = [
            (
                "flow: t\nsteps:\n  a: 1\n  a: 2\n",
                (4, 3, "`a` is there twice", "rename one of the two, or take it out"),
            ),
            (
                "flow: t\nsteps: &all\n  a: *all\n",
                (3, 6, "this alias stands inside what it repeats, and would never end", "write out what is meant"),
            ),
            (
                "flow: *name\n",
                (
                    1,
                    7,
                    "there is nothing that this alias could repeat",
                    "mark it with `&name` further up, or put the text in quotes",
                ),
            ),
            (
                &bomb,
                (
                    6,
                    15,
                    "this is too much for one file, with its aliases written out",
                    "repeat less, or make several flows of it",
                ),
            ),
            (&deep, (1, 38, "this is nested too deeply", "give inner steps names of their own, in `steps:`")),
            (
                "flow: t\n---\nflow: u\n",
                (
                    3,
                    1,
                    "a second flow begins here",
                    "a file holds one flow: move it to a file of its own, or take the `---` away",
                ),
            ),
            (
                "flow: t\n<<: 5\n",
                (2, 5, "`<<` can only take in settings, or a list of them", "write `<<: *name`, or write them out"),
            ),
            ("", (1, 1, "`flow` is missing here", "")),
            ("flow: {", (1, 7, "this is no YAML: unclosed bracket '{'", super::YAML)),
            ("flow: [t\nsteps: {}\n", (2, 6, "this is no YAML: illegal placement of ':' indicator", super::YAML)),
            ("flow: 't\n", (2, 1, "this is no YAML: invalid indentation in multiline quoted scalar", super::YAML)),
            (
                "flow: t\n\tsteps: {}\n",
                (1, 7, "this is no YAML: while scanning a plain scalar, found a tab", super::YAML),
            ),
            ("flow: @t\n", (1, 7, "this is no YAML: unexpected character: `@'", super::YAML)),
        ];
        let mut wrong = String::new();
        for (text, (line, column, message, help)) in cases {
            let found = first(text);
            let expected = (line, column, message.to_string(), help.to_string());
            if found != expected {
                wrong += &format!("{text:.60}\n  expected {expected:?}\n  found    {found:?}\n");
            }
        }
        assert!(wrong.is_empty(), "\n{wrong}");
    }

    #[test]
    fn what_does_not_belong_somewhere_is_told_in_plain_words() {
        let play = "prompt: a, next: hangup";
        let menu = "keys: { '1': hangup }, failed: hangup";
        for (step, place, message) in [
            (format!("menu: {{ {menu}, tries: many }}"), "many", "expected a whole number, found `many`"),
            (format!("menu: {{ {menu}, tries: 300 }}"), "300", "something is asked one to ten times"),
            (format!("menu: {{ {menu}, tries: -1 }}"), "-1", "something is asked one to ten times"),
            (format!("menu: {{ {menu}, tries: 2.5 }}"), "2.5", "expected a whole number, found `2.5`"),
            (
                format!("menu: {{ {menu}, timeout: 5 }}"),
                "5",
                "expected a length of time such as `5s`, `500ms`, `2m` or `1m30s`, at most 24h, found `5`",
            ),
            (format!("menu: {{ {menu}, timeout: [5s] }}"), "[5s]", "expected a text, found a list"),
            (format!("play: {{ {play}, barge_in: maybe }}"), "maybe", "expected true or false, found `maybe`"),
            ("play: loud".into(), "loud", "expected settings, each a name and a value, found `loud`"),
            (
                "menu: { keys: hangup, failed: hangup }".into(),
                "hangup",
                "expected names with what they stand for, found `hangup`",
            ),
            (format!("menu: {{ {menu}, next: }}"), "", ""),
        ] {
            let text = phone::text(&format!("a: {{ {step} }}"));
            if message.is_empty() {
                assert!(compile("t.yaml", &text, &phone::world()).is_ok(), "{step}");
                continue;
            }
            let (line, column, said, _) = first(&text);
            let expected = text.lines().nth(4).and_then(|line| line.find(place)).expect("the place is in the step") + 1;
            assert_eq!((line, column as usize, said.as_str()), (5, expected, message), "{step}");
        }
    }

    #[test]
    fn no_name_of_a_type_is_left() {
        for name in ["u8", "u16", "u32", "u64", "i32", "i64", "f64", "a boolean", "a string", "a sequence", "a map"] {
            assert_ne!(super::expected(name), name);
        }
        assert_eq!(super::expected("struct File with 3 elements"), "settings, each a name and a value");
        assert_eq!(super::expected("a length of time"), "a length of time");
    }
}
