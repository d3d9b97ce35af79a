//! JSON without the white space between its tokens, otherwise as it was sent.

/// Nesting allowed in a template. Readers of our answers commonly stop at 128 levels, and the answer adds a few.
const NESTING_LIMIT: usize = 100;

/// Removes the white space between the tokens of well-formed JSON. Numbers and strings stay as they were written.
///
/// # Errors
/// A sentence for the caller when it is nested too deep.
pub(crate) fn compact(json: &str) -> Result<String, &'static str> {
    let mut compact = String::with_capacity(json.len());
    let (mut in_string, mut escaped, mut depth) = (false, false, 0_usize);
    for character in json.chars() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = character == '\\' && !escaped;
        } else {
            match character {
                ' ' | '\n' | '\r' | '\t' => continue,
                '"' => in_string = true,
                '{' | '[' => depth += 1,
                '}' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > NESTING_LIMIT {
                return Err("must be nested at most 100 levels deep");
            }
        }
        compact.push(character);
    }
    Ok(compact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_between_tokens_goes() {
        let json = "{ \"a b\" : [ 1e999 ,\t123456789012345678901234567890 ] ,\r\n\"q\\\" \\\\\" : \" { \" }";
        let expected = "{\"a b\":[1e999,123456789012345678901234567890],\"q\\\" \\\\\":\" { \"}";
        assert_eq!(compact(json).unwrap(), expected);
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
        assert!(compact(&nested(100)).is_ok());
        assert!(compact(&nested(101)).is_err());
        assert!(compact(&format!("[{}]", ["[]"; 500].join(","))).is_ok());
    }
}
