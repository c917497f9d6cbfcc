//! How long each operator of a model takes, as its runtime tells: the model is executed as it is to serve.

use std::collections::HashMap;
use std::time::Duration;

use serde::Serialize;
use turnout_core::{Result, Signature, Tensor};

/// A model that is loaded to be measured. Its runtime notes the time of each operator, which takes time itself.
pub trait Profiler: Send {
    /// The default signature first; never empty.
    fn signatures(&self) -> &[Signature];

    /// Executes one call, with inputs as [`crate::Model::run`] takes them; `measured` ones count.
    ///
    /// # Errors
    /// `execution_failed` with the runtime's own words.
    fn run(&mut self, signature: usize, inputs: Vec<Tensor>, measured: bool) -> Result<()>;

    /// What was measured.
    ///
    /// # Errors
    /// `internal` when the runtime's own record cannot be read.
    fn finish(self: Box<Self>) -> Result<Profile>;
}

/// Microseconds of calls and of the operators in them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Profile {
    /// Of each call as a whole, in the order of the calls.
    pub call_us: Vec<f64>,
    pub operators: Vec<OperatorProfile>,
}

/// One operator of a graph, as the runtime has made it for execution.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperatorProfile {
    pub name: String,
    /// Its type.
    pub op: String,
    /// How often it ran in each call: more than once in a loop.
    pub call_runs: Vec<u32>,
    /// Its time in each call, all runs together.
    pub call_us: Vec<f64>,
    /// Whether its time has that of other operators in it, which are listed too.
    pub has_others: bool,
}

/// One run of an operator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OperatorRun {
    pub(crate) name: String,
    pub(crate) op: String,
    pub(crate) micros: f64,
    pub(crate) has_others: bool,
}

/// Puts calls together to a [`Profile`].
#[derive(Debug, Default)]
pub(crate) struct Collector {
    profile: Profile,
    indices: HashMap<(String, String), usize>,
}

impl Collector {
    pub(crate) fn add_call(&mut self, took: Duration, runs: impl IntoIterator<Item = OperatorRun>) {
        let call = self.profile.call_us.len();
        self.profile.call_us.push(took.as_secs_f64() * 1e6);
        for run in runs {
            let operators = &mut self.profile.operators;
            let key = (run.name.clone(), run.op.clone());
            let index = *self.indices.entry(key).or_insert_with(|| {
                operators.push(OperatorProfile {
                    name: run.name,
                    op: run.op,
                    call_runs: Vec::new(),
                    call_us: Vec::new(),
                    has_others: run.has_others,
                });
                operators.len() - 1
            });
            let operator = &mut operators[index];
            operator.call_runs.resize(call + 1, 0);
            operator.call_us.resize(call + 1, 0.0);
            operator.call_runs[call] += 1;
            operator.call_us[call] += run.micros;
        }
    }

    pub(crate) fn finish(mut self) -> Profile {
        let calls = self.profile.call_us.len();
        for operator in &mut self.profile.operators {
            operator.call_runs.resize(calls, 0);
            operator.call_us.resize(calls, 0.0);
        }
        self.profile
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, micros: f64) -> OperatorRun {
        OperatorRun {
            name: name.to_owned(),
            op: "Add".to_owned(),
            micros,
            has_others: false,
        }
    }

    #[test]
    fn operators_have_a_time_for_each_call() {
        let mut collector = Collector::default();
        collector.add_call(Duration::from_micros(9), [run("a", 1.0), run("a", 2.0)]);
        collector.add_call(Duration::from_micros(8), [run("b", 4.0)]);
        collector.add_call(Duration::from_micros(7), []);
        let profile = collector.finish();
        assert_eq!(profile.call_us.len(), 3);
        let found: Vec<_> = profile
            .operators
            .iter()
            .map(|each| {
                (
                    each.name.as_str(),
                    each.call_runs.clone(),
                    each.call_us.clone(),
                )
            })
            .collect();
        let want = [
            ("a", vec![2, 0, 0], vec![3.0, 0.0, 0.0]),
            ("b", vec![0, 1, 0], vec![0.0, 4.0, 0.0]),
        ];
        assert_eq!(found, want);
    }
}
