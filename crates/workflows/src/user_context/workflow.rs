//! The sequence of a user context: the calls in parallel or one after another.

use temporalio_common::ActivityDefinition;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    SyncWorkflowContext, WorkflowCancellationToken, WorkflowContext, WorkflowContextView, WorkflowResult,
    workflows::join,
};

use super::{
    messages::{Progress, Strategy, UserContextInput},
    state::{Part, UserContext, UserContextState},
};
use crate::{
    activities::user_context::{LookUpInput, UserContextActivities, WeatherInput},
    cancellation::{Cancellable, run_until_cancelled},
    failure::{self, ActivityFailure},
    ids::Call,
    policies,
    saga::Reason,
    signal::Signal,
};

/// `userContextWorkflow`: fetches the parts of a user context.
#[workflow]
pub struct UserContextWorkflow {
    input: UserContextInput,
    context: UserContext,
}

type Context = WorkflowContext<UserContextWorkflow>;

#[workflow_methods]
impl UserContextWorkflow {
    #[init]
    pub fn new(_ctx: &WorkflowContextView, input: UserContextInput) -> Self {
        let context = UserContext::new(input.user_id.clone(), input.strategy);
        Self { input, context }
    }

    /// # Errors
    /// Fails if no part is available, or after a cancellation. The failure's type is the
    /// [`UserContextFailure`](super::state::UserContextFailure), and its details are the final state.
    #[run(name = "userContextWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<UserContextState> {
        let scope = WorkflowCancellationToken::new();
        run_until_cancelled(ctx, &scope, fetch_parts(ctx, &scope)).await;
        let outcome = ctx.state_mut(|s| s.context.finish());
        let state = ctx.state(|s| s.context.state().clone());
        match outcome {
            Ok(()) => Ok(state),
            Err((code, message)) => {
                Err(failure::workflow_failure(code.name(), &message, code.is_benign(), state))
            }
        }
    }

    #[signal(name = "cancel")]
    pub fn cancel(&mut self, _ctx: &mut SyncWorkflowContext<Self>, reason: Signal<Reason>) {
        self.context.cancel(reason.0.and_then(|reason| reason.reason));
    }

    #[query(name = "progress")]
    pub fn progress(&self, _ctx: &WorkflowContextView) -> Progress {
        self.context.state().progress()
    }

    #[query(name = "getUserContext")]
    pub fn state(&self, _ctx: &WorkflowContextView) -> UserContextState {
        self.context.state().clone()
    }
}

impl Cancellable for UserContextWorkflow {
    fn is_cancelled(&self) -> bool {
        self.context.is_cancelled()
    }

    fn cancel(&mut self, reason: Option<String>) -> bool {
        self.context.cancel(reason)
    }
}

async fn fetch_parts(ctx: &Context, scope: &WorkflowCancellationToken) {
    match ctx.state(|s| s.input.strategy) {
        Strategy::Parallel => {
            let surroundings = fetch_location_and_weather(ctx, scope);
            let fact = fetch_cat_fact(ctx, scope);
            join!(surroundings, fact);
        }
        Strategy::Sequential => {
            fetch_location_and_weather(ctx, scope).await;
            fetch_cat_fact(ctx, scope).await;
        }
    }
}

/// Fetches the location, and then the weather there.
async fn fetch_location_and_weather(ctx: &Context, scope: &WorkflowCancellationToken) {
    let input = ctx.state(|s| LookUpInput { correlation_id: s.input.correlation_id.clone() });
    let located =
        fetch_part(ctx, scope, Call::GetLocation, Part::Location, UserContextActivities::get_location, input)
            .await;
    let Some(location) = located else {
        ctx.state_mut(|s| s.context.record_skip(Part::Weather, "location unavailable"));
        return;
    };
    let input = ctx.state(|s| WeatherInput {
        correlation_id: s.input.correlation_id.clone(),
        latitude: location.latitude,
        longitude: location.longitude,
    });
    ctx.state_mut(|s| s.context.record_location(location));
    let weather =
        fetch_part(ctx, scope, Call::GetWeather, Part::Weather, UserContextActivities::get_weather, input)
            .await;
    if let Some(weather) = weather {
        ctx.state_mut(|s| s.context.record_weather(weather));
    }
}

async fn fetch_cat_fact(ctx: &Context, scope: &WorkflowCancellationToken) {
    let input = ctx.state(|s| LookUpInput { correlation_id: s.input.correlation_id.clone() });
    let fact =
        fetch_part(ctx, scope, Call::GetCatFact, Part::CatFact, UserContextActivities::get_cat_fact, input)
            .await;
    if let Some(fact) = fact {
        ctx.state_mut(|s| s.context.record_cat_fact(fact));
    }
}

/// Fetches a part, unless the workflow was cancelled. The errors name a part that failed.
async fn fetch_part<A: ActivityDefinition + 'static>(
    ctx: &Context,
    scope: &WorkflowCancellationToken,
    call: Call,
    part: Part,
    activity: A,
    input: A::Input,
) -> Option<A::Output> {
    if ctx.state(|s| s.context.is_cancelled()) {
        ctx.state_mut(|s| s.context.record_skip(part, "it was cancelled"));
        return None;
    }
    let options = ctx.state(|s| policies::activity_options(call, &s.input.timing, scope.clone()));
    match ctx.execute_activity(activity, input, options).await {
        Ok(output) => Some(output),
        Err(error) => {
            ctx.state_mut(|s| {
                s.context.record_failure(part, &ActivityFailure::from_activity_error(&error).error.message);
            });
            None
        }
    }
}
