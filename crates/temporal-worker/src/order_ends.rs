//! Counts the ends of orders, as an interceptor of the workflow. A replay counts nothing again.

use std::time::SystemTime;

use temporalio_sdk::{
    WorkflowContextView,
    workflow_interceptors::{
        ExecuteWorkflowInput, ExecuteWorkflowResult, WorkflowInterceptor, WorkflowInterceptorConstructor,
        WorkflowInterceptorContext, WorkflowInterceptorFuture, WorkflowNext,
    },
};
use workflows::{
    order_fulfillment::state::{OrderState, OrderStatus},
    search_attributes::ORDER_STATUS,
};

use crate::metrics::OrderMetrics;

/// Watches one execution of any workflow.
struct OrderEnds {
    metrics: OrderMetrics,
    started_at: Option<SystemTime>,
}

/// Returns the interceptor for a worker.
pub fn interceptor(metrics: OrderMetrics) -> WorkflowInterceptorConstructor {
    WorkflowInterceptorConstructor::new(move |ctx: &WorkflowContextView| OrderEnds {
        metrics: metrics.clone(),
        started_at: ctx.start_time(),
    })
}

impl WorkflowInterceptor for OrderEnds {
    fn execute<'a>(
        &'a self,
        ctx: WorkflowInterceptorContext,
        input: ExecuteWorkflowInput,
        next: WorkflowNext<'a, ExecuteWorkflowInput, WorkflowInterceptorFuture<'a, ExecuteWorkflowResult>>,
    ) -> WorkflowInterceptorFuture<'a, ExecuteWorkflowResult> {
        WorkflowInterceptorFuture::new(async move {
            let result = next.run(input).await;
            if !ctx.is_replaying()
                && let Some(status) = final_status(&ctx, &result)
            {
                let times = self.started_at.zip(ctx.workflow_time());
                let time = times.and_then(|(start, end)| end.duration_since(start).ok());
                self.metrics.record_end(status, time.unwrap_or_default());
            }
            result
        })
    }
}

/// Returns the status that an order ended with. A continuation in a new run is no end.
fn final_status(ctx: &WorkflowInterceptorContext, result: &ExecuteWorkflowResult) -> Option<OrderStatus> {
    let status = if let Ok(output) = result {
        output.downcast_ref::<OrderState>()?.status
    } else {
        // A failure has no state, but an order has written it to its search attribute. No other workflow has it.
        let written = ctx.search_attributes().get(&ORDER_STATUS)?;
        *OrderStatus::ALL.iter().find(|status| status.name() == written)?
    };
    status.is_final().then_some(status)
}
