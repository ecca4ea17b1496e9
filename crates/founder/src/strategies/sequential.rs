//! `async-sequential`: one source after another.

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use user_context::{Coordinates, Sources};

use crate::{asking, parts::Part};

enum Next {
    Location,
    Weather(Option<Coordinates>),
    Entertainment,
    Nothing,
}

pub fn gather(sources: Sources) -> BoxStream<'static, Part> {
    stream::unfold((Next::Location, sources), |(next, sources)| async move {
        let (part, then) = match next {
            Next::Location => {
                let location = asking::location(&sources).await;
                let place = asking::place(&location);
                (Part::Location(location), Next::Weather(place))
            }
            Next::Weather(place) => {
                (Part::Weather(asking::weather(&sources, place).await), Next::Entertainment)
            }
            Next::Entertainment => {
                (Part::Entertainment(asking::entertainment(&sources).await), Next::Nothing)
            }
            Next::Nothing => return None,
        };
        Some((part, (then, sources)))
    })
    .boxed()
}
