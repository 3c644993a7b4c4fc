//! What the simulator answers about itself, without a key: the truth, and restatements.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde_json::json;

use super::answers::{Answer, error, json_answer, wrong_method};
use super::query::decoded_parameter;
use super::state::State;
use super::words::Dataset;

/// The answer to a request of this path, if it is one of these.
pub async fn answer(state: &Arc<State>, method: &Method, path: &str, query: &str) -> Option<Answer> {
    if path.eq_ignore_ascii_case("/_truth") {
        Some(truth(state).await)
    } else if path.eq_ignore_ascii_case("/_restate") {
        Some(restate(state, method, query))
    } else {
        None
    }
}

async fn truth(state: &Arc<State>) -> Answer {
    let state = state.clone();
    match tokio::task::spawn_blocking(move || state.truth()).await {
        Ok(truth) => json_answer(StatusCode::OK, truth.to_string()),
        Err(failure) => error(StatusCode::INTERNAL_SERVER_ERROR, &failure.to_string()),
    }
}

fn restate(state: &State, method: &Method, query: &str) -> Answer {
    if method != Method::POST {
        return wrong_method("POST");
    }
    let named = |name: &str| decoded_parameter(query, name);
    let (Some(enrollment), Some(period)) = (named("enrollment"), named("period")) else {
        return error(StatusCode::BAD_REQUEST, "Name the enrollment and the period: ?enrollment=100&period=202411");
    };
    let restated = || {
        let dataset = named("dataset").map_or(Ok(Dataset::UsageDetails), |name| name.parse())?;
        let month = period.parse()?;
        Ok::<_, super::Error>((dataset, month, state.restate(&enrollment, dataset, month, false)?))
    };
    match restated() {
        Ok((dataset, month, version)) => {
            let (dataset, period) = (dataset.to_string(), month.to_string());
            let body = json!({"dataset": dataset, "enrollment": enrollment, "period": period, "version": version});
            json_answer(StatusCode::OK, body.to_string())
        }
        Err(failure) => error(StatusCode::BAD_REQUEST, &failure.to_string()),
    }
}
