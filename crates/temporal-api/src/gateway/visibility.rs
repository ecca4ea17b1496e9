//! Builds visibility queries and reads their results. A query consists only of parsed values.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;
use temporalio_common::protos::temporal::api::{
    common::v1::Payload, enums::v1::WorkflowExecutionStatus, workflow::v1::WorkflowExecutionInfo,
};
use workflows::{
    ids, order_fulfillment::state::OrderStatus, search_attributes, subscription::state::SubscriptionStatus,
};

use super::{
    Kind, ListedOrder, ListedSubscription, ListedWorkflow, OrderFilter, Outside, Run, Shown,
    SubscriptionFilter, WorkflowId,
};

/// Returns the query for a filter.
pub fn query(filter: &OrderFilter) -> String {
    // The list shows an order once, even if it continues in a new run.
    let mut terms = vec![kind_query(Kind::Order)];
    match filter.status {
        Some(Shown::Outside(outside)) => terms.push(format!("ExecutionStatus = '{}'", execution(outside))),
        Some(Shown::Own(status)) => {
            terms.push(format!("{} = '{}'", search_attributes::ORDER_STATUS.name(), status.name()));
            terms.extend(Outside::ALL.map(|one| format!("ExecutionStatus != '{}'", execution(one))));
        }
        None => {}
    }
    if let Some(customer) = &filter.customer {
        terms.push(format!("{} = '{}'", search_attributes::CUSTOMER_ID.name(), customer.as_str()));
    }
    if let Some(total) = filter.min_total {
        terms.push(format!("{} >= {total}", search_attributes::TOTAL_AMOUNT.name()));
    }
    if let Some(total) = filter.max_total {
        terms.push(format!("{} <= {total}", search_attributes::TOTAL_AMOUNT.name()));
    }
    if let Some(after) = filter.started_after {
        terms.push(format!("StartTime >= '{}'", rfc3339(after)));
    }
    if let Some(before) = filter.started_before {
        terms.push(format!("StartTime <= '{}'", rfc3339(before)));
    }
    terms.join(" AND ")
}

/// Returns the query for all workflows of a kind. One that continues in a new run is listed once.
pub fn kind_query(kind: Kind) -> String {
    format!("WorkflowType = '{}' AND ExecutionStatus != 'ContinuedAsNew'", kind.workflow_type())
}

fn rfc3339(at: SystemTime) -> String {
    let millis = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    service_kit::time::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// Returns the query for the running orders of a task queue that have a status and started before a time.
pub fn running_query(task_queue: &str, status: OrderStatus, before: SystemTime) -> String {
    let task_queue = task_queue.replace('\'', "''");
    let before = rfc3339(before);
    format!(
        "WorkflowType = '{}' AND ExecutionStatus = 'Running' AND {} = '{}' \
         AND TaskQueue = '{task_queue}' AND StartTime <= '{before}'",
        Kind::Order.workflow_type(),
        search_attributes::ORDER_STATUS.name(),
        status.name()
    )
}

/// Returns the query for a filter of subscriptions.
pub fn subscription_query(filter: &SubscriptionFilter) -> String {
    let mut terms = vec![kind_query(Kind::Subscription)];
    if let Some(status) = filter.status {
        terms.push(format!("{} = '{}'", search_attributes::SUBSCRIPTION_STATUS.name(), status.name()));
        terms.extend(Outside::ALL.map(|one| format!("ExecutionStatus != '{}'", execution(one))));
    }
    if let Some(customer) = &filter.customer {
        terms.push(format!("{} = '{}'", search_attributes::CUSTOMER_ID.name(), customer.as_str()));
    }
    terms.join(" AND ")
}

/// Returns the list entry of a subscription. Returns `None` if it is no subscription of ours.
pub fn subscription(info: &WorkflowExecutionInfo) -> Option<ListedSubscription> {
    let execution = info.execution.as_ref()?;
    let attributes = info.search_attributes.as_ref();
    let attribute = |name: &str| attributes.and_then(|attributes| attributes.indexed_fields.get(name));
    let written =
        attribute(search_attributes::SUBSCRIPTION_STATUS.name()).and_then(read::<SubscriptionStatus>);
    let status = match info.status() {
        WorkflowExecutionStatus::Terminated | WorkflowExecutionStatus::Canceled => {
            Some(Outside::Terminated.name())
        }
        WorkflowExecutionStatus::TimedOut => Some(Outside::TimedOut.name()),
        _ => written.map(SubscriptionStatus::name),
    };
    let customer = info.memo.as_ref().and_then(|memo| memo.fields.get(ids::CUSTOMER_ID_MEMO));
    Some(ListedSubscription {
        subscription_id: execution.workflow_id.strip_prefix(&ids::subscription_workflow_id(""))?.to_owned(),
        workflow_id: execution.workflow_id.clone(),
        run: run(info)?,
        status,
        customer_id: customer.and_then(read),
    })
}

/// Returns the query for the reconciliations of a task queue.
pub fn reconciliation_query(task_queue: &str) -> String {
    let task_queue = task_queue.replace('\'', "''");
    format!("{} AND TaskQueue = '{task_queue}'", kind_query(Kind::Reconciliation))
}

/// Returns the list entry of a workflow. Returns `None` if it is none of ours.
pub fn workflow(info: &WorkflowExecutionInfo) -> Option<ListedWorkflow> {
    Some(ListedWorkflow {
        workflow_id: WorkflowId::parse(&info.execution.as_ref()?.workflow_id)?,
        run: run(info)?,
        status: match info.status() {
            WorkflowExecutionStatus::Completed => "completed",
            WorkflowExecutionStatus::TimedOut => Outside::TimedOut.name(),
            WorkflowExecutionStatus::Terminated
            | WorkflowExecutionStatus::Canceled
            | WorkflowExecutionStatus::Failed => Outside::Terminated.name(),
            _ => "running",
        },
    })
}

fn run(info: &WorkflowExecutionInfo) -> Option<Run> {
    Some(Run {
        run_id: info.execution.as_ref()?.run_id.clone(),
        first_run_id: info.first_run_id.clone(),
        started_at: info.start_time.as_ref().and_then(|at| time(at.seconds, at.nanos)),
        closed_at: info.close_time.as_ref().and_then(|at| time(at.seconds, at.nanos)),
    })
}

/// Returns Temporal's own name for an end from outside.
const fn execution(outside: Outside) -> &'static str {
    match outside {
        Outside::Terminated => "Terminated",
        Outside::TimedOut => "TimedOut",
    }
}

/// Returns the list entry of an order. Returns `None` if it is no order of ours.
pub fn order(info: &WorkflowExecutionInfo) -> Option<ListedOrder> {
    let execution = info.execution.as_ref()?;
    let memo = |name: &str| info.memo.as_ref().and_then(|memo| memo.fields.get(name));
    let attribute = |name: &str| {
        info.search_attributes.as_ref().and_then(|attributes| attributes.indexed_fields.get(name))
    };
    let order_id = memo(ids::ORDER_ID_MEMO)
        .and_then(read)
        .or_else(|| execution.workflow_id.strip_prefix(&ids::order_workflow_id("")).map(str::to_owned))?;
    let written = attribute(search_attributes::ORDER_STATUS.name()).and_then(read::<OrderStatus>);
    // The execution's own status decides, because the workflow's last status may be older.
    let status = match info.status() {
        WorkflowExecutionStatus::Terminated | WorkflowExecutionStatus::Canceled => {
            Some(Shown::Outside(Outside::Terminated))
        }
        WorkflowExecutionStatus::TimedOut => Some(Shown::Outside(Outside::TimedOut)),
        WorkflowExecutionStatus::Completed => Some(Shown::Own(OrderStatus::Shipped)),
        WorkflowExecutionStatus::Failed => {
            Some(Shown::Own(written.filter(|status| status.is_final()).unwrap_or(OrderStatus::Failed)))
        }
        // Without search attributes, only the end of the order is known.
        _ => written.map(Shown::Own),
    };
    let error = match status {
        Some(Shown::Outside(outside)) => Some(outside.error("")),
        _ => memo(ids::ERROR_MEMO).and_then(read),
    };
    Some(ListedOrder {
        workflow_id: execution.workflow_id.clone(),
        run_id: execution.run_id.clone(),
        order_id,
        customer_id: memo(ids::CUSTOMER_ID_MEMO).and_then(read),
        amount: memo(ids::AMOUNT_MEMO).and_then(read),
        currency: memo(ids::CURRENCY_MEMO).and_then(read),
        status,
        error,
        started_at: info.start_time.as_ref().and_then(|at| time(at.seconds, at.nanos)),
        closed_at: info.close_time.as_ref().and_then(|at| time(at.seconds, at.nanos)),
    })
}

fn read<T: DeserializeOwned>(payload: &Payload) -> Option<T> {
    serde_json::from_slice(&payload.data).ok()
}

fn time(seconds: i64, nanos: i32) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::new(u64::try_from(seconds).ok()?, u32::try_from(nanos).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rust_decimal::Decimal;

    #[test]
    fn a_query_names_what_is_asked_for_and_nothing_else() {
        let orders = "WorkflowType = 'orderFulfillmentWorkflow' AND ExecutionStatus != 'ContinuedAsNew'";
        assert_eq!(query(&OrderFilter::default()), orders);
        let filter = OrderFilter {
            status: Some(Shown::Own(OrderStatus::CompensationFailed)),
            customer: Some("c-1".parse().unwrap()),
            min_total: Some(Decimal::new(1050, 2)),
            max_total: Some(Decimal::from(99)),
            started_after: Some(UNIX_EPOCH),
            started_before: Some(UNIX_EPOCH + Duration::from_millis(1500)),
        };
        assert_eq!(
            query(&filter),
            format!(
                "{orders} AND orderStatus = 'compensation_failed' \
                 AND ExecutionStatus != 'Terminated' AND ExecutionStatus != 'TimedOut' \
                 AND customerId = 'c-1' AND totalAmount >= 10.50 AND totalAmount <= 99 \
                 AND StartTime >= '1970-01-01T00:00:00.000Z' AND StartTime <= '1970-01-01T00:00:01.500Z'"
            )
        );
        let ended = OrderFilter { status: Some(Shown::Outside(Outside::TimedOut)), ..OrderFilter::default() };
        assert_eq!(query(&ended), format!("{orders} AND ExecutionStatus = 'TimedOut'"));
    }

    #[test]
    fn running_orders_are_those_of_one_task_queue() {
        assert_eq!(
            running_query("o'clock", OrderStatus::PendingApproval, UNIX_EPOCH + Duration::from_secs(1)),
            "WorkflowType = 'orderFulfillmentWorkflow' AND ExecutionStatus = 'Running' \
             AND orderStatus = 'pending_approval' AND TaskQueue = 'o''clock' \
             AND StartTime <= '1970-01-01T00:00:01.000Z'"
        );
    }
}
