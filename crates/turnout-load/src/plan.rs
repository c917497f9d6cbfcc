//! The plan: what to send, how, and what must come back.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// A whole run. Unknown keys are refused.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    pub(crate) warmup_s: f64,
    /// None: until `stop` is read from standard input.
    pub(crate) duration_s: Option<f64>,
    /// How long an answer may take before it counts as failed.
    pub(crate) timeout_s: f64,
    pub(crate) groups: Vec<GroupPlan>,
    /// Open loop: wait for the next send by looking at the clock without rest. Exact, and busy all the time.
    pub(crate) spin: bool,
    /// Where every answer's record goes: little-endian (sent ns u64, received ns u64, version u32, group u32).
    pub(crate) answers_file: Option<PathBuf>,
}

/// Connections that send the same requests in the same manner.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GroupPlan {
    pub(crate) name: String,
    pub(crate) door: Door,
    /// `HOST:PORT`.
    pub(crate) address: String,
    /// The path of the request, for gRPC that of the method.
    pub(crate) target: String,
    pub(crate) connections: usize,
    /// Requests in flight on one connection: pipelined for REST, streams for gRPC.
    pub(crate) depth: usize,
    /// None: closed loop, the next request goes out when an answer has come in.
    pub(crate) rate_per_s: Option<f64>,
    pub(crate) arrivals: Arrivals,
    /// An answer is right when |got - expected| <= tolerance × max(1, |expected|) for every number.
    pub(crate) tolerance: f64,
    pub(crate) bodies: Vec<BodyPlan>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Door {
    Rest,
    Grpc,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Arrivals {
    Fixed,
    Poisson,
}

/// A request body and the answers that are right for it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodyPlan {
    pub(crate) content: Content,
    /// One entry per version that may answer.
    pub(crate) expected: Vec<ExpectedPlan>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Content {
    Text(String),
    Base64(String),
    File(PathBuf),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedPlan {
    pub(crate) version: u32,
    pub(crate) values: Values,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Values {
    Inline(Vec<f64>),
    /// Little-endian float64 values.
    File(PathBuf),
}

impl Plan {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = read(path)?;
        let plan: Self = serde_json::from_slice(&text)
            .map_err(|error| format!("the plan `{}` is not right: {error}", path.display()))?;
        plan.check()
    }

    fn check(self) -> Result<Self, String> {
        for group in &self.groups {
            let name = &group.name;
            if group.connections == 0 || group.depth == 0 {
                return Err(format!("group `{name}` has no connection or no depth"));
            }
            if group.bodies.is_empty() || group.bodies.iter().any(|body| body.expected.is_empty()) {
                return Err(format!("group `{name}` has a body without expected values"));
            }
            if group.rate_per_s.is_some_and(|rate| rate <= 0.0) {
                return Err(format!("the rate of group `{name}` is not above 0"));
            }
        }
        Ok(self)
    }
}

impl Content {
    pub(crate) fn load(&self) -> Result<Vec<u8>, String> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::Base64(text) => STANDARD
                .decode(text)
                .map_err(|error| format!("a body is not base64: {error}")),
            Self::File(path) => read(path),
        }
    }
}

impl Values {
    pub(crate) fn load(&self) -> Result<Vec<f64>, String> {
        match self {
            Self::Inline(values) => Ok(values.clone()),
            Self::File(path) => {
                let (values, rest) = {
                    let bytes = read(path)?;
                    let (chunks, rest) = bytes.as_chunks::<8>();
                    let values: Vec<f64> = chunks.iter().copied().map(f64::from_le_bytes).collect();
                    (values, rest.len())
                };
                if rest == 0 {
                    Ok(values)
                } else {
                    Err(format!("not whole float64 values: `{}`", path.display()))
                }
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}
