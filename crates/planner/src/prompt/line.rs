/// The beginning of what somebody wrote, in one line of at most `width` characters. Neither line ends nor control
/// characters nor invisible ones come through, so that it stays in its place of the layout.
pub(super) fn line(text: &str, width: usize) -> String {
    let visible: String =
        text.chars().filter(|character| character.is_whitespace() || !is_invisible(*character)).collect();
    let line = visible.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= width {
        return line;
    }
    let cut: String = line.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// Control characters, and what changes the direction of text, has no width, or speaks to models alone (tags).
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_text_becomes_one_line() {
        assert_eq!(line(" a\r\n\n## b\tc\u{2028}d \n", 80), "a ## b c d");
    }

    #[test]
    fn what_nobody_sees_is_left_out() {
        assert_eq!(line("a\u{1b}[31mb\u{202e}c\u{200b}d\u{e0041}\0", 80), "a[31mbcd");
    }

    #[test]
    fn a_long_text_is_cut_where_it_shows() {
        assert_eq!(line("abcdef", 6), "abcdef");
        assert_eq!(line("abcdefg", 6), "abcde…");
        assert_eq!(line("abcde fg", 6), "abcde…");
        assert_eq!(line("größe ", 5), "größe");
        assert_eq!(line("x", 0), "…");
    }
}
