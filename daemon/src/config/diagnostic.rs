//! What is wrong with a configuration, shown in its place: file, line, caret, and what to write
//! instead.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// Bytes of the file, from and to.
pub(super) type Span = Range<usize>;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It works, and a person should know.
    Warning,
}

/// One thing to say about a configuration file. `Display` shows it with its line and a caret.
#[derive(Clone)]
pub(crate) struct Diagnostic {
    source: Arc<Source>,
    draft: Draft,
}

/// The file as it may be shown: what looks like a secret is starred out.
struct Source {
    file: PathBuf,
    text: String,
}

/// A diagnostic whose file is not attached yet.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) severity: Severity,
    pub(super) span: Span,
    message: String,
    label: Option<String>,
    also: Vec<(Span, String)>,
    help: Vec<String>,
}

impl Draft {
    pub(super) fn new(severity: Severity, span: Span, message: String) -> Self {
        Self { severity, span, message, label: None, also: Vec::new(), help: Vec::new() }
    }

    /// What stands at the caret.
    pub(super) fn label(&mut self, text: impl Into<String>) -> &mut Self {
        self.label = Some(text.into());
        self
    }

    /// Another place that has to do with it.
    pub(super) fn also(&mut self, span: Span, text: impl Into<String>) -> &mut Self {
        self.also.push((span, text.into()));
        self
    }

    /// What to do.
    pub(super) fn help(&mut self, text: impl Into<String>) -> &mut Self {
        self.help.push(text.into());
        self
    }
}

impl Diagnostic {
    pub(crate) fn severity(&self) -> Severity {
        self.draft.severity
    }

    /// One sentence, without the place.
    pub(crate) fn message(&self) -> &str {
        &self.draft.message
    }

    /// What to do about it, a sentence each.
    pub(crate) fn help(&self) -> &[String] {
        &self.draft.help
    }

    /// 1-based.
    pub(crate) fn line(&self) -> usize {
        line_of(&self.source.text, self.draft.span.start)
    }

    /// 1-based, in characters.
    pub(crate) fn column(&self) -> usize {
        let before = self.source.text.get(..self.draft.span.start).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default().chars().count() + 1
    }

    /// As `Display`, with terminal colours when `colour`.
    pub(crate) fn render(&self, colour: bool) -> String {
        let Draft { severity, span, message, label, also, help } = &self.draft;
        let level = match severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let file = self.source.file.display().to_string();
        let snippet = Snippet::source(self.source.text.as_str())
            .path(file)
            .annotation(AnnotationKind::Primary.span(span.clone()).label(label.as_deref()))
            .annotations(also.iter().map(|(span, text)| {
                AnnotationKind::Context.span(span.clone()).label(Some(text.as_str()))
            }));
        let report = [level
            .primary_title(message.as_str())
            .element(snippet)
            .elements(help.iter().map(|text| Level::HELP.message(text.as_str())))];
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&report)
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// Without the file's text.
impl fmt::Debug for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line(), self.column(), self.message())
    }
}

/// Attaches the file to `drafts`, in the order of the file. `secrets` are starred out of what is
/// shown; so no error message prints a secret that somebody wrote into the file.
pub(super) fn attach(
    file: &Path,
    text: &str,
    secrets: &[Span],
    mut drafts: Vec<Draft>,
) -> Vec<Diagnostic> {
    let source = Arc::new(Source { file: file.to_owned(), text: starred(text, secrets) });
    drafts.sort_by_key(|draft| draft.span.start);
    drafts
        .into_iter()
        .map(|mut draft| {
            draft.span = within(&source.text, draft.span);
            for (span, _) in &mut draft.also {
                *span = within(&source.text, span.clone());
            }
            Diagnostic { source: Arc::clone(&source), draft }
        })
        .collect()
}

/// The 1-based line of a byte.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// The text with every byte of `secrets`, line ends excepted, replaced by `*`: no place moves.
fn starred(text: &str, secrets: &[Span]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for span in secrets {
        for byte in bytes.get_mut(within(text, span.clone())).unwrap_or_default() {
            if !matches!(*byte, b'\n' | b'\r') {
                *byte = b'*';
            }
        }
    }
    // Whole characters were replaced by as many ASCII stars as they had bytes.
    String::from_utf8(bytes).unwrap_or_default()
}

/// The span, moved to lie inside the text and on character boundaries.
fn within(text: &str, span: Span) -> Span {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.min(text.len())).max(start);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_starred_out_keeps_its_length_and_lines() {
        let secrets = std::slice::from_ref(&(4..13));
        assert_eq!(starred("a = \"sé\ncret\"", secrets), "a = ****\n****\"");
    }

    #[test]
    fn a_place_outside_the_text_is_moved_inside() {
        let drafts = vec![Draft::new(Severity::Error, 90..99, "late".to_owned())];
        let shown = attach(Path::new("x.toml"), "é\n", &[], drafts);
        assert_eq!((shown[0].line(), shown[0].column()), (2, 1));
        assert!(shown[0].to_string().contains("error: late"));
    }
}
