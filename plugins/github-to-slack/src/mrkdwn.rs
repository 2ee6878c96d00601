//! Text as Slack reads it: https://docs.slack.dev/messaging/formatting-message-text

/// A text of strangers on one line, cut, and with nothing in it that Slack takes for a link or a mention.
pub(crate) fn plain(text: &str, longest: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut chars = line.chars().filter(|c| !c.is_control());
    let mut cut: String = chars.by_ref().take(longest).collect();
    if chars.next().is_some() {
        cut.push('…');
    }
    escape(&cut)
}

/// The same between backticks.
pub(crate) fn code(text: &str, longest: usize) -> String {
    format!("`{}`", plain(&text.replace('`', "'"), longest))
}

/// A link with a label that is mrkdwn already. Without an address that Slack can take, the label.
pub(crate) fn link(url: &str, label: &str) -> String {
    let sound = (url.starts_with("https://") || url.starts_with("http://"))
        && url.len() <= 1000
        && url.chars().all(|c| c.is_ascii_graphic() && !"<>|".contains(c));
    // A `|` in the label is the label's own: only the first one divides.
    if sound { format!("<{}|{label}>", escape(url)) } else { label.to_owned() }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_strangers_write_is_text() {
        for (text, expected) in [
            ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
            ("<!channel> now", "&lt;!channel&gt; now"),
            ("<https://evil.test|good.test>", "&lt;https://evil.test|good.test&gt;"),
            ("two\nlines\t\u{1b}[31m", "two lines [31m"),
            ("ten letters and more", "ten letter…"),
            ("ten letter", "ten letter"),
        ] {
            let longest = if text.starts_with("ten") { 10 } else { 100 };
            assert_eq!(plain(text, longest), expected);
        }
        assert_eq!(code("it`s", 10), "`it's`");
    }

    #[test]
    fn only_addresses_are_links() {
        assert_eq!(link("https://a.test/?a=1&b=2", "a"), "<https://a.test/?a=1&amp;b=2|a>");
        for url in ["javascript:x", "https://a.test/>x", "https://a.test/|x", "https://a.test/ x"] {
            assert_eq!(link(url, "label"), "label", "{url}");
        }
        assert_eq!(link(&format!("https://{}", "a".repeat(1000)), "label"), "label");
    }
}
