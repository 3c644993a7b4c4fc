//! The description of the API as it is served: a Swagger 2.0 document, and a page that leads to it.
//!
//! Paths follow from the table of routes and names from the datasets, so that nothing is left out; what kind of value a
//! name stands for is said here once more, from the documentation.

use hyper::header::{CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, StatusCode};
use serde_json::{Map, Value, json};

use super::answers::{Answer, json_answer, set, wrong_method};
use super::options::Options;
use super::routes::{About, ROUTES, Resource, Route};
use super::words::{BalanceForm, Dataset, FlagForm, MarketplaceForm, NumberForm};

const NUMBERS: [&str; 17] = [
    "cost",
    "extendedCost",
    "Cost",
    "consumedQuantity",
    "resourceRate",
    "includedQuantity",
    "unitPrice",
    "beginningBalance",
    "endingBalance",
    "newPurchases",
    "adjustments",
    "utilized",
    "serviceOverage",
    "totalOverage",
    "totalUsage",
    "azureMarketplaceServiceCharges",
    "value",
];
const IDS: [&str; 7] = [
    "accountId",
    "productId",
    "resourceLocationId",
    "consumedServiceId",
    "departmentId",
    "subscriptionId",
    "billingPeriodId",
];
const FLAGS: [&str; 2] = ["chargesBilledSeparately", "isRecurringCharge"];
const DETAILS: [&str; 2] = ["newPurchasesDetails", "adjustmentDetails"];

/// A billing period, from May 2014 on.
const PERIOD_PATTERN: &str = "^(2014(0[5-9]|1[0-2])|(201[5-9]|20[2-9][0-9])(0[1-9]|1[0-2]))$";

/// The rest of a date after its year, or of an instant. Days that only some months have are left out.
const REST_OF_DAY: &str = "-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T(0[0-9]|1[0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?";

/// The answer to a request of this path, if it is one of the two.
pub fn answer(options: &Options, method: &Method, headers: &HeaderMap, path: &str) -> Option<Answer> {
    let is = |expected: &str| path.eq_ignore_ascii_case(expected);
    if !is("/swagger/ui/index") && !is("/swagger/docs/v3") {
        return None;
    }
    if method != Method::GET {
        return Some(wrong_method("GET"));
    }
    if is("/swagger/docs/v3") {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        return Some(json_answer(StatusCode::OK, document(options, host).to_string()));
    }
    let paths = paths().map(|(_, path, route)| {
        let method = if route.is_post { "POST" } else { "GET" };
        format!("<li>{method} <code>{path}</code></li>")
    });
    let page = format!(
        "<!DOCTYPE html><html><head><title>Enterprise Reporting API, simulated</title></head><body><ul>{}</ul>\
         <p><a href=\"/swagger/docs/v3\">/swagger/docs/v3</a></p></body></html>",
        paths.collect::<String>()
    );
    let mut answer = json_answer(StatusCode::OK, page);
    set(&mut answer, CONTENT_TYPE, "text/html; charset=utf-8");
    Some(answer)
}

/// All routes in all versions, with their paths.
fn paths() -> impl Iterator<Item = (u8, String, &'static Route)> {
    ROUTES.iter().flat_map(|route| {
        route.versions.clone().map(move |version| {
            let path = route.path.replace("{p}", "{billingPeriod}").replace("{id}", "{reportId}");
            (version, format!("/v{version}/enrollments/{{enrollmentNumber}}/{path}"), route)
        })
    })
}

fn document(options: &Options, host: Option<&str>) -> Value {
    let mut all = Map::new();
    for (version, path, route) in paths() {
        let method = if route.is_post { "post" } else { "get" };
        all.insert(path, json!({method: operation(options, version, route)}));
    }
    let mut document = json!({
        "swagger": "2.0",
        "info": {"title": "Azure Enterprise Reporting API, simulated", "version": "v3"},
        "basePath": "/",
        "schemes": [if options.tls.is_some() { "https" } else { "http" }],
        "produces": ["application/json"],
        "securityDefinitions": {"apiKey": {"type": "apiKey", "in": "header", "name": "Authorization"}},
        "security": [{"apiKey": []}],
        "paths": all,
        "definitions": definitions(options),
    });
    if let Some(host) = host {
        document["host"] = json!(host);
    }
    document
}

fn operation(options: &Options, version: u8, route: &Route) -> Value {
    let is_file = route.resource == Resource::Csv;
    let ok = |schema: Value| json!({"description": "OK", "schema": schema});
    let problem = |text: &str| json!({"description": text, "schema": {"$ref": "#/definitions/Error"}});
    let mut responses = Map::new();
    responses.insert("200".to_owned(), ok(body(options, version, route.resource)));
    responses.insert("400".to_owned(), problem("A parameter is wrong, or there is no data."));
    responses.insert("401".to_owned(), problem("The key is missing, invalid or expired, or may not read this."));
    responses.insert("404".to_owned(), problem("There is no such report, or no data."));
    if let Resource::Data(_) | Resource::Csv = route.resource {
        responses["200"]["headers"] = json!({"ETag": {"type": "string"}});
        responses.insert("304".to_owned(), json!({"description": "Not refreshed since that ETag."}));
    }
    if let Resource::Submit | Resource::Poll = route.resource {
        responses.insert("202".to_owned(), ok(body(options, version, route.resource)));
    }
    let name = format!("{}_v{version}_{}", route.resource.name(), route.path.replace(['/', '{', '}'], "_"));
    json!({
        "operationId": name,
        "produces": if is_file { json!(["application/octet-stream", "application/json"]) } else { json!(["application/json"]) },
        "parameters": parameters(options, route),
        "responses": responses,
    })
}

fn parameters(options: &Options, route: &Route) -> Vec<Value> {
    let parameter = |place: &str, name: &str, pattern: &str, is_required: bool| {
        let mut parameter = json!({"name": name, "in": place, "required": is_required, "type": "string"});
        if !pattern.is_empty() {
            parameter["pattern"] = json!(pattern);
        }
        parameter
    };
    let among = |mut parameter: Value, values: Vec<String>| {
        parameter["enum"] = json!(values);
        parameter
    };
    let periods = || options.listed().map(|month| month.to_string()).collect::<Vec<_>>();
    let mut parameters =
        vec![among(parameter("path", "enrollmentNumber", "^[0-9A-Za-z-]+$", true), options.enrollments.clone())];
    match route.about {
        About::Nothing | About::Newest => {}
        About::Period => parameters.push(among(parameter("path", "billingPeriod", PERIOD_PATTERN, true), periods())),
        About::Report => parameters.push(parameter("path", "reportId", "^[0-9a-f-]{36}$", true)),
        About::Range(_) | About::PeriodOrRange(_) => {
            let is_range = matches!(route.about, About::Range(_));
            if !is_range {
                parameters.push(among(parameter("query", "billingPeriod", PERIOD_PATTERN, false), periods()));
            }
            // Other years are answered, too, but have no data.
            let mut years: Vec<String> = options.listed().map(|month| month.year.to_string()).collect();
            years.dedup();
            let day = format!("^({}){REST_OF_DAY}$", years.join("|"));
            parameters.extend(["startTime", "endTime"].map(|name| parameter("query", name, &day, is_range)));
        }
    }
    if route.resource == Resource::Data(Dataset::UsageDetails) {
        parameters.push(parameter("query", "skiptoken", "", false));
    }
    if let Resource::Data(_) | Resource::Csv = route.resource {
        parameters.push(parameter("header", "If-None-Match", "", false));
    }
    parameters
}

/// What a 200 holds.
fn body(options: &Options, version: u8, resource: Resource) -> Value {
    let row = |dataset: Dataset| json!({"$ref": format!("#/definitions/{}_v{version}", dataset.word())});
    let list = |items: Value| json!({"type": "array", "items": items});
    match resource {
        Resource::BillingPeriods => list(json!({"$ref": "#/definitions/billing_period"})),
        Resource::Submit | Resource::Poll => json!({"$ref": "#/definitions/report"}),
        Resource::Csv | Resource::Blob => json!({"type": "file"}),
        Resource::Data(dataset) => match dataset {
            Dataset::UsageDetails => page(row(dataset)),
            Dataset::MarketplaceCharges if options.marketplace_form == MarketplaceForm::Object => page(row(dataset)),
            Dataset::BalanceSummary if options.balance_form == BalanceForm::Object => row(dataset),
            Dataset::BalanceSummary if options.balance_form == BalanceForm::ByVersion && version < 3 => row(dataset),
            Dataset::MarketplaceCharges | Dataset::BalanceSummary | Dataset::PriceSheet => list(row(dataset)),
        },
    }
}

fn page(row: Value) -> Value {
    json!({
        "type": "object",
        "required": ["data"],
        "properties": {
            "id": {"type": "string"},
            "reportId": {"type": "string"},
            "data": {"type": "array", "items": row},
            "nextLink": {"type": "string", "x-nullable": true},
        },
    })
}

fn definitions(options: &Options) -> Value {
    let text = json!({"type": "string"});
    let link = json!({"type": "string", "x-nullable": true});
    let all_required = |properties: Value| {
        let names: Vec<String> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
        json!({"type": "object", "required": names, "properties": properties})
    };
    let error = all_required(json!({"code": text, "message": text}));
    let mut definitions = json!({
        "Error": all_required(json!({"error": error})),
        "billing_period": all_required(json!({
            "billingPeriodId": {"type": "string", "pattern": PERIOD_PATTERN},
            "billingStart": {"type": "string", "format": "date-time"},
            "billingEnd": {"type": "string", "format": "date-time"},
            "balanceSummary": link,
            "usageDetails": link,
            "marketplaceCharges": link,
            "priceSheet": link,
        })),
        "report": all_required(json!({
            "id": text,
            "enrollmentNumber": text,
            "requestedOn": {"type": "string", "format": "date-time"},
            "status": {"type": "integer", "minimum": 1, "maximum": 7},
            "blobPath": text,
            "reportUrl": text,
            "startDate": text,
            "endDate": text,
        })),
    });
    for dataset in Dataset::ALL {
        for version in 1..=3 {
            let fields = dataset.serve().fields(options, version);
            let members = fields.into_iter().map(|name| {
                let member = member(options, dataset, &name);
                (name, member)
            });
            let row = all_required(Value::Object(members.collect()));
            definitions[format!("{}_v{version}", dataset.word())] = row;
        }
    }
    definitions
}

/// The kind of value that a name stands for.
fn member(options: &Options, dataset: Dataset, name: &str) -> Value {
    let text = || json!({"type": "string"});
    let number = || match options.numbers {
        NumberForm::Text => text(),
        NumberForm::Plain | NumberForm::Padded => json!({"type": "number"}),
    };
    let is_summary = dataset == Dataset::BalanceSummary;
    let is_text_here = dataset == Dataset::PriceSheet && name == "billingPeriodId";
    if NUMBERS.contains(&name) || is_summary && name == "chargesBilledSeparately" {
        number()
    } else if IDS.contains(&name) && !is_text_here {
        if options.ids_as_text { text() } else { json!({"type": "integer", "format": "int64"}) }
    } else if FLAGS.contains(&name) {
        let is_text = match options.flags {
            FlagForm::Documented => dataset == Dataset::MarketplaceCharges,
            FlagForm::Bare => false,
            FlagForm::Text => true,
        };
        if is_text { json!({"type": "string", "enum": ["True", "False"]}) } else { json!({"type": "boolean"}) }
    } else if DETAILS.contains(&name) {
        let detail = json!({"type": "object", "properties": {"name": text(), "value": number()}});
        json!({"type": "array", "items": detail})
    } else {
        json!({"type": "string", "x-nullable": true})
    }
}
