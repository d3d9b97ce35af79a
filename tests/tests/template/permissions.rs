//! Policies against calls. Each function's own tests start it with the template's variables, drive it through everything it
//! does, and compare what it has then called with what it may call.

use crate::stack::{Stack, repository};

#[test]
fn every_function_is_held_against_its_policy_by_its_own_tests() {
    for function in Stack::built_in().functions() {
        let file = repository().join("functions").join(&function.package).join("tests/binary.rs");
        let tests = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let started = format!("Deployed::start(\"{}\"", function.name);
        let lines: Vec<&str> = tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let tests = lines.join("\n");
        let rest = tests.split(&started).nth(1).and_then(|rest| rest.split("#[tokio::test]").next());
        let held = rest.is_some_and(|rest| rest.contains(".check_policy();")) && !tests.contains("#[ignore");
        assert!(held, "{} starts no {started}) whose policy it then checks", file.display());
    }
}
