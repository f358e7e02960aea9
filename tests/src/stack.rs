//! The smallest installation on AWS that the story can be told on: a table, a bucket, a queue with its dead letters, every
//! function behind one HTTP API, and the rule of a minute.

use serde_json::{Map, Value, json};

/// The bucket that the functions' code lies in.
pub const CODE: &str = "code";
/// The name of the bucket for blobs.
pub const BUCKET: &str = "blobs";
/// The name of the table.
pub const TABLE: &str = "waybill";

/// The functions, and what each is told of beside the table.
pub const FUNCTIONS: [(&str, &[&str]); 7] = [
    ("pipelines", &["WAYBILL_KEY_FILE"]),
    ("release-orders", &["WAYBILL_BUCKET", "WAYBILL_QUEUE", "WAYBILL_KEY_FILE"]),
    ("executions", &["WAYBILL_BUCKET", "WAYBILL_QUEUE", "WAYBILL_KEY_FILE"]),
    ("infrastructure", &["WAYBILL_QUEUE", "WAYBILL_KEY_FILE"]),
    ("triggers", &["WAYBILL_QUEUE"]),
    ("tick", &["WAYBILL_BUCKET", "WAYBILL_QUEUE"]),
    ("orchestrator", &["WAYBILL_BUCKET", "WAYBILL_QUEUE", "WAYBILL_KEY_FILE"]),
];

/// Which function answers where; the longest fitting path counts.
const PATHS: [(&str, &str); 14] = [
    ("/healthz", "pipelines"),
    ("/version", "pipelines"),
    ("/api/{proxy+}", "pipelines"),
    ("/api/projects/{project}/orders", "release-orders"),
    ("/api/projects/{project}/orders/{number}", "release-orders"),
    ("/api/applications/{app}/executions", "executions"),
    ("/api/executions", "executions"),
    ("/api/executions/{proxy+}", "executions"),
    ("/api/expressions", "executions"),
    ("/api/accounts/cloud", "infrastructure"),
    ("/api/accounts/registry", "infrastructure"),
    ("/api/accounts/{proxy+}", "infrastructure"),
    ("/hooks/registry/{token}", "triggers"),
    ("/api/applications/{app}/pipelines/{pipeline}/triggers/{trigger}/deliveries", "triggers"),
];

/// What an installation is made with.
pub struct Settings {
    /// Where functions find AWS.
    pub endpoint: String,
    /// Where the key lies.
    pub key_file: String,
    /// The installation's limits.
    pub limits: Value,
    /// Whether the queue wakes the orchestrator.
    pub mapped: bool,
    /// Whether the clock wakes the tick.
    pub ticking: bool,
    /// After so long a message that was not answered to comes again.
    pub hidden_s: u32,
}

/// A name without dashes, as resources of a stack have it.
fn id(name: &str) -> String {
    name.split('-').map(|part| part[..1].to_uppercase() + &part[1..]).collect()
}

/// The template.
#[must_use]
pub fn template(settings: &Settings) -> Value {
    let mut all = stored(settings.hidden_s);
    for (name, told) in FUNCTIONS {
        all.insert(id(name), function(name, told, settings));
    }
    served(&mut all);
    if settings.mapped {
        all.insert("Mapping".to_owned(), mapping());
    }
    if settings.ticking {
        all.insert("Minute".to_owned(), minute());
    }
    let outputs = json!({"Queue": {"Value": {"Ref": "Hints"}}, "Api": {"Value": {"Ref": "Api"}}, "Dead": {"Value": {"Ref": "Dead"}}});
    json!({"AWSTemplateFormatVersion": "2010-09-09", "Resources": all, "Outputs": outputs})
}

fn stored(hidden_s: u32) -> Map<String, Value> {
    let text = |name: &str| json!({"AttributeName": name, "AttributeType": "S"});
    let keys = |hash: &str, range: &str| json!([{"AttributeName": hash, "KeyType": "HASH"}, {"AttributeName": range, "KeyType": "RANGE"}]);
    let due = json!({"IndexName": "due", "KeySchema": keys("ds", "d"), "Projection": {"ProjectionType": "KEYS_ONLY"}});
    let table = json!({"Type": "AWS::DynamoDB::Table", "Properties": {
        "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST", "KeySchema": keys("pk", "sk"), "GlobalSecondaryIndexes": [due],
        "AttributeDefinitions": [text("pk"), text("sk"), text("ds"), {"AttributeName": "d", "AttributeType": "N"}],
        "TimeToLiveSpecification": {"AttributeName": "x", "Enabled": true},
    }});
    let bucket = json!({"Type": "AWS::S3::Bucket", "Properties": {"BucketName": BUCKET, "VersioningConfiguration": {"Status": "Enabled"}}});
    let dead = json!({"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "dead"}});
    let aside = json!({"deadLetterTargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}, "maxReceiveCount": 2});
    let hints =
        json!({"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "hints", "VisibilityTimeout": hidden_s, "RedrivePolicy": aside}});
    [("Table", table), ("Blobs", bucket), ("Dead", dead), ("Hints", hints)].map(|(name, one)| (name.to_owned(), one)).into_iter().collect()
}

fn function(name: &str, told: &[&str], settings: &Settings) -> Value {
    let mut said = Map::from_iter([("WAYBILL_TABLE".to_owned(), json!(TABLE)), ("RUST_LOG".to_owned(), json!("info"))]);
    said.insert("AWS_ENDPOINT_URL".to_owned(), json!(settings.endpoint));
    said.insert("WAYBILL_LIMITS".to_owned(), json!(settings.limits.to_string()));
    for name in told {
        let value = match *name {
            "WAYBILL_BUCKET" => json!(BUCKET),
            "WAYBILL_QUEUE" => json!({"Ref": "Hints"}),
            _ => json!(settings.key_file),
        };
        said.insert((*name).to_owned(), value);
    }
    json!({"Type": "AWS::Lambda::Function", "DependsOn": ["Table", "Blobs"], "Properties": {
        "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap", "Role": "arn:aws:iam::000000000000:role/function",
        "Timeout": 60, "MemorySize": 512, "Code": {"S3Bucket": CODE, "S3Key": name}, "Environment": {"Variables": said},
    }})
}

fn served(all: &mut Map<String, Value>) {
    let own = |kind: &str, properties: Value| json!({"Type": format!("AWS::ApiGatewayV2::{kind}"), "Properties": properties});
    all.insert("Api".to_owned(), own("Api", json!({"Name": "waybill", "ProtocolType": "HTTP"})));
    all.insert("Stage".to_owned(), own("Stage", json!({"ApiId": {"Ref": "Api"}, "StageName": "$default", "AutoDeploy": true})));
    for (name, _) in FUNCTIONS {
        let (integration, arn) = (format!("{}Integration", id(name)), json!({"Fn::GetAtt": [id(name), "Arn"]}));
        let properties = json!({
            "ApiId": {"Ref": "Api"}, "IntegrationType": "AWS_PROXY", "IntegrationUri": arn, "PayloadFormatVersion": "2.0",
        });
        if PATHS.iter().any(|(_, by)| *by == name) {
            all.insert(integration, own("Integration", properties));
        }
    }
    for (place, (path, by)) in PATHS.iter().enumerate() {
        let target = json!({"Fn::Join": ["/", ["integrations", {"Ref": format!("{}Integration", id(by))}]]});
        let properties = json!({"ApiId": {"Ref": "Api"}, "RouteKey": format!("ANY {path}"), "Target": target});
        all.insert(format!("Route{place}"), own("Route", properties));
    }
}

fn mapping() -> Value {
    json!({"Type": "AWS::Lambda::EventSourceMapping", "Properties": {
        "EventSourceArn": {"Fn::GetAtt": ["Hints", "Arn"]}, "FunctionName": {"Ref": "Orchestrator"}, "BatchSize": 10,
        "FunctionResponseTypes": ["ReportBatchItemFailures"], "ScalingConfig": {"MaximumConcurrency": 10},
    }})
}

fn minute() -> Value {
    let target = json!({"Id": "tick", "Arn": {"Fn::GetAtt": ["Tick", "Arn"]}});
    json!({"Type": "AWS::Events::Rule", "Properties": {"ScheduleExpression": "rate(1 minute)", "Targets": [target]}})
}
