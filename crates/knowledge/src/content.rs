use crate::{Error, Result};

/// One text, one form: line ends are `\n`, and neither white space nor byte-order marks stand around it. Everything
/// else stays, so texts that people see as the same have the same hash, and code keeps its lines and Unicode form.
pub(crate) fn normalise(text: &str) -> String {
    let around = |character: char| character.is_whitespace() || character == '\u{feff}';
    text.trim_matches(around).replace("\r\n", "\n").replace('\r', "\n")
}

/// Checks a normalised text against what can be stored and embedded.
pub(crate) fn validate(what: &'static str, text: &str, max_bytes: usize) -> Result<()> {
    if text.trim().is_empty() {
        return Err(Error::bad_input(what, "it is empty or white space only"));
    }
    if let Some(position) = text.find('\0') {
        return Err(Error::bad_input(
            what,
            format!("it holds a NUL byte at position {position}, which PostgreSQL cannot store"),
        ));
    }
    if text.len() > max_bytes {
        return Err(Error::bad_input(
            what,
            format!(
                "it has {} bytes, and at most {max_bytes} are taken; split it, or raise max_content_bytes",
                text.len()
            ),
        ));
    }
    Ok(())
}

/// Tokens that a language model would need, roughly: four bytes each, the usual rule of thumb for English.
pub(crate) fn estimate_tokens(text: &str) -> i32 {
    i32::try_from(text.len().div_ceil(4)).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ContentHash;

    #[test]
    fn line_ends_and_outer_white_space_do_not_make_another_text() {
        let hash = |text| ContentHash::of(&normalise(text));
        assert_eq!(hash("a\nb"), hash("\u{feff}  a\r\nb \n\n"));
        assert_ne!(hash("a\nb"), hash("a\n b"));
        assert_ne!(hash("a"), hash("A"));
    }

    #[test]
    fn the_hash_is_the_sha256_of_the_text() {
        assert_eq!(
            ContentHash::of("abc").as_str(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing_more(text in "\\PC*|[ \\r\\n\\ta-b\u{feff}]*") {
            let once = normalise(&text);
            prop_assert_eq!(normalise(&once), once);
        }

        #[test]
        fn validation_never_panics(text in any::<String>(), max in 0usize..64) {
            let accepted = validate("the text", &text, max).is_ok();
            prop_assert_eq!(accepted, !text.trim().is_empty() && !text.contains('\0') && text.len() <= max);
        }
    }
}
