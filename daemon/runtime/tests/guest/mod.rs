//! Plugins written in WebAssembly text, so that they can do what no SDK would let them.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a panic here is the failure that a test reports")]

use wit_component::StringEncoding;
use wit_parser::Resolve;

/// Where the fixed data begins; below it is room for the guest.
const DATA: u32 = 4096;
/// Where `cabi_realloc` begins to hand out memory.
const HEAP: u32 = 65536;

/// A plugin to be.
#[derive(Clone)]
pub struct Guest {
    pub name: &'static str,
    pub version: &'static str,
    pub handlers: Vec<&'static str>,
    /// What the manifest says of the handlers.
    pub trigger: &'static str,
    pub required: Vec<&'static str>,
    /// What `handle` does: instructions that leave a pointer to an outcome. `$event` points at the
    /// parameters.
    pub handle: String,
    /// What `describe` does, if it is not to tell the truth.
    pub describe: Option<String>,
    /// What `cabi_realloc` does, if it is not to hand out memory: `$old`, `$size`, `$align` and
    /// `$new` are its parameters.
    pub realloc: Option<String>,
    /// Imports, as module fields.
    pub imports: String,
    /// Other module fields.
    pub fields: String,
    /// The world's lines after its name.
    pub world: &'static str,
    /// Pages of memory at the start.
    pub pages: u32,
    pub outcome: Outcome,
}

/// The outcome at the address that `OUTCOME` in `handle` stands for.
#[derive(Clone)]
pub enum Outcome {
    Done,
    Reply {
        status: u16,
        headers: Vec<(&'static str, &'static str)>,
        body: (u32, u32),
    },
    Ignored(&'static str),
    Retry {
        after_ms: u64,
        message: &'static str,
    },
    Reject(&'static str),
    /// These bytes.
    Raw(Vec<u8>),
}

const REALLOC: &str = "(local $at i32)
    (local.set $at (i32.and
        (i32.add (global.get $heap) (i32.sub (local.get $align) (i32.const 1)))
        (i32.sub (i32.const 0) (local.get $align))))
    (global.set $heap (i32.add (local.get $at) (local.get $new)))
    (local.get $at)";

pub const LOG: &str = r#"(import "hookyard:plugin/log@0.1.0" "write"
    (func $log (param i32 i32 i32 i32 i32)))"#;
pub const RANDOM: &str = r#"(import "hookyard:plugin/random@0.1.0" "bytes"
    (func $random (param i32 i32)))"#;
pub const SETTINGS: &str = r#"(import "hookyard:plugin/settings@0.1.0" "get"
    (func $setting (param i32 i32 i32)))"#;

pub const KV_SET: &str = r#"(import "hookyard:plugin/kv@0.1.0" "set"
    (func $set (param i32 i32 i32 i32 i32 i32 i32 i32 i64)))"#;

/// As much of WASI as guests here import.
const WASI: [&str; 4] = [
    "package wasi:io@0.2.0;
    interface error { resource error; }
    interface poll {
        resource pollable;
        poll: func(in: list<borrow<pollable>>) -> list<u32>;
    }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream {
            blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
            write-zeroes: func(len: u64) -> result<_, stream-error>;
        }
    }",
    "package wasi:clocks@0.2.0;
    interface monotonic-clock {
        use wasi:io/poll@0.2.0.{pollable};
        subscribe-duration: func(when: u64) -> pollable;
    }",
    "package wasi:random@0.2.0;
    interface random { get-random-bytes: func(len: u64) -> list<u8>; }",
    "package wasi:cli@0.2.0;
    interface stdout {
        use wasi:io/streams@0.2.0.{output-stream};
        get-stdout: func() -> output-stream;
    }
    interface exit { exit: func(status: result); }",
];

impl Default for Guest {
    fn default() -> Self {
        Self {
            name: "guest",
            version: "1.0.0",
            handlers: vec!["run"],
            trigger: "webhook",
            required: vec![],
            handle: "i32.const OUTCOME".into(),
            describe: None,
            realloc: None,
            imports: String::new(),
            fields: String::new(),
            world: "include hookyard:plugin/imports@0.1.0;
                include hookyard:plugin/exports-manifest@0.1.0;
                include hookyard:plugin/exports-webhook@0.1.0;",
            pages: 2,
            outcome: Outcome::Done,
        }
    }
}

impl Guest {
    pub fn doing(handle: &str) -> Self {
        Self { handle: handle.into(), ..Self::default() }
    }

    /// A core module that carries its component type, as cargo makes it.
    pub fn build(&self) -> Vec<u8> {
        let mut module = self.module();
        let mut resolve = Resolve::default();
        // The end-to-end tests use this file too, from another folder.
        let roots = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let wit = roots.map(|root| root.join("plugin-sdk/wit")).find(|wit| wit.is_dir());
        resolve.push_dir(wit.expect("the workspace")).expect("the interfaces");
        for package in WASI {
            resolve.push_str("wasi.wit", package).expect("the packages of WASI");
        }
        let world = format!("package test:guest; world guest {{ {} }}", self.world);
        let package = resolve.push_str("guest.wit", &world).expect("the world");
        let world = resolve.select_world(&[package], None).expect("one world");
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .expect("metadata");
        module
    }

    /// The core module alone.
    pub fn module(&self) -> Vec<u8> {
        let mut image = Image { bytes: Vec::new() };
        let manifest = self.manifest(&mut image);
        let outcome = self.outcome.write(&mut image);
        let data: String = image.bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let describe = self.describe.clone().unwrap_or(format!("i32.const {manifest}"));
        let handle = self.handle.replace("OUTCOME", &outcome.to_string());
        let webhook = if self.world.contains("webhook") {
            format!(
                r#"(func $handle (export "hookyard:plugin/webhook@0.1.0#handle")
                    (param $event i32) (result i32) {handle})"#
            )
        } else {
            String::new()
        };
        let realloc = self.realloc.as_deref().unwrap_or(REALLOC);
        let wat = format!(
            r#"(module
            {imports}
            (memory (export "memory") {pages})
            (global $heap (mut i32) (i32.const {HEAP}))
            (func (export "cabi_realloc")
                (param $old i32) (param $size i32) (param $align i32) (param $new i32)
                (result i32)
                {realloc})
            (func $describe (export "hookyard:plugin/manifest@0.1.0#describe") (result i32)
                {describe})
            {webhook}
            {fields}
            (data (i32.const {DATA}) "{data}"))"#,
            imports = self.imports,
            pages = self.pages,
            fields = self.fields,
        );
        wat::parse_str(&wat).unwrap_or_else(|error| panic!("{error}\n{wat}"))
    }

    fn manifest(&self, image: &mut Image) -> u32 {
        let mut handlers = Vec::new();
        for name in &self.handlers {
            handlers.extend(image.text(name));
            handlers.extend(image.text(self.trigger));
            handlers.extend([0, 0]);
            handlers.extend(image.text("Does as it is told."));
        }
        let handlers = (image.words(&handlers), self.handlers.len());
        let mut settings = Vec::new();
        for name in &self.required {
            settings.extend(image.text(name));
            settings.push(1);
        }
        let settings = (image.words(&settings), self.required.len());
        let [name, version] = [image.text(self.name), image.text(self.version)];
        let words = [
            name[0],
            name[1],
            version[0],
            version[1],
            handlers.0,
            handlers.1 as u32,
            settings.0,
            settings.1 as u32,
            0,
            0,
            0,
            0,
        ];
        image.words(&words)
    }
}

impl Outcome {
    fn write(&self, image: &mut Image) -> u32 {
        let text = |image: &mut Image, tag: u32, text: &str| {
            let [at, length] = image.text(text);
            image.words(&[tag, 0, at, length, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        };
        match self {
            Self::Done => image.words(&[0; 14]),
            Self::Reply { status, headers, body } => {
                let mut lines = Vec::new();
                for (name, value) in headers {
                    lines.extend(image.text(name));
                    lines.extend(image.text(value));
                }
                let lines = image.words(&lines);
                let count = headers.len() as u32;
                image.words(&[
                    0,
                    0,
                    1,
                    u32::from(*status),
                    lines,
                    count,
                    body.0,
                    body.1,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                ])
            }
            Self::Ignored(reason) => text(image, 1, reason),
            Self::Retry { after_ms, message } => {
                let [at, length] = image.text(message);
                let (low, high) = (*after_ms as u32, (*after_ms >> 32) as u32);
                image.words(&[2, 0, 1, 0, low, high, at, length, 0, 0, 0, 0, 0, 0])
            }
            Self::Reject(reason) => text(image, 3, reason),
            Self::Raw(bytes) => image.place(bytes),
        }
    }
}

/// What is in memory from `DATA` on.
struct Image {
    bytes: Vec<u8>,
}

impl Image {
    fn place(&mut self, bytes: &[u8]) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(8), 0);
        let at = DATA + self.bytes.len() as u32;
        self.bytes.extend(bytes);
        at
    }

    fn text(&mut self, text: &str) -> [u32; 2] {
        [self.place(text.as_bytes()), text.len() as u32]
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.place(&bytes)
    }
}
