//! The parts of docs/performance.md that programs write: each is between two markers.

use std::io;
use std::path::Path;

/// The document with the figures.
pub const PERFORMANCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");

/// Replaces what is between `<!-- NAME: begin -->` and `<!-- NAME: end -->` in a file.
///
/// # Errors
/// The file cannot be read or written, or lacks one of the markers.
pub fn publish(file: &Path, name: &str, part: &str) -> io::Result<()> {
    let old = std::fs::read_to_string(file)?;
    let missing = || io::Error::other(format!("{} lacks the markers of '{name}'", file.display()));
    std::fs::write(file, replaced(&old, name, part).ok_or_else(missing)?)
}

fn replaced(text: &str, name: &str, part: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let (before, rest) = text.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", part.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_is_replaced() {
        let text = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb <!-- y: begin -->\n<!-- y: end -->\n";
        let expected = "a\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nb <!-- y: begin -->\n<!-- y: end -->\n";
        assert_eq!(replaced(text, "x", "\nnew\n").as_deref(), Some(expected));
        assert_eq!(replaced(expected, "x", "new").as_deref(), Some(expected), "a second time changes nothing");
    }

    #[test]
    fn a_document_without_a_marker_is_not_written() {
        assert_eq!(replaced("<!-- x: begin -->\nold\n", "x", "new"), None);
        assert_eq!(replaced("old\n<!-- x: end -->\n", "x", "new"), None);
    }

    #[test]
    fn the_document_has_the_markers_of_each_part() {
        let text = std::fs::read_to_string(PERFORMANCE).unwrap();
        for name in ["bench", "load", "cost", "aws"] {
            assert!(replaced(&text, name, "").is_some(), "docs/performance.md lacks the markers of '{name}'");
        }
    }
}
