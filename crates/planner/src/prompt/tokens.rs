/// How many tokens a text is taken to have: one for 4 ASCII characters, one for each other character, rounded up.
///
/// An estimate: every model splits texts in its own way. Four characters a token is what makers of models give for
/// English (<https://help.openai.com/en/articles/4936856>); scripts beyond ASCII come at about a token a character. Lists
/// of ids and numbers have more tokens than this, so leave some room.
pub fn estimate_tokens(text: &str) -> usize {
    quarters(text).div_ceil(4)
}

/// The same in quarters of a token, which add up exactly.
pub(super) fn quarters(text: &str) -> usize {
    text.chars().map(|character| if character.is_ascii() { 1 } else { 4 }).sum()
}

#[cfg(test)]
mod tests {
    use super::estimate_tokens;

    #[test]
    fn four_ascii_characters_or_one_other_are_a_token() {
        for (text, tokens) in
            [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("ü", 1), ("名前", 2), ("abcü", 2)]
        {
            assert_eq!(estimate_tokens(text), tokens, "{text}");
        }
    }
}
