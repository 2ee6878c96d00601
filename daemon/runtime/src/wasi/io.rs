//! Streams and waiting: two streams that can be written, one that is at its end, and moments to
//! wait for.

use std::time::Instant;

use wasmtime::component::{
    ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType,
};
use wasmtime::{Result, bail};

use super::Call;
use crate::state::State;

/// What `check-write` allows; a write may be as large as a call may copy.
const WRITE: u64 = 64 << 10;

/// `wasi:io/error.error`: none is ever made.
pub(super) enum IoError {}

/// Standard input, which is at its end.
pub(super) struct InputStream;

/// Standard output or error; which one is what the handle stands for.
pub(super) struct OutputStream;

/// A moment: `None` has come, `Some(None)` is further off than the clock can say.
pub(super) struct Pollable {
    pub(super) at: Option<Option<Instant>>,
}

impl Pollable {
    fn is_ready(&self) -> bool {
        match self.at {
            None => true,
            Some(at) => at.is_some_and(|at| at <= Instant::now()),
        }
    }
}

/// `streams.stream-error`.
#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    Failed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type Streamed<T> = std::result::Result<T, StreamError>;

/// A kind of resource that needs nothing done when a handle of it is dropped.
pub(super) fn resource<T: 'static>(
    linker: &mut LinkerInstance<'_, State>,
    name: &str,
) -> Result<()> {
    linker.resource(name, ResourceType::host::<T>(), |_, _| Ok(()))
}

pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    let mut error = linker.instance("wasi:io/error@0.2.0")?;
    resource::<IoError>(&mut error, "error")?;
    error.func_wrap(
        "[method]error.to-debug-string",
        |_: Call<'_>, (_,): (Resource<IoError>,)| -> Result<(String,)> {
            bail!("there is no error of a stream")
        },
    )?;
    poll(&mut linker.instance("wasi:io/poll@0.2.0")?)?;
    let mut streams = linker.instance("wasi:io/streams@0.2.0")?;
    input(&mut streams)?;
    output(&mut streams)
}

fn poll(linker: &mut LinkerInstance<'_, State>) -> Result<()> {
    let kind = ResourceType::host::<Pollable>();
    linker.resource("pollable", kind, |mut call, rep| {
        call.data_mut().wasi.table.delete(Resource::<Pollable>::new_own(rep))?;
        Ok(())
    })?;
    linker.func_wrap(
        "[method]pollable.ready",
        |call: Call<'_>, (pollable,): (Resource<Pollable>,)| {
            Ok((call.data().wasi.table.get(&pollable)?.is_ready(),))
        },
    )?;
    linker.func_wrap_async(
        "[method]pollable.block",
        |mut call: Call<'_>, (pollable,): (Resource<Pollable>,)| {
            Box::new(async move { ready(&mut call, &[pollable]).await.map(|_| ()) })
        },
    )?;
    linker.func_wrap_async("poll", |mut call: Call<'_>, (list,): (Vec<Resource<Pollable>>,)| {
        Box::new(async move {
            if list.is_empty() {
                bail!("waited for nothing: `poll` with an empty list never ends");
            }
            // The list is bounded by the bytes of a call and by the handles: what is lent counts as held.
            Ok((ready(&mut call, &list).await?,))
        })
    })
}

/// Waits until one of `list` is ready and says which are. The wait counts to the attempt's
/// `timeout`, which ends it, and not to its `cpu`.
async fn ready(call: &mut Call<'_>, list: &[Resource<Pollable>]) -> Result<Vec<u32>> {
    loop {
        let mut soonest: Option<Instant> = None;
        let mut found = Vec::new();
        for (index, pollable) in (0_u32..).zip(list) {
            let pollable = call.data().wasi.table.get(pollable)?;
            if pollable.is_ready() {
                found.push(index);
            } else if let Some(Some(at)) = pollable.at {
                soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        match soonest {
            Some(at) => tokio::time::sleep_until(at.into()).await,
            None => std::future::pending().await,
        }
    }
}

/// Standard input: everything about it says that it is at its end.
fn input(linker: &mut LinkerInstance<'_, State>) -> Result<()> {
    resource::<InputStream>(linker, "input-stream")?;
    type Ask = (Resource<InputStream>, u64);
    for name in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        linker.func_wrap(name, |_: Call<'_>, _: Ask| {
            Ok((Streamed::<Vec<u8>>::Err(StreamError::Closed),))
        })?;
    }
    for name in ["[method]input-stream.skip", "[method]input-stream.blocking-skip"] {
        linker.func_wrap(name, |_: Call<'_>, _: Ask| {
            Ok((Streamed::<u64>::Err(StreamError::Closed),))
        })?;
    }
    linker.func_wrap(
        "[method]input-stream.subscribe",
        |mut call: Call<'_>, (_,): (Resource<InputStream>,)| {
            Ok((call.data_mut().wasi.table.push(Pollable { at: None })?,))
        },
    )
}

/// Standard output and error: never full, and written as soon as a line is whole.
fn output(linker: &mut LinkerInstance<'_, State>) -> Result<()> {
    resource::<OutputStream>(linker, "output-stream")?;
    type This = (Resource<OutputStream>,);
    linker.func_wrap("[method]output-stream.check-write", |_: Call<'_>, _: This| {
        Ok((Streamed::Ok(WRITE),))
    })?;
    for name in ["[method]output-stream.write", "[method]output-stream.blocking-write-and-flush"] {
        linker.func_wrap(
            name,
            |mut call: Call<'_>, (stream, bytes): (Resource<OutputStream>, Vec<u8>)| {
                call.data_mut().print(stream.rep(), &bytes);
                Ok((Streamed::Ok(()),))
            },
        )?;
    }
    for name in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        linker.func_wrap(name, |_: Call<'_>, _: This| Ok((Streamed::Ok(()),)))?;
    }
    for name in [
        "[method]output-stream.write-zeroes",
        "[method]output-stream.blocking-write-zeroes-and-flush",
    ] {
        linker.func_wrap(
            name,
            |mut call: Call<'_>, (stream, length): (Resource<OutputStream>, u64)| {
                // No more than `check-write` allows.
                let zeroes = vec![0; usize::try_from(length.min(WRITE))?];
                call.data_mut().print(stream.rep(), &zeroes);
                Ok((Streamed::Ok(()),))
            },
        )?;
    }
    for name in ["[method]output-stream.splice", "[method]output-stream.blocking-splice"] {
        type Splice = (Resource<OutputStream>, Resource<InputStream>, u64);
        linker.func_wrap(name, |_: Call<'_>, _: Splice| {
            // What there is to read from is at its end.
            Ok((Streamed::<u64>::Err(StreamError::Closed),))
        })?;
    }
    linker.func_wrap("[method]output-stream.subscribe", |mut call: Call<'_>, _: This| {
        Ok((call.data_mut().wasi.table.push(Pollable { at: None })?,))
    })
}
