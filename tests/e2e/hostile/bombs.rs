//! Files that are small and become large: when they are compiled, or when they are instantiated.

use std::time::{Duration, Instant};

use super::guest::Guest;
use super::loading::{refuse, refused, text};
use super::pen::{Pen, wanted};

/// A guest with these fields, which compiles if that is possible.
fn guest(fields: &str) -> Vec<u8> {
    Guest { name: "bomb", fields: fields.to_owned(), ..Guest::default() }.build()
}

#[test]
fn parts() {
    let instances = "(core instance (instantiate $m))".repeat(2_000);
    let exports = r#"(instance $none)
        (export "hookyard:plugin/manifest@0.1.0" (instance $none))
        (export "hookyard:plugin/webhook@0.1.0" (instance $none))"#;
    refuse(vec![
        refused(
            "two-thousand-instances",
            text(&format!("(component (core module $m) {instances} {exports})")),
            "does not compile…exceeds limit of 1000",
        ),
        refused(
            "five-hundred-instances",
            text(&format!(
                "(component (core module $m) {} {exports})",
                "(core instance (instantiate $m))".repeat(500)
            )),
            "64 core instances…which is fixed",
        ),
        refused(
            "nested-two-thousand-deep",
            nested(text(&format!("(component {exports})")), 2_000),
            "does not export",
        ),
        refused(
            "five-memories",
            guest("(memory 1) (memory 1) (memory 1) (memory 1)"),
            "memories…which is fixed",
        ),
        refused(
            "two-gigabytes-at-the-start",
            guest("(memory 32768)"),
            "1073741824 bytes that any plugin may have, which is fixed",
        ),
        refused(
            "ten-million-table-elements",
            guest("(table 10000000 funcref)"),
            "table…which is fixed",
        ),
        refused("forty-tables", guest(&"(table 1 funcref)".repeat(40)), "tables…which is fixed"),
    ]);
}

/// `component` with an empty one in one in one … in it.
fn nested(mut component: Vec<u8>, depth: usize) -> Vec<u8> {
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";
    let mut inner = EMPTY.to_vec();
    for _ in 0..depth {
        inner = [EMPTY, &section(&inner)].concat();
    }
    component.extend(section(&inner));
    component
}

/// A component section.
fn section(contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![4];
    let mut left = contents.len();
    while left >= 0x80 {
        bytes.push((left & 0x7f) as u8 | 0x80);
        left >>= 7;
    }
    bytes.push(left as u8);
    bytes.extend(contents);
    bytes
}

#[test]
fn proposals() {
    let array = "(type $a (array (mut i32)))
        (func (drop (array.new_default $a (i32.const 1000000000))))";
    let module = |fields: &str| {
        text(&format!(
            r#"(component (core module {fields})
            (instance $none)
            (export "hookyard:plugin/manifest@0.1.0" (instance $none))
            (export "hookyard:plugin/webhook@0.1.0" (instance $none)))"#
        ))
    };
    refuse(vec![
        refused("with-threads", module("(memory 1 2 shared)"), "threads"),
        refused("with-64-bits", module("(memory i64 1)"), "memory64"),
        refused("with-gc", module(array), "gc"),
        refused("with-exceptions", module("(tag $e)"), "exceptions"),
    ]);
}

/// The address space and the time that a compilation has here, which is less than in the field.
const MEMORY: u64 = 1 << 30;
const TIME: Duration = Duration::from_secs(4);

/// Each is compiled or refused, within the time and memory that a compilation has.
#[test]
fn compilations() {
    let adds = "(local.set $x (i32.add (local.get $x) (i32.const 7)))".repeat(300_000);
    let nested = format!("{}{}", "block ".repeat(50_000), "end ".repeat(50_000));
    let locals = "(local i64 i64 i64 i64 i64 i64 i64 i64)".repeat(6_000);
    let branches =
        "(if (local.get $x) (then (local.set $x (i32.mul (local.get $x) (local.get $y))))
        (else (local.set $y (i32.add (local.get $x) (local.get $y)))))"
            .repeat(60_000);
    let bombs: Vec<(&'static str, String)> = vec![
        ("huge-function", format!("(func (param $x i32) {adds})")),
        ("huge-function-of-branches", format!("(func (param $x i32) (param $y i32) {branches})")),
        ("deep-nesting", format!("(func {nested})")),
        ("fifty-thousand-locals", format!("(func {locals})")),
        (
            "thirty-thousand-functions",
            "(func (param i32) (result i32) (local.get 0))".repeat(30_000),
        ),
        ("many-types", many_types(60_000)),
        (
            "forty-megabytes-of-data",
            format!("(memory 1000) (data (memory 1) (i32.const 0) \"{}\")", "x".repeat(40 << 20)),
        ),
    ];
    let bombs: Vec<_> = bombs.into_iter().filter(|(name, _)| wanted(name)).collect();
    if bombs.is_empty() {
        return;
    }
    let mut pen = Pen::new(|_, config| {
        config
            .set("runtime", &format!("compile_timeout = \"{}s\"", TIME.as_secs()))
            .set("runtime", &format!("compile_memory = {MEMORY}"))
    });
    for (name, fields) in bombs {
        let bytes = Guest { name, fields, ..Guest::default() }.build();
        // The file is read, and its code mapped.
        let growth = (64 << 20) + 4 * bytes.len() as u64;
        let seen = pen.measured(name, growth, |pen| {
            let begun = Instant::now();
            let seen = pen.refusal(&format!("{name}.wasm"), |path| {
                let beside = pen.yard.path("beside.tmp");
                std::fs::write(&beside, &bytes).expect("write a file");
                std::fs::rename(beside, path).expect("move a file");
            })?;
            let took = begun.elapsed();
            let known =
                ["plugin serves", "`compile_timeout`", "`compile_memory`", "does not compile"];
            if !known.iter().any(|known| seen.contains(known)) {
                return Err(seen);
            }
            if took > TIME + Duration::from_secs(5) {
                return Err(format!("it took {took:?}: {seen}"));
            }
            Ok(format!("{} bytes: {seen}", bytes.len()))
        });
        if let Err(why) = seen {
            pen.fail(format!("{name}: {why}"));
        }
    }
    pen.end();
}

fn many_types(count: u32) -> String {
    // No two alike: the number in binary, as parameters of two types.
    (0..count)
        .map(|number| {
            let parameters: String =
                (0..17).map(|bit| if number >> bit & 1 == 1 { " i32" } else { " i64" }).collect();
            format!("(type (func (param{parameters})))")
        })
        .collect()
}

/// A compilation that may use little is refused, naming the setting.
#[test]
fn a_compilation_past_its_limits_names_the_setting() {
    let adds = "(local.set $x (i32.add (local.get $x) (i32.const 7)))".repeat(300_000);
    let functions = format!("(func (param $x i32) {adds})").repeat(4);
    for (name, setting, says) in [
        (
            "compiling-too-long",
            r#"compile_timeout = "1s""#,
            "`compile_timeout` of 1s…raise it under `[runtime]`",
        ),
        (
            "compiling-too-large",
            r#"compile_memory = "256MiB""#,
            "`compile_memory` of 268435456 bytes: raise it under `[runtime]`",
        ),
    ] {
        if !wanted(name) {
            continue;
        }
        let mut pen = Pen::new(|_, config| config.set("runtime", setting));
        let bytes = guest(&functions);
        let seen = pen.measured(name, 128 << 20, |pen| {
            let seen =
                pen.refusal("bomb.wasm", |path| std::fs::write(path, &bytes).expect("write"))?;
            match says.split('…').find(|part| !seen.contains(part)) {
                Some(part) => Err(format!("`{part}` is missing in {seen}")),
                None => Ok(seen),
            }
        });
        if let Err(why) = seen {
            pen.fail(format!("{name}: {why}"));
        }
        pen.end();
    }
}
