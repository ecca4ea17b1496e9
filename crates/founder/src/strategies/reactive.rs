//! `rxjs`: merges one stream for each source, and returns each part when it arrives.

use futures::{
    StreamExt, future,
    stream::{self, BoxStream},
};
use user_context::Sources;

use crate::{fetch, parts::Part};

pub fn part_stream(sources: Sources) -> BoxStream<'static, Part> {
    let facts = {
        let sources = sources.clone();
        stream::once(async move { Part::Entertainment(fetch::entertainment(&sources).await) })
    };
    let locations = {
        let sources = sources.clone();
        stream::once(async move { fetch::location(&sources).await })
    };
    let surroundings = locations.flat_map(move |location| {
        let (sources, coordinates) = (sources.clone(), fetch::coordinates_of(&location));
        let weather = stream::once(async move { Part::Weather(fetch::weather(&sources, coordinates).await) });
        stream::once(future::ready(Part::Location(location))).chain(weather)
    });
    stream::select(surroundings, facts).boxed()
}
