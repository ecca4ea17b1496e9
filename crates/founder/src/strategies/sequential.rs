//! `async-sequential`: calls one source after another.

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use user_context::{Coordinates, Sources};

use crate::{fetch, parts::Part};

enum NextPart {
    Location,
    Weather(Option<Coordinates>),
    Entertainment,
    Nothing,
}

pub fn part_stream(sources: Sources) -> BoxStream<'static, Part> {
    stream::unfold((NextPart::Location, sources), |(next, sources)| async move {
        let (part, then) = match next {
            NextPart::Location => {
                let location = fetch::location(&sources).await;
                let coordinates = fetch::coordinates_of(&location);
                (Part::Location(location), NextPart::Weather(coordinates))
            }
            NextPart::Weather(coordinates) => {
                (Part::Weather(fetch::weather(&sources, coordinates).await), NextPart::Entertainment)
            }
            NextPart::Entertainment => {
                (Part::Entertainment(fetch::entertainment(&sources).await), NextPart::Nothing)
            }
            NextPart::Nothing => return None,
        };
        Some((part, (then, sources)))
    })
    .boxed()
}
