//! `rxjs`: each source a stream, merged; a part is handed on when it arrives.

use futures::{
    StreamExt, future,
    stream::{self, BoxStream},
};
use user_context::Sources;

use crate::{asking, parts::Part};

pub fn gather(sources: Sources) -> BoxStream<'static, Part> {
    let facts = {
        let sources = sources.clone();
        stream::once(async move { Part::Entertainment(asking::entertainment(&sources).await) })
    };
    let locations = {
        let sources = sources.clone();
        stream::once(async move { asking::location(&sources).await })
    };
    let surroundings = locations.flat_map(move |location| {
        let (sources, place) = (sources.clone(), asking::place(&location));
        let weather = stream::once(async move { Part::Weather(asking::weather(&sources, place).await) });
        stream::once(future::ready(Part::Location(location))).chain(weather)
    });
    stream::select(surroundings, facts).boxed()
}
