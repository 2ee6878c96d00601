//! Answers and arguments that are none: pointers, lengths and cases that do not exist, header lines
//! that would be somebody else's, and calls at moments when none may be made.

use super::guest::{Guest, LOG, Outcome as Answer};
use super::pen::{Case, Pen};

/// An outcome of these words, and bytes after it that are no text.
fn raw(words: &[u32]) -> Guest {
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.resize(56, 0);
    bytes.extend([0xff; 64]);
    Guest { outcome: Answer::Raw(bytes), ..Guest::default() }
}

/// A reply with the words of its header list and of its body.
fn raw_reply(headers: [u32; 2], body: [u32; 2]) -> Guest {
    raw(&[0, 0, 1, 200, headers[0], headers[1], body[0], body[1]])
}

fn at(pointer: i64) -> Guest {
    Guest::doing(&format!("i32.const {pointer}"))
}

fn header(status: u16, lines: &[(&'static str, &'static str)]) -> Guest {
    let outcome = Answer::Reply { status, headers: lines.to_vec(), body: (0, 0) };
    Guest { outcome, ..Guest::default() }
}

fn logging(arguments: &str) -> Guest {
    Guest {
        imports: LOG.into(),
        fields: r#"(data (i32.const 64) "\ff\fe\80 not text")"#.into(),
        handle: format!("(call $log {arguments}) i32.const OUTCOME"),
        ..Guest::default()
    }
}

fn realloc(body: &str) -> Guest {
    Guest { realloc: Some(body.into()), ..Guest::default() }
}

fn trap(name: &'static str, guest: Guest, says: &'static str) -> Case {
    Case::new(name, guest, &[], "trap", says)
}

#[test]
fn pointers_and_lengths() {
    Pen::run(vec![
        trap("text-outside", raw(&[1, 0, u32::MAX - 8, 64]), "out of bounds"),
        trap("text-past-the-end", raw(&[3, 0, 64, u32::MAX]), "out of bounds"),
        trap("text-that-is-none", raw(&[3, 0, 4096, 400]), "utf-8"),
        trap("outcome-outside", at(-4), "not aligned"),
        trap("outcome-past-the-end", at(131_072), "out of bounds"),
        trap("outcome-not-aligned", at(4_097), "not aligned"),
        trap("headers-outside", raw_reply([0xffff_0000, 4], [0, 0]), "out of bounds"),
        trap("headers-not-aligned", raw_reply([65, 1], [0, 0]), "not aligned"),
        trap("headers-past-counting", raw_reply([64, u32::MAX], [0, 0]), "out of bounds"),
        trap("body-outside", raw_reply([0, 0], [131_000, 200]), "out of bounds"),
        trap("log-outside", logging(&call(1, -8, 64, 0, 0)), "out of bounds"),
        trap("log-that-is-no-text", logging(&call(1, 64, 8, 0, 0)), "utf-8"),
        trap("log-of-fields-outside", logging(&call(1, 0, 0, -64, 1000)), "out of bounds"),
        trap("log-of-fields-past-counting", logging(&call(1, 0, 0, 0, -1)), "out of bounds"),
    ]);
}

/// The arguments of `log.write`.
fn call(level: i64, at: i64, length: i64, fields: i64, count: i64) -> String {
    [level, at, length, fields, count].map(|word| format!("(i32.const {word})")).join(" ")
}

#[test]
fn cases_that_do_not_exist() {
    Pen::run(vec![
        trap("outcome-77", raw(&[77]), "discriminant"),
        trap("option-7", raw(&[0, 0, 7]), "discriminant"),
        trap("level-99", logging(&call(99, 0, 0, 0, 0)), "discriminant"),
        trap("handler-that-is-not-there", Guest::doing("unreachable"), "unreachable"),
    ]);
}

#[test]
fn memory_for_the_host() {
    let post = r#"(func (export "cabi_post_hookyard:plugin/webhook@0.1.0#handle") (param i32)
        (call $log (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))"#;
    let calls = "(call $log (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
        (i32.const 65536)";
    let grows = "(drop (memory.grow (i32.const 65000))) (unreachable)";
    Pen::run(vec![
        trap("realloc-outside", realloc("(i32.const -64)"), "realloc return: beyond end of memory"),
        trap(
            "realloc-at-the-end",
            realloc("(i32.const 131064)"),
            "realloc return: beyond end of memory",
        ),
        trap("realloc-not-aligned", realloc("(i32.const 65537)"), "not aligned"),
        // All that it is given, over each other; it looks at none of it.
        Case::new("realloc-the-same-again", realloc("(i32.const 65536)"), &[], "done", ""),
        Case::new(
            "realloc-too-much",
            realloc(grows),
            &[],
            "limit",
            "`memory` of 67108864…raise `memory`",
        ),
        trap(
            "realloc-calls-the-host",
            Guest { imports: LOG.into(), ..realloc(calls) },
            "cannot leave component instance",
        ),
        trap(
            "post-return-calls-the-host",
            Guest { imports: LOG.into(), fields: post.into(), ..Guest::default() },
            "cannot leave component instance",
        ),
    ]);
}

#[test]
fn header_lines() {
    let many: Vec<(&str, &str)> = vec![("x-many", "1"); 300];
    Pen::run(vec![
        trap("header-value-with-a-line", header(200, &[("x", "a\r\nset-cookie: b")]), "`x` header"),
        trap("header-value-with-lf", header(200, &[("x", "a\nb")]), "line breaks"),
        trap("header-value-with-nul", header(200, &[("x", "a\0b")]), "control characters"),
        trap("header-name-with-a-line", header(200, &[("x\r\ny", "a")]), "not a header name"),
        trap("header-name-with-a-colon", header(200, &[(":status", "200")]), "not a header name"),
        trap("header-name-empty", header(200, &[("", "a")]), "not a header name"),
        trap(
            "header-of-the-framing",
            header(200, &[("Transfer-Encoding", "chunked")]),
            "`transfer-encoding`, which belongs to the connection…leave it out",
        ),
        trap(
            "header-twice",
            header(200, &[("content-length", "0"), ("content-length", "9")]),
            "`content-length`, which belongs to the connection…leave it out",
        ),
        trap("header-of-the-hop", header(200, &[("connection", "x")]), "`connection`, which…leave"),
        trap(
            "headers-many",
            header(200, &many),
            "300 header lines: 256 is the most, which is fixed",
        ),
        trap("status-101", header(101, &[]), "the status 101: a final status is 200 to 599"),
        trap("status-999", header(999, &[]), "the status 999"),
    ]);
}
