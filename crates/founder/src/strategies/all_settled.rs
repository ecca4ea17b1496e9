//! `promise-allsettled`: all that can be asked at once is; the weather the moment the place is known. The
//! parts come together, when the last one has settled.

use futures::{
    FutureExt, StreamExt, future,
    stream::{self, BoxStream},
};
use user_context::Sources;

use crate::{asking, parts::Part};

pub fn gather(sources: Sources) -> BoxStream<'static, Part> {
    let settled = async move {
        let surroundings = async {
            let location = asking::location(&sources).await;
            let weather = asking::weather(&sources, asking::place(&location)).await;
            (location, weather)
        };
        let ((location, weather), fact) = future::join(surroundings, asking::entertainment(&sources)).await;
        stream::iter([Part::Location(location), Part::Weather(weather), Part::Entertainment(fact)])
    };
    settled.flatten_stream().boxed()
}
