//! Parts of a page that follow changes, as server-sent events. Each event is the new HTML of the part.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::response::{
    IntoResponse, Response, Sse,
    sse::{Event, KeepAlive},
};
use futures::{StreamExt as _, stream};
use service_kit::{problem::Problem, stopping::Stopping};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::sleep,
};

use crate::{Site, problems::ConsoleCode, visitor::Visitor};

/// Separates two looks at the services.
const INTERVAL: Duration = Duration::from_secs(1);

/// Limits the live pages that are open at the same time.
#[derive(Clone)]
pub struct Viewers(Arc<Semaphore>);

impl Viewers {
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS))))
    }

    fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let full = |_| {
            Problem::new(
                ConsoleCode::TooManyViewers,
                "too many live pages are open; reload this one to see changes",
            )
        };
        self.0.clone().try_acquire_owned().map_err(full)
    }
}

/// The HTML of a part of a page.
pub struct Part {
    pub html: String,
    /// Says that the part won't change again.
    pub is_final: bool,
}

/// Sends a part after each change, until it is final, the visitor is gone or the service stops. `render` gets the subject
/// of the page, and returns none if the part can't be rendered now.
pub fn follow<S, F>(
    site: Site,
    visitor: Visitor,
    stopping: Stopping,
    subject: S,
    render: impl Fn(Site, Visitor, S) -> F + Send + Sync + 'static,
) -> Result<Response, Problem>
where
    S: Clone + Send + Sync + 'static,
    F: Future<Output = Option<Part>> + Send,
{
    let viewer = site.viewers.enter()?;
    let render = move || render(site.clone(), visitor.clone(), subject.clone());
    let parts = stream::unfold((Progress::First, render), |(progress, render)| async move {
        let part = next(progress, &render).await?;
        let event = Event::default().event("part").data(part.html.replace('\r', ""));
        let progress = if part.is_final { Progress::Final } else { Progress::Shown(part.html) };
        Some((event, (progress, render)))
    });
    // A browser ignores an event without data.
    let end = stream::iter([Event::default().event("end").data("final")]);
    // The drop of the stream makes room for another viewer.
    let events = parts.chain(end).take_until(stopping.wait()).map(move |event| {
        let _viewer = &viewer;
        Ok::<_, Infallible>(event)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(10))).into_response())
}

enum Progress {
    First,
    /// The HTML that was sent last.
    Shown(String),
    Final,
}

/// Waits for the next change. Returns none after the last one.
#[expect(clippy::disallowed_methods, reason = "the services are asked again after a pause")]
async fn next<F: Future<Output = Option<Part>>>(progress: Progress, render: impl Fn() -> F) -> Option<Part> {
    let shown = match progress {
        Progress::First => String::new(),
        Progress::Shown(html) => {
            sleep(INTERVAL).await;
            html
        }
        Progress::Final => return None,
    };
    loop {
        match render().await {
            Some(part) if part.is_final || part.html != shown => return Some(part),
            _ => sleep(INTERVAL).await,
        }
    }
}
