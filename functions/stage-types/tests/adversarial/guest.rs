//! Components written by hand: the smallest stage type, with one thing wrong.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, UnresolvedPackageGroup};

/// Where a guest builds its answer.
const ANSWER: &str = "(i32.const 256)";
/// Ends a step well, with empty outputs.
pub(crate) const SUCCEED: &str = "(i32.store8 (i32.const 264) (i32.const 3)) (i32.const 256)";
/// The smallest manifest.
pub(crate) const MANIFEST: &str = r#"{"manifest":1,"type":"control","version":"0.1.0","title":{"en":"Control"},"contract":"waybill:stage@0.1.0","checkpointSchemas":[1],"params":{"type":"object"}}"#;

/// WASI, as far as these guests use it.
const WASI: &str = r#"
package test:guest;
package wasi:io@0.2.6 {
  interface poll { resource pollable { block: func(); } }
  interface error { resource error; }
  interface streams {
    use error.{error};
    variant stream-error { last-operation-failed(error), closed }
    resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
  }
}
package wasi:clocks@0.2.6 {
  interface monotonic-clock {
    use wasi:io/poll@0.2.6.{pollable};
    subscribe-duration: func(when: u64) -> pollable;
  }
  interface wall-clock {
    record datetime { seconds: u64, nanoseconds: u32 }
    now: func() -> datetime;
  }
}
package wasi:cli@0.2.6 {
  interface exit { exit: func(status: result); }
  interface stdout {
    use wasi:io/streams@0.2.6.{output-stream};
    get-stdout: func() -> output-stream;
  }
}
world guest {
  include waybill:stage/stage@0.1.0;
  import wasi:cli/exit@0.2.6;
  import wasi:cli/stdout@0.2.6;
  import wasi:clocks/monotonic-clock@0.2.6;
  import wasi:clocks/wall-clock@0.2.6;
}
"#;

/// Besides, what a guest that plans exports.
const PLANNING: &str = "
world planning-guest { include guest; export waybill:stage/planning@0.1.0; }
";

/// A guest: what differs from the smallest one.
#[derive(Clone)]
pub(crate) struct Guest {
    /// Imports of the core module.
    pub(crate) imports: &'static str,
    /// Its memory.
    pub(crate) memory: &'static str,
    /// More functions, globals, tables, data.
    pub(crate) more: String,
    /// Body of `describe`, before its answer.
    pub(crate) describe: &'static str,
    /// Body of `validate`, before its answer.
    pub(crate) validate: &'static str,
    /// Body of `step`; the input is `$in`, the answer's address is left on the stack.
    pub(crate) step: String,
    /// Bodies of `planning`: before, after and on failure, as that of `step`; none when it does not export it.
    pub(crate) planning: Option<[String; 3]>,
    /// What it says of itself.
    pub(crate) manifest: String,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            imports: "",
            memory: "2",
            more: String::new(),
            describe: "",
            validate: "",
            step: SUCCEED.to_owned(),
            planning: None,
            manifest: MANIFEST.to_owned(),
        }
    }
}

impl Guest {
    /// The smallest guest with this step.
    pub(crate) fn step(step: impl Into<String>) -> Self {
        Self { step: step.into(), ..Self::default() }
    }

    /// The smallest guest that plans with this, whichever part it is asked for.
    pub(crate) fn planning(body: impl Into<String>) -> Self {
        let body = body.into();
        Self { planning: Some([body.clone(), body.clone(), body]), ..Self::default() }
    }

    /// As a component.
    pub(crate) fn component(&self) -> Vec<u8> {
        let mut core = wat::parse_str(self.text()).unwrap();
        let (resolve, world) = world(if self.planning.is_some() { "planning-guest" } else { "guest" });
        embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().validate(true).module(&core).unwrap().encode().unwrap()
    }

    fn text(&self) -> String {
        let Self { imports, memory, more, describe, validate, step, planning, manifest } = self;
        let part = |(name, body): (&str, &String)| {
            format!("(func (export \"waybill:stage/planning@0.1.0#{name}\") (param $in i32) (result i32) {body})")
        };
        let parts = |bodies: &[String; 3]| ["before", "after", "on-failure"].into_iter().zip(bodies).map(part).collect::<String>();
        let planning = planning.as_ref().map(parts).unwrap_or_default();
        let (data, length) = (manifest.replace('\\', "\\\\").replace('"', "\\\""), manifest.len());
        format!(
            r#"(module
              {imports}
              (memory (export "memory") {memory})
              (global $free (mut i32) (i32.const 65536))
              (data (i32.const 1024) "{data}")
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $free) (i32.const 15)) (i32.const -16)))
                (global.set $free (i32.add (local.get $at) (local.get 3)))
                (block $fits
                  (br_if $fits (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
                  (drop (memory.grow (i32.const 16))))
                (local.get $at))
              (func (export "waybill:stage/lifecycle@0.1.0#describe") (result i32)
                {describe}
                (i32.store (i32.const 256) (i32.const 1024))
                (i32.store (i32.const 260) (i32.const {length}))
                {ANSWER})
              (func (export "waybill:stage/lifecycle@0.1.0#validate") (param i32 i32) (result i32)
                {validate}
                {ANSWER})
              (func (export "waybill:stage/lifecycle@0.1.0#step") (param $in i32) (result i32)
                {step})
              {planning}
              {more})"#
        )
    }
}

fn world(name: &str) -> (Resolve, wit_parser::WorldId) {
    let mut resolve = Resolve::default();
    let contract = UnresolvedPackageGroup::parse("stage.wit", include_str!("../../../../wit/stage@0.1.0/stage.wit")).unwrap();
    resolve.push_group(contract).unwrap();
    let group = UnresolvedPackageGroup::parse("guest.wit", &format!("{WASI}{PLANNING}")).unwrap();
    resolve.push_group(group).unwrap();
    let (world, _) = resolve.worlds.iter().find(|(_, world)| world.name == name).unwrap();
    (resolve, world)
}
