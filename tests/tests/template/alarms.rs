//! What tells a person that something is wrong: alarms, the metrics behind them, the dashboard.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use runtime::alarm::Alarm;
use serde_json::Value;

use crate::stack::{Function, Stack, arn, list, referred, repository};

/// The metrics that alarms watch, whether alone or in a sum.
fn metrics(stack: &Stack) -> impl Iterator<Item = &Value> {
    let alarms = stack.of_type("AWS::CloudWatch::Alarm").map(|logical| stack.properties(logical));
    alarms.flat_map(|alarm| match alarm["Metrics"].as_array() {
        None => vec![alarm],
        Some(parts) => {
            parts.iter().map(|part| &part["MetricStat"]["Metric"]).filter(|metric| metric.is_object()).collect()
        }
    })
}

/// The resources for which a metric is watched.
fn watched(stack: &Stack, metric: &str, dimension: &str) -> BTreeSet<String> {
    let these = metrics(stack).filter(|watched| watched["MetricName"] == metric);
    let dimensions = these.flat_map(|watched| list(&watched["Dimensions"]));
    let named = |value: &Value| {
        let got = || value["Fn::GetAtt"].as_str()?.strip_suffix(".QueueName").map(str::to_owned);
        referred(value).map(str::to_owned).or_else(got).expect("a resource")
    };
    dimensions.filter(|one| one["Name"] == dimension).map(|one| named(&one["Value"])).collect()
}

#[test]
fn every_function_and_every_queue_has_its_alarms() {
    let stack = Stack::built_in();
    let functions: BTreeSet<String> = stack.functions().iter().map(|function| function.logical.to_owned()).collect();
    assert_eq!(watched(stack, "Errors", "FunctionName"), functions, "errors");
    assert_eq!(watched(stack, "Throttles", "FunctionName"), functions, "throttles");
    let mut dead = BTreeSet::new();
    let mut live = BTreeSet::new();
    for queue in stack.of_type("AWS::SQS::Queue") {
        let redrive = &stack.properties(queue)["RedrivePolicy"];
        if redrive.is_object() {
            live.insert(queue.to_owned());
            dead.insert(arn(&redrive["deadLetterTargetArn"]));
        }
    }
    assert_eq!(watched(stack, "ApproximateNumberOfMessagesVisible", "QueueName"), dead, "dead letters");
    assert_eq!(watched(stack, "ApproximateAgeOfOldestMessage", "QueueName"), live, "messages that wait");
    let schedule = |function: &Function<'_>| {
        let events = function.properties["Events"].as_object().cloned().unwrap_or_default();
        let scheduled = events.into_iter().filter(|(_, event)| event["Type"] == "Schedule");
        let logical = function.logical.to_owned();
        scheduled.map(move |(name, _)| format!("{logical}{name}")).collect::<Vec<_>>()
    };
    let rules = stack.functions().iter().flat_map(schedule).collect();
    assert_eq!(watched(stack, "FailedInvocations", "RuleName"), rules, "schedules");
}

/// SQS leaves a message that was given out three times out of the age of the oldest one:
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>
#[test]
fn a_message_that_fails_again_and_again_rings_before_it_is_no_longer_counted() {
    let stack = Stack::built_in();
    let alarms = stack.of_type("AWS::CloudWatch::Alarm").map(|logical| stack.properties(logical));
    for alarm in alarms.filter(|alarm| alarm["MetricName"] == "ApproximateAgeOfOldestMessage") {
        let queue = alarm["Dimensions"][0]["Value"]["Fn::GetAtt"].as_str().unwrap().strip_suffix(".QueueName").unwrap();
        let third = 2 * stack.number(&stack.properties(queue)["VisibilityTimeout"]);
        let number = |name: &str| stack.number(&alarm[name]);
        let rings = number("Threshold") + number("Period") * number("EvaluationPeriods");
        assert!(rings < third, "{queue}: the alarm rings after {rings} s, and the third try is after {third} s");
    }
}

const BEGIN: &str = "<!-- alarms: made from template.yaml; a test compares -->\n";
const END: &str = "<!-- end of alarms -->\n";

/// The alarms as the operating guide lists them, and what they cost: each metric the same, whether it stands alone or in a
/// sum.
fn listed(stack: &Stack) -> String {
    let mut text = "| alarm | what has happened, and what to do |\n|---|---|\n".to_owned();
    for logical in stack.of_type("AWS::CloudWatch::Alarm") {
        let said = stack.properties(logical)["AlarmDescription"].as_str().unwrap().replace('|', "\\|");
        writeln!(text, "| `{logical}` | {said} |").unwrap();
    }
    let alarmed = metrics(stack).count();
    let filters = stack.of_type("AWS::Logs::MetricFilter").map(|logical| stack.properties(logical));
    let own: BTreeSet<&str> =
        filters.map(|filter| filter["MetricTransformations"][0]["MetricName"].as_str().unwrap()).collect();
    let cents = alarmed * 10 + own.len() * 30;
    writeln!(
        text,
        "\nThey watch {alarmed} metrics at 0.10 USD a month each, and {} metrics are our own at 0.30 USD a month each: {}.{:02} USD.",
        own.len(),
        cents / 100,
        cents % 100
    )
    .unwrap();
    text
}

#[test]
fn the_operating_guide_lists_the_alarms_as_they_are_and_what_they_cost() {
    let guide = std::fs::read_to_string(repository().join("docs/operating.md")).unwrap();
    let found = guide.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END)).map(|(found, _)| found);
    let listed = listed(Stack::built_in());
    assert!(found == Some(&listed), "put this between the markers in docs/operating.md:\n\n{BEGIN}{listed}{END}");
}

#[test]
fn what_runs_all_the_time_is_missed_and_what_only_counts_trouble_is_not() {
    let stack = Stack::built_in();
    let breaching = stack
        .of_type("AWS::CloudWatch::Alarm")
        .filter(|logical| stack.properties(logical)["TreatMissingData"] == "breaching")
        .collect::<Vec<_>>();
    assert_eq!(breaching, ["RenewalsMissing", "ReconcilerMissing"]);
    for alarm in breaching.into_iter().map(|logical| stack.properties(logical)) {
        assert_eq!(
            (&alarm["MetricName"], &alarm["ComparisonOperator"]),
            (&"Invocations".into(), &"LessThanThreshold".into())
        );
    }
}

#[test]
fn the_dashboard_is_json_that_shows_every_function() {
    let stack = Stack::built_in();
    let body = stack.properties("Dashboard")["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let widgets = body["widgets"].as_array().unwrap().iter().map(|widget| &widget["properties"]);
    let of_functions: Vec<_> = widgets.filter(|widget| widget["metrics"][0][0] == "AWS/Lambda").collect();
    assert_eq!(of_functions.len(), 2, "errors and durations");
    for function in stack.functions() {
        for widget in &of_functions {
            let shown = widget["metrics"].to_string().contains(&format!("\"${{{}}}\"", function.logical));
            assert!(shown, "{} is not shown in {}", function.name, widget["title"]);
        }
    }
}

#[test]
fn every_alarm_says_what_it_means_tells_somebody_and_decides_about_silence() {
    let stack = Stack::built_in();
    for logical in stack.of_type("AWS::CloudWatch::Alarm") {
        let alarm = stack.properties(logical);
        // It has to tell whoever is woken by it what to do; CloudWatch takes 1,024 characters.
        let said = alarm["AlarmDescription"].as_str().unwrap_or_default();
        assert!((40..=1024).contains(&said.chars().count()) && said.is_ascii(), "{logical}: {said:?}");
        assert!(said.matches(['.', ':']).count() >= 2, "{logical} does not say what to do: {said}");
        let actions = list(&alarm["AlarmActions"]);
        assert_eq!(
            actions.iter().map(|action| referred(action)).collect::<Vec<_>>(),
            [Some("AlarmTopic")],
            "{logical}"
        );
        let silence = alarm["TreatMissingData"].as_str().unwrap_or_default();
        assert!(["breaching", "notBreaching"].contains(&silence), "{logical}: {silence:?}");
    }
}

/// The field whose value a filter counts, where it does not count lines. The tests of the function look for it in its log.
fn counted(filter: &Value) -> Option<&str> {
    let field = filter["MetricTransformations"][0]["MetricValue"].as_str()?.strip_prefix("$.")?;
    assert_eq!(filter["FilterPattern"], format!("{{ $.{field} >= 0 }}"));
    Some(field)
}

#[test]
fn every_alarm_on_logs_watches_a_metric_that_a_filter_makes_of_lines_that_are_written() {
    let stack = Stack::built_in();
    let own = |metric: &&Value| metric["Namespace"]["Ref"] == "AWS::StackName";
    let watched: BTreeSet<&str> =
        metrics(stack).filter(own).map(|metric| metric["MetricName"].as_str().unwrap()).collect();
    let (mut made, mut groups, mut counts) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    let raised = Alarm::ALL.map(|alarm| (format!(r#"{{ $.alarm = "{0}" }}"#, alarm.as_str()), alarm.as_str()));
    let mut heard = BTreeSet::new();
    for filter in stack.of_type("AWS::Logs::MetricFilter").map(|logical| stack.properties(logical)) {
        let metrics = list(&filter["MetricTransformations"]);
        assert!(metrics.iter().all(|metric| metric["MetricNamespace"]["Ref"] == "AWS::StackName"), "{filter}");
        if let Some(field) = counted(filter) {
            counts.insert(field, metrics[0]["MetricName"].as_str().unwrap());
            continue;
        }
        made.extend(metrics.iter().map(|metric| metric["MetricName"].as_str().unwrap()));
        let group = referred(&filter["LogGroupName"]).unwrap();
        match filter["FilterPattern"].as_str().unwrap() {
            // The access log's own field, which the gateway writes as text.
            r#"{ ($.status = "401") || ($.status = "403") }"# => assert_eq!(group, "ApiLogs"),
            r#"{ $.level = "ERROR" }"# => assert!(groups.insert(group), "{group} is counted twice"),
            pattern => {
                let raised = raised.iter().find(|(raised, _)| raised == pattern);
                let (_, name) = raised.unwrap_or_else(|| panic!("no line raises {pattern}"));
                assert_eq!(metrics[0]["MetricName"], *name, "the metric, and the alarm on it, have the alarm's name");
                assert_eq!(stack.properties(name)["MetricName"], *name);
                heard.insert(*name);
            }
        }
    }
    assert_eq!(heard, Alarm::ALL.map(Alarm::as_str).into(), "every alarm that a line raises has a filter");
    let dashboard = stack.properties("Dashboard")["DashboardBody"]["Fn::Sub"].as_str().unwrap();
    assert!(counts.values().all(|metric| dashboard.contains(&format!("\"{metric}\""))), "{counts:?}");
    made.extend(counts.into_values().filter(|metric| watched.contains(metric)));
    assert_eq!(made, watched);
    let functions = stack.functions();
    let all = functions.iter().map(|function| referred(&function.properties["LoggingConfig"]["LogGroup"]).unwrap());
    assert_eq!(groups, all.collect(), "errors are counted in every function's log");
}
