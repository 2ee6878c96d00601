//! Files and sockets: interfaces that are there and have nothing behind them.
//!
//! Every function of them is defined from the component's own account of its type, and refuses: an
//! error code where the function has one, an empty list where it lists, and else the end of the
//! attempt, for those need a file or a socket and there is none.

use wasmtime::component::Val;
use wasmtime::component::types::{ComponentItem, Type};
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceAny, ResourceType};
use wasmtime::{Result, StoreContextMut, bail};

use super::io::{InputStream, IoError, OutputStream, Pollable};
use crate::state::State;

/// A descriptor, a socket, a network: there is nothing to it.
enum Absent {}

/// What a refusal is called, in the order of preference.
const REFUSALS: [&str; 3] = ["access-denied", "access", "not-permitted"];

/// Defines what `component` imports of files and sockets.
pub(crate) fn link(linker: &mut Linker<State>, component: &Component) -> Result<()> {
    let engine = linker.engine().clone();
    for (name, import) in component.component_type().imports(&engine) {
        let absent = name.starts_with("wasi:filesystem/") || name.starts_with("wasi:sockets/");
        let ComponentItem::ComponentInstance(interface) = import.ty else { continue };
        if !absent || !super::has(name) {
            continue;
        }
        let mut instance = linker.instance(name)?;
        for (name, export) in interface.exports(&engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => function(&mut instance, name)?,
                ComponentItem::Resource(_) => resource(&mut instance, name)?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn resource(instance: &mut LinkerInstance<'_, State>, name: &str) -> Result<()> {
    let kind = match name {
        "error" => ResourceType::host::<IoError>(),
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "pollable" => ResourceType::host::<Pollable>(),
        _ => ResourceType::host::<Absent>(),
    };
    instance.resource(name, kind, |_, _| Ok(()))
}

fn function(instance: &mut LinkerInstance<'_, State>, name: &str) -> Result<()> {
    if name == "instance-network" {
        // The word for the network that every socket call asks for; each of them refuses.
        return instance
            .func_new(name, |call, _, _, results| answer(results, Val::Resource(network(call)?)));
    }
    let called = name.to_owned();
    instance.func_new(name, move |mut call, function, arguments, results| {
        for argument in arguments {
            if let Val::Resource(lent) = argument {
                // What is lent has to be given back before the call ends.
                lent.try_into_resource::<Absent>(&mut call)?;
            }
        }
        match function.results().next().as_ref().and_then(refusal) {
            Some(refusal) => answer(results, refusal),
            None => bail!("called `{called}`: a plugin has no files and no sockets"),
        }
    })
}

fn network(call: StoreContextMut<'_, State>) -> Result<ResourceAny> {
    ResourceAny::try_from_resource(Resource::<Absent>::new_own(0), call)
}

fn answer(results: &mut [Val], value: Val) -> Result<()> {
    match results.first_mut() {
        Some(result) => *result = value,
        None => bail!("the function has no result"),
    }
    Ok(())
}

/// How a result of this type says no.
fn refusal(result: &Type) -> Option<Val> {
    match result {
        Type::List(_) => Some(Val::List(Vec::new())),
        Type::Option(_) => Some(Val::Option(None)),
        Type::Result(result) => {
            let Some(Type::Enum(codes)) = result.err() else { return None };
            let code = REFUSALS.into_iter().find(|code| codes.names().any(|name| name == *code))?;
            Some(Val::Result(Err(Some(Box::new(Val::Enum(code.to_owned()))))))
        }
        _ => None,
    }
}
