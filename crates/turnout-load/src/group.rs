//! Connections that send the same requests, and the book that is kept of their answers.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufWriter, Write};

use crate::answer::Checker;
use crate::connection::Templates;
use crate::histogram::Histogram;
use crate::plan::{Door, GroupPlan};
use crate::report::{Example, Failures, GroupReport, Latency, PhaseReport, VersionSpan};
use crate::request::{Outcome, Pending};
use crate::schedule::OpenLoop;

/// How many failures of a kind are kept in full.
const EXAMPLES: usize = 5;

#[derive(Debug)]
struct Phase {
    name: String,
    started_ns: u64,
    latency: Histogram,
    failures: BTreeMap<&'static str, Failures>,
}

/// What a group sent and what came back.
#[derive(Debug)]
pub(crate) struct Book {
    checkers: Vec<Checker>,
    version_numbers: Vec<u32>,
    versions: Vec<VersionSpan>,
    phases: Vec<Phase>,
    /// Requests to be sent again: body and intended time.
    again: VecDeque<(usize, u64)>,
    next_body: usize,
    next_number: u64,
    retries: u64,
    pub(crate) reconnects: u64,
    pub(crate) refused_connects: u64,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) door: Door,
    pub(crate) address: String,
    pub(crate) connections: usize,
    pub(crate) depth: usize,
    pub(crate) rate_per_s: Option<f64>,
    pub(crate) open_loop: Option<OpenLoop>,
    pub(crate) templates: Templates,
    pub(crate) book: Book,
}

impl Group {
    /// `first_number` sets the request ids of this group apart from those of others.
    pub(crate) fn new(plan: &GroupPlan, first_number: u64, start_ns: u64) -> Result<Self, String> {
        let bodies: Vec<Vec<u8>> = plan
            .bodies
            .iter()
            .map(|body| body.content.load())
            .collect::<Result<_, _>>()?;
        let open_loop = plan
            .rate_per_s
            .map(|rate| OpenLoop::new(start_ns, rate, plan.arrivals, first_number + 1));
        Ok(Self {
            name: plan.name.clone(),
            door: plan.door,
            address: plan.address.clone(),
            connections: plan.connections,
            depth: plan.depth,
            rate_per_s: plan.rate_per_s,
            open_loop,
            templates: Templates::new(plan.door, &plan.address, &plan.target, &bodies),
            book: Book::new(plan, first_number)?,
        })
    }

    pub(crate) fn report(&self, ended_ns: u64) -> GroupReport {
        let book = &self.book;
        let numbers = book.version_numbers.iter().copied();
        let versions = numbers.zip(book.versions.iter().cloned());
        let ends = book.phases.iter().skip(1).map(|next| next.started_ns);
        let ends = ends.chain(std::iter::once(ended_ns));
        let phases = book.phases.iter().zip(ends);
        GroupReport {
            name: self.name.clone(),
            connections: self.connections,
            depth: self.depth,
            rate_per_s: self.rate_per_s,
            phases: phases.map(|(phase, end)| phase.report(end)).collect(),
            latency_us: book.latency_by_name(),
            versions: versions.filter(|(_, span)| span.answers > 0).collect(),
            reconnects: book.reconnects,
            refused_connects: book.refused_connects,
            retries: book.retries,
        }
    }
}

impl Phase {
    fn report(&self, ended_ns: u64) -> PhaseReport {
        let seconds = ended_ns.saturating_sub(self.started_ns) as f64 / 1e9;
        PhaseReport {
            name: self.name.clone(),
            seconds,
            answers: self.latency.count(),
            answers_per_s: self.latency.count() as f64 / seconds.max(1e-9),
            latency_us: (&self.latency).into(),
            failures: self.failures.clone(),
        }
    }
}

impl Book {
    fn new(plan: &GroupPlan, first_number: u64) -> Result<Self, String> {
        let mut version_numbers = Vec::new();
        let mut slot_of = |version: u32| {
            let known = version_numbers.iter().position(|known| *known == version);
            known.unwrap_or_else(|| {
                version_numbers.push(version);
                version_numbers.len() - 1
            })
        };
        let checkers = plan
            .bodies
            .iter()
            .map(|body| Checker::new(plan.door, plan.tolerance, body, &mut slot_of))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            checkers,
            versions: vec![VersionSpan::default(); version_numbers.len()],
            version_numbers,
            phases: Vec::new(),
            again: VecDeque::new(),
            next_body: 0,
            next_number: first_number,
            retries: 0,
            reconnects: 0,
            refused_connects: 0,
        })
    }

    pub(crate) fn begin_phase(&mut self, name: &str, now_ns: u64) {
        self.phases.push(Phase {
            name: name.to_owned(),
            started_ns: now_ns,
            latency: Histogram::default(),
            failures: BTreeMap::new(),
        });
    }

    fn latency_by_name(&self) -> BTreeMap<String, Latency> {
        let mut histograms: BTreeMap<&str, Histogram> = BTreeMap::new();
        for phase in &self.phases {
            histograms
                .entry(&phase.name)
                .or_default()
                .add(&phase.latency);
        }
        let histograms = histograms.iter();
        histograms
            .map(|(name, histogram)| ((*name).to_owned(), histogram.into()))
            .collect()
    }

    /// The next request: one that has to be sent again, else the next body in turn.
    pub(crate) fn next_request(&mut self, intended_ns: u64, now_ns: u64) -> Pending {
        let (body, intended_ns) = self.again.pop_front().unwrap_or_else(|| {
            let body = self.next_body;
            self.next_body = (body + 1) % self.checkers.len();
            (body, intended_ns)
        });
        self.next_number += 1;
        Pending {
            body,
            intended_ns,
            sent_ns: now_ns,
            number: self.next_number,
        }
    }

    pub(crate) fn has_again(&self) -> bool {
        !self.again.is_empty()
    }

    /// Writes down how a request ended.
    pub(crate) fn ended(
        &mut self,
        pending: Pending,
        outcome: Outcome<'_>,
        now_ns: u64,
        log: &mut Option<AnswerLog>,
    ) {
        match outcome {
            Outcome::Answer(body) => match self.checkers[pending.body].check(body) {
                Ok(slot) => self.right(pending, slot, now_ns, log),
                Err(wrong) => self.failed(pending, wrong.kind, wrong.evidence, now_ns),
            },
            Outcome::Failed(kind, text) => self.failed(pending, kind, text, now_ns),
            Outcome::NotProcessed => {
                self.retries += 1;
                self.again.push_back((pending.body, pending.intended_ns));
            }
        }
    }

    fn right(&mut self, pending: Pending, slot: usize, now_ns: u64, log: &mut Option<AnswerLog>) {
        let phase = self
            .phases
            .last_mut()
            .expect("bug: a phase begins before the first request");
        phase
            .latency
            .record(now_ns.saturating_sub(pending.intended_ns));
        let span = &mut self.versions[slot];
        span.answers += 1;
        span.first_received_ns = span.first_received_ns.min(now_ns);
        span.last_sent_ns = span.last_sent_ns.max(pending.sent_ns);
        if let Some(log) = log {
            log.write(pending.sent_ns, now_ns, self.version_numbers[slot]);
        }
    }

    fn failed(&mut self, pending: Pending, kind: &'static str, text: String, now_ns: u64) {
        let phase = self
            .phases
            .last_mut()
            .expect("bug: a phase begins before the first request");
        let failures = phase.failures.entry(kind).or_default();
        failures.count += 1;
        if failures.examples.len() < EXAMPLES {
            failures.examples.push(Example {
                sent_ns: pending.sent_ns,
                ended_ns: now_ns,
                body: pending.body,
                text,
            });
        }
    }
}

/// A record of every right answer, in a file.
#[derive(Debug)]
pub(crate) struct AnswerLog {
    file: BufWriter<File>,
    /// The group whose answers are being written.
    pub(crate) group: u32,
    broken: Option<std::io::Error>,
}

impl AnswerLog {
    pub(crate) fn create(path: &std::path::Path) -> Result<Self, String> {
        let file = File::create(path)
            .map_err(|error| format!("cannot write `{}`: {error}", path.display()))?;
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, file),
            group: 0,
            broken: None,
        })
    }

    fn write(&mut self, sent_ns: u64, received_ns: u64, version: u32) {
        let mut record = [0; 24];
        record[..8].copy_from_slice(&sent_ns.to_le_bytes());
        record[8..16].copy_from_slice(&received_ns.to_le_bytes());
        record[16..20].copy_from_slice(&version.to_le_bytes());
        record[20..].copy_from_slice(&self.group.to_le_bytes());
        if let Err(error) = self.file.write_all(&record) {
            self.broken.get_or_insert(error);
        }
    }

    pub(crate) fn finish(mut self) -> Result<(), String> {
        let flushed = self.file.flush();
        self.broken
            .map_or(flushed, Err)
            .map_err(|error| format!("the record of answers could not be written: {error}"))
    }
}
