//! The built tool against stand-in servers: it must count what is right and notice what is not.
#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, in its helpers too"
)]

mod servers;

use std::io::Write;
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

struct Run {
    child: Child,
    plan: std::path::PathBuf,
}

impl Run {
    fn start(name: &str, plan: &Value) -> Self {
        let file = format!("turnout-load-{}-{name}.json", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, plan.to_string()).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_turnout-load"))
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, plan: path }
    }

    fn say(&mut self, command: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{command}").unwrap();
    }

    /// The report; the run must have ended well.
    fn report(self) -> Value {
        let output = self.child.wait_with_output().unwrap();
        std::fs::remove_file(self.plan).unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some(r#"{"event": "measuring"}"#));
        serde_json::from_str(lines.next().unwrap()).unwrap()
    }
}

fn group(door: &str, address: &str, bodies: &Value) -> Value {
    json!({
        "name": door, "door": door, "address": address, "target": "/echo/Twice", "connections": 3, "depth": 2,
        "rate_per_s": null, "arrivals": "fixed", "tolerance": 1e-6, "bodies": bodies,
    })
}

fn plan(duration_s: Option<f64>, groups: &[Value]) -> Value {
    json!({
        "warmup_s": 0.1, "duration_s": duration_s, "timeout_s": 2.0, "spin": false, "answers_file": null,
        "groups": groups,
    })
}

/// A number is answered with its double: version 1; with 10 more: version 2.
fn body(door: &str, number: f64) -> Value {
    let content = match door {
        "rest" => json!({"text": number.to_string()}),
        _ => json!({"base64": STANDARD.encode(number.to_string())}),
    };
    json!({"content": content, "expected": [
        {"version": 1, "values": [number * 2.0]},
        {"version": 2, "values": [number * 2.0 + 10.0]},
    ]})
}

fn bodies(door: &str) -> Value {
    json!([body(door, 1.5), body(door, 100.0), body(door, -7.0)])
}

fn start(door: &str) -> String {
    match door {
        "rest" => servers::rest(),
        _ => servers::grpc(),
    }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn every_answer_of_a_closed_loop_is_counted() {
    for door in ["rest", "grpc"] {
        let group = group(door, &start(door), &bodies(door));
        let report = Run::start(&format!("closed-{door}"), &plan(Some(0.3), &[group])).report();
        let measured = &report["groups"][0]["phases"][1];
        assert_eq!(measured["name"], "measured");
        assert_eq!(measured["failures"], json!({}), "{door}");
        assert!(number(&measured["answers"]) > 100.0, "{door} {report}");
        assert!(number(&measured["latency_us"]["p50"]) <= number(&measured["latency_us"]["p99"]));
        let versions = report["groups"][0]["versions"].as_object().unwrap();
        assert_eq!(versions.keys().collect::<Vec<_>>(), ["1"]);
    }
}

#[test]
fn an_open_loop_keeps_its_rate_and_phases_are_told_apart() {
    for door in ["rest", "grpc"] {
        let mut group = group(door, &start(door), &bodies(door));
        group["rate_per_s"] = json!(400.0);
        let mut run = Run::start(&format!("open-{door}"), &plan(None, &[group]));
        std::thread::sleep(std::time::Duration::from_millis(400));
        run.say("phase late");
        std::thread::sleep(std::time::Duration::from_millis(500));
        run.say("stop");
        let report = run.report();
        let phases = report["groups"][0]["phases"].as_array().unwrap();
        let names: Vec<_> = phases
            .iter()
            .map(|phase| phase["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["warmup", "measured", "late"]);
        let rate = number(&phases[2]["answers_per_s"]);
        assert!((300.0..500.0).contains(&rate), "{door} {rate}");
    }
}

#[test]
fn an_open_loop_spares_nobody_who_falls_behind() {
    let bodies =
        json!([{"content": {"text": "slow"}, "expected": [{"version": 1, "values": [0.0]}]}]);
    let mut group = group("rest", &servers::rest(), &bodies);
    (group["connections"], group["depth"]) = (json!(1), json!(1));
    let slow_us = 1e6 * servers::SLOW.as_secs_f64();
    let closed = Run::start("slow", &plan(Some(0.5), &[group.clone()])).report();
    let closed = &closed["groups"][0]["phases"][1]["latency_us"];
    assert!(number(&closed["p50"]) >= slow_us);
    assert!(number(&closed["p50"]) < 3.0 * slow_us, "{closed}");
    // Four times as many as can be answered: the last one of half a second should have been sent long ago.
    group["rate_per_s"] = json!(4.0 / servers::SLOW.as_secs_f64());
    let open = Run::start("late", &plan(Some(0.5), &[group])).report();
    let open = &open["groups"][0]["phases"][1]["latency_us"];
    assert!(number(&open["max"]) > 10.0 * slow_us, "{open}");
}

#[test]
fn wrong_answers_statuses_and_lost_connections_are_failures() {
    let cases = [
        ("wrong", "wrong_numbers"),
        ("refuse", "status"),
        ("drop", "connection_lost"),
    ];
    for (text, kind) in cases {
        let bodies =
            json!([{"content": {"text": text}, "expected": [{"version": 1, "values": [1.0]}]}]);
        let group = group("rest", &servers::rest(), &bodies);
        let report = Run::start(kind, &plan(Some(0.1), &[group])).report();
        let measured = &report["groups"][0]["phases"][1];
        assert_eq!(measured["answers"], 0, "{text}");
        assert!(
            number(&measured["failures"][kind]["count"]) > 0.0,
            "{text} {report}"
        );
    }
}

#[test]
fn long_bodies_go_through_the_windows_of_http_2() {
    let text = "1".to_owned() + &" ".repeat(300_000);
    let bodies = json!([{"content": {"base64": STANDARD.encode(text)}, "expected": [{"version": 1, "values": [2.0]}]}]);
    let group = group("grpc", &servers::grpc(), &bodies);
    let report = Run::start("long", &plan(Some(0.2), &[group])).report();
    let measured = &report["groups"][0]["phases"][1];
    assert_eq!(measured["failures"], json!({}));
    assert!(number(&measured["answers"]) > 1.0);
}
