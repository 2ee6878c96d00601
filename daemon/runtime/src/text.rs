//! Text of plugins' making, cut to a length and stripped of what would disturb a terminal or a log.

/// The first `max` bytes of `text` (at a character's boundary), with `…` where something was cut.
pub(crate) fn clip(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut cut = text.get(..text.floor_char_boundary(max)).unwrap_or_default().to_owned();
    cut.push('…');
    cut
}

/// `text` on one line, without control characters, cut to `max` bytes.
pub(crate) fn line(text: &str, max: usize) -> String {
    let plain: String =
        clip(text.trim(), max).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_between_characters() {
        assert_eq!(clip("äöü", 3), "ä…");
        assert_eq!(clip("abc", 3), "abc");
    }

    #[test]
    fn a_line_has_no_control_characters() {
        assert_eq!(line("a\nb\x1b[31m\n", 99), "a b [31m");
    }
}
