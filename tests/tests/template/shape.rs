//! What has to fit together in the template itself, and with the workspace.

use std::collections::BTreeSet;

use local::deployment::{Opened, open};
use local::functions::FUNCTIONS;
use runtime::Start;
use runtime::settings::Settings;
use serde_json::{Value, json};
use tests::TestApp;
use tests::deployed::surroundings;

use crate::stack::{Stack, arn, folders, list, referred, repository};

#[test]
fn every_package_of_functions_is_a_function_in_the_same_order() {
    let stack = Stack::built_in();
    let mut order: Vec<String> = stack.functions().into_iter().map(|function| function.package).collect();
    order.dedup();
    let known: BTreeSet<String> = order.iter().cloned().collect();
    assert_eq!(known, folders().into_iter().collect(), "the template, and functions/");
    assert_eq!(order.len(), known.len(), "the functions of a package stand together");
    let registered: Vec<_> = FUNCTIONS.iter().map(|function| function.name).collect();
    assert_eq!(order, registered, "the template, and local/src/functions.rs");
    let map = std::fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    let mapped =
        map.lines().filter_map(|line| line.strip_prefix("| `functions/")?.split('`').next().map(str::to_owned));
    assert_eq!(order, mapped.collect::<Vec<_>>(), "the order is that of ARCHITECTURE.md's code map");
}

#[test]
fn every_function_runs_a_binary_of_its_own_on_amazon_linux_2023() {
    let stack = Stack::built_in();
    for function in stack.functions() {
        let name = &function.name;
        let package = repository().join("functions").join(&function.package);
        let manifest = std::fs::read_to_string(package.join("Cargo.toml")).unwrap();
        assert!(manifest.starts_with(&format!("[package]\nname = \"{}\"\n", function.package)), "{name}");
        assert!(package.join("src/main.rs").is_file(), "{name} has no binary");
        assert_eq!(stack.effective(&function, "Handler"), "bootstrap", "{name}");
        assert_eq!(stack.effective(&function, "Runtime"), "provided.al2023", "{name}");
        assert_eq!(referred(list(stack.effective(&function, "Architectures"))[0]), Some("Architecture"), "{name}");
        let code = function.properties["CodeUri"]
            .as_str()
            .unwrap_or_else(|| stack.document["Globals"]["Function"]["CodeUri"].as_str().expect("a folder of sources"));
        assert!(repository().join(code).is_dir(), "{name}: {code}");
        let build = &stack.document["Resources"][function.logical]["Metadata"];
        assert!(build["BuildMethod"].is_string(), "{name}: SAM would not know how to build it");
        let binary = &build["BuildProperties"]["Binary"];
        assert!(binary.is_null() || binary == function.package.as_str(), "{name} would run {binary}");
    }
}

#[test]
fn every_function_logs_to_a_group_of_its_own_that_forgets() {
    let stack = Stack::built_in();
    let mut groups = BTreeSet::new();
    for function in stack.functions() {
        let group = referred(&function.properties["LoggingConfig"]["LogGroup"]).unwrap();
        assert!(groups.insert(group.to_owned()), "{group} is of two functions");
        let expected = format!("/aws/lambda/${{AWS::StackName}}/{}", function.name);
        assert_eq!(stack.properties(group)["LogGroupName"]["Fn::Sub"], expected);
    }
    for group in stack.of_type("AWS::Logs::LogGroup") {
        assert_eq!(referred(&stack.properties(group)["RetentionInDays"]), Some("LogRetentionDays"), "{group}");
    }
}

#[test]
fn a_queue_gives_its_worker_six_time_outs_and_puts_aside_what_fails_again_and_again() {
    let stack = Stack::built_in();
    let mut worked_on = BTreeSet::new();
    for mapping in stack.of_type("AWS::Lambda::EventSourceMapping").map(|logical| stack.properties(logical)) {
        let worker = referred(&mapping["FunctionName"]).unwrap();
        let functions = stack.functions();
        let worker = functions.iter().find(|function| function.logical == worker).expect("a function");
        let queue = arn(&mapping["EventSourceArn"]);
        let properties = stack.properties(&queue);
        let time_out = stack.number(stack.effective(worker, "Timeout"));
        let visibility = stack.number(&properties["VisibilityTimeout"]);
        assert!(visibility >= 6 * time_out, "{queue}: {visibility} s for a worker of {time_out} s");
        assert!(mapping["ScalingConfig"]["MaximumConcurrency"].as_u64().is_some_and(|most| most >= 2), "{queue}");
        assert_eq!(mapping["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{queue}");
        let redrive = &properties["RedrivePolicy"];
        assert!((1..=1000).contains(&stack.number(&redrive["maxReceiveCount"])), "{queue}");
        let dead = arn(&redrive["deadLetterTargetArn"]);
        let kept = &stack.properties(&dead)["MessageRetentionPeriod"];
        assert_eq!(kept, &Value::from(14 * 24 * 3600), "{dead} keeps messages for as long as SQS can");
        worked_on.extend([queue, dead]);
    }
    assert_eq!(worked_on, stack.of_type("AWS::SQS::Queue").map(str::to_owned).collect(), "every queue is worked on");
}

/// A property that is this with a key of the operator's own, and that without one.
fn by_key(with: &Value, without: &Value) -> Value {
    json!({ "Fn::If": ["HasKmsKey", with, without] })
}

#[test]
fn a_key_of_the_operators_own_encrypts_table_queues_and_logs() {
    let (stack, key, none) = (Stack::built_in(), json!({ "Ref": "KmsKeyArn" }), json!({ "Ref": "AWS::NoValue" }));
    let given = by_key(&key, &none);
    let table = &stack.properties("Table")["SSESpecification"];
    assert_eq!((&table["KMSMasterKeyId"], &table["SSEType"]), (&given, &by_key(&json!("KMS"), &none)));
    for queue in stack.of_type("AWS::SQS::Queue").map(|logical| stack.properties(logical)) {
        assert_eq!(queue["KmsMasterKeyId"], given, "{queue}");
        assert_eq!(queue["SqsManagedSseEnabled"], by_key(&none, &json!(true)), "{queue}");
    }
    for group in stack.of_type("AWS::Logs::LogGroup").map(|logical| stack.properties(logical)) {
        assert_eq!(group["KmsKeyId"], given, "{group}");
    }
}

#[test]
fn every_event_that_is_scheduled_is_one_that_its_function_understands() {
    let stack = Stack::built_in();
    let reconciler = stack.schedules(&stack.function("reconciler")).into_iter();
    let mut tasks: Vec<_> = reconciler.map(|scheduled| reconciler::Task::read(scheduled.input).unwrap()).collect();
    tasks.sort_by_key(|task| *task != reconciler::Task::Settle {});
    let dry = reconciler::Task::Sweep(reconciler::sweep::SweepOrder::default());
    assert_eq!(tasks, [reconciler::Task::Settle {}, dry], "what is scheduled changes nothing at the carrier");
}

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "?"];

/// Six fields as the event bus takes them, with `?` in one of the two fields of days.
fn is_cron(text: &str) -> bool {
    let fields: Vec<&str> = text.split(' ').collect();
    let [minutes, hours, days, months, weekdays, years] = fields.as_slice() else { return false };
    let known = |field: &str, names: &[&str], least: u32, most: u32| {
        field.split(',').all(|part| {
            let part = part.split_once('/').map_or(part, |(from, _)| from);
            part.split('-').all(|end| {
                let number = end.parse::<u32>().is_ok_and(|number| (least..=most).contains(&number));
                number || end == "*" || names.contains(&end)
            })
        })
    };
    known(minutes, &[], 0, 59)
        && known(hours, &[], 0, 23)
        && known(days, &["?", "L"], 1, 31)
        && known(months, &MONTHS, 1, 12)
        && known(weekdays, &WEEKDAYS, 1, 7)
        && known(years, &[], 1970, 2199)
        && (*days == "?") != (*weekdays == "?")
}

/// The linter of the gate checks the form; it lets an hour 24 and a month MOON pass.
#[test]
fn every_cron_schedule_is_one_that_eventbridge_takes() {
    let stack = Stack::built_in();
    for function in stack.functions() {
        for scheduled in stack.schedules(&function) {
            let fields = scheduled.expression.strip_prefix("cron(").and_then(|rest| rest.strip_suffix(')'));
            assert!(fields.is_none_or(is_cron), "{}: {}", function.name, scheduled.expression);
        }
    }
    for good in ["0 6 ? * MON *", "0/5 8-17 ? * MON-FRI *", "15 10 1 JAN ? 2027"] {
        assert!(is_cron(good), "{good}");
    }
    for bad in ["0 6 * * MON", "0 6 * * MON *", "0 24 ? * MON *", "60 6 ? * MON *", "0 6 ? * MOON *", "0 6 ? * ? *"] {
        assert!(!is_cron(bad), "{bad}");
    }
}

#[test]
fn only_what_serves_a_schedule_is_scheduled_and_only_a_worker_gets_messages() {
    let stack = Stack::built_in();
    for function in stack.functions() {
        let variables = surroundings("http://127.0.0.1:9").environment(stack, &function);
        let settings = Settings::from_reader(move |name| variables.get(name).cloned());
        let (worked, scheduled) = match open(&function, &Start::in_lambda(settings)).unwrap().0 {
            Opened::Http(_) => (false, false),
            Opened::Queue(_) => (true, false),
            Opened::Schedule(_) => (false, true),
        };
        assert_eq!(!stack.sources(&function).is_empty(), worked, "{}: its queues", function.name);
        assert_eq!(!stack.schedules(&function).is_empty(), scheduled, "{}: its schedules", function.name);
    }
}

#[test]
fn a_run_of_the_reconciler_that_fails_is_not_repeated_by_anybody() {
    let stack = Stack::built_in();
    let reconciler = stack.function("reconciler");
    // Lambda repeats events that nobody waits for twice, and a sweep that was ordered once would act three times.
    assert_eq!(reconciler.properties["EventInvokeConfig"]["MaximumRetryAttempts"], 0);
    for (name, event) in reconciler.properties["Events"].as_object().unwrap() {
        assert_eq!(event["Properties"]["RetryPolicy"]["MaximumRetryAttempts"], 0, "{name}");
    }
}

#[test]
fn what_cannot_be_made_again_survives_the_stack() {
    let stack = Stack::built_in();
    let kept = ["AWS::DynamoDB::Table", "AWS::SecretsManager::Secret"];
    for logical in kept.into_iter().flat_map(|kind| stack.of_type(kind).collect::<Vec<_>>()) {
        let resource = &stack.document["Resources"][logical];
        let kept = resource["DeletionPolicy"].as_str();
        assert!(matches!(kept, Some("Retain" | "RetainExceptOnCreate")), "{logical}: {kept:?}");
        assert_eq!(resource["UpdateReplacePolicy"], "Retain", "{logical}");
    }
    assert_eq!(stack.properties("Table")["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"], true);
    assert_eq!(stack.properties("Table")["SSESpecification"]["SSEEnabled"], true);
}

/// Sorted, because the order says nothing.
fn by_name(values: &Value, name: &str) -> Vec<Value> {
    let mut values = values.as_array().unwrap().clone();
    values.sort_by_key(|value| value[name].as_str().unwrap().to_owned());
    values
}

#[tokio::test]
async fn the_table_is_the_one_that_the_code_makes_for_itself() {
    let stack = Stack::built_in();
    let declared = stack.properties("Table");
    let app = TestApp::empty().await;
    let named = json!({ "TableName": app.bundle.table_name });
    let made = &app.dynamo.ask("DescribeTable", &named).await["Table"];
    assert_eq!(declared["KeySchema"], made["KeySchema"]);
    let attributes = |table: &Value| by_name(&table["AttributeDefinitions"], "AttributeName");
    assert_eq!(attributes(declared), attributes(made));
    let indexes = |table: &Value| -> Vec<[Value; 3]> {
        let indexes = by_name(&table["GlobalSecondaryIndexes"], "IndexName").into_iter();
        indexes.map(|index| ["IndexName", "KeySchema", "Projection"].map(|part| index[part].clone())).collect()
    };
    assert_eq!(indexes(declared), indexes(made));
    let forgotten = app.dynamo.ask("DescribeTimeToLive", &named).await;
    let forgets = &declared["TimeToLiveSpecification"];
    assert_eq!(forgets["AttributeName"], forgotten["TimeToLiveDescription"]["AttributeName"]);
    assert_eq!(forgets["Enabled"], true);
    assert_eq!(declared["BillingMode"], "PAY_PER_REQUEST");
}

#[test]
fn the_api_is_throttled_and_logs_each_request_in_a_group_of_its_own_without_what_callers_write() {
    let stack = Stack::built_in();
    let api = stack.properties("Api");
    for limit in ["ThrottlingRateLimit", "ThrottlingBurstLimit"] {
        assert!(api["DefaultRouteSettings"][limit].as_u64().is_some_and(|limit| limit > 0), "{limit}");
    }
    let log = &api["AccessLogSettings"];
    assert_eq!(arn(&log["DestinationArn"]), "ApiLogs");
    let format: Value = serde_json::from_str(log["Format"].as_str().unwrap()).unwrap();
    assert!(
        ["requestId", "ip", "route", "status", "latencyMs"].iter().all(|field| format[field].is_string()),
        "{format}"
    );
    // Of a caller's identity only the address, which the gateway itself sees.
    let format = format.to_string().replace("$context.identity.sourceIp", "");
    let written = ["path", "Path", "identity", "requestOverride", "authorizer", "domainName"];
    assert!(!written.iter().any(|name| format.contains(&format!("$context.{name}"))), "{format}");
}

/// API Gateway gives up after 30 s, and whatever is answered later reaches nobody.
#[test]
fn every_function_behind_the_gateway_ends_before_the_gateway_gives_up() {
    let stack = Stack::built_in();
    for function in stack.functions() {
        let mut events = function.properties["Events"].as_object().into_iter().flat_map(|events| events.values());
        let seconds = stack.number(stack.effective(&function, "Timeout"));
        assert!(!events.any(|event| event["Type"] == "HttpApi") || seconds < 30, "{}: {seconds} s", function.name);
    }
}

#[test]
fn every_parameter_is_described_and_used() {
    let stack = Stack::built_in();
    let text = std::fs::read_to_string(repository().join("template.yaml")).unwrap();
    for (name, parameter) in stack.parameters() {
        assert!(parameter["Description"].as_str().is_some_and(|text| text.ends_with('.')), "{name}");
        let bounded = ["AllowedValues", "AllowedPattern", "MaxValue"].iter().any(|bound| !parameter[*bound].is_null());
        assert!(bounded, "{name} takes anything");
        let uses =
            [format!("!Ref {name}"), format!("${{{name}}}"), format!("[{name}]"), format!("!Equals [!Ref {name},")];
        assert!(uses.iter().any(|used| text.contains(used)), "{name} is not used");
    }
}

#[test]
fn outputs_hold_what_a_person_needs_next() {
    let stack = Stack::built_in();
    let outputs = stack.document["Outputs"].as_object().unwrap();
    let values: Vec<String> = outputs.values().map(|output| output["Value"].to_string()).collect();
    let told = |logical: &str| values.iter().any(|value| value.contains(logical));
    let kinds = ["AWS::DynamoDB::Table", "AWS::SQS::Queue", "AWS::SecretsManager::Secret", "AWS::SNS::Topic"];
    for logical in kinds.into_iter().flat_map(|kind| stack.of_type(kind).collect::<Vec<_>>()) {
        assert!(told(logical), "no output tells of {logical}");
    }
    assert!(told("${Api}") && told("${Dashboard}"), "{values:?}");
    for function in stack.functions() {
        assert!(
            told(&format!("\"{}\"", function.logical)),
            "no output names {} for `aws lambda invoke`",
            function.name
        );
    }
}

#[test]
fn every_output_and_every_parameter_that_the_operating_guide_names_is_there() {
    let stack = Stack::built_in();
    let guide = std::fs::read_to_string(repository().join("docs/operating.md")).unwrap();
    let word = |text: &str| text.chars().take_while(char::is_ascii_alphanumeric).collect::<String>();
    let outputs: BTreeSet<String> = guide.split("output ").skip(1).map(word).collect();
    let outputs = outputs.iter().filter(|name| name.starts_with(|first: char| first.is_ascii_uppercase()));
    let unknown = outputs.filter(|name| stack.document["Outputs"][name.as_str()].is_null());
    assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&String>::new(), "outputs");
    let overridden = guide.split("--parameter-overrides ").skip(1).filter_map(|rest| rest.lines().next());
    let names: BTreeSet<&str> =
        overridden.flat_map(|line| line.split(' ')).filter_map(|part| Some(part.split_once('=')?.0)).collect();
    assert!(names.contains("SipHost"), "{names:?}");
    let unknown = names.iter().filter(|name| !stack.parameters().contains_key(**name));
    assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&&str>::new(), "parameters");
}
