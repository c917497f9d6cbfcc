//! Whether an answer is right, and which version gave it.

mod json;
mod message;

use std::collections::HashMap;

use crate::plan::{BodyPlan, Door};

/// Answers longer than this are decoded each time: keeping them costs more than it saves.
const MEMO_BYTES: usize = 4096;
/// Bound of the remembered answers of one body.
const MEMO_ANSWERS: usize = 4096;

/// The numbers of an answer and the version that it names, where the door tells.
#[derive(Debug, PartialEq)]
struct Decoded {
    values: Vec<f64>,
    version: Option<u64>,
}

#[derive(Debug)]
struct Expected {
    version: u32,
    /// Where the group counts this version.
    slot: usize,
    values: Vec<f64>,
}

/// What is right for one request body.
#[derive(Debug)]
pub(crate) struct Checker {
    door: Door,
    tolerance: f64,
    expected: Vec<Expected>,
    /// Answers that were decoded and found right, byte for byte, and their version's slot.
    memo: HashMap<Box<[u8]>, usize>,
}

/// Why an answer is wrong: a word for counting, and the evidence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) kind: &'static str,
    pub(crate) evidence: String,
}

impl Wrong {
    pub(crate) fn new(kind: &'static str, evidence: impl Into<String>) -> Self {
        Self {
            kind,
            evidence: evidence.into(),
        }
    }
}

impl Checker {
    /// `slot_of` gives each version the place where the group counts it.
    pub(crate) fn new(
        door: Door,
        tolerance: f64,
        body: &BodyPlan,
        mut slot_of: impl FnMut(u32) -> usize,
    ) -> Result<Self, String> {
        let one = |expected: &crate::plan::ExpectedPlan| {
            Ok(Expected {
                version: expected.version,
                slot: slot_of(expected.version),
                values: expected.values.load()?,
            })
        };
        Ok(Self {
            door,
            tolerance,
            expected: body
                .expected
                .iter()
                .map(one)
                .collect::<Result<_, String>>()?,
            memo: HashMap::new(),
        })
    }

    /// The slot of the version whose answer this is.
    pub(crate) fn check(&mut self, answer: &[u8]) -> Result<usize, Wrong> {
        if let Some(slot) = self.memo.get(answer) {
            return Ok(*slot);
        }
        let decoded = match self.door {
            Door::Rest => json::decode(answer),
            Door::Grpc => message::decode(answer),
        }
        .map_err(|reason| Wrong::new("malformed", format!("{reason}: {}", excerpt(answer))))?;
        let slot = self.version_of(&decoded, answer)?;
        if answer.len() <= MEMO_BYTES {
            if self.memo.len() >= MEMO_ANSWERS {
                self.memo.clear();
            }
            self.memo.insert(answer.into(), slot);
        }
        Ok(slot)
    }

    fn version_of(&self, decoded: &Decoded, answer: &[u8]) -> Result<usize, Wrong> {
        let mut fitting = self
            .expected
            .iter()
            .filter(|expected| self.fits(&decoded.values, &expected.values));
        let Some(first) = fitting.next() else {
            return Err(Wrong::new(
                "wrong_numbers",
                self.difference(decoded, answer),
            ));
        };
        if let Some(second) = fitting.next() {
            let evidence = format!(
                "versions {} and {} both give it",
                first.version, second.version
            );
            return Err(Wrong::new("ambiguous", evidence));
        }
        match decoded.version {
            Some(named) if named != u64::from(first.version) => Err(Wrong::new(
                "wrong_version",
                format!(
                    "got version {named} with the numbers of version {}",
                    first.version
                ),
            )),
            _ => Ok(first.slot),
        }
    }

    fn fits(&self, got: &[f64], expected: &[f64]) -> bool {
        let near = |(got, expected): (&f64, &f64)| {
            (got - expected).abs() <= self.tolerance * expected.abs().max(1.0)
                || (got.is_nan() && expected.is_nan())
        };
        got.len() == expected.len() && got.iter().zip(expected).all(near)
    }

    fn difference(&self, decoded: &Decoded, answer: &[u8]) -> String {
        let got = decoded.values.len();
        match &self.expected[..] {
            [only] if only.values.len() != got => {
                format!(
                    "expected {} numbers, got {got}: {}",
                    only.values.len(),
                    excerpt(answer)
                )
            }
            [only] => {
                let mut pairs = decoded.values.iter().zip(&only.values).enumerate();
                let worst = pairs.find(|(_, (got, expected))| !self.fits(&[**got], &[**expected]));
                worst.map_or_else(String::new, |(index, (got, expected))| {
                    format!("number {index}: expected {expected}, got {got}")
                })
            }
            _ => format!("no version gives these {got} numbers: {}", excerpt(answer)),
        }
    }
}

/// The beginning of some bytes, as text.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let part = &bytes[..bytes.len().min(200)];
    String::from_utf8_lossy(part).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Content, ExpectedPlan, Values};

    fn checker(expected: &[(u32, &[f64])]) -> Checker {
        let plan = BodyPlan {
            content: Content::Text(String::new()),
            expected: expected
                .iter()
                .map(|(version, values)| ExpectedPlan {
                    version: *version,
                    values: Values::Inline(values.to_vec()),
                })
                .collect(),
        };
        Checker::new(Door::Rest, 1e-3, &plan, |version| version as usize).unwrap()
    }

    #[test]
    fn an_answer_belongs_to_the_version_that_gives_its_numbers() {
        let mut checker = checker(&[(1, &[1.0, 2.0]), (2, &[1.0, 3.0])]);
        for _ in 0..2 {
            assert_eq!(checker.check(br#"{"predictions": [1.0005, 2]}"#), Ok(1));
            assert_eq!(checker.check(br#"{"predictions": [[1], [3]]}"#), Ok(2));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut one = checker(&[(1, &[1.0, 2.0])]);
        let mut kind = |answer: &[u8]| one.check(answer).unwrap_err().kind;
        assert_eq!(kind(br#"{"predictions": [1, 2.01]}"#), "wrong_numbers");
        assert_eq!(kind(br#"{"predictions": [1]}"#), "wrong_numbers");
        assert_eq!(kind(br#"{"error": "no"}"#), "malformed");
        assert_eq!(kind(b"{"), "malformed");
        let mut two = checker(&[(1, &[1.0]), (2, &[1.0001])]);
        let ambiguous = two.check(br#"{"predictions": [1]}"#).unwrap_err();
        assert_eq!(ambiguous.kind, "ambiguous");
    }
}
