//! Tests reconciliations over the scripted gateway.

use workflows::{
    failure::StateError,
    reconciliation::{
        comparison::{Difference, Effect, End, Finding, OpenEffect},
        report::{ReconciliationStatus, Repair},
    },
};

use super::*;

const PATH: &str = "/api/v1/reconciliation";

fn report() -> Report {
    let finding = |difference, order: &str, open| Finding {
        difference,
        order_id: order.to_owned(),
        workflow_id: Some(format!("order-fulfillment-{order}")),
        end: Some(End::Terminated),
        open,
    };
    let hold = OpenEffect {
        effect: Effect::Held,
        resource: "auth_1".to_owned(),
        key: Some("order-fulfillment-1/run/authorize_payment".to_owned()),
        amount: Some(5998),
        currency: Some("usd".to_owned()),
    };
    let mut report = Report::new(true, String::new());
    report.add(finding(Difference::Orphan, "1", vec![hold.clone()]), Repair::Repaired);
    let error = StateError::new("provider_timeout", "no answer");
    report.add(finding(Difference::Orphan, "2", vec![hold]), Repair::Failed { error });
    report.add(finding(Difference::NotAsItEnded, "3", Vec::new()), Repair::None);
    report.end(ReconciliationStatus::Completed, "2026-11-26T12:00:00.000Z".to_owned());
    report
}

fn script(report: Report) -> Arc<Script> {
    Arc::new(Script { report: Mutex::new(Some(report)), ..Script::default() })
}

#[tokio::test]
async fn a_report_separates_orphans_and_contradictions() {
    let (status, body) = get(&script(report()), &format!("{PATH}/report")).await;
    assert_eq!((status, &body["status"], &body["repair"]), (200, &json!("completed"), &json!(true)));
    assert_eq!((&body["orphanCount"], &body["contradictionCount"]), (&json!(2), &json!(1)));
    assert_eq!((&body["repaired"], &body["notRepaired"]), (&json!(1), &json!(1)));
    assert_eq!(
        body["orphans"][0],
        json!({
            "orderId": "1", "difference": "orphan", "workflowId": "order-fulfillment-1", "end": "terminated",
            "repair": "repaired", "effectsOmitted": 0,
            "open": [{
                "effect": "held", "resource": "auth_1", "amount": 5998, "currency": "usd",
                "key": "order-fulfillment-1/run/authorize_payment",
            }],
        })
    );
    assert_eq!(body["orphans"][1]["error"]["code"], "provider_timeout");
    assert_eq!(body["contradictions"][0]["difference"], "not_as_it_ended");
}

#[tokio::test]
async fn there_is_no_report_before_the_first_run() {
    let (status, problem) = get(&Arc::new(Script::default()), &format!("{PATH}/report")).await;
    assert_eq!((status, &problem["error"]), (404, &json!("reconciliation_report_not_found")));
}

#[tokio::test]
async fn a_trigger_repairs_only_if_it_says_so() {
    for (body, repair) in [("", false), ("{}", false), (r#"{"repair": true}"#, true)] {
        let gateway = Arc::new(Script::default());
        let (status, started) = post(&gateway, &format!("{PATH}/trigger"), body).await;
        assert_eq!((status, &started["workflowId"]), (202, &json!("reconciliation-queue")), "{started}");
        assert_eq!(gateway.reconciliations.lock().unwrap()[0].repair, repair, "{body:?}");
    }
    let gateway = Arc::new(Script::default());
    let (status, problem) =
        post(&gateway, &format!("{PATH}/trigger"), r#"{"repair": "yes", "fix": 1}"#).await;
    assert_eq!((status, problem["errors"].as_array().map(Vec::len)), (422, Some(2)), "{problem}");
    assert!(gateway.reconciliations.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_second_trigger_is_refused_while_the_first_one_runs_and_its_key_repeats_the_answer() {
    let gateway = Arc::new(Script::default());
    let path = format!("{PATH}/trigger");
    assert_eq!(post_keyed(&gateway, &path, &["a"], "{}").await.0, 202);
    let (status, _, replayed) = post_keyed(&gateway, &path, &["a"], "{}").await;
    assert_eq!((status, replayed), (202, true));
    let (status, problem) = post(&gateway, &path, "{}").await;
    assert_eq!((status, &problem["error"]), (409, &json!("reconciliation_already_running")));
    assert_eq!(problem["workflowId"], "reconciliation-queue");
}

#[tokio::test]
async fn the_schedule_is_shown_paused_and_resumed() {
    let gateway = script(report());
    let (status, body) = get(&gateway, PATH).await;
    assert_eq!((status, &body["paused"], &body["every"]), (200, &json!(false), &json!("1h")));
    assert_eq!((&body["skippedRuns"], &body["missedRuns"]), (&json!(2), &json!(1)));
    assert_eq!(body["nextRuns"], json!(["2023-11-14T23:13:20.000Z"]));
    assert_eq!(body["lastRuns"][0]["status"], "completed");
    let (status, body) = post(&gateway, &format!("{PATH}/pause"), r#"{"reason": "audit"}"#).await;
    assert_eq!((status, &body["paused"], &body["note"]), (200, &json!(true), &json!("audit")));
    let (status, body) = post(&gateway, &format!("{PATH}/resume"), "").await;
    assert_eq!((status, &body["paused"]), (200, &json!(false)));
}

#[tokio::test]
async fn a_missing_schedule_is_reported_apart_from_a_silent_temporal() {
    for (failure, code) in [
        ((|| GatewayError::NotFound) as fn() -> GatewayError, "reconciliation_not_scheduled"),
        (|| GatewayError::Unavailable("down".to_owned()), "temporal_unavailable"),
    ] {
        let gateway = Script::failing(failure);
        for answer in [get(&gateway, PATH).await, post(&gateway, &format!("{PATH}/pause"), "").await] {
            assert_eq!((answer.0, &answer.1["error"]), (503, &json!(code)));
        }
    }
}

#[tokio::test]
async fn a_run_is_followed_and_cancelled_as_any_workflow() {
    let gateway = script(Report::new(false, String::new()));
    let run = "/api/v1/workflows/reconciliation-queue-2023-11-14T22:00:00Z";
    let (status, body) = get(&gateway, &format!("{run}/status")).await;
    assert_eq!((status, &body["status"]), (200, &json!("running")));
    assert_eq!(post(&gateway, &format!("{run}/cancel"), "").await.0, 200);
    let (status, problem) = post(&gateway, &format!("{run}/cancel"), "").await;
    assert_eq!((status, &problem["error"]), (409, &json!("workflow_already_cancelling")));
    *gateway.report.lock().unwrap() = Some(report());
    let (status, problem) = post(&gateway, &format!("{run}/cancel"), "").await;
    assert_eq!((status, &problem["error"]), (409, &json!("workflow_already_closed")));
    assert_eq!(get(&gateway, &format!("{run}/result")).await.1["success"], true);
}
