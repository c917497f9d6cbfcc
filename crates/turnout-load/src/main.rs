//! `turnout-load PLAN.json`: sends checked load to a server and reports what came back.
//!
//! A tool of this project's benchmarks and tests, not part of the product. One thread, one epoll loop, so that on a core of
//! its own it outruns the server that it measures. Every answer is compared with the values that the plan expects.
//!
//! Standard output carries two JSON lines: `{"event": "measuring"}` when the warm-up is over, and the report at the end.
//! Standard input takes commands, one a line: `phase NAME` begins a new phase of the report, `stop` ends the run.
#![forbid(unsafe_code)]

mod answer;
mod clock;
mod connection;
mod control;
mod driver;
mod group;
mod histogram;
mod http2;
mod plan;
mod report;
mod request;
mod rest;
mod schedule;

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // Nothing is left to tell when standard error is closed too.
            let _ = writeln!(std::io::stderr(), "turnout-load: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(path), None) = (arguments.next(), arguments.next()) else {
        return Err("usage: turnout-load PLAN.json".to_owned());
    };
    let plan = plan::Plan::read(path.as_ref())?;
    let report = driver::Driver::new(&plan)?.run()?;
    let text = serde_json::to_string(&report).map_err(|error| error.to_string())?;
    print_line(&text)
}

/// Writes a line to standard output at once.
fn print_line(text: &str) -> Result<(), String> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| format!("cannot write to standard output: {error}"))
}
