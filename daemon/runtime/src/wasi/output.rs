//! What a guest prints, line by line.

use crate::Level;

/// What the handle of each stream stands for.
pub(super) const STDOUT: u32 = 1;
pub(super) const STDERR: u32 = 2;

/// The most that is passed on of a line before it ends, in bytes. A line of more than twice as much
/// becomes several; what they divide is never a secret that fits into one.
const MAX_LINE: usize = 4 << 10;

/// The lines that are not yet whole.
#[derive(Default)]
pub(crate) struct Output {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output {
    /// Takes what was written to a stream and passes on each line that is whole now. What goes to
    /// standard output is of level `info`, to standard error `warn`. Before a line is divided, `redact`
    /// takes from it what must not be told.
    pub(crate) fn write(
        &mut self,
        stream: u32,
        bytes: &[u8],
        redact: impl Fn(Vec<u8>) -> Vec<u8>,
        mut keep: impl FnMut(Level, &[u8]),
    ) {
        let (level, rest) = match stream {
            STDERR => (Level::Warn, &mut self.stderr),
            _ => (Level::Info, &mut self.stdout),
        };
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            let mut text = text;
            while rest.len() + text.len() > 2 * MAX_LINE {
                let (now, later) = text.split_at(2 * MAX_LINE - rest.len());
                rest.extend_from_slice(now);
                *rest = redact(std::mem::take(rest));
                // The last of it may begin what ends later.
                let known = rest.len().saturating_sub(MAX_LINE);
                for piece in rest.get(..known).unwrap_or_default().chunks(MAX_LINE) {
                    keep(level, piece);
                }
                rest.drain(..known);
                text = later;
            }
            rest.extend_from_slice(text);
            if ends {
                keep(level, rest);
                rest.clear();
            }
        }
    }

    /// Passes on what is left when the guest has ended.
    pub(crate) fn finish(&mut self, mut keep: impl FnMut(Level, &[u8])) {
        for (level, rest) in [(Level::Info, &mut self.stdout), (Level::Warn, &mut self.stderr)] {
            if !rest.is_empty() {
                keep(level, rest);
                rest.clear();
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;
    use crate::SecretText;
    use crate::secret::Secrets;

    fn lines(writes: &[(u32, &str)]) -> Vec<(Level, String)> {
        let mut output = Output::default();
        let mut lines = Vec::new();
        let mut keep = |level: Level, line: &[u8]| {
            lines.push((level, String::from_utf8_lossy(line).into_owned()));
        };
        for (stream, text) in writes {
            output.write(*stream, text.as_bytes(), |bytes| bytes, &mut keep);
        }
        output.finish(&mut keep);
        lines
    }

    #[test]
    fn lines_are_whole_and_each_stream_has_its_own() {
        let found = lines(&[(STDOUT, "a\n\nb"), (STDERR, "x"), (STDOUT, "c\nd"), (STDERR, "y\n")]);
        let expected = [
            (Level::Info, "a"),
            (Level::Info, ""),
            (Level::Info, "bc"),
            (Level::Warn, "xy"),
            (Level::Info, "d"),
        ];
        assert_eq!(found, expected.map(|(level, text)| (level, text.to_owned())));
    }

    #[test]
    fn an_endless_line_is_kept_in_pieces() {
        let found = lines(&[(STDOUT, &"x".repeat(3 * MAX_LINE)), (STDOUT, "y\n")]);
        let lengths: Vec<usize> = found.iter().map(|(_, text)| text.len()).collect();
        assert_eq!(lengths, [MAX_LINE, MAX_LINE, MAX_LINE + 1]);
    }

    #[test]
    fn a_secret_is_found_wherever_a_line_is_divided() {
        let secret = "s3cret-\u{fc}ber-alles";
        let value = SecretText::new(secret.as_bytes()).unwrap();
        let secrets = Secrets::new([("key".to_owned(), value)].into());
        for before in 2 * MAX_LINE - 2 * secret.len()..2 * MAX_LINE + secret.len() {
            for more in [0, MAX_LINE, 2 * MAX_LINE] {
                let line =
                    "x".repeat(before.saturating_sub(more)) + secret + &"y".repeat(3 * MAX_LINE);
                let mut output = Output::default();
                let mut told = String::new();
                let mut keep = |_: Level, line: &[u8]| {
                    told += &secrets.redact(String::from_utf8_lossy(line).into_owned());
                };
                for write in line.as_bytes().chunks(1000) {
                    output.write(STDOUT, write, |bytes| secrets.redact_bytes(bytes), &mut keep);
                }
                output.finish(&mut keep);
                let expected = line.replace(secret, "[secret]");
                assert_eq!(told.len(), expected.len(), "{before} bytes before it, less {more}");
                assert!(told == expected, "{before} bytes before it, less {more}");
            }
        }
    }
}
