//! `promise-allsettled`: fetches location and cat fact at once, and the weather as soon as the location is known.
//! Returns all parts together after the last one.

use futures::{
    FutureExt, StreamExt, future,
    stream::{self, BoxStream},
};
use user_context::Sources;

use crate::{fetch, parts::Part};

pub fn part_stream(sources: Sources) -> BoxStream<'static, Part> {
    let settled = async move {
        let surroundings = async {
            let location = fetch::location(&sources).await;
            let weather = fetch::weather(&sources, fetch::coordinates_of(&location)).await;
            (location, weather)
        };
        let ((location, weather), fact) = future::join(surroundings, fetch::entertainment(&sources)).await;
        stream::iter([Part::Location(location), Part::Weather(weather), Part::Entertainment(fact)])
    };
    settled.flatten_stream().boxed()
}
